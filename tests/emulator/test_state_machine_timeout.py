"""A state machine's TimeoutSeconds ends its executions."""

import time

WAITING = {
    "StartAt": "W",
    "TimeoutSeconds": 1,
    "States": {"W": {"Type": "Wait", "Seconds": 2, "End": True}},
}


def test_an_execution_that_takes_too_long_is_timed_out(cloud):
    execution = cloud.begin(WAITING)
    start = time.monotonic()
    found = cloud.ended(execution)
    assert (found["status"], found["error"]) == ("TIMED_OUT", "States.Timeout")
    assert time.monotonic() - start < 2
    history = cloud.states.get_execution_history(executionArn=execution)["events"]
    assert history[-1]["type"] == "ExecutionTimedOut"


def test_one_that_is_in_time_succeeds(cloud):
    quick = {**WAITING, "States": {"W": {"Type": "Pass", "End": True}}}
    assert cloud.run(quick)["status"] == "SUCCEEDED"


def test_the_bare_emulator_lets_it_run(bare):
    execution = bare.begin(WAITING)
    assert bare.ended(execution)["status"] == "SUCCEEDED"
