"""Google's Agent Development Kit: requests to a model and calls of tools, as JSON in attributes."""

from functools import partial
from typing import Any

from driftgate.traces import gen_ai
from driftgate.traces.literals import from_json
from driftgate.traces.messages import MISSING, Said, arguments, messages, outcome
from driftgate.traces.readings import Talk
from driftgate.traces.spans import Span

SCOPE = "gcp.vertex.agent"


def read(span: Span) -> Any:
    if span.text("gen_ai.operation.name") == "execute_tool":
        made = gen_ai.tool(span)
        if made.arguments is MISSING:
            made.arguments = arguments(_value(span, "tool_call_args"))
        if made.result is MISSING:
            made.result = outcome(_value(span, "tool_response"))
        return made
    if span.name == "call_llm":
        spoken = gen_ai.talk(span, "model")
        return Talk(
            "model",
            read_inputs=partial(_inputs, span),
            read_outputs=partial(_outputs, span),
            model=spoken.model,
            input_tokens=spoken.input_tokens,
            output_tokens=spoken.output_tokens,
            finish=spoken.finish,
        )
    if span.name == "invocation":
        return gen_ai.talk(span, "step")
    return gen_ai.read(span)


def _value(span: Span, name: str) -> Any:
    """An attribute; the kit writes {} where it was told to keep content out of spans."""
    value = span.attributes.get(f"{SCOPE}.{name}", MISSING)
    return MISSING if name != "tool_call_args" and value == "{}" else value


def _inputs(span: Span) -> list[Said]:
    asked = from_json(span.text(f"{SCOPE}.llm_request"))
    return messages(asked.get("contents")) if isinstance(asked, dict) else []


def _outputs(span: Span) -> list[Said]:
    told = from_json(span.text(f"{SCOPE}.llm_response"))
    return messages([told["content"]]) if isinstance(told, dict) and "content" in told else []
