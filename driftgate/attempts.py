"""An attempt as the mock tools engine takes it, and the log of calls that it leaves."""

from collections.abc import Iterable
from typing import Any

from driftgate.errors import MockBroken
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.traces import ToolCall


def script(agent: AgentVersion, case: Case) -> dict[str, Any]:
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


def calls(entries: Iterable[dict[str, Any]]) -> list[ToolCall]:
    """The calls of an attempt's log. Raises MockBroken if a mock failed: not the agent's fault."""
    made = []
    for entry in entries:
        if entry["error"] and entry["error"]["kind"] == "mock":
            raise MockBroken(entry["error"]["message"])
        made.append(ToolCall.model_validate(entry))
    return made
