"""OpenTelemetry's conventions for generative AI (gen_ai.*) in all their ages, and who keeps them.

Strands, OpenAI Agents, ADOT's own instrumentation of LangChain and botocore write the same things
to different places: attributes of the span, events within it, or event records beside it, in which
AgentCore's split mode keeps what was said.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from driftgate.traces.literals import from_json, repr_fields
from driftgate.traces.messages import (
    MISSING,
    Asked,
    Said,
    arguments,
    asked_in_repr,
    messages,
    numbered,
    outcome,
)
from driftgate.traces.readings import UNKNOWN, Reading, Talk, Tool
from driftgate.traces.spans import Row, Span, SpanEvent

STRANDS = "strands.telemetry.tracer"
ADOT_LANGCHAIN = "amazon.opentelemetry.distro.instrumentation.langchain"
OPENAI_AGENTS = "opentelemetry.instrumentation.openai_agents"
BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"

Kind = Literal["agent", "step", "model"]
OPERATIONS: dict[str, Kind] = {
    **dict.fromkeys(("chat", "text_completion", "generate_content"), "model"),
    "invoke_agent": "agent",
    **dict.fromkeys(("execute_event_loop_cycle", "execute_task", "invoke_workflow"), "step"),
}
QUIET = {"create_agent", "embeddings", "retrieval", "unknown"}  # nothing said, nothing done
_DETAILS = "gen_ai.client.inference.operation.details"


def read(span: Span) -> Any:
    operation = span.text("gen_ai.operation.name")
    if not operation and span.scope == STRANDS:
        operation = span.name  # older ones say it of agents, models and tools alone
    if operation == "execute_tool" or (not operation and span.text("gen_ai.tool.name")):
        return tool(span)
    if operation == "agent_handoff":
        return handoff(span, span.text("gen_ai.handoff.to_agent"))
    if kind := OPERATIONS.get(operation) or _kind_without_operation(span):
        return talk(span, kind)
    if operation in QUIET:
        return None
    return _event_records_alone(span) if not operation and span.bodies else UNKNOWN


def _kind_without_operation(span: Span) -> Kind | None:
    named = span.attributes.get("traceloop.span.kind")
    if named in ("workflow", "agent", "task"):
        return "agent" if named == "agent" else "step"
    if span.text("gen_ai.request.model", "gen_ai.response.model"):
        return "model"
    if any(event.name == _DETAILS or event.name == "gen_ai.choice" for event in span.events):
        return "model"
    return None


def _event_records_alone(span: Span) -> Reading:
    """What a span was whose own record is not here, by what was said in it."""
    if span.scope != STRANDS:
        return talk(span, "model")
    said = _side(span.bodies[0], "input")
    if said and all(row.get("role") == "tool" for row in said):
        return tool(span)
    written = [_written(row)[0] for row in _side(span.bodies[0], "output")]
    blocks = any(isinstance(from_json(text), list) for text in written if isinstance(text, str))
    return talk(span, "model" if blocks else "agent")


def handoff(span: Span, agent: str) -> Tool:
    """One agent hands over to another: to the model, a call of transfer_to_<agent>."""
    name = "".join(letter if letter.isalnum() else "_" for letter in agent.lower())
    kind, message = span.exception()
    failed = span.failed
    return Tool(f"transfer_to_{name}", failed=failed, code=kind, message=message or span.message)


def talk(span: Span, kind: Kind) -> Talk:
    return Talk(
        kind,
        read_inputs=partial(inputs, span),
        read_outputs=partial(outputs, span),
        in_order=not span.bodies,
        model=_model(span),
        input_tokens=span.number("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=span.number("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        finish=_finish(span),
    )


def _model(span: Span) -> str:
    asked = span.text("gen_ai.request.model")
    return asked if asked not in ("", "unknown") else span.text("gen_ai.response.model")


def _finish(span: Span) -> str:
    reasons = span.attributes.get("gen_ai.response.finish_reasons")
    reasons = from_json(reasons) if isinstance(reasons, str) else reasons
    last = reasons[-1] if isinstance(reasons, list) and reasons else ""
    return last if isinstance(last, str) else ""


def inputs(span: Span) -> list[Said]:
    """What went in. What is written in several places is taken from one of them."""
    if found := _attribute(span.attributes, "gen_ai.input.messages", "user"):
        return found
    if found := [said for e in _details(span) for said in _parts(e, "gen_ai.input.messages")]:
        return found
    if found := [said for body in span.bodies for said in _in_body(body, "input")]:
        return found
    if found := [said for event in span.events for said in _spoken(event, _INPUTS)]:
        return found
    if found := messages(numbered(span.attributes, "gen_ai.prompt.")):
        return found
    return _attribute(span.attributes, "gen_ai.prompt", "user")


def outputs(span: Span) -> list[Said]:
    return (
        [_without_repr(said) for said in _outputs(span)]
        if span.scope == OPENAI_AGENTS
        else (_outputs(span))
    )


def _outputs(span: Span) -> list[Said]:
    if found := _attribute(span.attributes, "gen_ai.output.messages", "assistant"):
        return found
    if found := [said for e in _details(span) for said in _parts(e, "gen_ai.output.messages")]:
        return found
    if found := [said for body in span.bodies for said in _in_body(body, "output")]:
        return found
    if found := [said for event in span.events for said in _spoken(event, _OUTPUTS)]:
        return found
    if found := messages(numbered(span.attributes, "gen_ai.completion."), "assistant"):
        return found
    return _attribute(span.attributes, "gen_ai.completion", "assistant")


def _attribute(attributes: Row, name: str, role: str) -> list[Said]:
    value = attributes.get(name)
    return messages(from_json(value) if isinstance(value, str) else value, role)


def _details(span: Span) -> Iterator[SpanEvent]:
    return (event for event in span.events if event.name == _DETAILS)


def _parts(event: SpanEvent, name: str) -> list[Said]:
    """Details stand in an event's attributes, or in its body where it is a record of its own."""
    about = event.attributes
    if name not in about and isinstance(event.body, dict):
        about = event.body
    return _attribute(about, name, "user" if "input" in name else "assistant")


def _side(body: Row, side: str) -> list[Row]:
    found = body.get(side)
    rows = found.get("messages") if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _written(row: Row) -> tuple[Any, str]:
    """A message's content in an event record, and why the model stopped."""
    content = row.get("content")
    if not isinstance(content, dict):
        return content, ""
    finish = content.get("finish_reason")
    value = content.get("message", content.get("content"))
    return value, finish if isinstance(finish, str) else ""


def _in_body(body: Row, side: str) -> Iterator[Said]:
    rows = _side(body, side)
    if side == "output" and any("message" in _row(row.get("content")) for row in rows):
        # Strands: what the model had said before stands among them, under another name.
        rows = [row for row in rows if "message" in _row(row.get("content"))]
    for row in rows:
        value, finish = _written(row)
        role = row.get("role")
        found = from_json(value) if isinstance(value, str) else value
        for said in messages(found, role if isinstance(role, str) else ""):
            yield said._replace(finish=said.finish or finish)


def _row(value: Any) -> Row:
    return value if isinstance(value, dict) else {}


_INPUTS = {
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.system.message": "system",
}
_OUTPUTS = {"gen_ai.choice": "assistant"}


def _spoken(event: SpanEvent, roles: dict[str, str]) -> list[Said]:
    """One event is one message: in its body as an object, or in its attributes as JSON."""
    role = roles.get(event.name)
    if role is None:
        return []
    if isinstance(event.body, dict):
        return messages([{"role": role, **event.body}])
    about = event.attributes
    content = about.get("message", about.get("content"))
    found = from_json(content) if isinstance(content, str) else content
    finish = about.get("finish_reason")
    return [
        said._replace(finish=said.finish or (finish if isinstance(finish, str) else ""))
        for said in messages(found, role)
    ]


def _without_repr(said: Said) -> Said:
    if not said.text.startswith("ResponseFunctionToolCall("):
        return said
    return said._replace(text="", asked=(*said.asked, *asked_in_repr(said.text)))


def tool(span: Span) -> Tool:
    kind, message = span.exception()
    made = Tool(
        name=span.text("gen_ai.tool.name") or _named_by_span(span),
        call_id=span.text("gen_ai.tool.call.id"),
        failed=span.failed or failed_by_attributes(span),
        code=span.text("error.type") or kind,
        message=message or span.message,
    )
    made.arguments = arguments(_any(span, "gen_ai.tool.call.arguments", "input"))
    result = _any(span, "gen_ai.tool.call.result", "output")
    if span.scope == ADOT_LANGCHAIN and isinstance(result, str) and result.startswith("content="):
        fields = repr_fields(result)
        result = fields.get("content", result)
        made.call_id = made.call_id or fields.get("tool_call_id", "")
        made.failed = made.failed or fields.get("status") == "error"
    made.result = outcome(result)
    _told_in_events(span, made)
    _told_in_parts(span, made)
    _told_in_body(span, made)
    return made


def failed_by_attributes(span: Span) -> bool:
    states = (span.attributes.get("gen_ai.tool.status"), span.attributes.get("gen_ai.task.status"))
    return any(state in ("error", "failure") for state in states if isinstance(state, str)) or bool(
        span.text("error.type")
    )


def _named_by_span(span: Span) -> str:
    return span.name.removeprefix("execute_tool ") if span.name.startswith("execute_tool ") else ""


def _any(span: Span, *names: str) -> Any:
    return next((span.attributes[name] for name in names if name in span.attributes), MISSING)


def _told_in_events(span: Span, made: Tool) -> None:
    """Strands: a message to the tool, and its choice."""
    for event in span.events:
        about = event.attributes
        if event.name == "gen_ai.tool.message" and made.arguments is MISSING:
            made.arguments = arguments(about.get("content", MISSING))
        elif event.name == "gen_ai.choice" and made.result is MISSING:
            made.result = outcome(about.get("message", MISSING))


def _told_in_parts(span: Span, made: Tool) -> None:
    for event in _details(span):
        for said in _parts(event, "gen_ai.input.messages"):
            _take(made, said)
        for said in _parts(event, "gen_ai.output.messages"):
            _take(made, said)


def _told_in_body(span: Span, made: Tool) -> None:
    for body in span.bodies:
        for side in ("input", "output"):
            for row in _side(body, side):
                value, _ = _written(row)
                found = from_json(value) if isinstance(value, str) else value
                made.call_id = made.call_id or _call_id(row)
                if isinstance(found, list) and found and "parts" in _row(found[0]):
                    for said in messages(found):
                        _take(made, said)
                elif side == "input" and made.arguments is MISSING:
                    made.arguments = arguments(value)
                elif side == "output" and made.result is MISSING:
                    made.result = outcome(value)


def _call_id(row: Row) -> str:
    found = _row(row.get("content")).get("id")
    return found if isinstance(found, str) else ""


def _take(made: Tool, said: Said) -> None:
    for asked in said.asked:
        _take_asked(made, asked)
    for answered in said.answered:
        if made.result is MISSING:
            made.result = answered.result
        made.failed = made.failed or answered.failed
        made.call_id = made.call_id or answered.id


def _take_asked(made: Tool, asked: Asked) -> None:
    if made.arguments is MISSING:
        made.arguments = asked.arguments
    made.name = made.name or asked.tool
    made.call_id = made.call_id or asked.id
