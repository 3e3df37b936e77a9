"""Two traces side by side: which step of one stands beside which of the other, and what differs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from driftgate import canonical
from driftgate.schemas.traces import Message, ToolCall, Trace


@dataclass(frozen=True)
class Step:
    """Something that happened in a trial: the user spoke, the agent called a tool, or replied."""

    kind: Literal["user", "call", "reply"]
    turn: int
    what: Message | ToolCall


Row = tuple[Step | None, Step | None]  # baseline, candidate; None: the other one has no such step


def steps(trace: Trace) -> Iterator[Step]:
    """A trace turn by turn: what the user said, the calls in their order, the replies."""
    turns = {message.turn for message in trace.messages} | {call.turn for call in trace.calls}
    for turn in sorted(turns):
        said = [message for message in trace.messages if message.turn == turn]
        yield from (Step("user", turn, message) for message in said if message.role == "user")
        yield from (Step("call", turn, call) for call in trace.calls if call.turn == turn)
        yield from (Step("reply", turn, message) for message in said if message.role != "user")


def align(left: Sequence[Step], right: Sequence[Step]) -> Iterator[Row]:
    """Put steps side by side that are equal; between these, steps of the same tool or speaker.

    The order of each side stays. Two calls are equal if tool and arguments are: what came back is
    what a reader looks for next.
    """
    for same, before, after in _blocks(left, right, _content):
        if same:
            yield from zip(before, after, strict=True)
            continue
        for alike, ours, theirs in _blocks(before, after, _name):
            if alike:
                yield from zip(ours, theirs, strict=True)
            else:
                yield from ((step, None) for step in ours)
                yield from ((None, step) for step in theirs)


def _blocks(
    left: Sequence[Step], right: Sequence[Step], key: Any
) -> Iterator[tuple[bool, Sequence[Step], Sequence[Step]]]:
    matcher = SequenceMatcher(
        None, [key(step) for step in left], [key(step) for step in right], autojunk=False
    )
    for tag, i, j, k, n in matcher.get_opcodes():
        yield tag == "equal", left[i:j], right[k:n]


def _name(step: Step) -> tuple[str, int, str]:
    return step.kind, step.turn, step.what.tool if isinstance(step.what, ToolCall) else ""


def _content(step: Step) -> tuple[str, int, str, bytes]:
    what = step.what
    content = what.arguments if isinstance(what, ToolCall) else what.text
    return *_name(step), canonical.dump(content)


def leaves(value: Any) -> list[tuple[str, str]]:
    """The innermost values of JSON, each with the path that leads to it: `items[0].amount`."""
    return list(_leaves("", value))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(value, list | tuple) and value:
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}[{number}]", inner)
    else:
        yield path, json.dumps(value, ensure_ascii=False)
