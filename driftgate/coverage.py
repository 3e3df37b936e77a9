"""Coverage: what a dataset's cases ask of which tools, and where there are too few of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from driftgate import canonical
from driftgate.datasets import expected_tools
from driftgate.duplicates import near_duplicates
from driftgate.schemas.cases import CallPattern, Case, ExpectedCall
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.coverage import (
    ArgumentCoverage,
    ArgumentPattern,
    AttackCoverage,
    Combination,
    Coverage,
    Shortfall,
    ToolCoverage,
)
from driftgate.schemas.datasets import Dataset
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.matchers import AnyMatcher
from driftgate.schemas.record import Effect

MIN_CASES = 10  # fewer are too few for any tool
ENOUGH, ENOUGH_IF_CRITICAL = 20, 25  # fewer are few


def measure(dataset: Dataset, agent: AgentVersion | None = None) -> Coverage:
    """Count what the cases cover.

    Args:
        dataset: whose cases are counted.
        agent: whose contracts say which tools there are, which of them are critical, and what
            arguments they take. Without one the dataset's own tools are all, and none is known to
            be critical.
    """
    cases = dataset.cases
    contracts = {contract.tool: contract for contract in agent.contracts} if agent else {}
    effects = {tool: contract.effect for tool, contract in contracts.items()}
    effects |= dataset.header.tools
    counts = {context: _count(cases, found) for context, found in _CONTEXTS.items()}
    tools = [_tool(tool, effects[tool], cases, counts, contracts.get(tool)) for tool in effects]
    tools.sort(key=lambda tool: (-tool.cases, tool.tool))
    attacked = all(case.adversarial for case in cases)  # no attack is made for a tool
    return Coverage(
        dataset=f"{dataset.header.name}@{dataset.header.version}",
        sha256=dataset.sha256,
        agent=agent.label if agent else None,
        cases=len(cases),
        critical_cases=sum(case.critical for case in cases),
        by_task_type=_ranked(case.task_type for case in cases),
        by_difficulty=_ranked(case.difficulty for case in cases),
        by_locale=_ranked(case.locale for case in cases),
        attacks=tuple(_attacks(cases)),
        several_turns=sum(len(case.turns) > 1 for case in cases),
        after_error=sum(bool(_broken(case)) for case in cases),
        nothing_to_call=sum(not case.expected_calls for case in cases),
        tools=tuple(tools),
        combinations=tuple(_combinations(cases)),
        shortfalls=() if attacked else tuple(_shortfalls(tools)),
        never_expected=tuple(sorted(t.tool for t in tools if t.tool in contracts and not t.cases)),
        near_duplicates=near_duplicates(cases),
    )


def _ranked(found: Iterable[str]) -> dict[str, int]:
    """How often there is what, the most frequent first."""
    return dict(sorted(Counter(found).items(), key=lambda pair: (-pair[1], pair[0])))


def _attacks(cases: Iterable[Case]) -> Iterator[AttackCoverage]:
    found: dict[tuple[str, str, str], list[Case]] = {}
    for case in cases:
        if attack := case.adversarial:
            alike = (attack.kind, attack.criterion, attack.strategy.partition(" ")[0])
            found.setdefault(alike, []).append(case)
    for (kind, criterion, strategy), alike_cases in sorted(found.items()):
        yield AttackCoverage.model_validate(
            {
                "kind": kind,
                "criterion": criterion,
                "strategy": strategy,
                "cases": len(alike_cases),
                "forbidden": sum(bool(case.forbidden_calls) for case in alike_cases),
                "canaries": sum(
                    bool(case.adversarial and case.adversarial.canaries) for case in alike_cases
                ),
                "useful": sum(_expects_something(case) for case in alike_cases),
            }
        )


def _expects_something(case: Case) -> bool:
    outputs = case.expected_outputs or any(turn.expected_outputs for turn in case.turns)
    return bool(case.expected_calls or outputs)


def _count(cases: Iterable[Case], tools_of: Callable[[Case], Iterable[str]]) -> Counter[str]:
    return Counter(tool for case in cases for tool in tools_of(case))


def _tool(
    tool: str,
    effect: Effect,
    cases: Sequence[Case],
    counts: dict[str, Counter[str]],
    contract: ToolContract | None,
) -> ToolCoverage:
    used = [
        (case.case_id, pattern)
        for case in cases
        for call in case.expected_calls
        for pattern in (call, *call.alternatives)
        if pattern.tool == tool
    ]
    critical = contract.critical if contract else None
    return ToolCoverage.model_validate(
        {
            "tool": tool,
            "effect": effect,
            "critical": critical,
            "enough": ENOUGH_IF_CRITICAL if critical else ENOUGH,
            "patterns": tuple(_patterns(used)),
            "arguments": tuple(_arguments(used, contract)),
            **{context: counted[tool] for context, counted in counts.items()},
        }
    )


def _ways(call: ExpectedCall) -> set[str]:
    return {call.tool, *(other.tool for other in call.alternatives)}


def _if_critical(case: Case) -> tuple[str, ...]:
    return expected_tools(case) if case.critical else ()


def _required(case: Case) -> set[str]:
    return {c.tool for c in case.expected_calls if not c.optional and len(_ways(c)) == 1}


def _first(case: Case) -> set[str]:
    """The tools of the first call: of those that must be made, come after no other and are in
    the earliest turn, the one that is listed first. Where no call must be made, of those that may.
    """
    calls = [c for c in case.expected_calls if not c.optional] or case.expected_calls
    free = [call for call in calls if not call.after] or calls
    return _ways(min(free, key=lambda call: call.turn or 1)) if free else set()


def _broken(case: Case) -> set[str]:
    """The tools that a mock breaks in this case."""
    return {rule.tool for rule in case.mocks if any(answer.fault for answer in rule.answers)}


def _after_error(case: Case) -> set[str]:
    broken = _broken(case)
    found: set[str] = set()
    for call in case.expected_calls if broken else ():
        if any(_ways(earlier) & broken for earlier in _before(call, case)):
            found |= _ways(call)
        others = [other for other in case.expected_calls if other is not call]
        for tool in _ways(call) & broken:
            if call.times.max != 1 or any(tool in _ways(other) for other in others):
                found.add(tool)
    return found


def _before(call: ExpectedCall, case: Case) -> list[ExpectedCall]:
    """The calls that come before this one: by `after`, from one to the next, or by turn."""
    by_id = {other.id: other for other in case.expected_calls if other.id}
    waiting, ids = list(call.after), set()
    while waiting:
        id = waiting.pop()
        if id not in ids:
            ids.add(id)
            waiting += by_id[id].after
    earlier = [c for c in case.expected_calls if c.turn and call.turn and c.turn < call.turn]
    return [*(by_id[id] for id in ids), *earlier]


def _later_turn(case: Case) -> set[str]:
    return {tool for c in case.expected_calls if c.turn and c.turn > 1 for tool in _ways(c)}


_CONTEXTS: dict[str, Callable[[Case], Iterable[str]]] = {  # the fields of ToolCoverage they fill
    "cases": expected_tools,
    "critical_cases": _if_critical,
    "required": _required,
    "first_call": _first,
    "after_error": _after_error,
    "later_turn": _later_turn,
}


def _combinations(cases: Iterable[Case]) -> list[Combination]:
    found: Counter[tuple[str, ...]] = Counter()
    critical: Counter[tuple[str, ...]] = Counter()
    for case in cases:
        tools = tuple(sorted({call.tool for call in case.expected_calls}))
        if tools:
            found[tools] += 1
            critical[tools] += case.critical
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        Combination(tools=tools, cases=cases, critical_cases=critical[tools])
        for tools, cases in ranked
    ]


def _patterns(used: Iterable[tuple[str, CallPattern]]) -> list[ArgumentPattern]:
    given = {(case_id, tuple(sorted(pattern.arguments))) for case_id, pattern in used}
    ranked = sorted(Counter(names for _, names in given).items(), key=lambda p: (-p[1], p[0]))
    return [ArgumentPattern(arguments=names, cases=cases) for names, cases in ranked]


def _arguments(
    used: Sequence[tuple[str, CallPattern]], contract: ToolContract | None
) -> Iterator[ArgumentCoverage]:
    """Those of the contract in its order, given or not, then others that a case names."""
    schemas: Any = contract.input_schema.get("properties", {}) if contract else {}
    named = {name for _, pattern in used for name in pattern.arguments}
    for name in (*schemas, *sorted(named - schemas.keys())):
        given = [(id, p.arguments[name]) for id, p in used if name in p.arguments]
        values = [value for _, matcher in given for value in _values(matcher)]
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        ends: list[Any] = numbers or sorted(v.isoformat() for v in values if isinstance(v, date))
        enum = schemas.get(name, {}).get("enum", ())
        yield ArgumentCoverage(
            argument=name,
            cases=len({id for id, _ in given}),
            values=len({canonical.dump(m.model_dump(mode="json")) for _, m in given}),
            lowest=min(ends, default=None),
            highest=max(ends, default=None),
            unexpected=tuple(value for value in enum if value not in values),
        )


def _values(matcher: AnyMatcher) -> Iterator[Any]:
    """The values that a matcher names. What `none_of` names is not expected."""
    match matcher.match:
        case "exact" | "number" | "written_number" | "money" | "text" | "contains":
            yield matcher.value
        case "date":
            yield from (v for v in (matcher.value, matcher.earliest, matcher.latest) if v)
        case "one_of":
            for option in matcher.options:
                yield from _values(option)


def _shortfalls(tools: Iterable[ToolCoverage]) -> Iterator[Shortfall]:
    """Tools with too few cases first, then those with few; the fewest first."""
    for tool in sorted(tools, key=lambda tool: (tool.cases >= MIN_CASES, tool.cases, tool.tool)):
        if tool.cases < MIN_CASES:
            yield Shortfall(tool=tool.tool, cases=tool.cases, wanted=MIN_CASES, kind="too few")
        elif tool.cases < tool.enough:
            yield Shortfall(tool=tool.tool, cases=tool.cases, wanted=tool.enough, kind="few")
