"""What must stay true of the functions and of the machine that runs them."""

import json
from pathlib import Path

import aws_cdk as cdk
import pytest

from driftgate import capacity, run_costs
from driftgate.schemas.capacity import Quotas
from driftgate.schemas.policies import SEQUENTIAL_LOOKS
from stacks.constructs.state_machine import AslStateMachine
from stacks.environments import ENVIRONMENTS
from tests.infra.reading import MACHINES, OF_FUNCTIONS, flat, listed, machine, states


def test_the_stack_can_be_deleted_and_rebuilt(prod):
    kept = [
        id
        for id, resource in prod.resources("Evaluation").items()
        if resource.get("DeletionPolicy") not in (None, "Delete")
    ]
    assert kept == []


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_no_stack_is_deleted_unawares(synthesized, environment):
    manifest = json.loads((synthesized(environment).folder / "manifest.json").read_text())
    protected = {
        id: artifact["properties"].get("terminationProtection")
        for id, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert protected == {
        f"Driftgate-{environment}-Data": True,
        f"Driftgate-{environment}-Evaluation": True,
        f"Driftgate-{environment}-Online": True,
        f"Driftgate-{environment}-Monitoring": True,
    }


def test_every_function_is_traced_and_logs_json_that_expires(prod):
    groups = prod.resources("Evaluation", "AWS::Logs::LogGroup")
    own = [flat(f["LoggingConfig"]["LogGroup"]) for f in prod.functions().values()]

    assert len(set(own)) == len(prod.functions())
    assert all(group["Properties"]["RetentionInDays"] == 365 for group in groups.values())
    for name, function in prod.functions().items():
        # What takes in spans would take in its own.
        traced = {"Mode": "Active"} if name != "ingest_spans" else None
        assert function.get("TracingConfig") == traced, name
        assert function["LoggingConfig"]["LogFormat"] == "JSON", name


def test_an_event_that_nobody_waits_for_is_not_lost(prod):
    for name, function in prod.functions().items():
        assert "Failed" in flat(function["DeadLetterConfig"]["TargetArn"]), name


def reserved(functions):
    return [
        functions[name].get("ReservedConcurrentExecutions") for name in ("run_case", "judge_case")
    ]


@pytest.mark.parametrize("environment", ["local", "dev"])
def test_where_people_try_things_out_nothing_is_reserved(synthesized, environment):
    assert reserved(synthesized(environment).functions()) == [None, None]


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_a_large_run_finds_room_for_what_is_chosen_and_is_through_in_time(synthesized, environment):
    functions = synthesized(environment).functions()
    told = functions["plan_run"]["Environment"]["Variables"]["QUOTAS"]
    chosen = capacity.of_run(200, 2, SEQUENTIAL_LOOKS, 35.0, Quotas.model_validate_json(told))
    assert chosen.concurrency <= reserved(functions)[0]
    assert chosen.wall_s < 15 * 60
    assert not chosen.warning


def test_the_cost_of_a_run_is_worked_out_from_what_is_deployed(prod):
    assert prod.functions()["run_case"]["MemorySize"] == run_costs.RUN_CASE_GB * 1024
    drawing = machine("offline_eval")["States"]
    trial, name = [], drawing["Trials"]["ItemProcessor"]["StartAt"]
    while name:
        state = drawing["Trials"]["ItemProcessor"]["States"][name]
        trial.append(name)
        name = state.get("Next", state.get("Default"))
    assert len(trial) == run_costs.OF_TRIAL
    run, name = [], machine("offline_eval")["StartAt"]
    while name:
        run.append(name)
        name = drawing[name].get("Next", drawing[name].get("Default"))
    look = ["Trials", "DecideGate", "Decided"]
    assert (len(look), len(run) - len(look)) == (run_costs.OF_LOOK, run_costs.OF_RUN)


def test_an_account_of_a_thousand_functions_holds_both_and_keeps_a_hundred(synthesized):
    both = [sum(reserved(synthesized(name).functions())) for name in ("staging", "prod")]
    assert sum(both) <= 900


@pytest.mark.parametrize("drawing", MACHINES)
def test_a_function_ends_before_its_task_is_given_up(prod, drawing):
    for name, state in states(machine(drawing)):
        if state.get("Resource", "").endswith("lambda:invoke"):
            function = prod.functions()[_module(state)]
            assert function["Timeout"] < state["TimeoutSeconds"], name


def test_callers_of_agentcore_and_of_models_have_a_boto3_that_knows_them(prod):
    layers = {
        name: "Boto3" in str(function["Layers"]) for name, function in prod.functions().items()
    }
    assert {name for name, has in layers.items() if has} == {
        *("plan_run", "preflight", "run_case", "end_sessions", "sweep_sessions", "prove_judge"),
        *("judge_case", "decide_gate", "judge_session"),
        *("start_batch", "poll_batch", "read_batch"),
    }


def test_a_distributed_map_may_start_its_machine_and_look_after_its_executions(prod):
    (policy,) = [
        resource["Properties"]
        for id, resource in prod.resources("Evaluation", "AWS::IAM::Policy").items()
        if "DistributedMap" in id
    ]
    rights = {
        action: [flat(resource) for resource in listed(statement["Resource"])]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }
    machine_id = "OfflineEvalF9193B89"
    executions = [
        f"arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:{machine_id}{rest}"
        for rest in ("/*:*", ":*")
    ]
    assert rights == {
        "states:StartExecution": [machine_id],
        "states:DescribeExecution": executions,
        "states:RedriveExecution": executions,
        "states:StopExecution": executions,
    }
    assert "OfflineEvalRole" in flat(policy["Roles"][0])


def test_a_machine_is_traced_and_logs_what_happened_but_not_with_what(prod):
    machines = [
        (stack, machine)
        for stack in OF_FUNCTIONS
        for machine in prod.resources(stack, "AWS::StepFunctions::StateMachine").values()
    ]
    assert len(machines) == len(MACHINES)
    for stack, found in machines:
        logging = found["Properties"]["LoggingConfiguration"]
        (to,) = [flat(d["CloudWatchLogsLogGroup"]["LogGroupArn"]) for d in logging["Destinations"]]
        name = prod.resources(stack)[to]["Properties"]["LogGroupName"]

        assert found["Properties"]["TracingConfiguration"] == {"Enabled": True}
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
        assert name.startswith("/aws/vendedlogs/states/")


def test_a_placeholder_that_nobody_fills_fails_at_synth():
    stack = cdk.Stack(cdk.App(), "Stack")
    with pytest.raises(ValueError, match=r"has \['DecideGate', .*, the stack gives \['Bucket'\]"):
        AslStateMachine(
            stack,
            "Machine",
            file="offline_eval.asl.json",
            functions={},
            values={"Bucket": "runs"},
            environment=ENVIRONMENTS["local"],
        )


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_what_the_command_line_looks_for_is_told(synthesized, environment):
    stacks = synthesized(environment)
    outputs = {
        stack: set(_outputs(stacks.folder / f"Driftgate-{environment}-{stack}.template.json"))
        for stack in ("Data", "Evaluation")
    }
    assert {"RegistryTable", "RecordsBucket", "RunsBucket"} <= outputs["Data"]
    assert {
        "OfflineEvalArn",
        "PublishDatasetFunction",
        "CallToolFunction",
        "InterceptToolsFunction",
        "AttemptsTable",
        "AnswerPipelineArn",
        "Quotas",
        "SweepSessionsFunction",
    } <= outputs["Evaluation"]


def _outputs(template: Path):
    return json.loads(template.read_text())["Outputs"]


def _module(state):
    placeholder = state["Parameters"]["FunctionName"].strip("${}")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in placeholder).lstrip("_")
