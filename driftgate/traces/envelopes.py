"""How span records come: the forms in which CloudWatch, S3 and OTLP hand them over.

    a JSON list, or JSON lines, of records            {"resource": …, "traceId": …, …}
    what CloudWatch's queries answer                  {"results": [[{"field": "@message", …}]]}
    rows of a capture                                 {"@message": …} or {"raw_otel_json": …}
    a subscription's batch                            {"logEvents": [{"message": …}]}
    lines of CloudWatch's export to S3                2026-11-20T12:00:00.000Z {"resource": …}
    OTLP as JSON                                      {"resourceSpans": …} or {"resourceLogs": …}

Any of them may be gzipped.
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pydantic_core

from driftgate.traces.spans import Row

MOST_BYTES = 512 * 1024 * 1024  # unpacked; a small file may claim to be endless
_EXPORTED = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z? (?=[{\[])")
_WRAPPERS = ("raw_otel_json", "@message", "message")
_LISTS = ("logEvents", "events", "results", "spans", "records")


def read(data: bytes) -> Iterator[Any]:
    """The records in a file or batch; a line that is no JSON is one too, as its text.

    Raises:
        ValueError: gzipped, but damaged, or larger than anybody would send.
    """
    unpacked = _unpacked(data).removeprefix(b"\xef\xbb\xbf")
    try:
        whole = _json(unpacked)
    except ValueError:
        for line in unpacked.decode("utf-8", "replace").split("\n"):
            if line.strip():
                yield from records(_line(line))
        return
    yield from records(whole)


def _json(text: str | bytes) -> Any:
    """Raises ValueError if it is no JSON."""
    try:
        return pydantic_core.from_json(text)
    except (ValueError, TypeError):  # perhaps for half a surrogate pair, which does no harm here
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def records(value: Any, left: int = 10) -> Iterator[Any]:
    """The records in a JSON value, out of what they are wrapped in, `left` times at most."""
    if not left:
        yield value
        return
    match value:
        case [{"field": str(), "value": _}, *_]:  # a row of Logs Insights
            row = {cell.get("field"): cell.get("value") for cell in value if isinstance(cell, dict)}
            yield from records(row, left - 1)
        case list():
            for inner in value:
                yield from records(inner, left - 1)
        case {"resourceSpans": list(groups)}:
            for group in groups:
                yield from _otlp(group, ("scopeSpans", "instrumentationLibrarySpans"), "spans")
        case {"resourceLogs": list(groups)}:
            for group in groups:
                yield from _otlp(group, ("scopeLogs",), "logRecords")
        case dict() if (wrapped := _wrapped(value)) is not None:
            yield from records(wrapped, left - 1)
        case _:
            yield value


def _unpacked(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(data, MOST_BYTES)
        while unpack.eof and unpack.unused_data and len(found) < MOST_BYTES:  # several in one
            rest, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
            found += unpack.decompress(rest, MOST_BYTES - len(found))
    except zlib.error as error:
        raise ValueError(f"gzipped, but damaged: {error}") from error
    if not unpack.eof:
        raise ValueError(f"gzipped, but cut short, or more than {MOST_BYTES} bytes")
    return found


def _line(line: str) -> Any:
    found = _EXPORTED.match(line)
    text = line[found.end() :] if found else line
    try:
        return _json(text)
    except ValueError:
        return line


def _wrapped(value: Row) -> Any:
    """What a row or a batch carries; None if it is a record itself."""
    if any(name in value for name in ("traceId", "trace_id", "context", "attributes")):
        return None
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            try:
                return _json(inner)
            except ValueError:
                return None
        if isinstance(inner, dict) and name != "message":
            return inner
    lists = (value[name] for name in _LISTS if isinstance(value.get(name), list))
    return next(lists, None)


def _otlp(group: Any, scopes: tuple[str, ...], records: str) -> Iterator[Any]:
    """OTLP's records with the resource and scope that they share, and plain values."""
    if not isinstance(group, dict):
        return
    resource = {"attributes": _attributes(_field(group.get("resource"), "attributes"))}
    for name in scopes:
        for inner in _list(group.get(name)):
            scope = _field(inner, "scope") or _field(inner, "instrumentationLibrary")
            for record in _list(_field(inner, records)):
                if not isinstance(record, dict):
                    yield record
                    continue
                plain = {
                    **record,
                    "resource": resource,
                    "scope": scope,
                    "attributes": _attributes(record.get("attributes")),
                }
                if "events" in record:
                    plain["events"] = [
                        {**event, "attributes": _attributes(event.get("attributes"))}
                        for event in _list(record["events"])
                        if isinstance(event, dict)
                    ]
                if "body" in record:
                    plain["body"] = _value(record["body"])
                yield plain


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _attributes(listed: Any) -> Row:
    if isinstance(listed, dict):  # some exporters write them plainly
        return listed
    return {
        item["key"]: _value(item.get("value"))
        for item in _list(listed)
        if isinstance(item, dict) and isinstance(item.get("key"), str)
    }


def _value(typed: Any, left: int = 100) -> Any:
    """The value in {"stringValue": …} and its like; whole numbers come as texts."""
    if not isinstance(typed, dict) or len(typed) != 1 or not left:
        return typed
    kind, value = next(iter(typed.items()))
    if kind == "intValue" and isinstance(value, str):
        return int(value) if re.fullmatch(r"-?\d{1,19}", value) else value
    if kind == "arrayValue":
        return [_value(inner, left - 1) for inner in _list(_field(value, "values"))]
    if kind == "kvlistValue":
        pairs = [p for p in _list(_field(value, "values")) if isinstance(p, dict)]
        return {str(pair.get("key")): _value(pair.get("value"), left - 1) for pair in pairs}
    return value if kind.endswith("Value") else typed
