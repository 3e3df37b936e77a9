"""A draft of a case from what happened in production.

What the user said and what the tools answered is taken over; what the agent did is taken for what
it should do, which is a suggestion and no more: it is here because something was wrong with it.
Pseudonyms of people become stand-ins, <card:…> to CARD-1, as the case will outlive them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from driftgate import canonical, worlds
from driftgate.schemas.cases import Case, Provenance, RubricItem
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.redaction import PSEUDONYM
from driftgate.schemas.reviews import Candidate, Draft
from driftgate.schemas.traces import ToolCall, Trace


def from_trace(
    candidate: Candidate,
    trace: Trace,
    contracts: Sequence[ToolContract],
    rubric: Sequence[RubricItem] = (),
) -> Draft:
    """Make a draft.

    Args:
        candidate: what the draft is of.
        trace: of its first session, redacted.
        contracts: of the version that was talked to; none if nobody published it.
        rubric: what production's judge asks about the agent's sessions.
    """
    trace = Trace.model_validate(_with_stand_ins(trace.model_dump(mode="json")))
    known = {contract.tool: contract for contract in contracts}
    world, mocks = worlds.tell_back(trace.calls, contracts)
    expected = [_expected(call, known) for call in _made(trace.calls)]
    case = {
        "case_id": f"{candidate.task_type}-{candidate.origin}-{candidate.fingerprint[:10]}",
        "task_type": candidate.task_type,
        "critical": any(c.tool in known and known[c.tool].critical for c in trace.calls),
        "provenance": provenance(candidate, "driftgate").model_dump(mode="json"),
        "turns": [{"user": text} for text in _said(trace)] or [{"user": "(no text)"}],
        "expected_calls": expected,
        "world": world,
        "mocks": [rule.model_dump(mode="json", exclude_defaults=True) for rule in mocks],
        "rubric": [item.model_dump(mode="json", exclude_defaults=True) for item in rubric],
    }
    return Draft(
        case=Case.model_validate(case),
        suggested=tuple(f"expected_calls.{n}" for n in range(len(expected)))
        + tuple(f"rubric.{n}" for n in range(len(rubric))),
        notes=tuple(_notes(trace, known, len(mocks))),
    )


def provenance(candidate: Candidate, author: str) -> Provenance:
    """Of a case that came from a candidate: by its fingerprint, which leads to nobody's session."""
    return Provenance(
        kind=candidate.origin,
        author=author,
        origin=f"candidate {candidate.fingerprint[:16]} of {candidate.agent} {candidate.version}",
    )


def _said(trace: Trace) -> list[str]:
    """What the user said, turn by turn."""
    turns: dict[int, list[str]] = {}
    for message in trace.messages:
        if message.role == "user" and message.text.strip():
            turns.setdefault(message.turn, []).append(message.text)
    return ["\n".join(turns[turn]) for turn in sorted(turns)]


def _made(calls: Iterable[ToolCall]) -> Iterator[ToolCall]:
    """The calls that worked, each once."""
    seen = set()
    for call in sorted(calls, key=lambda call: call.seq):
        key = (call.tool, canonical.dump(call.arguments))
        if call.error is None and key not in seen:
            seen.add(key)
            yield call


def _expected(call: ToolCall, known: dict[str, ToolContract]) -> dict[str, Any]:
    effect = known[call.tool].effect if call.tool in known else call.effect
    return {
        "tool": call.tool,
        "effect": effect or "write",  # nobody said: then it counts as one
        "arguments": {n: v for n, v in (call.arguments or {}).items() if v is not None},
    }


def _notes(trace: Trace, known: dict[str, ToolContract], planned: int) -> Iterator[str]:
    unknown = sorted({call.tool for call in trace.calls} - known.keys())
    if unknown:
        yield f"no contract is known of {', '.join(unknown)}: its answers are not in the world"
    if failed := sorted({call.tool for call in trace.calls if call.error}):
        yield f"calls that failed are left out: {', '.join(failed)}"
    if planned:
        yield f"{planned} answers could not be read back into the world: they are planned as given"
    if trace.not_recorded:
        yield f"not recorded: {', '.join(trace.not_recorded)}"


def _invented(kind: str, number: int) -> str:
    if kind == "email":
        return f"user{number}@example.com"  # RFC 2606: nobody's
    return f"{kind.upper().replace('_', '-')}-{number}"


def _with_stand_ins(value: Any) -> Any:
    ranks: dict[str, str] = {}
    counts: dict[str, int] = {}

    def stand_in(found: re.Match[str]) -> str:
        kind = found[0][1:].partition(":")[0]
        if found[0] not in ranks:
            counts[kind] = counts.get(kind, 0) + 1
            ranks[found[0]] = _invented(kind, counts[kind])
        return ranks[found[0]]

    def inner(value: Any) -> Any:
        match value:
            case str():
                return PSEUDONYM.sub(stand_in, value)
            case dict():
                return {inner(key): inner(one) for key, one in value.items()}
            case list():
                return [inner(one) for one in value]
        return value

    return inner(value)
