"""Batch evaluation through real clients: the stand-in as boto3 sees it, and our batches over it."""

from collections import Counter
from itertools import count

import httpx2
import pytest
from botocore.config import Config

from driftgate import batch
from driftgate.adapters.batch_evaluations import AgentCoreBatches, LogsTelemetry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import BadInput, BatchRunning, TelemetryMissing, Throttled
from driftgate.schemas.batches import (
    BatchRow,
    DatasetRunSource,
    FindTelemetryRequest,
    LogsSource,
    OnlineSource,
    PollBatchRequest,
    ReadBatchRequest,
    RecordBatchRequest,
    StartBatchRequest,
)
from local.instances import Instances
from tests.builders import case, expect
from tests.standins.telemetry import GROUP, SERVICE, put, spans

IN_ORDER, GOAL, HELPFUL = (
    "Builtin.TrajectoryInOrderMatch",
    "Builtin.GoalSuccessRate",
    "Builtin.Helpfulness",
)
ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012"
CONFIG = f"{ARN}:online-evaluation-config/watch-Ab12345678"
ENDPOINT = f"{ARN}:runtime/clerk-Ab12345678/runtime-endpoint/DEFAULT"
CASES = [
    case(expect("find"), expect("pay", "write"), case_id="pays"),
    case(expect("find"), case_id="finds", expected_outputs=["12.50"]),
]
_numbers = count(1)


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    home = Instances(tmp_path_factory.mktemp("batches"))
    yield home.start("batches")[0]
    home.stop("batches")


@pytest.fixture(scope="module")
def logs(instance):
    return instance.client("logs")


@pytest.fixture
def client(instance):
    """A client, and a stand-in that has no jobs any more and was told nothing."""
    client = instance.client("bedrock-agentcore", config=Config(retries={"total_max_attempts": 1}))
    tell(instance)
    for job in client.list_batch_evaluations()["batchEvaluations"]:
        id = job["batchEvaluationId"]
        if job["status"] in ("PENDING", "IN_PROGRESS"):
            client.stop_batch_evaluation(batchEvaluationId=id)
        while client.get_batch_evaluation(batchEvaluationId=id)["status"] == "STOPPING":
            pass
        client.delete_batch_evaluation(batchEvaluationId=id)
    return client


@pytest.fixture
def group(logs):
    """A log group of the test's own."""
    name = f"{GROUP}-{next(_numbers)}"
    logs.create_log_group(logGroupName=name)
    return name


class Home:
    """Where a test's batches are kept, and the verbs on them."""

    def __init__(self, root, client, logs):
        self.runs, self.registry = LocalArtifacts(root / "runs"), LocalRegistry(root / "registry")
        self.service, self.telemetry = AgentCoreBatches(client, logs), LogsTelemetry(logs)

    def plan(self, source, sessions, evaluators=(IN_ORDER,), name="nightly", **rest):
        plan = batch.make_plan(name, evaluators, source, sessions, rest.pop("cases", CASES), **rest)
        batch.store_plan(plan, self.runs)
        return plan.batch_id

    def find(self, id):
        return batch.find_telemetry(FindTelemetryRequest(batch_id=id), self.runs, self.telemetry)

    def start(self, id):
        return batch.start_batch(StartBatchRequest(batch_id=id), self.runs, self.service)

    def poll(self, id):
        return batch.poll_batch(PollBatchRequest(batch_id=id), self.runs, self.service)

    def wait(self, id):
        for _ in range(50):
            try:
                return self.poll(id).outcome
            except BatchRunning:
                pass
        raise AssertionError("it never ended")

    def read(self, id):
        request = ReadBatchRequest(batch_id=id, environment="laptop")
        result = batch.read_batch(request, self.runs, self.service, SystemClock())
        return batch.load_report(result.report_key, self.runs), result

    def job_ids(self, id):
        return list(batch.jobs_of(batch.load_plan(id, self.runs), self.runs).values())


@pytest.fixture
def home(tmp_path, client, logs):
    return Home(tmp_path, client, logs)


def tell(instance, **said):
    """What judges will say, and which sessions are ignored."""
    httpx2.put(f"{instance.standins_url}/standin/evaluations", json=said).raise_for_status()


def source(group, **rest):
    return LogsSource(service=SERVICE, log_groups=(group,), **rest)


def request(group, *session_ids, **rest):
    """The least that StartBatchEvaluation takes."""
    chosen = {"filterConfig": {"sessionIds": list(session_ids)}} if session_ids else {}
    logs = {"serviceNames": [SERVICE], "logGroupNames": [group], **chosen}
    return {
        "batchEvaluationName": "nightly",
        "evaluators": [{"evaluatorId": IN_ORDER}],
        "dataSourceConfig": {"cloudWatchLogs": logs},
        **rest,
    }


def values(report, evaluator=IN_ORDER):
    return {s.session_id: s.scores[evaluator].value for s in report.sessions}


def reason(report, session_id, evaluator=IN_ORDER):
    (found,) = [s for s in report.sessions if s.session_id == session_id]
    assert found.scores[evaluator].value is None
    return found.scores[evaluator].reason


class TestTheService:
    """What boto3 sends and gets, by its own model of the service."""

    def test_a_job_goes_its_way(self, client, logs, group):
        put(logs, spans("s1", "find"), group)
        started = client.start_batch_evaluation(**request(group))
        id = started["batchEvaluationId"]
        assert (started["status"], started["evaluators"]) == (
            "PENDING",
            [{"evaluatorId": IN_ORDER}],
        )
        seen = [client.get_batch_evaluation(batchEvaluationId=id)["status"] for _ in range(2)]
        assert seen == ["IN_PROGRESS", "COMPLETED_WITH_ERRORS"]  # nobody said what was expected
        (listed,) = client.list_batch_evaluations()["batchEvaluations"]
        assert listed["batchEvaluationId"] == id
        assert listed["createdAt"] == started["createdAt"]
        deleted = client.delete_batch_evaluation(batchEvaluationId=id)
        assert deleted["status"] == "DELETING"
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_batch_evaluation(batchEvaluationId=id)

    def test_the_same_token_is_the_same_job(self, client, group):
        first = client.start_batch_evaluation(**request(group), clientToken="t" * 33)
        again = client.start_batch_evaluation(**request(group), clientToken="t" * 33)
        assert again["batchEvaluationId"] == first["batchEvaluationId"]
        with pytest.raises(client.exceptions.ConflictException):
            client.start_batch_evaluation(**request(group, "s1"), clientToken="t" * 33)

    def test_there_are_five_active_jobs_at_most(self, client, group):
        for _ in range(5):
            client.start_batch_evaluation(**request(group))
        with pytest.raises(client.exceptions.ServiceQuotaExceededException):
            client.start_batch_evaluation(**request(group))

    def test_a_job_that_has_ended_can_not_be_stopped_and_one_that_runs_not_deleted(
        self, client, group
    ):
        id = client.start_batch_evaluation(**request(group))["batchEvaluationId"]
        with pytest.raises(client.exceptions.ConflictException):
            client.delete_batch_evaluation(batchEvaluationId=id)
        ended = client.get_batch_evaluation(batchEvaluationId=id)
        assert (ended["status"], ended["errorDetails"]) == ("FAILED", ["No sessions were found."])
        with pytest.raises(client.exceptions.ConflictException):
            client.stop_batch_evaluation(batchEvaluationId=id)

    def test_the_list_comes_in_pages(self, client, group, home):
        ids = [
            client.start_batch_evaluation(**request(group))["batchEvaluationId"] for _ in range(5)
        ]
        page = client.list_batch_evaluations(maxResults=2)
        assert len(page["batchEvaluations"]) == 2
        assert [job.job_id for job in home.service.list(limit=100)] == ids[::-1]
        assert len(home.service.list(limit=3)) == 3

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"batchEvaluationName": "1st"}, "Value at 'batchEvaluationName'"),
            (
                {"evaluators": [{"evaluatorId": "Helpfulness"}]},
                "Value at 'evaluators.0.evaluatorId'",
            ),
            ({"colour": "red"}, "extraneous key [colour]"),
            ({"dataSourceConfig": {}}, "wanted one member of the union DataSourceConfig"),
            (
                {"outputConfig": {"cloudWatchConfig": {"resultDestination": "MY_GROUP"}}},
                "Value at 'outputConfig.cloudWatchConfig.resultDestination'",
            ),
            (
                {"dataSourceConfig": {"onlineEvaluationConfigSource": {
                    "onlineEvaluationConfigArn": CONFIG, "sessionFilterConfig": {}
                }}},
                "[dataSourceConfig.onlineEvaluationConfigSource.sessionFilterConfig]",
            ),
            (
                {"evaluationMetadata": {"sessionMetadata": [{"sessionId": "s"}] * 501}},
                "Value at 'evaluationMetadata.sessionMetadata'",
            ),
        ],
    )  # fmt: skip
    def test_what_the_model_forbids_is_refused_where_it_stands(self, instance, group, wrong, said):
        """Sent as it is, since botocore itself would not send most of it."""
        answer = httpx2.post(
            f"{instance.standins_url}/evaluations/batch-evaluate", json={**request(group), **wrong}
        )
        assert answer.status_code == 400
        assert answer.headers["x-amzn-errortype"] == "ValidationException"
        assert said in answer.json()["message"]


class TestABatch:
    def test_scores_are_read_back_and_joined_to_cases(self, home, logs, group):
        put(
            logs,
            spans("s1", "find", "pay") + spans("s2", "pay", "find") + spans("s3", "find"),
            group,
        )
        sessions = {"s1": "pays", "s2": "pays", "s3": "finds"}
        id = home.plan(source(group), sessions)
        assert home.find(id).found == 3
        assert home.start(id).jobs == 1
        assert home.wait(id) == "COMPLETED"
        report, result = home.read(id)
        assert values(report) == {"s1": 1, "s2": 0, "s3": 1}
        assert {s.session_id: s.case_id for s in report.sessions} == sessions
        (mean,) = report.evaluators
        assert (mean.mean, mean.scored, mean.unscored) == (pytest.approx(2 / 3), 3, 0)
        assert report.left_out == {"expected_calls.effect": 2}
        recorded = batch.record_batch(
            RecordBatchRequest(report_key=result.report_key), home.runs, home.registry
        )
        row = BatchRow.model_validate(home.registry.row(f"batch/{id}"))
        assert (row.outcome, row.scored) == (recorded.outcome, 3) == ("COMPLETED", 3)

    def test_a_gateways_target_stands_before_the_names_of_its_tools(self, home, logs, group):
        put(logs, spans("s1", "bank___find"), group)
        id = home.plan(source(group), {"s1": "finds"}, tool_prefix="bank")
        home.start(id)
        home.wait(id)
        assert values(home.read(id)[0]) == {"s1": 1}

    def test_of_several_results_of_a_session_the_mean_counts(self, home, instance, logs, group):
        put(logs, spans("s1", "find") + spans("s2", "find"), group)
        two = [{"value": 1.0, "label": "Yes"}, {"value": 0.5}]
        failed = {"error": "ThrottlingException", "message": "Rate exceeded"}
        tell(instance, **{HELPFUL: {"s1": two, "s2": [*two, failed]}})
        id = home.plan(source(group), dict.fromkeys(("s1", "s2")), [HELPFUL])
        home.start(id)
        assert home.wait(id) == "COMPLETED_WITH_ERRORS"
        report, _ = home.read(id)
        assert values(report, HELPFUL) == {"s1": 0.75, "s2": 0.75}
        assert report.sessions[1].scores[HELPFUL].reason == (
            "mean of 2 of 3 results; 1 left out, the first as ThrottlingException: Rate exceeded"
        )

    def test_what_has_no_value_has_a_reason_and_counts_in_no_mean(
        self, home, instance, logs, group
    ):
        ids = ("fails", "label", "outside", "fine")
        put(logs, [record for id in ids for record in spans(id, "find")], group)
        said = {
            "fails": {"error": "LogEventMissingException", "message": "Session is incomplete."},
            "label": {"label": "Good"},
            "outside": {"value": 4.0},
            "fine": {"value": 1.0, "explanation": "It did."},
        }
        tell(instance, **{GOAL: said})
        id = home.plan(source(group), dict.fromkeys(ids), [GOAL])
        home.start(id)
        assert home.wait(id) == "COMPLETED_WITH_ERRORS"
        report, _ = home.read(id)
        assert reason(report, "fails", GOAL) == "LogEventMissingException: Session is incomplete."
        assert reason(report, "label", GOAL) == "label 'Good' without a value"
        assert reason(report, "outside", GOAL) == "the value 4 is not in [0, 1]"
        (mean,) = report.evaluators
        assert (mean.mean, mean.scored, mean.unscored) == (1, 1, 3)
        assert "1 of 4 sessions failed" in report.notes[0]

    def test_a_stopped_batch_keeps_what_was_scored_and_the_rest_is_missing(
        self, home, client, logs, group
    ):
        ids = ("s1", "s2", "s3", "s4")
        put(logs, [record for id in ids for record in spans(id, "find")], group)
        id = home.plan(source(group), dict.fromkeys(ids, "finds"))
        home.start(id)
        for _ in range(2):  # found, half evaluated
            with pytest.raises(BatchRunning, match="is IN_PROGRESS"):
                home.poll(id)
        home.service.stop(home.job_ids(id)[0])
        assert home.wait(id) == "STOPPED"
        report, result = home.read(id)
        assert sorted(values(report).values(), key=str) == [1, 1, None, None]
        missing = next(s.session_id for s in report.sessions if s.scores[IN_ORDER].value is None)
        assert reason(report, missing) == "no result: the job was stopped before"
        assert (result.outcome, result.scored, result.unscored) == ("STOPPED", 2, 2)

    def test_an_ignored_session_is_missing(self, home, instance, logs, group):
        put(logs, spans("s1", "find") + spans("s2", "find"), group)
        tell(instance, ignored=["s2"])
        id = home.plan(source(group), dict.fromkeys(("s1", "s2"), "finds"))
        home.start(id)
        assert home.wait(id) == "COMPLETED"
        report, _ = home.read(id)
        assert values(report) == {"s1": 1, "s2": None}
        assert reason(report, "s2") == "no result: the service ignored 1 of 2 sessions"
        assert any("the service ignored 1 session" in note for note in report.notes)

    def test_a_session_without_telemetry_is_missing(self, home, logs, group):
        put(logs, spans("s1", "find"), group)
        id = home.plan(source(group), dict.fromkeys(("s1", "s2"), "finds"))
        home.start(id)
        home.wait(id)
        report, _ = home.read(id)
        assert values(report) == {"s1": 1, "s2": None}
        assert "no result of this session in" in reason(report, "s2")

    def test_a_job_that_finds_nothing_fails_and_says_why(self, home, group):
        id = home.plan(source(group), {"s1": "finds"})
        home.start(id)
        assert home.wait(id) == "FAILED"
        report, _ = home.read(id)
        assert reason(report, "s1") == "no result: the job failed: No sessions were found."

    def test_more_sessions_than_a_job_takes_are_split_and_joined(self, home, logs, group):
        ids = [f"s{number:04}" for number in range(1, 502)]
        put(logs, [record for id in ids for record in spans(id, "find")], group)
        id = home.plan(source(group), dict.fromkeys(ids, "finds"))
        started = home.start(id)
        assert (started.jobs, started.of_jobs) == (2, 2)
        assert home.wait(id) == "COMPLETED"
        report, result = home.read(id)
        assert Counter(s.job_id for s in report.sessions) == {
            report.jobs[0].job_id: 500,
            report.jobs[1].job_id: 1,
        }
        assert (result.scored, result.unscored) == (501, 0)

    def test_the_service_takes_the_latest_500_and_ignores_the_rest(self, home, logs, group):
        ids = [f"s{number:04}" for number in range(1, 503)]
        put(logs, [record for id in ids for record in spans(id, "find")], group)
        id = home.plan(source(group), {}, [IN_ORDER])
        home.start(id)
        home.wait(id)
        report, _ = home.read(id)
        assert (len(report.sessions), report.jobs[0].sessions.ignored) == (500, 2)
        assert "s0001" not in values(report)

    def test_the_same_batch_is_started_once(self, home, client, logs, group, tmp_path):
        put(logs, spans("s1", "find"), group)
        id = home.plan(source(group), {"s1": "finds"})
        home.start(id)
        home.start(id)
        elsewhere = Home(tmp_path / "elsewhere", client, logs)  # where nobody knows of it
        assert elsewhere.plan(source(group), {"s1": "finds"}) == id
        elsewhere.start(id)
        assert elsewhere.job_ids(id) == home.job_ids(id)
        assert len(client.list_batch_evaluations()["batchEvaluations"]) == 1
        assert home.plan(source(group), {"s1": "finds"}, name="other") != id

    def test_a_part_waits_until_the_account_may_have_another_job(self, home, client, logs, group):
        for _ in range(4):
            client.start_batch_evaluation(**request(group))
        ids = [f"s{number:04}" for number in range(1, 502)]
        put(logs, [record for id in ids for record in spans(id, "find")], group)
        id = home.plan(source(group), dict.fromkeys(ids, "finds"))
        assert home.start(id).jobs == 1
        other = home.plan(source(group), {"s0001": "finds"}, name="other")
        with pytest.raises(Throttled, match="5 jobs are active"):
            home.start(other)
        assert home.wait(id) == "COMPLETED"
        assert len(home.job_ids(id)) == 2

    def test_an_online_evaluation_configuration_is_a_source(self, home, instance, logs, group):
        put(logs, spans("s1", "find"), group)
        tell(instance, online_log_groups=[group], **{GOAL: {"*": {"value": 1.0}}})
        id = home.plan(OnlineSource(config_arn=CONFIG), {}, [GOAL])
        home.start(id)
        assert home.wait(id) == "COMPLETED"
        assert values(home.read(id)[0], GOAL) == {"s1": 1}

    def test_a_dataset_that_the_service_runs_is_a_source(self, home, client, instance, logs, group):
        put(logs, spans("made-by-the-service", "find"), group)
        tell(instance, **{GOAL: {"*": {"value": 0.5}}})
        runs = DatasetRunSource(
            dataset_id="bank-Ab12345678",
            dataset_version="3",
            endpoint_arn=ENDPOINT,
            request_template='{"prompt": "{{turn.input}}"}',
            service=SERVICE,
            log_groups=(group,),
        )
        id = home.plan(runs, {}, [GOAL])
        home.start(id)
        details = client.get_batch_evaluation(batchEvaluationId=home.job_ids(id)[0])[
            "datasetExecutionDetails"
        ]
        assert details["dataset"] == {"datasetId": "bank-Ab12345678", "datasetVersion": "3"}
        home.wait(id)
        assert values(home.read(id)[0], GOAL) == {"made-by-the-service": 0.5}

    def test_a_results_group_of_ones_own(self, home, logs, group):
        put(logs, spans("s1", "find"), group)
        own = f"/aws/bedrock-agentcore/evaluations/own-{next(_numbers)}"
        id = home.plan(source(group), {"s1": "finds"}, results_group=own)
        home.start(id)
        home.wait(id)
        report, _ = home.read(id)
        assert (report.jobs[0].log_group, values(report)) == (own, {"s1": 1})

    def test_a_job_that_is_gone_is_said_to_be(self, home):
        with pytest.raises(BadInput, match="There is no batch evaluation nightly-0000009999"):
            home.service.get("nightly-0000009999")

    def test_what_botocore_refuses_is_bad_input(self, home):
        with pytest.raises(BadInput, match="batchEvaluationId"):
            home.service.get("no id")


class TestTelemetry:
    def test_sessions_that_are_not_there_yet_are_named_with_their_log_group(
        self, home, logs, group
    ):
        put(logs, spans("s1", "find"), group)
        split = LogsSource(service=SERVICE, log_groups=(group, "aws/spans"))
        id = home.plan(split, dict.fromkeys(("s1", "s2"), "finds"))
        with pytest.raises(TelemetryMissing) as raised:
            home.find(id)
        assert str(raised.value) == (
            f"{group} lacks 1 of 2 sessions: s2; aws/spans lacks 2 of 2 sessions: s1, s2"
        )

    def test_an_id_that_begins_another_is_not_taken_for_it(self, home, logs, group):
        put(logs, spans("s10", "find"), group)
        id = home.plan(source(group), dict.fromkeys(("s1", "s10"), "finds"))
        with pytest.raises(TelemetryMissing, match=r"lacks 1 of 2 sessions: s1$"):
            home.find(id)

    def test_hundreds_of_sessions_are_looked_for_with_few_requests(self, logs, group):
        ids = [f"session-{number:032}" for number in range(200)]
        put(logs, [record for id in ids for record in spans(id)], group)
        asked = []
        logs.meta.events.register("before-call.logs.FilterLogEvents", lambda **_: asked.append(1))
        assert LogsTelemetry(logs).seen(group, ids, source(group).time_range) == set(ids)
        assert len(asked) < 10
