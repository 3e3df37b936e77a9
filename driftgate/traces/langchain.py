"""LangChain and LangGraph through opentelemetry-instrumentation-langchain, old (0.48) and new.

Tasks and tools carry their callbacks' inputs and outputs as JSON: traceloop.entity.input, and since
0.62 the same in gen_ai.task.* and gen_ai.tool.call.*.
"""

from functools import partial
from typing import Any

from driftgate.traces import gen_ai
from driftgate.traces.literals import from_json
from driftgate.traces.messages import MISSING, Said, arguments, messages, outcome
from driftgate.traces.readings import UNKNOWN, Talk, Tool
from driftgate.traces.spans import Row, Span

SCOPE = "opentelemetry.instrumentation.langchain"
_INPUTS = ("gen_ai.tool.call.arguments", "traceloop.entity.input", "gen_ai.task.input")
_OUTPUTS = ("gen_ai.tool.call.result", "traceloop.entity.output", "gen_ai.task.output")


def read(span: Span) -> Any:
    kind = span.attributes.get("traceloop.span.kind")
    operation = span.text("gen_ai.operation.name")
    if kind == "tool" or operation == "execute_tool":
        return _tool(span)
    if kind in ("workflow", "task", "agent") or operation in ("execute_task", "invoke_agent"):
        return _step(span, "agent" if kind in ("workflow", "agent") else "step")
    if operation == "chat" or span.text("llm.request.type", "gen_ai.request.model"):
        return gen_ai.talk(span, "model")
    return _event_records_alone(span) if span.bodies else UNKNOWN


def _event_records_alone(span: Span) -> Any:
    told = _given(span)
    if "input_str" in told:
        return _tool(span)
    if "inputs" in told or "outputs" in _returned(span):
        return _step(span, "step")
    return gen_ai.talk(span, "model")


def _step(span: Span, kind: Any) -> Talk:
    return Talk(
        kind,
        read_inputs=partial(_conversation, span, "inputs"),
        read_outputs=partial(_conversation, span, "outputs"),
    )


def _conversation(span: Span, side: str) -> list[Said]:
    told = (_given(span) if side == "inputs" else _returned(span)).get(side)
    return messages(told.get("messages")) if isinstance(told, dict) else []


def _given(span: Span) -> Row:
    return _callback(span, _INPUTS, "input")


def _returned(span: Span) -> Row:
    return _callback(span, _OUTPUTS, "output")


def _callback(span: Span, names: tuple[str, ...], side: str) -> Row:
    texts = [span.text(*names)]
    texts += [row["content"] for body in span.bodies for row in _texts(body, side)]
    for text in texts:
        if isinstance(found := from_json(text), dict):
            return found
    return {}


def _texts(body: Row, side: str) -> list[Row]:
    found = body.get(side)
    rows = found.get("messages") if isinstance(found, dict) else None
    return [
        row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("content"), str)
    ]


def _tool(span: Span) -> Tool:
    kind, message = span.exception()
    told, returned = _given(span), _returned(span)
    made = Tool(
        name=span.text("gen_ai.tool.name", "traceloop.entity.name"),
        call_id=span.text("gen_ai.tool.call.id"),
        failed=span.failed or gen_ai.failed_by_attributes(span),
        code=span.text("error.type") or kind,
        message=message or span.message,
    )
    # The structured inputs are what the tool got; input_str is how Python shows them.
    structured = told.get("inputs")
    made.arguments = arguments(
        structured if isinstance(structured, dict) else told.get("input_str", MISSING)
    )
    take_message(made, returned.get("output", MISSING))
    if not made.name:
        about = returned.get("kwargs")
        name = about.get("name") if isinstance(about, dict) else ""
        made.name = name if isinstance(name, str) else ""
    return made


def take_message(made: Tool, output: Any) -> None:
    """Fill in what a serialised ToolMessage tells: result, call id, status, and the tool's name."""
    about = output
    for wrapper in ("kwargs", "data"):
        if isinstance(about, dict) and isinstance(about.get(wrapper), dict):
            about = about[wrapper]
    if not isinstance(about, dict) or "tool_call_id" not in about:
        made.result = outcome(output)
        return
    made.result = outcome(about.get("content", MISSING))
    made.failed = made.failed or about.get("status") == "error"
    for field, name in (("call_id", "tool_call_id"), ("name", "name")):
        value = about.get(name)
        if not getattr(made, field) and isinstance(value, str):
            setattr(made, field, value)
