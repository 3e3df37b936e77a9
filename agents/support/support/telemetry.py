"""The agent's spans as AgentCore writes them down, where it runs somewhere else.

On AgentCore the distribution of OpenTelemetry that starts the agent does this. Without SPANS_FILE
nothing is written.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class FileExporter(SpanExporter):
    """One record a line, in the form of the log group aws/spans."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        lines = "".join(json.dumps(record(span)) + "\n" for span in spans)
        with self._writing, self._path.open("a") as file:
            file.write(lines)
        return SpanExportResult.SUCCESS


def record(span: ReadableSpan) -> dict[str, Any]:
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    assert context is not None
    start, end = span.start_time or 0, span.end_time or 0
    return {
        "resource": {"attributes": _plain(span.resource.attributes)},
        "scope": {"name": scope.name if scope else "", "version": scope.version if scope else ""},
        "traceId": trace.format_trace_id(context.trace_id),
        "spanId": trace.format_span_id(context.span_id),
        **({"parentSpanId": trace.format_span_id(parent.span_id)} if parent else {}),
        "name": span.name,
        "kind": span.kind.name,
        "startTimeUnixNano": start,
        "endTimeUnixNano": end,
        "durationNano": end - start,
        "attributes": _plain(span.attributes),
        "status": {"code": span.status.status_code.name},
        "events": [
            {
                "timeUnixNano": event.timestamp,
                "name": event.name,
                "attributes": _plain(event.attributes),
            }
            for event in span.events
        ],
    }


def write_spans() -> None:
    """Write the spans of this process to SPANS_FILE, under the service that SERVICE_NAME says."""
    path = os.environ.get("SPANS_FILE")
    if not path:
        return
    provider = TracerProvider(
        resource=Resource({"service.name": os.environ.get("SERVICE_NAME", "support.DEFAULT")})
    )
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(Path(path))))
    trace.set_tracer_provider(provider)


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (attributes or {}).items()
    }
