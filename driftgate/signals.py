"""What looks wrong in a session of production without knowing what would be right.

None of it needs an expectation, so all sessions are looked at, and not only those that are judged.
A signal is no proof: it is one of the things that move when quality falls.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from driftgate import canonical
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import AgentVersion, Online
from driftgate.schemas.online import OTHER, UNLISTED, Measured, Signal, Timed
from driftgate.schemas.traces import ToolCall, Trace
from mock_tools.json_schema import violations

LOOP = 3  # equal calls one after the other
MOST_MEASURED = 200  # numbers of a session; a longer list of results says nothing more
MOST_TIMED = 200  # calls of a session
MOST_DEEP = 8
LARGEST = 10**30

# A tool's number that was seen this often is an outlier so far from the others.
ENOUGH = 200
FAR = 2  # half decades beyond what is usual: ten times as much, or as little
TAIL = 0.001  # of the numbers on each side that are not usual

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")  # as schemas.record.Name
_TOOL = re.compile(r"[A-Za-z0-9_-]{1,64}")
Sizes = Mapping[str, Mapping[int, int]]  # "tool path": size: how often


def signals(
    trace: Trace,
    contracts: Sequence[ToolContract],
    online: Online,
    history: Sizes,
    measured: Sequence[Measured],
) -> tuple[Signal, ...]:
    """Everything that looks wrong, each thing once, in a fixed order.

    Args:
        contracts: what the version says of its tools; a tool without one is not held to any.
        history: the sizes of numbers in earlier sessions; empty where there is none.
        measured: the numbers of this session, as `measures` gives them.
    """
    found = {
        *_unrecovered(trace.calls),
        *_loops(trace.calls),
        *_violations(trace.calls, contracts),
        *_outliers(measured, history),
    }
    turns = len({message.turn for message in trace.messages if message.role == "user"})
    if online.turn_limit is not None and turns > online.turn_limit:
        found.add(Signal(kind="turn_limit", detail=f"more than {online.turn_limit} turns"))
    return tuple(sorted(found, key=lambda signal: (signal.kind, signal.tool, signal.detail)))


def escalated(trace: Trace, online: Online) -> bool:
    """Whether the session was handed over to a person."""
    return any(call.tool in online.escalations and call.error is None for call in trace.calls)


def task_type(trace: Trace, told: str | None, online: Online) -> str:
    """What a session is about: as its spans say, else by the first rule that holds."""
    if told is not None:
        return told if _NAME.fullmatch(told) else OTHER  # a span may say whatever it likes
    tools = {call.tool for call in trace.calls}
    first = next((m.text for m in trace.messages if m.role == "user"), "").casefold()
    for rule in online.task_types:
        if tools & set(rule.tools) or any(word.casefold() in first for word in rule.words):
            return rule.task_type
    return OTHER


def timed(trace: Trace) -> tuple[Timed, ...]:
    found = (
        Timed(tool=call.tool, latency_s=call.latency_s)
        for call in trace.calls
        if call.latency_s is not None
    )
    return tuple(islice(found, MOST_TIMED))


def listed(trace: Trace, version: AgentVersion | None) -> Trace:
    """A trace in which a tool that is none of the version's has one name for all of them: a model
    may call, and a span may say, whatever comes to its mind.
    """
    known = {contract.tool for contract in version.contracts} if version else None

    def named(call: ToolCall) -> ToolCall:
        fits = call.tool in known if known is not None else _TOOL.fullmatch(call.tool)
        return call if fits else call.model_copy(update={"tool": UNLISTED})

    return trace.model_copy(update={"calls": tuple(map(named, trace.calls))})


def measures(trace: Trace, contracts: Sequence[ToolContract]) -> tuple[Measured, ...]:
    """The size of each number in the tools' results: at most `MOST_MEASURED`.

    A path has the names that a contract has; others may be what a person said.
    """
    schemas = {contract.tool: contract.output_schema for contract in contracts}
    found: list[Measured] = []
    for call in trace.calls:
        if call.error is None:
            for path, number in _numbers(call.result, schemas.get(call.tool), "", MOST_DEEP):
                found.append(Measured(tool=call.tool, path=path, size=_size(number)))
                if len(found) == MOST_MEASURED:
                    return tuple(found)
    return tuple(found)


def _unrecovered(calls: Sequence[ToolCall]) -> Iterator[Signal]:
    """Tools whose last call failed, unless their own rules said no: that is an answer."""
    last = {call.tool: call for call in calls}
    for tool, call in last.items():
        if call.error is not None and call.error.kind != "refused":
            yield Signal(kind="unrecovered_error", tool=tool, detail=call.error.kind)


def _loops(calls: Sequence[ToolCall]) -> Iterator[Signal]:
    for (tool, _), equal in groupby(calls, key=_asked):
        if (times := len(list(equal))) >= LOOP:
            yield Signal(kind="loop", tool=tool, detail=f"{times} equal calls in a row")


def _violations(calls: Sequence[ToolCall], contracts: Sequence[ToolContract]) -> Iterator[Signal]:
    of_tool = {contract.tool: contract for contract in contracts}
    for call in calls:
        contract = of_tool.get(call.tool)
        if contract is None:
            continue
        if call.arguments is not None and any(violations(contract.input_schema, call.arguments)):
            yield Signal(kind="schema_violation", tool=call.tool, detail="arguments")
        told = call.error is None and contract.output_schema
        if told and any(violations(contract.output_schema, call.result)):
            yield Signal(kind="schema_violation", tool=call.tool, detail="result")


def _outliers(measured: Sequence[Measured], history: Sizes) -> Iterator[Signal]:
    for one in measured:
        seen = history.get(f"{one.tool} {one.path}", {})
        if sum(seen.values()) < ENOUGH:
            continue
        least, most = _usual(seen)
        if one.size > most + FAR or one.size < least - FAR:
            yield Signal(kind="outlier", tool=one.tool, detail=one.path)


def _usual(seen: Mapping[int, int]) -> tuple[int, int]:
    """Between which sizes nearly all lie: the rarest `TAIL` on each side are left out."""
    left = TAIL * sum(seen.values())
    ends = []
    for sizes in (sorted(seen), sorted(seen, reverse=True)):
        passed = 0.0
        for size in sizes:
            passed += seen[size]
            if passed > left:
                ends.append(size)
                break
    return ends[0], ends[1]


def _numbers(value: Any, schema: Any, path: str, deep: int) -> Iterator[tuple[str, float]]:
    """The numbers of a JSON value. Zero has no size; a text of digits is a name, not a number."""
    named = schema if isinstance(schema, dict) else {}
    match value:
        case bool():
            return
        case int() | float() if value and abs(value) < LARGEST:
            yield path, value
        case dict() if deep:
            properties = named.get("properties") or {}
            for key in sorted(value, key=str):
                inner = properties.get(key)
                name = key if inner is not None else "*"
                yield from _numbers(value[key], inner, f"{path}/{name}", deep - 1)
        case list() if deep:
            for item in value:
                yield from _numbers(item, named.get("items"), f"{path}/-", deep - 1)


def _size(number: float) -> int:
    return max(-40, min(40, math.floor(2 * math.log10(abs(number)))))


def _asked(call: ToolCall) -> tuple[str, bytes]:
    return call.tool, canonical.dump(canonical.storable(call.arguments))
