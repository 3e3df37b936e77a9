"""The adapter where the local AWS has no pages to turn, on answers that botocore's models allow."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from driftgate import batch
from driftgate.adapters.batch_evaluations import AgentCoreBatches, LogsTelemetry
from driftgate.errors import BadInput, BatchRunning, InfrastructureFailed, Throttled
from driftgate.schemas.batches import Job, LogsSource, TimeRange
from tests.builders import case

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
ID = "nightly-Ab12345678"
SOURCE = LogsSource(service="a.DEFAULT", log_groups=("aws/spans",))
START = datetime(2026, 11, 20, tzinfo=UTC)
JOB = Job(
    job_id=ID,
    name="nightly",
    status="COMPLETED",
    created_at=START,
    evaluators=("Builtin.Helpfulness", "tone-Ab12345678"),
    log_group="results",
    log_stream="s",
)


def client(service):
    made = boto3.client(service, **KEYS)
    return made, Stubber(made)


def line(evaluator="Builtin.Helpfulness", name="gen_ai.evaluation.result", **attributes):
    about = {"session.id": "s1", "gen_ai.evaluation.name": evaluator, **attributes}
    message = json.dumps({"name": name, "attributes": about})
    return {"message": message, "timestamp": 1}


def read(events, job=JOB):
    """The results in these lines, each on a page of its own."""
    logs, answers = client("logs")
    for number, event in enumerate(events):
        page = {"events": [{**event, "ingestionTime": 2}], "nextForwardToken": f"f/{number}"}
        answers.add_response("get_log_events", page)
    last = f"f/{len(events) - 1}"
    answers.add_response("get_log_events", {"events": [], "nextForwardToken": last})
    with answers:
        found = AgentCoreBatches(None, logs).results(job)
        answers.assert_no_pending_responses()
    return found


class TestResults:
    def test_a_stream_is_read_to_its_last_page(self):
        score = {"gen_ai.evaluation.score.value": 0.5}
        assert [r.value for r in read([line(**score), line(**score)])] == [0.5, 0.5]

    @pytest.mark.parametrize(
        ("written", "value"),
        [("0.25", 0.25), (1, 1.0), ("high", None), (True, None), ("nan", None)],
    )
    def test_a_value_may_be_written_as_a_text_and_what_is_none_is_no_value(self, written, value):
        (result,) = read([line(**{"gen_ai.evaluation.score.value": written, "error.type": "E"})])
        assert (result.value, result.error) == (value, "E")

    def test_an_evaluator_of_ones_own_signs_without_its_suffix(self):
        assert [r.evaluator for r in read([line("tone"), line("other")])] == [
            "tone-Ab12345678",
            "other",
        ]

    def test_lines_that_are_no_results_and_those_of_other_jobs_are_passed_over(self):
        other = {"aws.bedrock_agentcore.evaluation_job.arn": "arn:batch-evaluate/other-Ab12345678"}
        own = {"aws.bedrock_agentcore.evaluation_job.arn": f"arn:batch-evaluate/{ID}"}
        no_json = {"message": "START", "timestamp": 1}
        lines = [
            no_json,
            {"message": "7", "timestamp": 1},
            line(name="x"),
            line(**other),
            line(**own),
        ]
        assert len(read(lines)) == 1

    def test_a_group_without_a_known_stream_is_searched_for_the_job(self):
        logs, answers = client("logs")
        asked = {"logGroupName": "results", "filterPattern": f'"gen_ai.evaluation.result" "{ID}"'}
        event = {"message": line()["message"]}
        answers.add_response("filter_log_events", {"events": [event], "nextToken": "n"}, asked)
        answers.add_response("filter_log_events", {"events": []}, {**asked, "nextToken": "n"})
        with answers:
            found = AgentCoreBatches(None, logs).results(
                JOB.model_copy(update={"log_stream": None})
            )
            answers.assert_no_pending_responses()
        assert len(found) == 1

    def test_nothing_written_is_no_result(self):
        logs, answers = client("logs")
        answers.add_client_error("get_log_events", "ResourceNotFoundException")
        with answers:
            assert AgentCoreBatches(None, logs).results(JOB) == []


class TestTelemetry:
    def test_pages_are_turned_until_all_sessions_are_met(self):
        logs, answers = client("logs")
        asked = {
            "logGroupName": "aws/spans",
            "filterPattern": '?"s1" ?"s2"',
            "startTime": int(START.timestamp() * 1000),
        }
        pages = [("s1", None), ("s1", "n1"), ("s2", "n2")]
        for number, (session_id, token) in enumerate(pages, start=1):
            message = json.dumps({"attributes": {"session.id": session_id}})
            answers.add_response(
                "filter_log_events",
                {"events": [{"message": message}], "nextToken": f"n{number}"},
                {**asked, **({"nextToken": token} if token else {})},
            )
        with answers:
            when = TimeRange(start=START)
            assert LogsTelemetry(logs).seen("aws/spans", ["s1", "s2"], when) == {"s1", "s2"}
            answers.assert_no_pending_responses()

    def test_a_pattern_is_no_longer_than_logs_takes(self):
        logs, answers = client("logs")
        patterns = []
        logs.meta.events.register(
            "provide-client-params.logs.FilterLogEvents",
            lambda params, **_: patterns.append(params["filterPattern"]),
        )
        ids = [f"{number:0100}" for number in range(25)]
        for _ in range(3):
            answers.add_response("filter_log_events", {"events": []})
        with answers:
            assert LogsTelemetry(logs).seen("aws/spans", ids, TimeRange()) == set()
        assert max(map(len, patterns)) <= 1024
        assert sum(pattern.count("?") for pattern in patterns) == 25


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Throttled),
        ("ServiceQuotaExceededException", Throttled),
        ("ValidationException", BadInput),
        ("ResourceNotFoundException", BadInput),
        ("AccessDeniedException", InfrastructureFailed),
    ],
)
def test_the_services_errors_have_our_names(code, kind):
    agentcore, answers = client("bedrock-agentcore")
    answers.add_client_error("get_batch_evaluation", code)
    with answers, pytest.raises(kind) as raised:
        AgentCoreBatches(agentcore, None).get(ID)
    assert type(raised.value) is kind


class Clock:
    """A clock that goes as far as is slept."""

    def __init__(self):
        self.at = 100.0
        self.slept = []

    def now(self):
        return "2026-11-20T00:00:00+00:00"

    def monotonic(self):
        return self.at

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


class TestWaiting:
    def wait(self, answers, clock, told):
        left = iter(answers)

        def look():
            answer = next(left)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return batch.wait(
            look, BatchRunning, clock, clock.sleep, every_s=10, limit_s=25, told=told.append
        )

    def test_it_looks_until_it_is_there_and_says_each_time_why_not(self):
        clock, told = Clock(), []
        answers = [BatchRunning("0 of 1"), Throttled("later"), "done"]
        assert self.wait(answers, clock, told) == "done"
        assert (told, clock.slept) == (["0 of 1", "later"], [10, 10])

    def test_it_gives_up_in_time_with_the_last_reason(self):
        clock = Clock()
        with pytest.raises(BatchRunning, match="third; waited 25 s"):
            self.wait([BatchRunning(n) for n in ("0", "1", "2", "third")], clock, [])
        assert sum(clock.slept) == 25

    def test_other_errors_are_not_waited_for(self):
        with pytest.raises(BadInput):
            self.wait([BadInput("no such job")], Clock(), [])


class TestPlanning:
    def test_the_same_again_has_the_same_id_and_else_another(self):
        def id(name="nightly", sessions=("s1", "s2")):
            given = dict.fromkeys(sessions, "refund")
            return batch.make_plan(name, ["Builtin.Refusal"], SOURCE, given, [case()]).batch_id

        assert id() == id(sessions=("s2", "s1"))
        assert len({id(), id(name="other"), id(sessions=("s1",))}) == 3

    def test_a_session_of_an_unknown_case_is_refused(self):
        with pytest.raises(BadInput, match="the dataset has no case payment"):
            batch.make_plan("n", ["Builtin.Refusal"], SOURCE, {"s1": "payment"}, [case()])

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"evaluators": []}, "evaluators: .* at least 1 item"),
            ({"evaluators": ["Builtin.Refusal"] * 11}, "evaluators: .* at most 10 items"),
            ({"name": "1st"}, "name: String should match"),
            ({"sessions": {"ein/schrägstrich": None}}, "session_id: String should match"),
        ],
    )
    def test_what_the_service_can_not_take_is_refused_before(self, change, said):
        given = {"name": "n", "evaluators": ["Builtin.Refusal"], "sessions": {}, **change}
        with pytest.raises(BadInput, match=said):
            batch.make_plan(source=SOURCE, cases=[], **given)
