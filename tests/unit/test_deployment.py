"""What the command line asks of a deployed environment, of Step Functions that remember names."""

import pytest

from driftgate.adapters.deployment import Deployment
from driftgate.schemas.runs import PlanRunRequest

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:OfflineEval"
EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:OfflineEval:r-1"
REQUEST = PlanRunRequest(agent="teller", version="1.0.0", environment="dev")
OUTPUTS = {
    **dict.fromkeys(("RecordsBucket", "RunsBucket", "RegistryTable", "LedgerTable"), ""),
    "CallToolFunction": "",
    "InterceptToolsFunction": "",
    "OfflineEvalArn": MACHINE,
    "Judge": "{}",
}


class States:
    """As a client of boto3."""

    class exceptions:  # noqa: N801
        class ExecutionAlreadyExists(Exception):
            pass

    def __init__(self):
        self.statuses = {}

    def start_execution(self, *, stateMachineArn, name, input):  # noqa: N803
        execution = f"{stateMachineArn.replace('stateMachine', 'execution')}:{name}"
        if execution in self.statuses:
            raise self.exceptions.ExecutionAlreadyExists
        self.statuses[execution] = "RUNNING"
        return {"executionArn": execution}

    def describe_execution(self, *, executionArn):  # noqa: N803
        return {"status": self.statuses[executionArn]}


@pytest.fixture
def states():
    return States()


def start(states):
    return Deployment("dev", OUTPUTS, lambda service: states).start(REQUEST, "r-1")


def test_a_run_that_runs_is_waited_for_and_not_started_twice(states):
    assert [start(states), start(states)] == [f"{EXECUTION}-1", f"{EXECUTION}-1"]


def test_a_run_that_ended_is_taken_up_by_another_execution(states):
    first = start(states)
    states.statuses[first] = "ABORTED"
    assert start(states) == f"{EXECUTION}-2"
