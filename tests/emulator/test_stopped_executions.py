"""An execution that has been stopped stays so, and begins nothing more."""

import time

from tests.emulator.conftest import eventually, one_task


def counting(path):
    return f"""
import pathlib
def handler(event, context):
    path = pathlib.Path({str(path)!r})
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    raise ValueError("again")
"""


RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]


def stop_after_first_attempt(cloud, calls):
    execution = cloud.begin(one_task(cloud.function(counting(calls)), Retry=RETRY))
    eventually(calls.exists)
    cloud.states.stop_execution(executionArn=execution, error="Stopped", cause="by the test")
    return execution


def status(cloud, execution):
    return cloud.states.describe_execution(executionArn=execution)["status"]


def test_a_stopped_execution_makes_no_further_attempt_and_stays_aborted(cloud, tmp_path):
    execution = stop_after_first_attempt(cloud, tmp_path / "calls")
    time.sleep(1.5)  # more than the retry waits
    assert status(cloud, execution) == "ABORTED"
    assert (tmp_path / "calls").read_text() == "x"


def test_the_bare_emulator_goes_on_and_calls_it_failed(bare, tmp_path):
    execution = stop_after_first_attempt(bare, tmp_path / "calls")
    eventually(lambda: status(bare, execution) == "FAILED")
    assert (tmp_path / "calls").read_text() == "xx"
