"""The state machines are data, so they are checked as data."""

import inspect
from typing import Any

import pytest
from pydantic import ValidationError

from driftgate import errors
from driftgate.schemas.runs import PlanRunRequest
from tests.infra.reading import MACHINES, machine, states


def rules(state: dict[str, Any]) -> list[list[str]]:
    return [rule["ErrorEquals"] for rule in state.get("Retry", []) + state.get("Catch", [])]


@pytest.mark.parametrize("name", MACHINES)
def test_every_task_bounds_its_time(name):
    for task, state in states(machine(name)):
        assert state["Type"] != "Task" or "TimeoutSeconds" in state, task


@pytest.mark.parametrize("name", MACHINES)
def test_every_task_retries_throttling_by_name(name):
    for task, state in states(machine(name)):
        if state["Type"] == "Task":
            retried = {error for rule in state["Retry"] for error in rule["ErrorEquals"]}
            # Of events, Step Functions names an entry that was refused, for whatever reason.
            events = ":events:" in state["Resource"]
            called = "EventBridge.FailedEntry" if events else "Lambda.TooManyRequestsException"
            if ":states:startExecution" in state["Resource"]:
                called = "StepFunctions.ThrottlingException"
            assert called in retried, task


@pytest.mark.parametrize("name", MACHINES)
def test_no_rule_catches_whatever_may_come(name):
    for task, state in states(machine(name)):
        assert not any("States.ALL" in rule for rule in rules(state)), task


@pytest.mark.parametrize("name", MACHINES)
def test_every_error_of_ours_exists_in_python(name):
    known = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    for task, state in states(machine(name)):
        own = {error for rule in rules(state) for error in rule if "." not in error}
        assert own <= known, f"{task} names {own - known}"


@pytest.mark.parametrize("name", MACHINES)
def test_every_map_bounds_how_much_runs_at_once(name):
    """By itself or by the plan, which has a bound of its own."""
    for task, state in states(machine(name)):
        if state["Type"] == "Map":
            planned = state.get("MaxConcurrencyPath") == "$.run.concurrency"
            assert planned or state["MaxConcurrency"] > 0, task
    for asked in (0, 1001):
        with pytest.raises(ValidationError, match="concurrency"):
            PlanRunRequest(agent="a", version="1.0.0", environment="dev", concurrency=asked)


def test_what_the_map_goes_by_is_there_at_each_look():
    """DecideGate's answer takes the place of PlanRun's."""
    flow = machine("offline_eval")["States"]
    for state in ("PlanRun", "DecideGate"):
        assert {"run_id.$", "look.$", "trials_key.$", "concurrency.$"} <= set(
            flow[state]["ResultSelector"]
        )


@pytest.mark.parametrize("name", MACHINES)
def test_no_item_of_a_distributed_map_brings_anything_back(name):
    """What comes back from all items together is more than 256 KiB at ten thousand, and an item
    that failed brings all of its own with it: then the execution ends without a verdict."""
    for task, state in states(machine(name)):
        if state["Type"] == "Map" and is_distributed(state):
            for inner, ending in state["ItemProcessor"]["States"].items():
                if "Next" in ending or ending["Type"] == "Choice":
                    continue
                assert ending["OutputPath"] is None, f"{task}.{inner}"
                caught = {e for rule in ending.get("Catch", []) for e in rule["ErrorEquals"]}
                assert ending["Type"] == "Pass" or {"States.TaskFailed", "States.Timeout"} <= caught


def is_distributed(state):
    return state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"


def test_a_drill_ends_with_its_verdict_and_is_neither_published_nor_announced():
    states = machine("offline_eval")["States"]
    going_on, drill = states["Decided"]["Choices"]
    assert going_on["StringEquals"] == "CONTINUE"
    assert drill["And"] == [
        {"Variable": "$.drill", "IsPresent": True},
        {"Variable": "$.drill", "IsNull": False},
    ]
    assert (states["Decided"]["Default"], states["PublishRun"]["Next"]) == (
        "PublishRun",
        "Announce",
    )
    end = states[drill["Next"]]
    assert end["End"]
    assert {name.removesuffix(".$") for name in end["Parameters"]} == {
        *("run_id", "look", "outcome", "verdict_key")
    }
