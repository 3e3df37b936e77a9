"""One turn of a session: the calls that were made in it, and what was said.

A turn is a trace, as an invocation of an agent is one. Its calls are the spans of its tools. What a
span does not tell is taken from the messages to and from the model, where the same call has its id,
name and arguments; a call without any span is one that a model asked for and was answered.
"""

import json
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from driftgate.traces.messages import MISSING, Answered, Asked, Said, last_text
from driftgate.traces.readings import Talk, Tool
from driftgate.traces.spans import Span

_RANK = {"agent": 0, "step": 1, "model": 2}


@dataclass(slots=True)
class Place:
    """Where a span stands among those above it."""

    depth: int = 0
    in_tool: bool = False
    in_model: bool = False


Heard = tuple[Place, Talk, Span]


@dataclass(slots=True)
class Call:
    made: Tool
    span: Span
    from_span: bool = True

    @property
    def tool(self) -> str:
        """A Gateway's tool by its own name."""
        return tool_name(self.made.name)

    @property
    def when(self) -> tuple[Any, ...]:
        """A call that has no span was made after its model had asked for it."""
        when = self.span.when
        since = when[0] if self.from_span else max(when[0], self.span.end or 0)
        return (since, *when, self.made.call_id, self.made.name)


@dataclass(slots=True)
class Turn:
    spans: list[Span]
    calls: list[Call] = field(default_factory=list)
    talks: list[Heard] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)  # and not known to be made
    nameless: list[Span] = field(default_factory=list)  # of tools; nothing tells which
    # Models as the agent's framework called them; the SDK below it tells the same again.
    models: list[Heard] = field(default_factory=list)

    def user(self) -> str:
        """What the user said: what the outermost agent was given, else the first model."""
        talks = sorted(self._heard(), key=lambda talk: (*_order(talk), talk[2].when))
        return next((t for _, talk, _ in talks if (t := last_text(talk.inputs(), "user"))), "")

    def reply(self) -> str:
        talks = sorted(self._heard(), key=lambda talk: talk[2].when, reverse=True)
        talks.sort(key=lambda talk: (*_order(talk), -(talk[2].end or 0)))
        return next(
            (t for _, talk, _ in talks if (t := last_text(talk.outputs(), "assistant"))), ""
        )

    def finish(self) -> str:
        """Why the model stopped the last time."""
        models = [talk for place, talk, _ in self.models if not place.in_tool]
        for talk in reversed(models):
            reason = talk.finish or next(
                (said.finish for said in reversed(talk.outputs()) if said.finish), ""
            )
            if reason:
                return reason
        return ""

    def agents(self) -> list[Heard]:
        """The outermost agents that counted their tokens."""
        counted = [t for t in self.talks if t[1].kind != "model" and t[1].input_tokens is not None]
        depth = min((place.depth for place, _, _ in counted), default=0)
        return [talk for talk in counted if talk[0].depth == depth]

    def _heard(self) -> list[Heard]:
        """A tool that is an agent talks to no user."""
        return [talk for talk in self.talks if not talk[0].in_tool]


def _order(talk: Heard) -> tuple[int, int]:
    return talk[0].depth, _RANK[talk[1].kind]


def _models(talks: list[Heard]) -> list[Heard]:
    """Models that no other model's span contains: by its place, or, for botocore, by its time."""
    outer = [t for t in talks if t[1].kind == "model" and not t[0].in_model]
    frameworks = [t[2] for t in outer if ".botocore." not in t[2].scope]
    begins = [span.start for span in frameworks if span.start is not None]
    ends = list(accumulate((s.end or 0 for s in frameworks if s.start is not None), max))
    return [t for t in outer if ".botocore." not in t[2].scope or not _within(t[2], begins, ends)]


def _within(span: Span, begins: list[int], ends: list[int]) -> bool:
    """Whether a span that began before it ends after it; both lists are by beginning."""
    if span.start is None or span.end is None:
        return False
    before = bisect_right(begins, span.start)
    return before > 0 and ends[before - 1] >= span.end


def tool_name(name: str) -> str:
    """target___tool is how a Gateway lists a tool of one of its targets."""
    return name.partition("___")[2] or name


def read_turn(read: list[tuple[Span, Any]]) -> Turn:
    """Args:
    read: the spans of one trace by time, each with what its family made of it.
    """
    turn = Turn([span for span, _ in read])
    places = _places(read)
    for span, reading in read:
        if isinstance(reading, Tool):
            turn.calls.append(Call(reading, span))
        elif isinstance(reading, Talk):
            turn.talks.append((places[id(span)], reading, span))
    turn.models = _models(turn.talks)
    _complete(turn)
    turn.nameless = [call.span for call in turn.calls if not call.made.name]
    turn.calls = [call for call in turn.calls if call.made.name]
    turn.calls.sort(key=lambda call: call.when)
    return turn


def _places(read: list[tuple[Span, Any]]) -> dict[int, Place]:
    """A span whose parent is not here stands at the top, as does one of those in a circle."""
    by_id = {span.span_id: (span, reading) for span, reading in read if span.span_id}
    places: dict[int, Place] = {}
    for span, _ in read:
        path: list[Span] = []
        here: Span | None = span
        while here is not None and id(here) not in places:
            places[id(here)] = Place()
            path.append(here)
            here = by_id[here.parent_id][0] if here.parent_id in by_id else None
        for one in reversed(path):
            if above := by_id.get(one.parent_id):
                places[id(one)] = _below(above[1], places[id(above[0])])
    return places


def _below(reading: Any, place: Place) -> Place:
    is_talk = isinstance(reading, Talk)
    return Place(
        place.depth + is_talk,
        place.in_tool or isinstance(reading, Tool),
        place.in_model or (is_talk and reading.kind == "model"),
    )


def _complete(turn: Turn) -> None:
    """Take what spans of tools lack from what models asked for and were told."""
    asked = _asked(turn)
    pairs = _pair(turn.calls, [a for a, _ in asked])
    for call, known in pairs:
        made = call.made
        made.name = made.name or known.tool
        made.call_id = made.call_id or known.id
        if not isinstance(made.arguments, dict) and isinstance(known.arguments, dict):
            made.arguments = known.arguments
    paired = {id(known) for _, known in pairs}
    unmade = [(a, span) for a, span in asked if id(a) not in paired]
    answers = _answers(turn, unmade)
    for call in turn.calls:
        if answered := answers.get(call.made.call_id):
            _take(call.made, answered)
    for known, span in unmade:
        if known.id and (answered := answers.get(known.id)):
            turn.calls.append(_call(known, answered, span))
        else:
            turn.asked.append(known)
    turn.calls += _calls_of_lost_spans(turn, {a.id for a, _ in asked})


def _asked(turn: Turn) -> list[tuple[Asked, Span]]:
    """What models asked for, each once: a framework and the SDK below it tell the same.

    Where no model's span has what it said, the steps of its agent may.
    """
    models = [heard for heard in turn.talks if heard[1].kind == "model"]
    told = [(place, span, talk.outputs()) for place, talk, span in models]
    if not any(said for _, _, said in told):
        steps = [heard for heard in turn.talks if heard[1].kind != "model"]
        told = [(place, span, _since_user(talk.outputs())) for place, talk, span in steps]
    found: list[tuple[Asked, Span]] = []
    known: set[str] = set()
    for place, span, asked in (
        (place, span, asked) for place, span, all in told for said in all for asked in said.asked
    ):
        if asked.id in known or (not asked.id and place.in_model):
            continue
        if asked.id:
            known.add(asked.id)
        found.append((asked, span))
    return found


def _since_user(told: list[Said]) -> list[Said]:
    """The messages of this turn. What stands before may be of another session, which the agent
    remembers.
    """
    spoke = [n for n, said in enumerate(told) if said.role == "user" and said.text.strip()]
    return told[spoke[-1] + 1 :] if spoke else told


def _pair(calls: list[Call], asked: list[Asked]) -> list[tuple[Call, Asked]]:
    """Who asked for which call: by id, else by name and arguments, each once, in order."""
    by_id = {known.id: known for known in asked if known.id}
    found = [(call, by_id.pop(call.made.call_id, None)) for call in calls]
    pairs = [(call, known) for call, known in found if known is not None]
    for of_call, of_asked in _LOOKS:
        taken = {id(one) for pair in pairs for one in pair}
        pairs += _pair_by(
            [call for call in calls if id(call) not in taken],
            [known for known in asked if id(known) not in taken],
            of_call,
            of_asked,
        )
    return pairs


def _pair_by(
    calls: list[Call],
    asked: list[Asked],
    of_call: Callable[[Tool], str],
    of_asked: Callable[[Asked], str],
) -> Iterator[tuple[Call, Asked]]:
    """By what both look like, unless both have an id: then they are two."""
    waiting: dict[tuple[str, bool], deque[Asked]] = defaultdict(deque)
    for known in asked:
        waiting[of_asked(known), bool(known.id)].append(known)
    for call in calls:
        look = of_call(call.made)
        for has_id in (False,) if call.made.call_id else (True, False):
            if look and waiting[look, has_id]:
                yield call, waiting[look, has_id].popleft()
                break


def _look(tool: str, told: str) -> str:
    return f"{tool_name(tool)}|{told}"


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _call_made(made: Tool) -> str:
    return "" if made.arguments is MISSING else _look(made.name, _dump(made.arguments))


def _call_asked(asked: Asked) -> str:
    return "" if asked.arguments is MISSING else _look(asked.tool, _dump(asked.arguments))


def _bare_value(made: Tool) -> str:
    """LangChain through OpenInference: the value of the only argument, without its name."""
    return _look(made.name, made.arguments) if isinstance(made.arguments, str) else ""


def _only_value(asked: Asked) -> str:
    values = [*asked.arguments.values()] if isinstance(asked.arguments, dict) else []
    return _look(asked.tool, str(values[0])) if len(values) == 1 else ""


def _name_made(made: Tool) -> str:
    return tool_name(made.name) if made.arguments is MISSING else ""


def _name_asked(asked: Asked) -> str:
    return tool_name(asked.tool)


_LOOKS: tuple[tuple[Callable[[Tool], str], Callable[[Asked], str]], ...] = (
    (_call_made, _call_asked),
    (_bare_value, _only_value),
    (_name_made, _name_asked),
)


def _answers(turn: Turn, unmade: list[tuple[Asked, Span]]) -> dict[str, Answered]:
    """What models were told about calls of which something is not known yet."""
    wanted = {asked.id for asked, _ in unmade if asked.id}
    wanted |= {
        call.made.call_id
        for call in turn.calls
        if call.made.call_id and call.made.result is MISSING
    }
    found: dict[str, Answered] = {}
    for _, talk, _ in reversed(turn.talks):  # the last one was told everything
        if not wanted - found.keys():
            break
        for side in (talk.inputs, talk.outputs):
            for answered in (a for said in side() for a in said.answered):
                if answered.id in wanted:
                    found.setdefault(answered.id, answered)
    return found


def _take(made: Tool, answered: Answered) -> None:
    if made.result is MISSING:
        made.result = answered.result
    made.failed = made.failed or answered.failed


def _call(asked: Asked, answered: Answered, span: Span) -> Call:
    made = Tool(asked.tool, asked.id, asked.arguments, answered.result, answered.failed)
    return Call(made, span, from_span=False)


def _calls_of_lost_spans(turn: Turn, asked: set[str]) -> Iterator[Call]:
    """Calls since the user last spoke, in what the last model was told."""
    outer = [t for t in turn.models if not t[0].in_tool and t[1].in_order]
    if not outer:
        return
    _, talk, span = outer[-1]
    since = _since_user(talk.inputs())
    made = {call.made.call_id for call in turn.calls}
    answers = {a.id: a for said in since for a in said.answered if a.id}
    for known in (a for said in since if said.role == "assistant" for a in said.asked):
        if known.id in answers and known.id not in asked | made:
            made.add(known.id)
            yield _call(known, answers[known.id], span)
