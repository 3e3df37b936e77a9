"""A pipeline's gate, but for CodePipeline: the emulator has none that could be asked."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from driftgate import evidence
from driftgate.schemas.runs import PlanRunRequest
from tests import codepipeline
from tests.deployed.conftest import until
from tests.deployed.test_offline_eval import HERE, teller


@pytest.fixture(scope="module")
def services():
    with codepipeline.serve() as services:
        yield services


@pytest.fixture(scope="module")
def bank(cloud, services, tmp_path_factory):
    """An agent `gated`; AnswerPipeline finds CodePipeline where this test has it."""
    folder = tmp_path_factory.mktemp("gated")
    versions = {
        "1.0.0": {},
        "2.0.0": {"${TELLER:-fine}": "units"},
        "2.1.0": {"${TELLER_THINKS_S:-0}": "0.5"},
    }
    for number, changes in versions.items():
        manifest = teller(folder / number, number, **{"agent: teller": "agent: gated"}, **changes)
        assert cloud("agent", "publish", manifest, *HERE).code == 0
    functions = cloud.instance.client("lambda")
    name = cloud.deployment.outputs["AnswerPipelineArn"]
    own = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name,
        Environment={"Variables": {**own, "AWS_ENDPOINT_URL_CODEPIPELINE": services.url}},
    )
    return cloud


def execute(bank, **request):
    """Start as CodePipeline does: under a name of its own. The execution's ARN."""
    request = PlanRunRequest(agent="gated", environment="local", looks=(2,), **request)
    return bank.instance.client("stepfunctions").start_execution(
        stateMachineArn=bank.deployment.outputs["OfflineEvalArn"],
        name=f"gate-{uuid.uuid4()}",
        input=request.model_dump_json(),
    )["executionArn"]


def ended(bank, execution):
    return until(lambda: bank.deployment.result(execution), timeout_s=180)


def answer(bank, services, execution, version, **changed):
    """What AnswerPipeline, in its own process and role, tells a new job."""
    shown = bank("agent", "show", f"gated@{version}", *HERE, "--json").json
    asked = {"execution": execution, "agent": "gated", "version": version,
             "digest": shown["digest"], **changed}  # fmt: skip
    job_id = services.new_job()
    event = codepipeline.event(job_id, json.dumps(asked))
    answered = bank.instance.client("lambda").invoke(
        FunctionName=bank.deployment.outputs["AnswerPipelineArn"],
        Payload=json.dumps(event).encode(),
    )
    said = json.loads(answered["Payload"].read())
    assert "FunctionError" not in answered, said
    return services.jobs[job_id], said["message"]


def test_two_executions_of_one_run_make_each_trial_once_and_both_end_with_its_verdict(bank):
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: execute(bank, version="1.0.0"), range(2)))
    first, second = (ended(bank, execution) for execution in both)
    assert first.verdict_key == second.verdict_key
    runs, run_id = bank.deployment.runs, first.verdict_key.split("/")[2]
    trials = list(evidence.load_plan(run_id, runs).trial_keys(1))
    opened = [k for k in runs.keys(f"runs/{run_id}/attempts/") if k.endswith("/opened.json")]
    assert len([key for key in opened if "/preflight/" not in key]) == len(trials)
    lease = bank.deployment.registry.row(f"lease/{run_id}")
    assert lease["execution"] in both


def test_a_stopped_execution_holds_nothing(bank):
    first = execute(bank, version="2.1.0")
    until(lambda: [s for s in bank.open_sessions() if "preflight" not in s["session_id"]])
    bank.deployment.stop(first)
    second = execute(bank, version="2.1.0")
    run_id = ended(bank, second).verdict_key.split("/")[2]
    assert bank.deployment.registry.row(f"lease/{run_id}")["execution"] == second


def test_the_function_finds_the_verdict_of_an_execution_and_answers(bank, services):
    first = execute(bank, version="1.0.0")
    ended(bank, first)
    state, said = answer(bank, services, first, "1.0.0")
    assert (state, said.partition(":")[0]) == ("Succeeded", "BASELINE_CREATED"), said
    state, said = answer(bank, services, first, "1.0.0", digest="f" * 64)
    assert (state, "wanted the verdict on digest ffff" in said) == ("Failed", True)
    state, said = answer(bank, services, f"{first}0", "1.0.0")
    assert (state, "there is no execution" in said) == ("Failed", True)
    assert bank("agent", "promote", "gated@1.0.0", *HERE).code == 0
    worse = execute(bank, version="2.0.0")
    ended(bank, worse)
    state, said = answer(bank, services, worse, "2.0.0")
    assert (state, said.partition(":")[0]) == ("Failed", "BLOCK")
