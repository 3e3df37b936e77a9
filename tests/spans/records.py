"""Span and event records in the form in which CloudWatch keeps them."""

import json
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
TRACE = "6f" * 16
BEGIN = 1_790_000_000_000_000_000
STEP = 250_000_000  # of a second each
RESOURCE = {
    "attributes": {
        "service.name": "library.PROD",
        "cloud.platform": "aws_bedrock_agentcore",
        "cloud.resource_id": "arn:aws:bedrock-agentcore:eu-west-1:111122223333:runtime/"
        "library-Ab12Cd34Ef/runtime-endpoint/PROD:PROD",
        "driftgate.agent.version": "3.1.0",
    }
}


def span(
    id: str,
    parent: str = "",
    *,
    scope: str,
    name: str,
    at: int,
    lasts: int = 1,
    error: str = "",
    exception: bool = True,
    events: list[Row] | None = None,
    trace: str = TRACE,
    session: str = "session-1",
    attributes: Row | None = None,
) -> Row:
    """A span from the step `at` on."""
    begin = BEGIN + at * STEP
    events = list(events or [])
    if error and exception:
        told = {"exception.type": "RuntimeError", "exception.message": error}
        events.append(event("exception", begin + STEP, told))
    return {
        "resource": RESOURCE,
        "scope": {"name": scope, "version": "1"},
        "traceId": trace,
        "spanId": id,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": "INTERNAL",
        "startTimeUnixNano": begin,
        "endTimeUnixNano": begin + lasts * STEP,
        "durationNano": lasts * STEP,
        "attributes": {"session.id": session, **(attributes or {})},
        "status": {"code": "ERROR", "message": error} if error else {"code": "OK"},
        "events": events,
    }


def event(name: str, at: int, attributes: Row) -> Row:
    return {"name": name, "timeUnixNano": at, "attributes": attributes}


def beside(of: Row, body: Row, name: str = "") -> Row:
    """An event record of a span: what was said in it."""
    return {
        "resource": of["resource"],
        "scope": of["scope"],
        "timeUnixNano": of["endTimeUnixNano"],
        "severityNumber": 9,
        "body": body,
        "attributes": {
            "event.name": name or of["scope"]["name"],
            "session.id": of["attributes"]["session.id"],
        },
        "traceId": of["traceId"],
        "spanId": of["spanId"],
    }


def said(inputs: list[Row], outputs: list[Row]) -> Row:
    both = {"input": {"messages": inputs}, "output": {"messages": outputs}}
    return {side: told for side, told in both.items() if told["messages"]}


def flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """OpenInference's numbered attributes of nested objects and lists."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from flat(f"{prefix}.{key}", inner)
    else:
        yield prefix, value


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
