"""Spans of made-up sessions, put into the emulator's log groups as AgentCore's runtimes do."""

import json
import time
from contextlib import suppress
from hashlib import sha256

SERVICE = "clerk.DEFAULT"
GROUP = "/aws/bedrock-agentcore/runtimes/clerk-Ab12345678-DEFAULT"


def span(session_id, number, attributes, service=SERVICE):
    began = time.time_ns() + number
    return {
        "resource": {"attributes": {"service.name": service}},
        "scope": {"name": "strands.telemetry.tracer"},
        "traceId": sha256(session_id.encode()).hexdigest()[:32],
        "spanId": f"{number:016x}",
        "name": "span",
        "startTimeUnixNano": began,
        "endTimeUnixNano": began + 1000,
        "attributes": {"session.id": session_id, **attributes},
    }


def spans(session_id, *tools, service=SERVICE):
    """One invocation that called these tools, in this order."""
    agent = {"gen_ai.operation.name": "invoke_agent"}
    called = [{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool} for tool in tools]
    return [span(session_id, n, each, service) for n, each in enumerate([agent, *called])]


def put(logs, records, group=GROUP, stream="spans"):
    """Write records into a log group, which is made first if it is not there."""
    for create, names in (
        (logs.create_log_group, {"logGroupName": group}),
        (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
    ):
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            create(**names)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": json.dumps(record)} for record in records]
    for start in range(0, len(events), 1000):
        some = events[start : start + 1000]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)
