"""A stopped execution of the emulator goes on retrying and may end as FAILED; on AWS it stays as it
was stopped, and begins no further attempt of a state."""

from typing import Any

from ministack.services import stepfunctions


class ExecutionEnded(SystemExit):
    """Unwinds the thread that runs an execution; threads end on a SystemExit without a word."""


def apply() -> None:
    add_event = stepfunctions._add_event
    fail = stepfunctions._fail_execution
    reset = stepfunctions.reset
    assert add_event.__code__.co_varnames[:2] == ("execution", "event_type")
    assert fail.__code__.co_varnames[:1] == ("execution",)
    assert "TaskScheduled" in stepfunctions._execute_task.__code__.co_consts, (
        "an attempt no longer begins with the event TaskScheduled"
    )

    def add_event_if_running(execution: dict[str, Any], event_type: str, *details: Any) -> Any:
        if event_type == "TaskScheduled" and execution["status"] != "RUNNING":
            raise ExecutionEnded
        return add_event(execution, event_type, *details)

    def fail_if_running(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def stop_and_reset() -> None:
        for execution in list(stepfunctions._executions._data.values()):
            execution["status"] = "ABORTED"  # its thread lives on, and would find new functions
        reset()

    stepfunctions._add_event = add_event_if_running
    stepfunctions._fail_execution = fail_if_running
    stepfunctions.reset = stop_and_reset
