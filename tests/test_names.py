"""One name, spelled by its place: state, step, records."""

import inspect
import re
import typing

from driftgate import errors, offline
from driftgate.schemas import runs

STATES = (
    *("PlanRun", "TakeLease", "Preflight", "ProveJudge", "RunCase", "ScoreCase", "JudgeCase"),
    *("DecideGate", "PublishRun"),
)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_state_has_a_step_that_takes_its_request_and_returns_its_result():
    for state in STATES:
        hints = typing.get_type_hints(getattr(offline, snake(state)))
        assert hints["request"] is getattr(runs, f"{state}Request")
        assert hints["return"] is getattr(runs, f"{state}Result")


def test_the_steps_stand_in_the_order_of_the_story():
    lines = [inspect.getsourcelines(getattr(offline, snake(state)))[1] for state in STATES]
    assert lines == sorted(lines)


def test_every_error_has_an_exit_code_of_the_design():
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert {c.exit_code for c in classes if issubclass(c, errors.DriftgateError)} == {1, 2, 3}
