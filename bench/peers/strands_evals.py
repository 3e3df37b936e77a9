"""strands-agents-evals: its mappers, chosen by its own detection.

Records of CloudWatch go through its parser first, as its provider for CloudWatch does; the other
files are in the form that its mappers take. It is told the session's id, by which some select.
"""

import json
import logging
from pathlib import Path
from typing import Any

from strands_evals.mappers import CloudWatchLogsParser, detect_otel_mapper
from strands_evals.types.trace import ToolExecutionSpan

from bench.peers.recorded import serve
from bench.peers.spans import Told, every_file

logging.disable(logging.CRITICAL)


def read(path: Path) -> Told:
    records = json.loads(path.read_bytes())
    if isinstance(records, dict):
        records = records.get("spans", [records])
    records = [record.get("raw_otel_json", record) for record in records]
    try:
        spans: list[Any] = records
        if any("traceId" in record for record in records):
            spans = CloudWatchLogsParser(records).parse()
        session = detect_otel_mapper(spans).map_to_session(spans, _session_id(records))
    except Exception:  # noqa: BLE001  what it can't read, it may refuse in any way
        return Told(path.name, 0, 0, 0)
    made = [s for t in session.traces for s in t.spans if isinstance(s, ToolExecutionSpan)]
    failed = sum(bool(span.tool_result.error) for span in made)
    return Told(path.name, len(session.traces), len(made), failed)


def _session_id(records: list[Any]) -> str:
    for record in records:
        about = record.get("attributes") or {}
        if found := about.get("session.id") or about.get("gen_ai.conversation.id"):
            return str(found)
    return "session"


METHOD = every_file(read)

if __name__ == "__main__":
    serve({"map": METHOD})
