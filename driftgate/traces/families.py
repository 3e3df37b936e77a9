"""Which family a span is of, and so who can read it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from driftgate.traces import adk, gen_ai, langchain, openinference
from driftgate.traces.readings import UNKNOWN
from driftgate.traces.spans import Span


class Family(NamedTuple):
    name: str
    read: Callable[[Span], Any]


BY_SCOPE = {
    gen_ai.STRANDS: Family("strands", gen_ai.read),
    gen_ai.ADOT_LANGCHAIN: Family("adot-langchain", gen_ai.read),
    gen_ai.OPENAI_AGENTS: Family("openai-agents", gen_ai.read),
    gen_ai.BOTOCORE: Family("botocore", gen_ai.read),
    langchain.SCOPE: Family("langchain", langchain.read),
    adk.SCOPE: Family("adk", adk.read),
}
OPENINFERENCE = Family("openinference", openinference.read)
TRACELOOP = Family("traceloop", langchain.read)
GEN_AI = Family("gen_ai", gen_ai.read)
QUIET = Family("quiet", lambda span: None)
STRANGE = Family("unknown", lambda span: UNKNOWN)

_TALKS_OF_AGENTS = ("gen_ai.", "llm.", "traceloop.", "openinference.")
_TRANSPORT = ("http.", "rpc.", "db.", "messaging.", "faas.", "net.")


def family(span: Span) -> Family:
    """By the scope that wrote it, else by the names of its attributes. Never by its span's name."""
    if found := BY_SCOPE.get(span.scope):
        return found
    names = span.attributes
    if "openinference.span.kind" in names or span.scope.startswith(openinference.SCOPE):
        return OPENINFERENCE
    if "traceloop.span.kind" in names:
        return TRACELOOP
    if any(name.startswith("gen_ai.") for name in names) or any(
        event.name.startswith("gen_ai.") for event in span.events
    ):
        return GEN_AI
    if any(name.startswith(_TALKS_OF_AGENTS) for name in names) or span.bodies:
        return STRANGE
    if span.scope.startswith(("opentelemetry.instrumentation.", "bedrock_agentcore.")):
        return QUIET
    return QUIET if any(name.startswith(_TRANSPORT) for name in names) else STRANGE
