"""Invocation: write a request as the manifest's template says, read a reply by its selectors."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from driftgate import canonical
from driftgate.errors import AgentContractBroken
from driftgate.matching import same_json
from driftgate.ports import Reply
from driftgate.schemas.manifests import Invocation, Selector

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_NOTHING = object()
MAX_REPLY_BYTES = 6_000_000


def fill(template: Any, variables: Mapping[str, Any]) -> Any:
    """Put variables into a JSON template. A text that is one {{variable}} takes over its type.

    Raises:
        KeyError: the template names a variable that there is not.
    """
    match template:
        case str():
            whole = _VARIABLE.fullmatch(template)
            if whole:
                return variables[whole[1]]
            return _VARIABLE.sub(lambda found: str(variables[found[1]]), template)
        case dict():
            return {key: fill(value, variables) for key, value in template.items()}
        case list() | tuple():
            return [fill(value, variables) for value in template]
    return template


def read_body(chunks: Iterable[bytes], is_late: Callable[[], bool]) -> str:
    """Put a reply's body together while it comes.

    Raises:
        TimeoutError: it became late.
        AgentContractBroken: it is too large to be an answer.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if is_late():
            raise TimeoutError
        if len(body) > MAX_REPLY_BYTES:
            raise AgentContractBroken(f"the reply has more than {MAX_REPLY_BYTES:,} bytes")
    return body.decode(errors="replace")


def read_reply(invocation: Invocation, content_type: str, body: str) -> Reply:
    """Read a reply: a JSON document, or a stream of server-sent events.

    Raises:
        AgentContractBroken: the body is neither or is nested too deep, it has no final response
            where the manifest says, or a selected value is of the wrong type or size.
    """
    try:
        documents = [canonical.storable(document) for document in _documents(content_type, body)]
    except (ValueError, RecursionError) as error:
        raise AgentContractBroken(
            f"the reply is not JSON that can be read ({content_type}): {error}: {_short(body)}"
        ) from error

    def select(name: str) -> Any:
        selector = getattr(invocation.response, name)
        value = _select(selector, documents) if isinstance(selector, Selector) else _NOTHING
        return None if value is _NOTHING else value

    final = select("final_response")
    if not isinstance(final, str):
        pointer = invocation.response.final_response.pointer
        raise AgentContractBroken(
            f"invocation.response.final_response: wanted a text at {pointer!r} of the reply, "
            f"got {_short(body)}"
        )
    try:
        return Reply(
            text=final,
            stop_reason=select("stop_reason"),
            model=select("model"),
            input_tokens=select("input_tokens"),
            output_tokens=select("output_tokens"),
            cache_read_tokens=select("cache_read_tokens"),
            cache_write_tokens=select("cache_write_tokens"),
            cost_usd=select("cost_usd"),
            findings=select("findings"),
            limitations=select("limitations"),
        )
    except ValueError as error:
        raise AgentContractBroken(f"invocation.response: {error}") from error


def pointed(document: Any, pointer: str) -> Any:
    """The value at a JSON Pointer (RFC 6901), or a private mark that there is none."""
    value = document
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _NOTHING
    return value


def _select(selector: Selector, documents: list[Any]) -> Any:
    wanted = [
        document
        for document in documents
        if all(same_json(pointed(document, k), v) for k, v in selector.where.items())
    ]
    values = [value for d in wanted if (value := pointed(d, selector.pointer)) is not _NOTHING]
    if not values:
        return _NOTHING
    if selector.take == "joined":
        return "".join(str(value) for value in values)
    return values[0] if selector.take == "first" else values[-1]


def _documents(content_type: str, body: str) -> Iterator[Any]:
    if content_type.startswith("text/event-stream"):
        data: list[str] = []
        for line in [*re.split(r"\r\n|\n|\r", body), ""]:
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield _json_or_text("\n".join(data))
                data = []
        return
    yield json.loads(body)


def _json_or_text(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def _short(body: str) -> str:
    return repr(body if len(body) <= 200 else f"{body[:197]}...")
