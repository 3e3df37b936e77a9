"""Make tests/spans/*.json: what the LangGraph agent of tests/shop writes, by either instrumentor.

`make spans` runs it in the agent's environment. The agent is started as in production, with AWS's
distro, and sends its spans by OTLP; here they become what CloudWatch makes of them: a record each,
attributes as a mapping. It is one session of two turns; the tool answers in the first and refuses
in the second.
"""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "tests" / "shop"
INSTRUMENTORS = {  # the environment it is installed in: the file of what it writes
    "langgraph": "langgraph-opentelemetry.json",
    "openinference": "langgraph-openinference.json",
}
SESSION = "spans-0123456789abcdef0123456789abcdef"
TURNS = ("What does order O-1001 cost?", "And what does order O-9999 cost?")
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR")


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which the agent inherits
    for environment, file in INSTRUMENTORS.items():
        spans = record(ROOT / ".venvs" / environment / "bin")
        lines = ",\n".join(json.dumps(span, ensure_ascii=False) for span in spans)
        (Path(__file__).parent / file).write_text(f"[\n{lines}\n]\n")
        sys.stderr.write(f"{file}: {len(spans)} spans\n")


def record(bin: Path) -> list[dict]:
    """The spans of the session, in the order in which they began."""
    with collector() as (url, spans), shop() as tools, TemporaryDirectory() as folder:
        for source in (*(SHOP / "langgraph").glob("*.py"), SHOP / "policy.py"):
            (Path(folder) / source.name).write_bytes(source.read_bytes())
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "GATEWAY_URL": tools,
            "PYTHONPATH": str(kit(Path(folder))),
            "AGENT_OBSERVABILITY_ENABLED": "true",
            "UNIFIED_TRACES_DESTINATION_ENABLED": "true",
            "OTEL_PYTHON_DISTRO": "aws_distro",
            "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop.DEFAULT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url,
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [bin / "opentelemetry-instrument", bin / "python", "server.py"]
        agent = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            wait_for(port)
            for turn in TURNS:
                ask(port, turn)
        finally:
            agent.send_signal(signal.SIGINT)  # it then sends what it has; SIGTERM ends it at once
            agent.wait(60)
        return sorted(spans, key=lambda span: (span["startTimeUnixNano"], span["spanId"]))


def kit(folder: Path) -> Path:
    """The kit by itself, as its wheel has it."""
    there = folder / "kit" / "driftgate" / "agentkit"
    there.mkdir(parents=True)
    for source in (ROOT / "driftgate" / "agentkit").glob("*.py"):
        (there / source.name).write_bytes(source.read_bytes())
    return folder / "kit"


@contextmanager
def shop():
    """Where the shop's real tools are served."""
    port = free_port()
    python = ROOT / ".venvs" / "product" / "bin" / "python"
    served = subprocess.Popen([python, SHOP / "service.py", str(port)], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        served.kill()
        served.wait()


@contextmanager
def collector():
    """An address for OTLP over HTTP, and the list of what has come there."""
    spans = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            spans.extend(read(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *values):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
        server.shutdown()


def read(request: ExportTraceServiceRequest):
    """A record for each span, as CloudWatch stores it."""
    for of_resource in request.resource_spans:
        resource = {"attributes": mapping(of_resource.resource.attributes)}
        for of_scope in of_resource.scope_spans:
            scope = {"name": of_scope.scope.name, "version": of_scope.scope.version}
            for span in of_scope.spans:
                yield {"resource": resource, "scope": scope, **fields(span)}


def fields(span) -> dict:
    found = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": KINDS[span.kind],
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "durationNano": span.end_time_unix_nano - span.start_time_unix_nano,
        "attributes": mapping(span.attributes),
        "status": {"code": STATUSES[span.status.code], "message": span.status.message},
        "events": [
            {
                "timeUnixNano": event.time_unix_nano,
                "name": event.name,
                "attributes": mapping(event.attributes),
            }
            for event in span.events
        ],
    }
    return {name: value for name, value in found.items() if value not in ("", [])}


def mapping(attributes) -> dict:
    return {pair.key: plain(pair.value) for pair in attributes}


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return mapping(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def ask(port: int, turn: str) -> None:
    """Say it as AgentCore does: the session in its header, and in the baggage of the trace."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=json.dumps({"prompt": turn, "turn": TURNS.index(turn) + 1}).encode(),
        headers={
            "content-type": "application/json",
            "x-amzn-bedrock-agentcore-runtime-session-id": SESSION,
            "baggage": f"session.id={SESSION}",
        },
    )
    urllib.request.urlopen(request, timeout=60).read()  # raises if it is not answered


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


if __name__ == "__main__":
    main()
