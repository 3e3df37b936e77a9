"""Whatever becomes of an attempt, its session is not open a minute later, as AgentCore sees it."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from botocore.retries.standard import ExponentialBackoff

from driftgate import evidence, leases, offline, registry, sweeping
from driftgate.adapters import agentcore
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import AgentUnavailable
from driftgate.ports import Execution
from driftgate.schemas.runs import EndSessionsRequest, RunCaseRequest
from driftgate.schemas.sweeping import SweepSessionsRequest
from tests.builders import case, plan
from tests.conftest import ROOT
from tests.standins.conftest import ARN, REGION, wait_until
from tests.standins.worker import attempt

SANDBOX = ARN.removesuffix("clerk")
MINUTE, LIMIT = timedelta(minutes=1), timedelta(seconds=120 + sweeping.GRACE_S)  # a case's default
MACHINE = "arn:aws:states:eu-central-1:123456789012:execution:OfflineEval"


class Executions:
    """Step Functions, with the one execution that makes the run."""

    status = "RUNNING"

    def find(self, execution):
        return Execution(status=self.status)


class Later:
    """A clock that is ahead."""

    def __init__(self, by=timedelta(0)):
        self.by = by

    def now(self):
        return (datetime.now(UTC) + self.by).isoformat(timespec="seconds")


class Run:
    """A run of one case, which an execution has the lease of."""

    def __init__(self, folder, url, agent, turn):
        planned = plan(["one"], "candidate")
        run_id = f"r-{os.urandom(10).hex()}"
        self.plan = planned.model_copy(update={"run_id": run_id, "arms": {"candidate": agent}})
        self.folder, self.url = folder, url
        self.runs, self.stored = LocalArtifacts(folder), LocalRegistry(folder / "registry")
        self.executions = Executions()
        evidence.store_plan(self.plan, [case(case_id="one", turns=[{"user": turn}])], self.runs)
        leases.take(run_id, f"{MACHINE}:{run_id}", self.stored, self.executions, Later())
        self.key = {"run_id": run_id, "arm": "candidate", "trial": 1, "case_id": "one"}

    def try_it(self):
        attempt(self.folder, SANDBOX, RunCaseRequest(**self.key).model_dump_json())

    def try_it_and_die(self):
        """RunCase is killed while the agent thinks, as a worker is or a function at its timeout."""
        words = [sys.executable, "-m", "tests.standins.worker", self.folder, SANDBOX]
        request = RunCaseRequest(**self.key).model_dump_json()
        worker = subprocess.Popen([*words, request], cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.open() == 1)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)

    def sweep(self, after):
        agents = agentcore.AgentCoreAgents(SANDBOX)
        ports = self.stored, self.runs, agents, self.executions, Later(after)
        return sweeping.sweep_sessions(SweepSessionsRequest(), *ports)

    def give_up(self):
        agents = agentcore.AgentCoreAgents(SANDBOX)
        request = EndSessionsRequest(**self.key)
        return offline.end_sessions(request, self.runs, agents, Later())

    def open(self):
        """The sessions of this run that AgentCore has open."""
        listed = httpx2.get(f"{self.url}/standin/sessions").json()["sessions"]
        return sum(self.plan.run_id in session["session_id"] for session in listed)


@pytest.fixture
def run_of(standins, tmp_path, monkeypatch):
    """Makes a run of the clerk in which the user says this."""
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": REGION}
    for name, value in {**keys, "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": standins.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    for client in (agentcore._client, agentcore._patient_client):
        client.cache_clear()
    agent = registry.load_agent("clerk", "1.0.0", standins.registry)
    yield lambda turn: Run(tmp_path, standins.url, agent, turn)
    httpx2.post(f"{standins.url}/standin/stops", json={})
    for client in (agentcore._client, agentcore._patient_client):
        client.cache_clear()


def test_after_an_error_of_the_agent(run_of):
    run = run_of("fail")
    with pytest.raises(AgentUnavailable):
        run.try_it()
    assert run.open() == 0
    assert run.sweep(MINUTE).ended == 0


def test_after_a_stop_that_was_throttled_and_tried_again(run_of, standins):
    run = run_of("greet")
    httpx2.post(f"{standins.url}/standin/stops", json={"faults": ["throttled"] * 3})
    run.try_it()
    assert run.open() == 0


def test_after_a_stop_that_was_throttled_again_and_again(run_of, standins):
    """Its trial is done and has its trace; the next sweep ends the session."""
    run = run_of("greet")
    httpx2.post(f"{standins.url}/standin/stops", json={"always": "throttled"})
    run.try_it()
    assert run.sweep(MINUTE).still_open == run.open() == 1
    assert evidence.has_traces(run.plan.run_id, "candidate", run.runs)
    httpx2.post(f"{standins.url}/standin/stops", json={})
    assert run.sweep(MINUTE).ended == 1
    assert run.open() == 0


def test_after_a_worker_was_killed_at_its_last_attempt(run_of):
    run = run_of("hang")
    run.try_it_and_die()
    assert run.open() == 1
    assert run.give_up().ended == 1
    assert run.open() == 0


def test_after_a_function_timed_out_and_its_execution_is_over(run_of):
    """While the execution runs, an attempt has the time of its case, and nobody takes it away."""
    run = run_of("hang")
    run.try_it_and_die()
    assert (run.sweep(MINUTE).needed, run.open()) == (1, 1)
    run.executions.status = "TIMED_OUT"
    assert run.sweep(MINUTE).ended == 1
    assert run.open() == 0


class TestWhatIsSwept:
    @pytest.fixture
    def run(self, run_of):
        """A session is known as opened; AgentCore has none, which is no error."""
        run = run_of("greet")
        self.open(run, "s" * 40)
        return run

    def open(self, run, session_id, clock=Later()):  # noqa: B008
        opened = evidence.Attempt(session_id=session_id, at=clock.now())
        evidence.mark_session(run.plan.run_id, "candidate", "opened", opened, run.runs)

    def test_an_attempt_older_than_its_case_may_take(self, run):
        assert run.sweep(LIMIT - timedelta(seconds=5)).needed == 1
        assert run.sweep(LIMIT + timedelta(seconds=5)).ended == 1
        assert run.sweep(LIMIT + timedelta(seconds=5)).needed == 0

    def test_an_execution_that_is_over_is_looked_at_until_nothing_is_open_and_then_no_more(
        self, run
    ):
        run.executions.status = "ABORTED"
        assert run.sweep(MINUTE).ended == 1
        self.open(run, "t" * 40)
        assert run.sweep(MINUTE).ended == 0
        leases.take(run.plan.run_id, f"{MACHINE}:again", run.stored, run.executions, Later())
        assert run.sweep(MINUTE).ended == 1

    def test_what_was_left_on_purpose_stays(self, run):
        left = evidence.Attempt(session_id="s" * 40, at=Later().now())
        evidence.mark_session(run.plan.run_id, "candidate", "left", left, run.runs)
        run.executions.status = "SUCCEEDED"
        assert run.sweep(MINUTE).ended == 0

    def test_no_run_of_long_ago(self, run):
        run.executions.status = "ABORTED"
        assert run.sweep(sweeping.LOOK_BACK + MINUTE).ended == 0
