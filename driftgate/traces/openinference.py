"""OpenInference: openinference.span.kind says what a span is, input.value and output.value what
went through it, llm.* what a model was told and said.

LangChain's tools with one argument show its bare value, without its name; OpenAI Agents' handoffs
are spans of tools without a tool's name. In split mode the values stand first in an event record,
and the texts of the messages after them.
"""

from functools import partial
from typing import Any

from driftgate.traces import gen_ai
from driftgate.traces.langchain import take_message
from driftgate.traces.literals import from_json, structure
from driftgate.traces.messages import (
    MISSING,
    Asked,
    Said,
    arguments,
    messages,
    numbered,
)
from driftgate.traces.readings import UNKNOWN, Talk, Tool
from driftgate.traces.spans import Row, Span

SCOPE = "openinference.instrumentation."
_OPENAI_AGENTS = f"{SCOPE}openai_agents"
_QUIET = {"RETRIEVER", "EMBEDDING", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT"}


def read(span: Span) -> Any:
    kind = span.text("openinference.span.kind").upper()
    if kind == "TOOL":
        return _tool(span)
    if kind == "LLM":
        return _model(span)
    if kind in ("AGENT", "CHAIN"):
        return _step(span, kind)
    if kind in _QUIET:
        return None
    return _event_records_alone(span) if span.bodies else UNKNOWN


def _event_records_alone(span: Span) -> Any:
    """What a span was whose own record is not here, by what came out of it."""
    output = structure(_value(span, "output"))
    if isinstance(output, dict) and "generations" in output:
        return _model(span)
    about = output.get("data", output) if isinstance(output, dict) else None
    if isinstance(about, dict) and "tool_call_id" in about:
        return _tool(span)
    return _step(span, "CHAIN")


def _value(span: Span, side: str) -> Any:
    """What input.value or output.value is; in split mode, the first message of that side."""
    if f"{side}.value" in span.attributes:
        return span.attributes[f"{side}.value"]
    for body in span.bodies:
        found = body.get(side)
        rows = found.get("messages") if isinstance(found, dict) else None
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return rows[0].get("content", MISSING)
    return MISSING


def _tool(span: Span) -> Tool:
    name = span.text("tool.name")
    if not name and span.scope == _OPENAI_AGENTS and span.name.startswith("handoff to "):
        return gen_ai.handoff(span, span.name.removeprefix("handoff to "))
    kind, message = span.exception()
    made = Tool(
        name=name,
        call_id=span.text("tool_call.id", "tool.id"),
        failed=span.failed,
        code=kind,
        message=message or span.message.partition("Traceback (most recent call last)")[0],
    )
    made.arguments = arguments(_value(span, "input"))
    output = _value(span, "output")
    take_message(made, structure(output) if isinstance(output, str) else output)
    made.name = made.name or (span.name if not span.bodies or span.start else "")
    return made


def _model(span: Span) -> Talk:
    return Talk(
        "model",
        read_inputs=partial(_model_inputs, span),
        read_outputs=partial(_model_outputs, span),
        in_order=not span.bodies,
        model=span.text("llm.model_name", "gen_ai.request.model"),
        input_tokens=span.number("llm.token_count.prompt"),
        output_tokens=span.number("llm.token_count.completion"),
    )


def _model_inputs(span: Span) -> list[Said]:
    listed = _with_arguments(span, messages(numbered(span.attributes, "llm.input_messages.")))
    if any(said.text or said.answered for said in listed) and not span.bodies:
        return listed
    value = _value(span, "input")
    found = from_json(value) if isinstance(value, str) else value
    if isinstance(found, dict):
        found = found.get("messages")
    told = messages(found, "user") if found is not MISSING else []
    return told or listed


def _model_outputs(span: Span) -> list[Said]:
    listed = _with_arguments(
        span, messages(numbered(span.attributes, "llm.output_messages."), "assistant")
    )
    if any(said.text for said in listed) or (listed and not span.bodies):
        return listed
    told = _generated(_value(span, "output"))
    known = {asked.id for said in listed for asked in said.asked}
    told = [said._replace(asked=tuple(a for a in said.asked if a.id not in known)) for said in told]
    return [*listed, *told]


def _generated(value: Any) -> list[Said]:
    """LangChain's result of a model: lists of generations, each with a text and a message."""
    found = from_json(value) if isinstance(value, str) else value
    if not isinstance(found, dict) or "generations" not in found:
        return messages(found, "assistant") if isinstance(found, str | dict) else []
    said: list[Said] = []
    batches = found.get("generations")
    for batch in batches if isinstance(batches, list) else ():
        for generation in batch if isinstance(batch, list) else ():
            if isinstance(generation, dict):
                text = generation.get("text")
                said += [
                    one._replace(text=one.text or (text if isinstance(text, str) else ""))
                    for one in messages([generation], "assistant")
                ]
    return said


def _with_arguments(span: Span, said: list[Said]) -> list[Said]:
    """OpenAI Agents' spans leave arguments out where they are {}."""
    if span.scope != _OPENAI_AGENTS:
        return said
    return [
        one._replace(
            asked=tuple(
                Asked(a.id, a.tool, {} if a.arguments is MISSING else a.arguments)
                for a in one.asked
            )
        )
        for one in said
    ]


def _step(span: Span, kind: str) -> Talk:
    return Talk(
        "agent" if kind == "AGENT" else "step",
        read_inputs=partial(_conversation, span, "input", kind),
        read_outputs=partial(_conversation, span, "output", kind),
        model=span.text("llm.model_name"),
        input_tokens=span.number("llm.token_count.prompt"),
        output_tokens=span.number("llm.token_count.completion"),
    )


def _conversation(span: Span, side: str, kind: str) -> list[Said]:
    """Messages in a step's state; an agent's value may also be the text itself."""
    value = _value(span, side)
    found = structure(value)
    role = "user" if side == "input" else "assistant"
    if isinstance(found, dict):
        return messages(_state(found))
    if isinstance(found, list):
        return messages(found)
    plain = span.attributes.get(f"{side}.mime_type", "text/plain") == "text/plain"
    return messages(found, role) if kind == "AGENT" and plain and found is not MISSING else []


def _state(found: Row) -> Any:
    for name in ("messages", "inputs", "outputs"):
        if isinstance(inner := found.get(name), dict):
            return _state(inner)
        if inner is not None:
            return inner if isinstance(inner, list) else []
    return []
