"""One span, whatever wrote it down: the reader of the record that all families have in common.

A span may come in two parts, its own record and log records with what was said (AgentCore's split
mode). Here they become one. Duplicates vanish, and the order of the records does not matter.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from driftgate.traces.literals import too_deep

Row = dict[str, Any]
LATEST_NS = 4_102_444_800 * 10**9  # the year 2100: what lies after it is no time


class SpanEvent(NamedTuple):
    time: int
    name: str
    attributes: Row
    body: Any


@dataclass(slots=True)
class Span:
    """Missing times are None, other missing parts are empty."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    scope: str = ""
    start: int | None = None  # nanoseconds since 1970
    end: int | None = None
    status: str = ""  # OK, ERROR or nothing
    message: str = ""  # of the status
    attributes: Row = field(default_factory=dict)
    resource: Row = field(default_factory=dict)
    events: list[SpanEvent] = field(default_factory=list)
    bodies: list[Row] = field(default_factory=list)  # what was said: {input: …, output: …}

    @property
    def failed(self) -> bool:
        return self.status == "ERROR"

    @property
    def when(self) -> tuple[int, int, str, str]:
        """Its place among others: by its start, else by its end."""
        start = self.start if self.start is not None else self.end
        return (LATEST_NS if start is None else start, self.end or 0, self.trace_id, self.span_id)

    def text(self, *names: str) -> str:
        """The first of these attributes that is a text and not empty."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and value:
                return value
        return ""

    def number(self, *names: str) -> int | None:
        """The first of these attributes that counts something."""
        for name in names:
            if (value := _integer(self.attributes.get(name))) is not None:
                return value
        return None

    def exception(self) -> tuple[str, str]:
        """Type and message of the exception that the span recorded."""
        for event in self.events:
            if event.name == "exception":
                about = event.attributes
                kind, message = about.get("exception.type"), about.get("exception.message")
                return (
                    kind if isinstance(kind, str) else "",
                    message if isinstance(message, str) else "",
                )
        return "", ""


Key = tuple[str, str]


class Joined(NamedTuple):
    spans: list[Span]  # by time
    records: int
    duplicates: int
    unreadable: int  # neither a span nor an event


def join(records: Iterable[Any]) -> Joined:
    """Put spans and their event records, each as JSON has it, together."""
    spans: dict[Key, Span] = {}
    events: dict[Key, list[tuple[SpanEvent, Row]]] = {}
    count = duplicates = unreadable = 0
    for record in records:
        count += 1
        if not isinstance(record, dict) or too_deep(record):
            unreadable += 1
        elif "body" in record and not ("startTimeUnixNano" in record or "start_time" in record):
            events.setdefault(_key(record), []).append((_event(record), record))
        elif (span := _span_in(record)) is None:
            unreadable += 1
        else:
            key = (span.trace_id, span.span_id) if span.span_id else _key(record)
            known = spans.get(key)
            duplicates += known is not None
            spans[key] = span if known is None else _merged(known, span)
    for key, found in events.items():
        unique = _unique(found)
        duplicates += len(found) - len(unique)
        if key not in spans:
            spans[key] = _stub(*unique[-1])
        _tell(spans[key], unique)
    for span in spans.values():
        if len(span.events) > 1:
            span.events.sort(key=lambda event: (event.time, event.name))
    in_order = sorted(spans.items(), key=lambda item: (item[1].when, item[0]))
    return Joined([span for _, span in in_order], count, duplicates, unreadable)


def _key(record: Row) -> Key:
    """What has no id of its own is known by its content."""
    span_id = _id(record.get("spanId") or record.get("span_id"))
    return _id(record.get("traceId") or record.get("trace_id")), span_id or f"?{_dump(record)}"


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _span_in(record: Row) -> Span | None:
    if "spanId" in record or "span_id" in record or "context" in record or "attributes" in record:
        return _span(record) if _is_span(record) else None
    if any(name.startswith(_GENERATIVE) for name in record):
        return Span("", "", attributes=record)  # the attributes of a span, and nothing else
    return None


_GENERATIVE = ("gen_ai.", "openinference.", "llm.", "traceloop.", "gcp.vertex.agent.")


def _is_span(record: Row) -> bool:
    for name in ("startTimeUnixNano", "start_time", "endTimeUnixNano", "end_time", "name"):
        if record.get(name) is not None:
            return True
    return any(name.startswith(_GENERATIVE) for name in _row(record.get("attributes")))


def _span(record: Row) -> Span:
    context = _row(record.get("context"))
    status = record.get("status")
    code = _row(status) if isinstance(status, dict) else {"code": status}
    span = Span(
        trace_id=_id(record.get("traceId") or record.get("trace_id") or context.get("trace_id")),
        span_id=_id(record.get("spanId") or record.get("span_id") or context.get("span_id")),
        parent_id=_id(_first(record, "parentSpanId", "parent_span_id", "parent_id", "parentId")),
        name=_text(record.get("name")),
        scope=_scope(record),
        start=_time(_first(record, "startTimeUnixNano", "start_time")),
        end=_time(_first(record, "endTimeUnixNano", "end_time")),
        status=_CODES.get(_plain(_first(code, "code", "status_code", "statusCode")), ""),
        message=_text(_first(code, "message", "description")),
        attributes=_row(record.get("attributes")),
        resource=_row(_row(record.get("resource")).get("attributes")),
    )
    found = _first(record, "events", "span_events")
    for event in found if isinstance(found, list) else ():
        if isinstance(event, dict):
            _add(span, _event(event))
    return span


_CODES: dict[Any, str] = {
    **dict.fromkeys((1, "OK", "STATUS_CODE_OK", "1"), "OK"),
    **dict.fromkeys((2, "ERROR", "STATUS_CODE_ERROR", "2"), "ERROR"),
}


def _stub(event: SpanEvent, record: Row) -> Span:
    """A span whose own record is not here: what is known of it is its end."""
    return Span(
        trace_id=_id(record.get("traceId") or record.get("trace_id")),
        span_id=_id(record.get("spanId") or record.get("span_id")),
        scope=_scope(record),
        end=event.time or None,
        resource=_row(_row(record.get("resource")).get("attributes")),
    )


def _tell(span: Span, events: list[tuple[SpanEvent, Row]]) -> None:
    """Add what its event records tell; of whose session it is, where it does not say so itself."""
    for event, _ in events:
        _add(span, event)
        for name, value in event.attributes.items():
            if name not in span.attributes and (
                name in _OF_SESSION or name.startswith("driftgate.")
            ):
                span.attributes = {**span.attributes, name: value}


_OF_SESSION = ("session.id", "gen_ai.conversation.id")


def _event(record: Row) -> SpanEvent:
    attributes = _row(record.get("attributes"))
    name = _first(record, "eventName", "event_name", "name") or attributes.get("event.name")
    return SpanEvent(
        _time(_first(record, "timeUnixNano", "timestamp", "observedTimeUnixNano")) or 0,
        _text(name),
        attributes,
        record.get("body"),
    )


def _add(span: Span, event: SpanEvent) -> None:
    body = event.body
    if isinstance(body, dict) and ("input" in body or "output" in body):
        if body not in span.bodies:
            span.bodies.append(body)
    else:
        span.events.append(event)


def _unique(found: list[tuple[SpanEvent, Row]]) -> list[tuple[SpanEvent, Row]]:
    """Event records of one span by time, each once."""
    if len(found) == 1:
        return found
    times = [(event.time, event.name) for event, _ in found]
    is_tie = len(set(times)) < len(times)
    keys = [
        (*at, _dump(record) if is_tie else "") for at, (_, record) in zip(times, found, strict=True)
    ]
    once = dict(zip(keys, found, strict=True))
    return [once[key] for key in sorted(once)]


def _merged(one: Span, other: Span) -> Span:
    """Of two records of a span the one that says more; exact copies are the rule."""
    return one if one == other else max(one, other, key=_weight)


def _weight(span: Span) -> tuple[Any, ...]:
    said = len(span.events) + len(span.bodies)
    return (
        *(bool(span.status), span.end or 0, len(span.attributes), said),
        _content(span, *span.events),
    )


def _content(span: Span, *events: SpanEvent) -> str:
    """All that it tells, as a text that differs where anything does."""
    own = (span.start, span.end, span.status, span.message, span.name, span.scope, span.parent_id)
    return _dump([own, span.attributes, span.resource, span.bodies, events])


def _first(record: Row, *names: str) -> Any:
    for name in names:
        if (value := record.get(name)) is not None:
            return value
    return None


def _row(value: Any) -> Row:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(value: Any) -> Any:
    """A value that can be looked up."""
    if isinstance(value, str):
        return value.rpartition(".")[2].upper()
    return value if isinstance(value, int) else None


def _scope(record: Row) -> str:
    found = _first(record, "scope", "instrumentation_scope", "instrumentationScope")
    return _text(found.get("name")) if isinstance(found, dict) else _text(found)


def _id(value: Any) -> str:
    if isinstance(value, str):
        return value.removeprefix("0x")
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"{value:x}" if value < 2**128 else ""
    return ""


def _integer(value: Any) -> int | None:
    """A count: whole, not negative, and not beyond what Tokens holds."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 15:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= 10**15 else None


def _time(value: Any) -> int | None:
    """Nanoseconds, from a number, its text, or a date with a time."""
    if isinstance(value, str):
        if value.isascii() and value.isdecimal() and len(value) <= 19:
            value = int(value)
        else:
            try:
                moment = datetime.fromisoformat(value)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                value = round(moment.timestamp() * 10**6) * 1000
            except (ValueError, OverflowError, OSError):
                return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < LATEST_NS else None
