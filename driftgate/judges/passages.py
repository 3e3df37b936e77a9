"""A conversation as a judge reads it: who said what, without names, ids and times of the run."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from typing import Literal, NamedTuple, get_args

from driftgate import canonical
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.traces import ToolCall, Trace

Speaker = Literal["user", "call", "result", "agent"]


class Passage(NamedTuple):
    """Something that was said, or went to or came from a tool."""

    turn: int
    speaker: Speaker
    tool: str  # none of a message
    text: str


def passages(trace: Trace) -> list[Passage]:
    """The conversation turn by turn: the user, the calls with their results, the agent."""
    calls = sorted(trace.calls, key=lambda call: call.seq)
    told: list[Passage] = []
    for turn in sorted({m.turn for m in trace.messages} | {call.turn for call in calls}):
        said = [message for message in trace.messages if message.turn == turn]
        told += [Passage(turn, "user", "", m.text) for m in said if m.role == "user"]
        for call in calls:
            told += _of_call(call) if call.turn == turn else ()
        told += [Passage(turn, "agent", "", m.text) for m in said if m.role == "assistant"]
    return told


def rendered(told: Iterable[Passage]) -> str:
    """Passages as elements. Their text is escaped, so it can't end its element or begin another."""
    return "\n".join(
        f'<{p.speaker} turn="{p.turn}"'
        + (f' tool="{escape(p.tool)}"' if p.tool else "")
        + f">{escape(p.text)}</{p.speaker}>"
        for p in told
    )


def read(text: str) -> list[Passage]:
    """What was rendered: for whoever answers in a model's place."""
    return [
        Passage(int(turn), _speaker(name), unescape(tool or ""), unescape(said))
        for name, turn, tool, said in _ELEMENT.findall(text)
    ]


def holds(told: Iterable[Passage], evidence: str) -> bool:
    """Whether a passage has these words, whole and as they stand; escaped ones count as well."""
    wanted = [evidence.strip(), unescape(evidence).strip()]
    return any(
        re.search(rf"(?<!\w){re.escape(words)}(?!\w)", passage.text)
        for words in wanted
        if words
        for passage in told
    )


def content(rubric: Sequence[RubricItem], told: Sequence[Passage]) -> str:
    """The sha256 of what is judged: equal questions about an equal text have it in common."""
    asked = [item.model_dump(mode="json") for item in rubric]
    return canonical.sha256(canonical.dump([asked, [list(passage) for passage in told]]))


def _of_call(call: ToolCall) -> Iterator[Passage]:
    yield Passage(call.turn, "call", call.tool, _json(call.arguments))
    outcome = (
        call.result if call.error is None else {"error": call.error.message or call.error.kind}
    )
    yield Passage(call.turn, "result", call.tool, _json(outcome))


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _speaker(name: str) -> Speaker:
    return next(speaker for speaker in get_args(Speaker) if speaker == name)


_NAMES = "|".join(get_args(Speaker))
_ELEMENT = re.compile(rf'<({_NAMES}) turn="(\d+)"(?: tool="([^"]*)")?>([^<]*)</\1>')
