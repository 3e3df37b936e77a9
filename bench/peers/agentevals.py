"""agentevals: its trajectory match evaluators, and with a matcher of arguments.

Left out is `subset`, which accepts that nothing was done. Arguments are compared, ignored, or held
to what the source accepts.

Nothing is sent to LangSmith. A trajectory is a message for each call where the order counts, and
one message otherwise, which is less work for it.
"""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.update(LANGSMITH_TRACING="false", LANGSMITH_TEST_TRACKING="false")

from agentevals.trajectory.match import create_trajectory_match_evaluator

from bench.peers.recorded import (
    VIEWS,
    Row,
    Trial,
    Verdict,
    accepts,
    read_trials,
    serve,
)

MODES = ("strict", "unordered", "superset")
ARGUMENTS = ("exact", "ignore")


def match(folder: Path, *, view: str, mode: str, arguments: str) -> Iterator[Verdict]:
    evaluator = create_trajectory_match_evaluator(
        trajectory_match_mode=mode, tool_args_match_mode=arguments
    )
    for trial in read_trials(folder, view):
        yield _verdict(trial, evaluator, in_order=mode == "strict")


def match_accepted(folder: Path, *, view: str) -> Iterator[Verdict]:
    """With a matcher for each tool of a case (`tool_args_match_overrides`)."""
    evaluators: dict[str, Any] = {}
    for trial in read_trials(folder, view):
        if trial.case_id not in evaluators:
            evaluators[trial.case_id] = create_trajectory_match_evaluator(
                trajectory_match_mode="unordered",
                tool_args_match_overrides=_overrides(trial.expected),
            )
        yield _verdict(trial, evaluators[trial.case_id], in_order=False)


def _overrides(expected: list[Row]) -> dict[str, Any]:
    """A matcher is asked with either side first, so it finds the expected call by its arguments."""
    calls = {json.dumps(call["args"]): call for call in expected}

    def is_accepted(one: Any, other: Any) -> bool:
        for wanted, given in ((other, one), (one, other)):
            if call := calls.get(json.dumps(wanted)):
                return accepts(call, given)
        return False

    return {call["name"]: is_accepted for call in expected}


def _verdict(trial: Trial, evaluator: Any, in_order: bool) -> Verdict:
    result = evaluator(
        outputs=_messages(trial.called, in_order),
        reference_outputs=_messages(trial.expected, in_order),
    )
    return Verdict(trial.case_id, trial.model, trial.number, bool(result["score"]))


def _messages(calls: list[Row], in_order: bool) -> list[Row]:
    tool_calls = [
        {
            "id": "",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["args"])},
        }
        for call in calls
    ]
    groups = [[call] for call in tool_calls] if in_order else [tool_calls] if tool_calls else []
    return [{"role": "assistant", "content": "", "tool_calls": group} for group in groups]


if __name__ == "__main__":
    serve(
        {
            f"{mode}, arguments {arguments}, {view} calls": partial(
                match, view=view, mode=mode, arguments=arguments
            )
            for mode in MODES
            for arguments in ARGUMENTS
            for view in VIEWS
        }
        | {
            f"unordered, arguments as accepted, {view} calls": partial(match_accepted, view=view)
            for view in VIEWS
        }
    )
