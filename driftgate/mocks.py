"""Mock worlds: a case and an agent version, put together for the mock tools engine."""

from collections.abc import Iterable, Iterator
from typing import Any

from driftgate.schemas.cases import Case, ExpectedCall
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.matchers import AnyMatcher
from mock_tools.json_schema import unsupported, violations


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
    """Refuse a contract whose schemas the engine would check only in part. Raises ValueError."""
    for name in ("input_schema", "output_schema"):
        for fault in unsupported(getattr(contract, name)):
            raise ValueError(f"{name}: {fault}")


def misfits(case: Case, agents: Iterable[AgentVersion]) -> Iterator[str]:
    """What the case expects that none of the agent versions' contracts can give.

    A tool or an argument may be new in one arm; it is a fault of the dataset only when no arm has
    it, or when no arm's schema admits any value that the matcher accepts.
    """
    agents = list(agents)
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
    if matcher.match == "exact" or (matcher.match == "number" and not (matcher.abs or matcher.rel)):
        return next(violations(schema, matcher.value, "can't match"), None)
    wanted = schema.get("type", [])
    types = {wanted} if isinstance(wanted, str) else set(wanted)
    if types and matcher.match in _JSON_TYPES and not types & _JSON_TYPES[matcher.match]:
        return f"can't match: `{matcher.match}` on an argument of type {wanted}"
    return None
