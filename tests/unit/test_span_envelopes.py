"""The same records, however they were handed over."""

import gzip
import json

import pytest

from driftgate.traces import envelopes
from driftgate.traces.normaliser import normalise
from tests.spans import shapes

RECORDS = shapes.strands_legacy(in_parts=True)
MOMENT = "2026-11-20T12:00:00.000Z"


def typed(value):
    """OTLP's form of a value."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case list():
            return {"arrayValue": {"values": [typed(inner) for inner in value]}}
        case dict():
            return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes):
    return [{"key": name, "value": typed(value)} for name, value in attributes.items()]


def otlp(kind):
    """Spans and log records as a collector's file exporter writes them."""
    lines = []
    for record in RECORDS:
        is_event = "body" in record
        if is_event != (kind == "Logs"):
            continue
        plain = {name: record[name] for name in record if name not in ("resource", "scope")}
        plain["attributes"] = pairs(record["attributes"])
        if is_event:
            plain |= {"body": typed(record["body"]), "timeUnixNano": str(record["timeUnixNano"])}
        else:
            plain["kind"], plain["status"] = 1, {**record["status"]}
            plain["status"]["code"] = {"OK": 1, "ERROR": 2}[record["status"]["code"]]
            for name in ("startTimeUnixNano", "endTimeUnixNano"):
                plain[name] = str(record[name])
            plain["events"] = [{**e, "attributes": pairs(e["attributes"])} for e in plain["events"]]
        resource = {"attributes": pairs(record["resource"]["attributes"])}
        records = {"logRecords" if is_event else "spans": [plain]}
        inner = [{"scope": record["scope"], **records}]
        lines.append({f"resource{kind}": [{"resource": resource, f"scope{kind}": inner}]})
    return lines


def lines(values):
    return "\n".join(map(json.dumps, values)).encode()


FORMS = {
    "a list": json.dumps(RECORDS).encode(),
    "indented": json.dumps(RECORDS, indent=2).encode(),
    "lines": lines(RECORDS),
    "gzipped lines": gzip.compress(lines(RECORDS)),
    "several gzips in one": gzip.compress(lines(RECORDS[:5]) + b"\n")
    + gzip.compress(lines(RECORDS[5:])),
    "an export to S3": gzip.compress(
        "\n".join(f"{MOMENT} {json.dumps(record)}" for record in RECORDS).encode()
    ),
    "rows": json.dumps([{"timestamp": MOMENT, "raw_otel_json": r} for r in RECORDS]).encode(),
    "rows of a query": json.dumps(
        {
            "results": [
                [
                    {"field": "@timestamp", "value": MOMENT},
                    {"field": "@message", "value": json.dumps(record)},
                ]
                for record in RECORDS
            ]
        }
    ).encode(),
    "a subscription's batch": gzip.compress(
        json.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "logGroup": "aws/spans",
                "logEvents": [{"id": "1", "message": json.dumps(r)} for r in RECORDS],
            }
        ).encode()
    ),
    "filtered log events": json.dumps(
        {"events": [{"eventId": "1", "message": json.dumps(r)} for r in RECORDS]}
    ).encode(),
    "OTLP": lines([*otlp("Spans"), *otlp("Logs")]),
}


def read(data):
    return normalise(envelopes.read(data))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_is_read_from_every_form(form):
    assert read(FORMS[form]) == normalise(RECORDS)


def test_ids_and_times_of_the_in_memory_exporter_are_read():
    (plain,) = [record for record in RECORDS if record.get("name") == "execute_tool find_book"]
    shown = {
        "name": plain["name"],
        "context": {"trace_id": f"0x{plain['traceId']}", "span_id": f"0x{plain['spanId']}"},
        "parent_id": f"0x{plain['parentSpanId']}",
        "kind": "SpanKind.INTERNAL",
        "start_time": "2026-09-21T14:13:20.500000Z",
        "end_time": "2026-09-21T14:13:20.750000Z",
        "status": {"status_code": "OK"},
        "attributes": plain["attributes"],
        "events": [],
        "resource": plain["resource"],
    }

    (session,) = read(json.dumps(shown).encode()).sessions  # it does not tell the scope

    assert session.trace == normalise([plain]).sessions[0].trace


def test_damaged_lines_are_counted_and_cost_no_other():
    data = lines(RECORDS).replace(b"\n", b'\n{"traceId": "cut off\nplain log line\n', 1)

    found = read(data)

    assert found.sessions == normalise(RECORDS).sessions
    assert found.not_spans == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:20] + b"x" * 50])
def test_a_damaged_gzip_says_so(damage):
    with pytest.raises(ValueError, match="gzipped, but"):
        list(envelopes.read(damage(gzip.compress(lines(RECORDS)))))


def test_an_archive_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(envelopes, "MOST_BYTES", 1_000_000)

    with pytest.raises(ValueError, match="more than 1000000 bytes"):
        list(envelopes.read(gzip.compress(b" " * 2_000_000)))


def test_wrappers_within_wrappers_end():
    nested = json.dumps({"message": "x"})
    for _ in range(12):
        nested = json.dumps({"message": nested})

    assert len(list(envelopes.read(("[" * 300 + "]" * 300).encode()))) == 1
    assert len(list(envelopes.read(nested.encode()))) == 1
