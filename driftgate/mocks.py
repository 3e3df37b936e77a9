"""Mock worlds, before anything is run: what a case can't get from the tools of an agent version."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from driftgate import attempts
from driftgate.matching import ABSENT
from driftgate.schemas.cases import Case, ExpectedCall, MockRule
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.matchers import AnyMatcher, Exact, Money, Number, WrittenNumber
from mock_tools.attempts import first_state
from mock_tools.engine import respond
from mock_tools.json_schema import unsupported, violations
from mock_tools.templates import FILTERS, MISFITS, PLACEHOLDER, Broken, render


def check_contract(contract: ToolContract) -> None:
    """Refuse what would go wrong at the first call, or not be checked at all.

    Raises:
        ValueError: a schema with a keyword that the engine does not know; a template with an
            unknown filter, an argument that the schema lacks, or a name that nothing was bound to.
    """
    for name in ("input_schema", "output_schema"):
        for fault in unsupported(getattr(contract, name), name):
            raise ValueError(fault)
    bound = set(_BOUND)
    for index, step in enumerate(contract.behaviour):
        content = step.model_dump(mode="json", exclude_defaults=True)
        for fault in _template_faults(content, bound, _arguments(contract)):
            raise ValueError(f"behaviour.{index}: {fault}")
        bound |= {content["let"]} if "let" in content else set()


_BOUND = {"args", "world", "call"}  # what every template may name


def _arguments(contract: ToolContract) -> set[str]:
    known: Any = contract.input_schema.get("properties", {})
    return set(known)


@dataclass(frozen=True)
class Misfit:
    """What a case expects or plans, and a contract can't give."""

    tool: str
    field: str  # of the case
    said: str  # what was wanted and what came
    planned: bool = False  # by one of the case's mocks; else it is expected, or the world's

    def __str__(self) -> str:
        return f"{self.field}: {self.said}"


def misfits(case: Case, agents: Iterable[AgentVersion]) -> Iterator[Misfit]:
    """What the case expects or plans that the agent versions' contracts can't give.

    A tool or an argument may be new in one arm; it is a fault of the dataset only when no arm has
    it, or when no arm's schema admits any value that the matcher accepts. But where a contract
    can't answer an expected call from the case's world, or a planned answer breaks the contract of
    an arm in which it would be given, that arm could not be evaluated at all.
    """
    agents = list(agents)
    broken = {}
    for index, rule in enumerate(case.mocks):
        for number, misfit in _idle(rule, index, agents):
            broken[index, number] = misfit
            yield misfit
    for agent in agents:
        for call in rehearse(case, agent):
            if call.broken is not None and call.planned not in broken:
                place = f"expected_calls.{call.index}"
                planned = call.planned is not None
                yield Misfit(call.tool, place, f"{agent.label}: {call.broken}", planned)
    for place, pattern in case.patterns():
        contracts = [c for agent in agents for c in agent.contracts if c.tool == pattern.tool]
        labels = " or ".join(agent.label for agent in agents)
        if not contracts:
            said = f"{labels} has no contract for {pattern.tool!r}"
            yield Misfit(pattern.tool, f"{place}.tool", said)
        if isinstance(pattern, ExpectedCall):
            stated = sorted({contract.effect for contract in contracts} - {pattern.effect})
            if stated:
                said = f"the contract of {pattern.tool} says {stated[0]}"
                yield Misfit(pattern.tool, f"{place}.effect", said)
        for name, matcher in pattern.arguments.items():
            wrong = [_can_not_match(matcher, name, contract) for contract in contracts]
            if wrong and all(wrong):
                yield Misfit(pattern.tool, f"{place}.arguments.{name}", wrong[0] or "")


def _idle(
    rule: MockRule, index: int, agents: list[AgentVersion]
) -> Iterator[tuple[int | None, Misfit]]:
    """Why no call that keeps a contract gets the rule's answers, or an answer can't be given."""
    arms = [(a.label, c) for a in agents for c in a.contracts if c.tool == rule.tool]
    if not arms:
        said = f"no contract for {rule.tool!r}, so it is never called"
        yield None, Misfit(rule.tool, f"mocks.{index}.tool", said, True)
    wrong = [_never(rule, contract) for _, contract in arms]
    for name in rule.when:
        if wrong and all(name in faults for faults in wrong):
            yield None, Misfit(rule.tool, f"mocks.{index}.when.{name}", wrong[0][name], True)
    asked = [arm for arm, faults in zip(arms, wrong, strict=True) if not faults]
    for number in range(len(rule.answers)):
        for label, contract in asked:
            faults = list(_answer_faults(rule, number, contract))
            for field, said in faults:
                place = f"mocks.{index}.answers.{number}.{field}"
                by = f"{contract.tool} {contract.version} of {label}"
                yield number, Misfit(rule.tool, place, f"{by}: {said}", True)
            if faults:
                break


def _never(rule: MockRule, contract: ToolContract) -> dict[str, str]:
    """Why no call that keeps the contract meets the rule's `when`, by argument."""
    faults = {}
    for name, value in rule.when.items():
        if said := _can_not_match(Exact(value=value), name, contract):
            faults[name] = said
    return faults


def _answer_faults(
    rule: MockRule, number: int, contract: ToolContract
) -> Iterator[tuple[str, str]]:
    """Where a planned answer can't keep the contract; what only a call tells is not looked at."""
    answer = rule.answers[number].result
    if answer is None:  # from the world, or a fault
        return
    for fault in _template_faults(answer, _BOUND, _arguments(contract)):
        yield "result", fault
    value, untold = told(answer, rule)
    for fault in violations(contract.output_schema, value, "result"):
        field, _, said = fault.partition(": ")
        if not any(
            field == place or field.startswith((f"{place}.", f"{place}[")) for place in untold
        ):
            yield field, said


def told(answer: Any, rule: MockRule) -> tuple[Any, list[str]]:
    """A planned answer as far as the rule tells it.

    Returns:
        The answer, with None for what only a call or its world tells, and where that is.
    """
    untold: list[str] = []
    return _told(answer, {"args": rule.when}, "result", untold), untold


def _told(template: Any, scope: Mapping[str, Any], place: str, untold: list[str]) -> Any:
    """The template filled in as far as the scope goes; where it does not, None, and the place."""
    match template:
        case {"for_each": _, "as": _, "item": _} | str():
            try:
                return render(template, scope)
            except (Broken, *MISFITS):
                untold.append(place)
                return None
        case dict():
            return {
                name: _told(inner, scope, f"{place}.{name}", untold)
                for name, inner in template.items()
            }
        case list():
            return [_told(x, scope, f"{place}[{n}]", untold) for n, x in enumerate(template)]
    return template


_JSON_TYPES = {  # the JSON types that a matcher can accept; the others decide by their value
    "number": {"number", "integer"},
    "written_number": {"number", "integer", "string"},
    "money": {"number", "integer", "string"},
    "date": {"string"},
    "regex": {"string"},
    "text": {"string"},
    "contains": {"string", "array"},
    "list": {"array"},
    "set": {"array"},
    "object": {"object"},
    "json_subset": {"object"},
}


def _can_not_match(matcher: AnyMatcher, name: str, contract: ToolContract) -> str | None:
    """Why no call that keeps the contract can satisfy the matcher; None if one may."""
    known: Any = contract.input_schema.get("properties", {})
    if matcher.match == "absent":
        required: Any = contract.input_schema.get("required", [])
        return f"must be absent, but {contract.tool} requires it" if name in required else None
    if name not in known:
        return f"{contract.tool} has no argument {name!r}; it has {sorted(known)}"
    schema = known[name]
    if matcher.match == "one_of":
        reasons = [_can_not_match(option, name, contract) for option in matcher.options]
        return reasons[0] if all(reasons) else None
    wanted = schema.get("type", [])
    types = {wanted} if isinstance(wanted, str) else set(wanted)
    numbers = (Number,) if not types or "string" in types else (Number, WrittenNumber, Money)
    if isinstance(matcher, Exact) or (
        isinstance(matcher, numbers) and not (matcher.abs or matcher.rel)
    ):
        return next(violations(schema, matcher.value, "can't match"), None)
    if types and matcher.match in _JSON_TYPES and not types & _JSON_TYPES[matcher.match]:
        return f"can't match: `{matcher.match}` on an argument of type {wanted}"
    return None


@dataclass(frozen=True)
class Rehearsed:
    """An expected call that was made once, on the mocks alone."""

    index: int  # of the expected call
    tool: str
    arguments: dict[str, Any]
    result: Any  # None where the tool refused, or the case plans a fault
    broken: str | None  # why the mock could not answer
    planned: tuple[int, int] | None  # the case's rule and its answer that was given


def rehearse(case: Case, agent: AgentVersion) -> Iterator[Rehearsed]:
    """Make the expected calls in their order, those whose required arguments are told."""
    script = attempts.script(agent, case)
    state = first_state(script)
    for index, call in enumerate(case.expected_calls):
        arguments = {name: _example(matcher) for name, matcher in call.arguments.items()}
        told = {name: value for name, value in arguments.items() if value is not ABSENT}
        if call.tool not in script["contracts"]:
            continue
        before = state["used"]
        _, entry, state = respond(script, state, call.tool, told)
        kind = entry["error"]["kind"] if entry["error"] else None
        if kind == "invalid_arguments":
            continue
        rule = next((rule for rule, n in state["used"].items() if n != before.get(rule, 0)), None)
        number = (int(rule), before.get(rule, 0)) if rule is not None else None
        own = number is not None and case.mocks[number[0]].answers[number[1]].result is not None
        yield Rehearsed(
            index=index,
            tool=call.tool,
            arguments=told,
            result=None if kind else entry["result"],
            broken=entry["error"]["message"] if kind == "mock" else None,
            planned=number if own else None,
        )


def _example(matcher: AnyMatcher) -> Any:
    """A value that the matcher accepts, or ABSENT where it does not tell one."""
    match matcher.match:
        case "exact" | "number" | "written_number" | "money" | "text" | "contains":
            return matcher.value
        case "date":
            days = (matcher.value, matcher.earliest, matcher.latest)
            return next((day.isoformat() for day in days if day is not None), ABSENT)
        case "one_of":
            examples = (_example(option) for option in matcher.options)
            return next((value for value in examples if value is not ABSENT), ABSENT)
        case "list" | "set":
            items = [_example(item) for item in matcher.items]
            return ABSENT if ABSENT in items else items
        case "object" | "json_subset":
            fields = {name: _example(field) for name, field in matcher.fields.items()}
            return {name: value for name, value in fields.items() if value is not ABSENT}
    return ABSENT


def _template_faults(template: Any, bound: set[str], arguments: set[str]) -> Iterator[str]:
    match template:
        case str():
            for found in PLACEHOLDER.finditer(template):
                yield from _placeholder_faults(found[0], found[1], found[2], bound, arguments)
        case {"for_each": rows, "as": str(name), "item": item}:
            whole = PLACEHOLDER.fullmatch(rows) if isinstance(rows, str) else None
            if isinstance(rows, str) and (whole is None or whole[1] == "call"):
                yield f"for_each {rows}: wanted one template, of a list"
            yield from _template_faults(rows, bound, arguments)
            yield from _template_faults(item, bound | {name}, arguments)
        case dict():
            for value in template.values():
                yield from _template_faults(value, bound, arguments)
        case list():
            for value in template:
                yield from _template_faults(value, bound, arguments)


def _placeholder_faults(
    written: str, path: str, filters: str, bound: set[str], arguments: set[str]
) -> Iterator[str]:
    root, _, rest = path.partition(".")
    if root not in bound:
        yield f"{written}: nothing is bound to {root!r}; there are {', '.join(sorted(bound))}"
    if root == "args" and rest.split(".")[0] not in arguments:
        known = ", ".join(sorted(arguments)) or "none"
        yield f"{written}: the input schema has no such argument; there are {known}"
    for part in filters.split("|")[1:]:
        if part.split(":")[0] not in FILTERS:
            yield f"{written}: no filter {part!r}; there are {', '.join(FILTERS)}"
