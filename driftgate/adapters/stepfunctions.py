"""Executions of a state machine, on Step Functions."""

from typing import Any

from driftgate.ports import Execution


class StepFunctionsExecutions:
    """Executions by their ARNs. Step Functions forgets one 90 days after it ended."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions

    def find(self, execution: str) -> Execution | None:
        unknown = (
            self._stepfunctions.exceptions.ExecutionDoesNotExist,
            self._stepfunctions.exceptions.InvalidArn,
        )
        try:
            found = self._stepfunctions.describe_execution(executionArn=execution)
        except unknown:
            return None
        return Execution(
            status=found["status"],
            output=found.get("output"),
            error=found.get("error"),
            cause=found.get("cause"),
        )
