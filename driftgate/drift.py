"""Mock drift: what a dataset's mocks say of the tools, held to their contracts and to real calls.

Contracts are what agents see of the tools, so mocks are held to them, and both to what the real
tools were seen to do. Everything is counted; nothing is called.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log10
from statistics import median
from typing import Any

from driftgate import mocks
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.drift import Finding, RecordedCall
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.record import count
from mock_tools.json_schema import same, violations

ENOUGH = 3  # values on each side, all different, before a magnitude is a fault
APART = 0.9  # share of the pairs of a mock and a real value that stand in the same order
Seen = dict[str, list[Any]]  # path with folded list items -> the values there


def check_fixtures(
    cases: Iterable[Case], agent: AgentVersion, before: AgentVersion | None = None
) -> Iterator[Finding]:
    """Hold what cases expect, plan and make the contracts render against the contracts.

    Args:
        before: an earlier version of the agent, to tell which required arguments are new.
    """
    cases = list(cases)
    contracts = {contract.tool: contract for contract in agent.contracts}
    for case in cases:
        for misfit in mocks.misfits(case, [agent]):
            yield _fault(misfit.tool, misfit.field, misfit.said, case_id=case.case_id)
        for field, tool, result in _answers(case, agent):
            for place, known in _unknown(contracts[tool].output_schema, result, field):
                said = f"the contract does not know it; it has {known}"
                yield _fault(tool, place, said, case_id=case.case_id)
    for contract in before.contracts if before else ():
        if contract.tool in contracts:
            yield from _newly_required(contract, contracts[contract.tool], cases)


def check_recordings(
    recorded: Mapping[str, RecordedCall], cases: Iterable[Case], agent: AgentVersion
) -> Iterator[Finding]:
    """Hold recorded real calls against the contracts, and the mocks against the recorded calls.

    Args:
        recorded: by where each stands.
    """
    contracts = {contract.tool: contract for contract in agent.contracts}
    mocked = _mocked(cases, agent)
    by_tool: dict[str, dict[str, RecordedCall]] = defaultdict(dict)
    for place, call in recorded.items():
        by_tool[call.tool][place] = call
    for tool, calls in sorted(by_tool.items()):
        if tool not in contracts:
            said = f"{count(len(calls), 'recorded call')}, and {agent.label} has no such tool"
            yield _note(tool, "", said, place=next(iter(calls)))
            continue
        yield from _against_contract(contracts[tool], calls)
        if tool in mocked:
            real = _seen((call.arguments, call.result) for call in calls.values())
            yield from _against_reality(contracts[tool], mocked[tool], real)


def not_compared(
    recorded: Iterable[RecordedCall], cases: Iterable[Case], agent: AgentVersion
) -> tuple[str, ...]:
    """The agent's tools of which there is no recorded call, or no mocked one."""
    both = {call.tool for call in recorded} & _mocked(cases, agent).keys()
    return tuple(sorted({contract.tool for contract in agent.contracts} - both))


def _newly_required(old: ToolContract, new: ToolContract, cases: list[Case]) -> Iterator[Finding]:
    calls = [c for case in cases for c in case.expected_calls if c.tool == new.tool]
    told = {name for call in calls for name in call.arguments}
    for name in (
        sorted(_required(new.input_schema) - _required(old.input_schema) - told) if calls else ()
    ):
        said = f"required by {new.version} and not by {old.version}, which came before; "
        yield _note(new.tool, f"arguments.{name}", f"{said}no expected call names it")


def _required(schema: Any) -> set[str]:
    return set(schema.get("required", []))


def _answers(case: Case, agent: AgentVersion) -> Iterator[tuple[str, str, Any]]:
    """Every result that the mocks give, as far as it is known before a run, and where it stands."""
    for call in mocks.rehearse(case, agent):
        if call.result is not None and call.planned is None:
            yield f"expected_calls.{call.index}.result", call.tool, call.result
    known = {contract.tool for contract in agent.contracts}
    for index, rule in enumerate(case.mocks):
        for number, answer in enumerate(rule.answers):
            if rule.tool in known and answer.result is not None:
                result, _ = mocks.told(answer.result, rule)
                yield f"mocks.{index}.answers.{number}.result", rule.tool, result


def _mocked(cases: Iterable[Case], agent: AgentVersion) -> dict[str, Seen]:
    """What the mocks are asked and answer, by tool, without what only a run tells."""
    calls: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for case in cases:
        for call in mocks.rehearse(case, agent):
            calls[call.tool].append((call.arguments, call.result))
        for rule in case.mocks:
            for answer in rule.answers:
                result, untold = mocks.told(answer.result, rule)
                if result is not None and not untold:
                    calls[rule.tool].append((None, result))
    return {tool: _seen(pairs) for tool, pairs in calls.items()}


def _seen(calls: Iterable[tuple[Any, Any]]) -> Seen:
    """The values at each path of arguments and results; of either, None says that it is missing."""
    seen: Seen = defaultdict(list)
    for call in calls:
        for root, value in zip(("arguments", "result"), call, strict=True):
            for path, inner in _walk(value, root) if value is not None else ():
                seen[path].append(inner)
    return seen


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, f"{path}[]")


def _against_contract(
    contract: ToolContract, calls: Mapping[str, RecordedCall]
) -> Iterator[Finding]:
    """Each way in which recorded calls break the contract: where first, and how often."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    often: Counter[tuple[str, str]] = Counter()
    for place, call in calls.items():
        faults = {}
        sides = (
            ("arguments", contract.input_schema, call.arguments),
            ("result", contract.output_schema, call.result),
        )
        for root, schema, value in sides:
            for fault in violations(schema, value, root):
                field, _, said = fault.partition(": ")
                if not said.startswith("no such argument"):  # told below, as in an open schema
                    faults[_folded(field), said.partition(", got ")[0]] = said
            for field, known in _unknown(schema, value, root):
                said = f"the contract does not know it; it has {known}"
                faults[_folded(field), said] = said
        for key, said in faults.items():
            first.setdefault(key, (place, said))
            often[key] += 1
    for key, (place, said) in first.items():
        tally = f"contract {contract.version}, {often[key]} of {count(len(calls), 'call')}"
        yield _fault(contract.tool, key[0], f"{said}; {tally}", place=place)


def _folded(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _unknown(schema: Any, value: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Fields that an object schema does not name, unless it says `additionalProperties`.

    A schema without properties says nothing, so nothing is unknown to it.
    """
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unknown(schema.get("items", {}), inner, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", not known)
    for name, inner in value.items():
        if name in known:
            yield from _unknown(known[name], inner, f"{path}.{name}")
        elif others is False:
            yield f"{path}.{name}", sorted(known)
        elif isinstance(others, dict):
            yield from _unknown(others, inner, f"{path}.{name}")


def _against_reality(contract: ToolContract, mocked: Seen, real: Seen) -> Iterator[Finding]:
    for path, values in sorted(real.items()):
        if path in mocked:
            yield from _scale(contract.tool, path, mocked[path], values)
            yield from _ranges(contract.tool, path, mocked[path], values)
            yield from _types(contract.tool, path, mocked[path], values)
    for path, options in _enums(contract):
        yield from _options(contract.tool, path, options, mocked, real)
    for path in sorted(mocked.keys() - real.keys()):
        yield from _gone(contract, path, mocked, real)


def _scale(tool: str, path: str, mocked: list[Any], real: list[Any]) -> Iterator[Finding]:
    """A power of ten between the medians of sizes, where the sizes hardly overlap.

    Ten may be chance or another kind of customer, so it is a note; a hundred and more is what a
    change of unit looks like. Zeros have no size; equal values count once.
    """
    ours, theirs = _sizes(mocked), _sizes(real)
    if not ours or not theirs:
        return
    power = round(log10(median(ours)) - log10(median(theirs)))
    if power == 0 or _apart(ours, theirs, power) < APART:
        return
    factor = f"{10**power:,} times" if power > 0 else f"1/{10**-power:,} of"
    said = (
        f"the mocks sit at about {factor} the real values: median {median(ours):,.10g} of "
        f"{len(ours)}, really {median(theirs):,.10g} of {len(theirs)}; did a unit change?"
    )
    sure = abs(power) >= 2 and min(len(ours), len(theirs)) >= ENOUGH
    yield (_fault if sure else _note)(tool, path, said)


def _apart(ours: list[float], theirs: list[float], power: int) -> float:
    """Share of the pairs in which ours is the larger one, or the smaller one with power < 0."""
    if power > 0:
        pairs = sum(bisect_left(theirs, value) for value in ours)
    else:
        pairs = sum(len(theirs) - bisect_right(theirs, value) for value in ours)
    return pairs / (len(ours) * len(theirs))


def _sizes(values: Sequence[Any]) -> list[float]:
    return sorted({abs(float(value)) for value in _numbers(values) if value})


def _numbers(values: Sequence[Any]) -> list[float]:
    return [
        value
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    ]


def _ranges(tool: str, path: str, mocked: list[Any], real: list[Any]) -> Iterator[Finding]:
    ours, theirs = _numbers(mocked), _numbers(real)
    kinds = {"negative": lambda value: value < 0, "zero": lambda value: value == 0}
    for kind, holds in kinds.items():
        often = sum(map(holds, theirs))
        if ours and often and not any(map(holds, ours)):
            yield _note(tool, path, f"{kind} in {often} of {len(theirs)} real values, in no mock")


def _types(tool: str, path: str, mocked: list[Any], real: list[Any]) -> Iterator[Finding]:
    ours = {_type(value) for value in mocked}
    for kind, often in Counter(map(_type, real)).items():
        if kind not in ours:
            said = f"{kind} in {often} of {len(real)} real values, in the mocks"
            yield _note(tool, path, f"{said} {' or '.join(sorted(ours))}")


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _enums(contract: ToolContract) -> Iterator[tuple[str, list[Any]]]:
    pending: list[tuple[str, Any]] = [
        ("arguments", contract.input_schema),
        ("result", contract.output_schema),
    ]
    while pending:
        path, schema = pending.pop(0)
        if "enum" in schema:
            yield path, schema["enum"]
        pending += [(f"{path}.{name}", s) for name, s in schema.get("properties", {}).items()]
        pending += [(f"{path}[]", schema["items"])] if "items" in schema else []


def _options(
    tool: str, path: str, options: list[Any], mocked: Seen, real: Seen
) -> Iterator[Finding]:
    """Values of an enum that occur in reality and never in the mocks."""
    for option in options if path in mocked else ():
        often = sum(same(value, option) for value in real.get(path, []))
        if often and not any(same(value, option) for value in mocked[path]):
            said = f"{option!r} in {often} of {len(real[path])} real values, in no mock"
            yield _note(tool, path, said)


def _gone(contract: ToolContract, path: str, mocked: Seen, real: Seen) -> Iterator[Finding]:
    """A field that every mock gives and no recorded result does, though its object is there.

    Where the contract requires it, the recorded calls break the contract and are named for that.
    """
    parent, _, name = path.rpartition(".")
    objects = [value for value in real.get(parent, []) if isinstance(value, dict)]
    always = len(mocked[path]) == sum(isinstance(value, dict) for value in mocked.get(parent, []))
    if not objects or not always or not path.startswith("result") or path.endswith("[]"):
        return
    if name in _required(_at(contract.output_schema, parent)):
        return
    said = f"in all {len(mocked[path])} mocks, in none of {len(objects)} recorded; was it removed?"
    yield (_fault if len(objects) >= ENOUGH else _note)(contract.tool, path, said)


def _at(schema: Any, path: str) -> Any:
    """What a schema says of a path below its root; nothing if it does not know the path."""
    for part in re.findall(r"\[\]|\.[^.\[\]]+", path):
        inner = schema.get("properties", {}).get(part[1:], {})
        schema = schema.get("items", {}) if part == "[]" else inner
    return schema


def _fault(
    tool: str, field: str, said: str, place: str = "", case_id: str | None = None
) -> Finding:
    return Finding(kind="fault", place=place, case_id=case_id, tool=tool, field=field, said=said)


def _note(tool: str, field: str, said: str, place: str = "") -> Finding:
    return Finding(kind="note", place=place, tool=tool, field=field, said=said)
