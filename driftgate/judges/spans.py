"""A trace as spans of the kind that AgentCore's evaluators read: OpenTelemetry's, gen_ai.*.

One trace for each turn: the agent's span, and within it one for each tool call. Their ids and times
follow from the content, so that a run, an arm or a moment can't be told from them.
"""

import json
from collections.abc import Iterator
from typing import Any

from driftgate import canonical
from driftgate.judges.passages import passages
from driftgate.schemas.traces import Message, ToolCall, Trace

SCOPE = "opentelemetry.instrumentation.driftgate"
VERSION = 1  # raised when an evaluator may read something else
_BEGIN_NS = 1_700_000_000_000_000_000
_STEP_NS = 1_000_000


def session_id(trace: Trace) -> str:
    """An id that equal conversations have in common."""
    told = canonical.dump([list(passage) for passage in passages(trace)])
    return f"driftgate-{canonical.sha256(told)[:40]}"


def session_spans(trace: Trace) -> list[dict[str, Any]]:
    return [span for turn in turns(trace) for span in _spans_of(trace, turn)]


def turns(trace: Trace) -> list[int]:
    found = {message.turn for message in trace.messages} | {call.turn for call in trace.calls}
    return sorted(found)


def trace_id(trace: Trace, turn: int) -> str:
    return canonical.sha256(f"{session_id(trace)}|{turn}".encode())[:32]


def _spans_of(trace: Trace, turn: int) -> Iterator[dict[str, Any]]:
    calls = [call for call in sorted(trace.calls, key=lambda call: call.seq) if call.turn == turn]
    said = [message for message in trace.messages if message.turn == turn]
    user, agent = (_messages(said, role) for role in ("user", "assistant"))
    length = 2 * len(calls) + 1
    root = _span(trace, turn, 0, length, "invoke_agent", "INTERNAL")
    about = {"gen_ai.input.messages": user, "gen_ai.output.messages": agent}
    yield {**root, "attributes": {**root["attributes"], **about}}
    for number, call in enumerate(calls, start=1):
        span = _span(trace, turn, 2 * number - 1, 1, f"execute_tool {call.tool}", "INTERNAL")
        status = {"code": "OK" if call.error is None else "ERROR"}
        attributes = {**span["attributes"], **_about_call(call)}
        yield {
            **span,
            "parentSpanId": root["spanId"],
            "attributes": attributes,
            "status": status,
        }


def _span(trace: Trace, turn: int, step: int, steps: int, name: str, kind: str) -> dict[str, Any]:
    begin = _BEGIN_NS + turn * 1_000_000_000 + step * _STEP_NS
    id = canonical.sha256(f"{trace_id(trace, turn)}|{step}".encode())[:16]
    return {
        "resource": {"attributes": {"service.name": "driftgate.DEFAULT"}},
        "scope": {"name": SCOPE, "version": str(VERSION)},
        "traceId": trace_id(trace, turn),
        "spanId": id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": begin,
        "endTimeUnixNano": begin + steps * _STEP_NS,
        "durationNano": steps * _STEP_NS,
        "attributes": {
            "session.id": session_id(trace),
            "gen_ai.operation.name": name.partition(" ")[0],
        },
        "status": {"code": "OK"},
    }


def _about_call(call: ToolCall) -> dict[str, Any]:
    outcome = call.result if call.error is None else call.error.message or call.error.kind
    return {
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.call.id": f"call-{call.seq}",
        "gen_ai.tool.call.arguments": _json(call.arguments),
        "gen_ai.tool.call.result": _json(outcome),
    }


def _messages(said: list[Message], role: str) -> str:
    own = [message for message in said if message.role == role]
    return _json([{"role": role, "parts": [{"type": "text", "content": m.text}]} for m in own])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
