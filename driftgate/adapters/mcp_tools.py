"""The tools that an MCP server lists, as drafts of contracts."""

import asyncio
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import httpx2
import mcp_types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from driftgate.errors import BadInput
from driftgate.schemas.contracts import ToolContract
from mock_tools.json_schema import unsupported

TIMEOUT_S = 30
TARGET = "___"  # a Gateway lists a tool as target___name


class Draft(NamedTuple):
    contract: ToolContract
    left_out: tuple[str, ...]  # parts of its schema that no mock could check


def read(url: str, headers: Mapping[str, str]) -> list[Draft]:
    """A draft for each of the server's tools, by name.

    Raises:
        BadInput: it can't be reached, or lists nothing, or what no contract can be made of.
    """
    statuses: list[int] = []
    try:
        tools = asyncio.run(_list(url, headers, statuses))
    except Exception as error:
        refused = statuses and statuses[-1] >= 400  # which the error itself does not say
        got = f"HTTP {statuses[-1]}" if refused else _innermost(error)
        raise BadInput(f"{url}: wanted an MCP server's tools, got {got}") from error
    if not tools:
        raise BadInput(f"{url}: wanted tools, got none")
    return drafts(tools)


def drafts(tools: Sequence[mcp_types.Tool]) -> list[Draft]:
    """A draft for each tool, by name. Raises BadInput if two have one name."""
    found: dict[str, Draft] = {}
    for tool in tools:
        one = draft(tool)
        if found.setdefault(one.contract.tool, one) is not one:
            raise BadInput(f"two of the tools are named {one.contract.tool}; wanted one")
    return [found[name] for name in sorted(found)]


def draft(tool: mcp_types.Tool) -> Draft:
    """A contract whose mock answers what a case's world says under answers/<tool>.

    What does not say that it only reads may write, as MCP has it.
    """
    name = tool.name.rpartition(TARGET)[2]
    definitions = tool.input_schema.get("$defs", {})
    left_out: list[str] = []
    schema = _checkable(tool.input_schema, definitions, "input_schema", left_out)
    absent = f"The case's world has no answers/{name}."
    try:
        contract = ToolContract.model_validate(
            {
                "tool": name,
                "version": "1.0.0",
                "effect": "read"
                if tool.annotations and tool.annotations.read_only_hint
                else "write",
                "description": tool.description or tool.title or name,
                "input_schema": {**schema, "type": "object"},
                "behaviour": [
                    {
                        "find": f"answers/{name}",
                        "let": "answer",
                        "otherwise": {"error": "NOT_IN_WORLD", "message": absent},
                    },
                    {"answer": "{answer}"},
                ],
            }
        )
    except ValueError as error:
        raise BadInput(f"tool {tool.name}: no contract can be made of it: {error}") from error
    return Draft(contract, tuple(left_out))


async def _list(
    url: str, headers: Mapping[str, str], statuses: list[int]
) -> Sequence[mcp_types.Tool]:
    """All pages of tools; `statuses` gets that of each response."""

    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    tools: list[mcp_types.Tool] = []
    async with (
        httpx2.AsyncClient(
            headers=dict(headers), timeout=TIMEOUT_S, event_hooks={"response": [note]}
        ) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        page = await client.list_tools()
        tools += page.tools
        while page.next_cursor is not None:
            page = await client.list_tools(cursor=page.next_cursor)
            tools += page.tools
    return tools


def _checkable(
    schema: Any, definitions: Mapping[str, Any], place: str, left_out: list[str]
) -> dict[str, Any]:
    """The part of a schema that mocks check; what is left out is added to `left_out`."""
    schema = _plain(schema, definitions)
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        here = f"{place}.{keyword}"
        if keyword in ("$schema", "$defs"):
            continue
        if keyword == "properties":
            value = {
                name: _checkable(inner, definitions, f"{here}.{name}", left_out)
                for name, inner in value.items()
            }
        elif keyword in ("items", "additionalProperties") and isinstance(value, dict):
            value = _checkable(value, definitions, here, left_out)
        if any(unsupported({keyword: value}, place)):
            left_out.append(here)
        else:
            kept[keyword] = value
    return kept


def _plain(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the words that mocks know, where it can be: a reference, X or null."""
    if not isinstance(schema, dict):  # true, which allows anything
        return {}
    plain: dict[str, Any] = copy.deepcopy(schema)
    name = str(plain.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions and not _refers(definitions[name]):
        del plain["$ref"]
        plain = {**copy.deepcopy(definitions[name]), **plain}
    options = plain.get("anyOf", [])
    values = [option for option in options if option != {"type": "null"}]
    if len(values) == 1 < len(options) and isinstance(values[0].get("type"), str):
        del plain["anyOf"]
        value = {**values[0], "type": [values[0]["type"], "null"]}
        if "enum" in value:
            value["enum"] = [*value["enum"], None]
        plain = {**value, **plain}
    return plain


def _refers(schema: Any) -> bool:
    """A definition that needs others, perhaps itself."""
    if isinstance(schema, dict):
        return "$ref" in schema or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))


def _innermost(error: BaseException) -> str:
    """Of errors in groups, which say nothing, the first that says something."""
    *_, last = _nested(error)
    return f"{type(last).__name__}: {last}"


def _nested(error: BaseException) -> Iterator[BaseException]:
    yield error
    if isinstance(error, BaseExceptionGroup):
        yield from _nested(error.exceptions[0])
