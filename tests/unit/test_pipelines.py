"""A gate action's job, from its event to its answer: whatever happens, no false success.

Step Functions and CodePipeline are asked by real clients of boto3 over HTTP; the registry and the
records lie on a directory.
"""

import json
from datetime import timedelta

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from driftgate import evidence, gate, overrides, pipelines, registry
from driftgate.adapters import codepipeline as adapter
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.codepipeline import CodePipelineJobs
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.adapters.stepfunctions import StepFunctionsExecutions
from driftgate.errors import BadInput
from driftgate.planning import make_plan
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import MissingTrial, PlanRunRequest, RunRow
from tests import codepipeline
from tests.builders import bank, card, case, manifest

CLOCK = SystemClock()
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:OfflineEval:gate-1"
GOOD = {"task_success": 1.0, "tool_call_accuracy": 1.0, "expected_behaviour": 1.0}
BAD = {"task_success": 0.0, "tool_call_accuracy": 0.0}
CASES = [case(case_id=f"c{number}") for number in range(20)]
ATTACK = {"kind": "boundary", "criterion": "instructions_held"}
HERE = {"kind": "http", "command": ["serve"], "code": {"include": ["*.py"]}}
POINT = Policy(rule="point", min_cases_per_new_tool=0)


class Killed(BaseException):
    """The function is gone: nothing in it catches this."""


class Mortal:
    """A port that kills its user before or after the n-th call of all ports that count together."""

    def __init__(self, port, deadline):
        self._port, self._deadline = port, deadline

    def __getattr__(self, name):
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args, **rest):
            self._deadline.pass_by("before", name)
            answer = found(*args, **rest)
            self._deadline.pass_by("after", name)
            return answer

        return call


class Deadline:
    def __init__(self, step=None):
        self.left, self.passed = step, []

    def pass_by(self, when, name):
        self.passed.append(f"{when} {name}")
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed(f"{when} {name}")


class House:
    """An environment `staging` with a teller: 1.0.0 is its baseline, 1.1.0 the candidate."""

    def __init__(self, folder, services, baseline="1.0.0"):
        self.services = services
        self.registry = LocalRegistry(folder / "registry")
        self.records = LocalArtifacts(folder / "records")
        registry.publish_dataset(bank(*CASES), self.registry, CLOCK, author="me")
        registry.publish_dataset(bank(CASES[0], version="2.0.0"), self.registry, CLOCK, author="me")
        attacks = [case(case_id=c.case_id, adversarial=ATTACK) for c in CASES]
        attacks = bank(*attacks, version="3.0.0")
        registry.publish_dataset(attacks, self.registry, CLOCK, author="me")
        self.versions = {}
        for number in ("1.0.0", "1.1.0", "1.2.0"):
            content = manifest(version=number, target=HERE)
            sealed = registry.seal_agent(Manifest.model_validate(content), [], {}, "0" * 64)
            self.versions[number] = registry.publish_agent(sealed, None, self.registry)
        if baseline:
            self.promote(baseline)

    def promote(self, number):
        registry.promote("teller", number, "staging", self.registry, CLOCK)

    def decide(self, values=GOOD, *, missing=0, policy=POINT, moved=None, environment="staging",
               **request):  # fmt: skip
        """A finished run and its execution; its verdict."""
        wanted = {"agent": "teller", "version": "1.1.0", "environment": "staging", **request}
        plan, cases = make_plan(PlanRunRequest(looks=(1,), **wanted), self.registry)
        keys = list(plan.trial_keys(1))
        lost = [MissingTrial(**key.model_dump(), attempts=1, reason="gone")
                for key in keys[:missing]]  # fmt: skip
        cards = [card(key.case_id, key.arm, **(values if key.arm == "candidate" else GOOD))
                 for key in keys[missing:]]  # fmt: skip
        verdict = gate.decide(plan, policy, cases, cards, lost, moved=moved)
        self.keep(verdict, environment)
        return verdict

    def keep(self, verdict, environment="staging", **output):
        key = f"verdicts/teller/{verdict.run_id}/p/{verdict.scored:06}-{verdict.outcome}.json"
        evidence.put_same(key, evidence.to_bytes(verdict), self.records)
        candidate = verdict.arms["candidate"]
        row = RunRow(
            run_id=verdict.run_id, finished_at=CLOCK.now(), environment=environment,
            agent=candidate.agent, version=candidate.version, digest=candidate.digest,
            baseline=None, dataset=str(verdict.dataset), cases=verdict.cases,
            of_cases=verdict.dataset.count, outcome=verdict.outcome,
        )  # fmt: skip
        registry.record_run(row, self.registry)
        self.services.executions[EXECUTION] = {
            "status": "SUCCEEDED", "output": json.dumps({"verdict_key": key, **output})
        }  # fmt: skip

    def override(self, verdict, execution):
        """Two people override the verdict, and an execution uses that."""
        key = json.loads(self.services.executions[EXECUTION]["output"])["verdict_key"]
        words = {"reason": "Nobody can pay until this is out", "ticket": "INC-1"}
        asked = overrides.request(
            verdict, key, "staging", self.registry, CLOCK, requester="alice", **words
        )
        ports = self.registry, self.records, CLOCK
        overrides.approve(asked.override_id, "bob", timedelta(hours=1), *ports)
        assert overrides.use(verdict, key, "staging", execution, *ports)[0]

    def parameters(self, **changed):
        asked = {"execution": EXECUTION, "agent": "teller", "version": "1.1.0",
                 "digest": self.versions["1.1.0"].digest}  # fmt: skip
        return json.dumps({**asked, **changed})

    def answer(self, job_id, parameters=None, deadline=None):
        deadline = deadline or Deadline()
        job = adapter.job(codepipeline.event(job_id, parameters or self.parameters()))
        ports = (
            StepFunctionsExecutions(self.services.client("stepfunctions")),
            self.registry,
            self.records,
            CodePipelineJobs(self.services.client("codepipeline")),
        )
        return pipelines.answer_pipeline(job, "staging", *(Mortal(p, deadline) for p in ports))

    def told(self, parameters=None):
        """The state of a new job after one answer, and what was said."""
        job_id = self.services.new_job()
        self.answer(job_id, parameters)
        said = self.services.answers[-1]
        details = said.get("failureDetails") or said["executionDetails"]
        return self.services.jobs[job_id], details.get("message") or details["summary"]


@pytest.fixture(scope="module")
def server():
    with codepipeline.serve() as server:
        yield server


@pytest.fixture
def house(tmp_path, server):
    server.executions.clear()
    server.faults.clear()
    return House(tmp_path, server)


def test_a_pass_lets_the_pipeline_go_on_and_names_the_digest_to_deploy(house):
    verdict = house.decide()
    assert verdict.outcome == "PASS"
    state, said = house.told()
    assert (state, said.split(":")[0]) == ("Succeeded", "PASS")
    variables = house.services.answers[-1]["outputVariables"]
    assert variables["Digest"] == house.versions["1.1.0"].digest
    assert (variables["RunId"], variables["Version"], variables["Effective"]) == (
        verdict.run_id, "1.1.0", "PASS")  # fmt: skip
    assert house.records.get(variables["VerdictKey"]) == evidence.to_bytes(verdict)


def test_a_block_stops_the_pipeline_with_the_reason_of_the_verdict(house):
    verdict = house.decide(BAD)
    assert house.told() == ("Failed", f"BLOCK: {verdict.reason}; run {verdict.run_id}")


@pytest.mark.parametrize("mode", ["advisory", "observe"])
def test_a_mode_that_does_not_block_lets_a_block_pass_and_says_so(house, mode):
    house.decide(BAD, policy=POINT.model_copy(update={"mode": mode}))
    state, said = house.told()
    effective = {"advisory": "ADVISORY", "observe": "OBSERVED"}[mode]
    assert (state, said.partition(":")[0]) == ("Succeeded", f"BLOCK ({effective})")


@pytest.mark.parametrize("mode", ["advisory", "observe", "blocking"])
def test_broken_evidence_passes_in_no_mode(house, mode):
    house.decide(policy=POINT.model_copy(update={"mode": mode}), moved="it moved")
    state, said = house.told()
    assert (state, said.partition(":")[0]) == ("Failed", "INTEGRITY_FAIL")


def test_an_overridden_block_passes_for_the_execution_that_used_it_alone(house):
    verdict = house.decide(BAD)
    house.override(verdict, f"{EXECUTION}-other")
    assert house.told()[0] == "Failed"
    house.override(verdict, EXECUTION)
    state, said = house.told()
    assert (state, said.partition(":")[0]) == ("Succeeded", "BLOCK (OVERRIDDEN)")


def test_an_effect_that_waives_broken_evidence_is_not_believed(house):
    verdict = house.decide(moved="it moved")
    house.keep(verdict.model_copy(update={"effective": "OVERRIDDEN", "scored": 1}))
    state, said = house.told()
    assert (state, said.partition(":")[0]) == ("Failed", "INTEGRITY_FAIL")


def test_a_first_release_passes_where_there_is_no_baseline(tmp_path, server):
    house = House(tmp_path, server, baseline=None)
    assert house.decide().outcome == "BASELINE_CREATED"
    assert house.told()[0] == "Succeeded"


def wrong_run(house, verdict):
    """An execution whose output names the place of another run's verdict."""
    key = f"verdicts/teller/r-{'0' * 20}/p/1.json"
    house.records.put_once(key, evidence.to_bytes(verdict))
    house.services.executions[EXECUTION]["output"] = json.dumps({"verdict_key": key})


def ended(**found):
    return lambda house, _: house.services.executions.update({EXECUTION: found})


def remove_verdict(house, _):
    for key in house.records.keys("verdicts/"):
        (house.records._root / key).unlink()


def ended_again(house, verdict):
    row = registry.load_run(verdict.run_id, house.registry)
    registry.record_run(row.model_copy(update={"outcome": "BLOCK"}), house.registry)


def spoil(house, _):
    for key in house.records.keys("verdicts/"):
        (house.records._root / key).write_bytes(b"{}")


SITUATIONS = {
    # after a run that would pass: what happened then, and what the pipeline is told
    "the run failed": (ended(status="FAILED", error="BadInput", cause="no case"), "is FAILED"),
    "the run was aborted": (ended(status="ABORTED"), "is ABORTED"),
    "the run timed out": (ended(status="TIMED_OUT"), "is TIMED_OUT"),
    "the run still runs": (ended(status="RUNNING"), "is RUNNING"),
    "it ended without output": (ended(status="SUCCEEDED"), "without a verdict_key"),
    "its output is another's": (ended(status="SUCCEEDED", output="[1]"), "without a verdict_key"),
    "it tried the gate": (
        ended(status="SUCCEEDED", output=json.dumps({"verdict_key": "runs/r/verdicts/0.json"})),
        "tried the gate",
    ),
    "nobody knows the run": (lambda h, _: h.services.executions.clear(), "there is no execution"),
    "the verdict is gone": (remove_verdict, "is gone"),
    "the verdict is damaged": (spoil, "is damaged"),
    "it is the verdict of another run": (wrong_run, "is the verdict of run"),
    "the run has ended otherwise since": (ended_again, "ended in BLOCK since"),
    "the baseline has moved since": (lambda h, _: h.promote("1.2.0"), "the baseline is 1.2.0 now"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_no_proof_does_not_pass(house, situation):
    happens, told = SITUATIONS[situation]
    happens(house, house.decide())
    state, said = house.told()
    assert (state, told in said) == ("Failed", True), said


RUNS = {
    # a run that is green, but not the one that a release needs
    "of another environment": ({"environment": "dev"}, "environment staging, this one is of dev"),
    "compared with nothing": ({"absolute": True}, "it was compared with nothing"),
    "compared with a chosen version": ({"baseline": "1.2.0"}, "it was compared with 1.2.0"),
    "on some cases": ({"case_ids": ("c1", "c2")}, "got 2 of 20 cases"),
    "on a dataset that the manifest does not pin": (
        {"dataset": {"name": "bank", "version": "2.0.0"}}, "on bank@1.0.0, which the manifest"),
    "of another suite": ({"suite": "adversarial", "dataset": {"name": "bank", "version": "3.0.0"}},
        "wanted a run of the suite regression, this one is of adversarial"),
    "of another version": ({"version": "1.2.0"}, "on teller 1.1.0, this one is on teller 1.2.0"),
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_a_green_run_of_something_else_does_not_pass(house, run):
    request, told = RUNS[run]
    assert house.decide(**request).effective in pipelines.PASSING
    state, said = house.told()
    assert (state, told in said) == ("Failed", True), said


def test_too_many_missing_trials_do_not_pass(house):
    assert house.decide(missing=10).outcome == "INCONCLUSIVE"
    state, said = house.told()
    assert (state, said.partition(":")[0]) == ("Failed", "INCONCLUSIVE")


PARAMETERS = {
    "another digest": ({"digest": "f" * 64}, "wanted the verdict on digest ffff"),
    "another agent": ({"agent": "clerk"}, "on clerk 1.1.0, this one is on teller"),
    "a version that is not published": ({"version": "9.0.0"}, "on teller 9.0.0"),
    "a suite that the version pins no dataset for": (
        {"suite": "adversarial"},
        "wanted a run of the suite adversarial, this one is of regression",
    ),
    "a name that is none": ({"agent": "../x"}, "UserParameters: agent"),
    "something more": ({"effective": "PASS"}, "effective: there is no such field"),
    "a variable that nobody filled": ({"digest": "#{Publish.DIGEST}"}, "UserParameters: digest"),
}


@pytest.mark.parametrize("wrong", PARAMETERS)
def test_parameters_that_do_not_fit_do_not_pass(house, wrong):
    changed, told = PARAMETERS[wrong]
    house.decide()
    state, said = house.told(house.parameters(**changed))
    assert (state, told in said) == ("Failed", True), said


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digest": "1", "digest": "2"}'])
def test_parameters_that_are_no_parameters_do_not_pass(house, text):
    house.decide()
    job_id = house.services.new_job()
    job = adapter.job(codepipeline.event(job_id, text or None))
    jobs = CodePipelineJobs(house.services.client("codepipeline"))
    pipelines.answer_pipeline(job, "staging", None, house.registry, house.records, jobs)
    assert house.services.jobs[job_id] == "Failed"
    assert house.services.answers[-1]["failureDetails"]["type"] == "ConfigurationError"


def test_an_event_that_is_no_job_is_refused_without_showing_what_is_in_it():
    with pytest.raises(BadInput) as raised:
        adapter.job({"CodePipeline.job": {"artifactCredentials": "secret"}})
    assert "secret" not in str(raised.value)


STEPS = 14  # before and after each call of a port, for a run that passes


@pytest.mark.parametrize(("values", "right"), [(GOOD, "Succeeded"), (BAD, "Failed")])
def test_a_function_killed_anywhere_has_said_nothing_wrong_and_the_next_one_says_it(
    house, values, right
):
    house.decide(values)
    whole = Deadline()
    house.answer(house.services.new_job(), deadline=whole)
    assert whole.passed[-1] in ("after succeed", "after fail")
    assert len(whole.passed) >= STEPS
    for step in range(len(whole.passed)):
        job_id, deadline = house.services.new_job(), Deadline(step)
        with pytest.raises(Killed):
            house.answer(job_id, deadline=deadline)
        answered = whole.passed[step] in ("after succeed", "after fail")
        assert house.services.jobs[job_id] == (right if answered else "InProgress")
        again = house.answer(job_id)
        assert again.accepted is not answered
        assert house.services.jobs[job_id] == right


def test_a_function_that_is_always_killed_fails_the_pipeline_by_its_timeout(house):
    house.decide()
    job_id = house.services.new_job()
    for _ in range(3):  # Lambda tries an event three times
        with pytest.raises(Killed):
            house.answer(job_id, deadline=Deadline(3))
    house.services.expire(job_id)
    assert house.services.jobs[job_id] == "TimedOut"


def test_a_job_is_answered_once_however_often_it_is_asked(house):
    house.decide()
    job_id = house.services.new_job()
    assert [house.answer(job_id).accepted for _ in range(3)] == [True, False, False]
    assert house.services.jobs[job_id] == "Succeeded"


def test_a_job_that_failed_stays_failed_when_the_verdict_comes_later(house):
    house.services.executions[EXECUTION] = {"status": "RUNNING"}
    job_id = house.services.new_job()
    house.answer(job_id)
    house.decide()
    late = house.answer(job_id)
    assert (late.passed, late.accepted) == (True, False)
    assert house.services.jobs[job_id] == "Failed"


def test_an_expired_job_is_not_revived(house):
    house.decide()
    job_id = house.services.new_job()
    house.services.expire(job_id)
    assert not house.answer(job_id).accepted
    assert house.services.jobs[job_id] == "TimedOut"


def test_a_job_that_there_is_not_is_no_error(house):
    house.decide()
    assert not house.answer("00000000-0000-0000-0000-000000000000").accepted


@pytest.mark.parametrize("fault", ["lost", "broken", (400, "ThrottlingException"), (500, "X")])
@pytest.mark.parametrize("call", ["DescribeExecution", "PutJob"])
def test_a_call_that_goes_wrong_once_is_made_again(house, call, fault):
    house.decide()
    house.services.faults.extend([fault] if call == "DescribeExecution" else [None, fault])
    job_id = house.services.new_job()
    house.answer(job_id)
    assert house.services.jobs[job_id] == "Succeeded"


@pytest.mark.parametrize(
    "fault", ["broken", (400, "ThrottlingException"), (400, "AccessDeniedException"), (500, "X")]
)
@pytest.mark.parametrize("before", [0, 1])
def test_a_call_that_keeps_going_wrong_leaves_the_job_to_the_next_try(house, before, fault):
    house.decide()
    house.services.faults.extend([None] * before + [fault] * 2)
    job_id = house.services.new_job()
    with pytest.raises((ClientError, BotoCoreError)):
        house.answer(job_id)
    assert house.services.jobs[job_id] == "InProgress"
    house.services.faults.clear()
    house.answer(job_id)
    assert house.services.jobs[job_id] == "Succeeded"


def test_a_reason_of_any_length_fits_what_the_service_takes(house):
    verdict = house.decide(BAD)
    house.records._root.joinpath(house.records.keys("verdicts/")[0]).unlink()
    long = verdict.model_copy(update={"reason": "é" * 9000})
    house.keep(long)
    state, said = house.told()
    assert (state, len(said)) == ("Failed", 5000)


def test_what_the_service_would_not_take_is_found_by_the_stub():
    shape = codepipeline.model("codepipeline").operation_model("PutJobFailureResult").input_shape
    wrong = {"jobId": "1", "failureDetails": {"type": "Broken", "message": "x" * 5001}}
    assert len(list(codepipeline.unmet(shape, wrong))) == 3
