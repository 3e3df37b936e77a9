"""One name, spelled by its place: state, step, records."""

import inspect
import re
import typing

import pytest

from driftgate import batch, errors, offline, online, try_gate
from driftgate.schemas import batches, drills, runs
from driftgate.schemas import online as of_production

STATES = (
    *("PlanRun", "TakeLease", "Preflight", "ProveJudge", "RunCase", "EndSessions", "ScoreCase"),
    *("JudgeCase", "DecideGate", "PublishRun"),
)

BATCH_STATES = ("FindTelemetry", "StartBatch", "PollBatch", "ReadBatch", "RecordBatch")


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


TRY = ("ChooseDrill", "RecordDrill")
WATCH = ("ListWindows", "CloseSessions", "SampleSessions", "JudgeSession", "PublishWindow")
STORIES = [
    (offline, runs, STATES),
    (try_gate, drills, TRY),
    (batch, batches, BATCH_STATES),
    (online, of_production, WATCH),
]


@pytest.mark.parametrize(("story", "records", "states"), STORIES)
def test_every_state_has_a_step_that_takes_its_request_and_returns_its_result(
    story, records, states
):
    for state in states:
        hints = typing.get_type_hints(getattr(story, snake(state)))
        assert hints["request"] is getattr(records, f"{state}Request")
        assert hints["return"] is getattr(records, f"{state}Result")


@pytest.mark.parametrize(("story", "records", "states"), STORIES)
def test_the_steps_stand_in_the_order_of_the_story(story, records, states):
    lines = [inspect.getsourcelines(getattr(story, snake(state)))[1] for state in states]
    assert lines == sorted(lines)


def test_every_error_has_an_exit_code_of_the_design():
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert {c.exit_code for c in classes if issubclass(c, errors.DriftgateError)} == {1, 2, 3}
