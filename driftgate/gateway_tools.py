"""Tools as a Gateway's Lambda target holds them, in a smaller schema language than contracts have.

Agents behind such a target see no `enum`, `pattern`, `format` or limits.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from driftgate.schemas.contracts import NAME_LIMIT, ToolContract
from mock_tools.engine import listed_as

MEMBERS = ("type", "properties", "required", "items", "description")  # of a SchemaDefinition
TYPES = ("string", "number", "object", "array", "boolean", "integer")


class TargetTool(NamedTuple):
    target: str
    name: str  # without its target
    listed_as: str  # with it
    description: str
    input_schema: dict[str, Any]


def target_tools(contracts: Iterable[ToolContract]) -> Iterator[TargetTool]:
    """The tools of an agent version, each with the target that it belongs to.

    Raises:
        ValueError: a Lambda target can't have such a tool.
    """
    for contract in contracts:
        name = listed_as(contract.model_dump(exclude_defaults=True))
        if len(name) > NAME_LIMIT:
            raise ValueError(f"{name}: wanted at most {NAME_LIMIT} characters, got {len(name)}")
        yield TargetTool(
            target=name.partition("___")[0],
            name=contract.tool,
            listed_as=name,
            description=contract.description,
            input_schema=_definition(contract.input_schema, f"{name}: input_schema"),
        )


def _definition(schema: Any, place: str) -> dict[str, Any]:
    """What a SchemaDefinition can say of a schema."""
    if schema.get("type") not in TYPES:
        raise ValueError(f"{place}.type: wanted one of {TYPES}, got {schema.get('type')!r}")
    kept = {key: value for key, value in schema.items() if key in MEMBERS}
    if "properties" in kept:
        kept["properties"] = {
            name: _definition(inner, f"{place}.{name}")
            for name, inner in kept["properties"].items()
        }
    if "items" in kept:
        kept["items"] = _definition(kept["items"], f"{place}.items")
    return kept
