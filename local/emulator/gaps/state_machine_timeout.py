"""The emulator ignores a state machine's TimeoutSeconds; on AWS the execution ends as TIMED_OUT."""

import contextvars
import json
import threading
from typing import Any

from ministack.services import stepfunctions


def apply() -> None:
    original = stepfunctions._run_execution
    assert original.__code__.co_varnames[:1] == ("exec_arn",), "_run_execution has changed"
    assert "TimeoutSeconds" not in original.__code__.co_consts, "TimeoutSeconds is now known"

    def run(exec_arn: str) -> None:
        execution = stepfunctions._executions[exec_arn]
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"], {})
        seconds = json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
        if seconds is None:
            original(exec_arn)
            return
        scope = contextvars.copy_context()  # holds the account and the region
        timer = threading.Timer(seconds, scope.run, args=(time_out, execution))
        timer.daemon = True
        timer.start()
        try:
            original(exec_arn)
        finally:
            timer.cancel()

    stepfunctions._run_execution = run


def time_out(execution: dict[str, Any]) -> None:
    if execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", error="States.Timeout", stopDate=stepfunctions.now_iso())
    stepfunctions._add_event(
        execution,
        "ExecutionTimedOut",
        {"executionTimedOutEventDetails": {"error": "States.Timeout"}},
    )
    stepfunctions._emit_execution_status_event(execution)
