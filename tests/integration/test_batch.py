"""`driftgate batch` as a stranger uses it, with AWS on this machine."""

import json
import os
import signal
import subprocess

import httpx2
import pytest

from driftgate import evidence
from driftgate.adapters.local import LocalArtifacts
from local.instances import Instances
from tests.conftest import TELLER
from tests.standins.telemetry import GROUP, SERVICE, put, spans

IN_ORDER, GOAL = "Builtin.TrajectoryInOrderMatch", "Builtin.GoalSuccessRate"
START = ("batch", "start", "--service", SERVICE, "--log-group", GROUP, "--every", "0.05")


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    home = Instances(tmp_path_factory.mktemp("batches"))
    yield home.start("batches")[0]
    home.stop("batches")


@pytest.fixture
def aws(instance, bank):
    """The command line, in an account that is on this machine, with a log group of its own."""

    def call(*words, **environment):
        return bank(*words, **instance.environment(), **environment)

    call.home, call.command = bank.home, bank.command
    return call


@pytest.fixture
def logs(instance):
    return instance.client("logs")


@pytest.fixture
def sessions(tmp_path):
    """A file with these lines."""

    def write(*lines):
        file = tmp_path / "sessions.txt"
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    return write


def wait(aws, batch_id, *words):
    return aws("batch", "wait", batch_id, "--every", "0.05", "--json", *words)


def test_a_runs_sessions_from_start_to_a_report(aws, logs, tmp_path):
    run = aws("run", "--agent", TELLER, "--local", "--no-baseline", "--json").json["run_id"]
    runs = LocalArtifacts(aws.home)
    plan = evidence.load_plan(run, runs)
    keys = list(evidence.load_scores(plan, 1, runs))
    traces = evidence.load_traces(run, keys, runs)
    for trace in traces.values():
        put(logs, spans(trace.session_id, *(call.tool for call in trace.calls)))
    started = aws(*(*START, "--run", run, "--evaluator", IN_ORDER, "--when-complete", "--json"))
    assert started.code == 0, started.err
    assert started.json["sessions"] == len(traces)
    assert "expected_calls.arguments" in started.err
    done = wait(aws, started.json["batch_id"], "--output", tmp_path / "report")
    assert done.json["outcome"] in ("COMPLETED", "COMPLETED_WITH_ERRORS")
    by_case = {s["case_id"]: s["scores"][IN_ORDER]["value"] for s in done.json["sessions"]}
    assert by_case.keys() == {trace.case_id for trace in traces.values()}
    assert by_case["pays"] == 1
    page = (tmp_path / "report" / "batch.html").read_text()
    assert "pays" in page
    assert json.loads((tmp_path / "report" / "batch.json").read_text())["outcome"]
    assert aws("batch", "get", started.json["batch_id"], "--json").json[0]["status"] in page


def test_what_is_missing_is_named_and_the_exit_code_is_four(aws, instance, logs, sessions):
    put(logs, spans("cli-1", "get_balance") + spans("cli-2"))
    said = {"cli-1": {"value": 1.0}, "cli-2": {"error": "E", "message": "<b>broken</b>"}}
    httpx2.put(f"{instance.standins_url}/standin/evaluations", json={GOAL: said})
    file = sessions("cli-1 pays", "cli-2 pays")
    started = aws(
        *START, "--sessions", file, "--dataset", TELLER / "dataset", "--evaluator", GOAL, "--json"
    )
    done = wait(aws, started.json["batch_id"])
    assert done.code == 4
    assert done.json["evaluators"][0] == {
        "evaluator": GOAL,
        "mean": 1.0,
        "scored": 1,
        "unscored": 1,
    }
    assert f"missing  cli-2 (pays), {GOAL}: E: <b>broken</b>" in done.err
    page = (aws.home / "reports" / started.json["batch_id"] / "batch.html").read_text()
    assert "<b>broken" not in page
    assert "&lt;b&gt;broken" in page
    markdown = (aws.home / "reports" / started.json["batch_id"] / "batch.md").read_text()
    assert "missing" in markdown
    assert "<b>" not in markdown


def test_a_batch_waits_for_telemetry_and_says_whose_is_missing(aws, logs, sessions):
    file = sessions("late-1", "late-2")
    put(logs, spans("late-1", "get_balance"))
    asked = (*START, "--sessions", file, "--evaluator", GOAL, "--when-complete")
    refused = aws(*asked, "--telemetry-minutes", "0.005")
    assert refused.code == 3
    assert f"{GROUP} lacks 1 of 2 sessions: late-2; waited 0.3 s" in refused.err
    assert "started" not in refused.err
    put(logs, spans("late-2", "get_balance"))
    assert "1 of 1 job started" in aws(*asked).err


def test_a_batch_is_stopped_listed_and_deleted(aws, logs, sessions):
    put(logs, spans("stop-1") + spans("stop-2"))
    file = sessions("stop-1", "stop-2")
    started = aws(*START, "--sessions", file, "--evaluator", GOAL, "--name", "stopped", "--json")
    batch_id, (job_id,) = started.json["batch_id"], started.json["jobs"]
    assert aws("batch", "stop", batch_id, "--json").json == {"stopped": [job_id]}
    done = wait(aws, batch_id)
    assert (done.code, done.json["outcome"]) == (4, "STOPPED")
    assert job_id in [job["job_id"] for job in aws("batch", "list", "--json").json]
    assert aws("batch", "delete", batch_id).code == 0
    gone = aws("batch", "get", job_id)
    assert gone.code == 2
    assert "There is no batch evaluation" in gone.err


def test_an_interrupted_wait_leaves_the_batch_running(aws, instance, logs, sessions):
    put(logs, spans("waits-1"))
    file = sessions("waits-1")
    started = aws(*START, "--sessions", file, "--evaluator", GOAL, "--name", "waits", "--json")
    batch_id, (job_id,) = started.json["batch_id"], started.json["jobs"]
    with subprocess.Popen(
        aws.command("batch", "wait", batch_id, "--every", "30"),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **instance.environment()},
    ) as waiting:
        assert f"{job_id} is IN_PROGRESS" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert f"batch {batch_id} goes on in AgentCore" in said
    assert aws("batch", "stop", batch_id).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--evaluator", GOAL), "wanted --service and --log-group, or --online-config"),
        (("--evaluator", GOAL, "--agentcore-dataset", "a@1"), "wanted --endpoint-arn"),
        (
            ("--evaluator", GOAL, "--service", "a.b", "--log-group", "g", "--since", "2026-11-20"),
            "time_range.start: Input should have timezone info",
        ),
        (
            ("--evaluator", GOAL, "--service", "a.b", "--log-group", "g", "--run", "r-none"),
            "there is no run r-none",
        ),
    ],
)
def test_what_can_not_be_asked_is_said_before_anything_is(cli, words, said):
    done = cli("batch", "start", *words)
    assert done.code == 2
    assert said in done.err
