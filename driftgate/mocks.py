"""Mock worlds: a case and an agent version, put together for the mock tools engine."""

from collections.abc import Iterable, Iterator
from typing import Any

from driftgate.matching import ABSENT
from driftgate.schemas.cases import Case, ExpectedCall, MockRule
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.matchers import AnyMatcher, Exact, Money, Number, WrittenNumber
from mock_tools.engine import first_state, respond
from mock_tools.json_schema import unsupported, violations
from mock_tools.templates import FILTERS, PLACEHOLDER


def attempt(agent: AgentVersion, case: Case) -> dict[str, Any]:
    """What the engine needs to answer one attempt at `case`, in plain JSON."""
    answers = [rule.model_dump(mode="json") for rule in case.mocks]
    for rule in answers:
        for answer in rule["answers"]:  # only an answer that was worked out can be cut off
            answer["applied"] |= answer["fault"] == "truncated"
    return {
        "contracts": {
            contract.tool: {
                "output_schema": {},
                **contract.model_dump(mode="json", exclude_defaults=True),
            }
            for contract in agent.contracts
        },
        "world": case.world,
        "mocks": answers,
        "max_calls": agent.manifest.limits.calls,
    }


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


def misfits(case: Case, agents: Iterable[AgentVersion]) -> Iterator[str]:
    """What the case expects or plans that the agent versions' contracts can't give.

    A tool or an argument may be new in one arm; it is a fault of the dataset only when no arm has
    it, or when no arm's schema admits any value that the matcher accepts. But where a contract
    can't answer an expected call from the case's world, the arm could not be evaluated at all.
    """
    agents = list(agents)
    for agent in agents:
        yield from _rehearsal(case, agent)
    for place, pattern in case.patterns():
        contracts = [c for agent in agents for c in agent.contracts if c.tool == pattern.tool]
        labels = " or ".join(agent.label for agent in agents)
        if not contracts:
            yield f"{place}.tool: {labels} has no contract for {pattern.tool!r}"
        if isinstance(pattern, ExpectedCall):
            stated = sorted({contract.effect for contract in contracts} - {pattern.effect})
            if stated:
                yield f"{place}.effect: the contract of {pattern.tool} says {stated[0]}"
        for name, matcher in pattern.arguments.items():
            wrong = [_can_not_match(matcher, name, contract) for contract in contracts]
            if wrong and all(wrong):
                yield f"{place}.arguments.{name}: {wrong[0]}"
    for index, rule in enumerate(case.mocks):
        contracts = [c for agent in agents for c in agent.contracts if c.tool == rule.tool]
        for field, fault in _idle(rule, contracts):
            yield f"mocks.{index}.{field}: {fault}"


def _idle(rule: MockRule, contracts: list[ToolContract]) -> Iterator[tuple[str, str]]:
    """Why no call that keeps a contract gets the rule's answers, or an answer can't be given."""
    if not contracts:
        yield "tool", f"no contract for {rule.tool!r}, so it is never called"
    for name, value in rule.when.items():
        wrong = [_can_not_match(Exact(value=value), name, contract) for contract in contracts]
        if wrong and all(wrong):
            yield f"when.{name}", wrong[0] or ""
    for number, answer in enumerate(rule.answers):
        wrong = [
            next(_template_faults(answer.result, _BOUND, _arguments(contract)), None)
            for contract in contracts
        ]
        if wrong and all(wrong):
            yield f"answers.{number}.result", wrong[0] or ""


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


def _rehearsal(case: Case, agent: AgentVersion) -> Iterator[str]:
    """Make the expected calls in their order, as far as their arguments are told."""
    script = attempt(agent, case)
    state = first_state(script)
    for index, call in enumerate(case.expected_calls):
        arguments = {name: _example(matcher) for name, matcher in call.arguments.items()}
        told = {name: value for name, value in arguments.items() if value is not ABSENT}
        if call.tool in script["contracts"]:
            _, entry, state = respond(script, state, call.tool, told)
            if entry["error"] is not None and entry["error"]["kind"] == "mock":
                yield f"expected_calls.{index}: {agent.label}: {entry['error']['message']}"


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
