"""What an agent did in one trial: one type for offline, online and benchmark."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.record import CaseId, Effect, Record, SchemaVersion

# Bounded, so that a mean can be taken of whatever was reported.
Seconds = Annotated[float, Field(ge=0, le=10**9)]
Tokens = Annotated[int, Field(ge=0, le=10**15)]
Dollars = Annotated[float, Field(ge=0, le=10**12)]


class ToolError(Record):
    """Why a call had no result, and whose doing that was.

    unknown_tool, invalid_arguments: the agent asked for what the contract does not offer.
    refused: the tool's own rules said no. fault: the tool broke. limit: one step too many.
    unknown: the source does not say. `applied` says that the tool did its work all the same.
    """

    kind: Literal["unknown_tool", "invalid_arguments", "refused", "fault", "limit", "unknown"]
    code: str = ""
    message: str = ""
    applied: bool = False


class ToolCall(Record):
    """One call of a tool, in the order `seq` within the session."""

    seq: Annotated[int, Field(ge=1)]
    turn: Annotated[int, Field(ge=1)] = 1
    tool: str
    arguments: (
        dict[str, Any] | None
    ) = {}  # None: what the agent sent could not be read as arguments
    effect: Effect | None = None  # None: nobody said; counts as a write
    result: JsonValue = None
    error: ToolError | None = None
    latency_s: Seconds | None = None


class Message(Record):
    turn: Annotated[int, Field(ge=1)] = 1
    role: Literal["user", "assistant"]
    text: str


class Usage(Record):
    """Tokens as the agent reports them; None where not. The input is without cached ones."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None


class Ending(Record):
    """How the conversation ended: by itself, at a limit of the harness, or broken by the agent."""

    kind: Literal["completed", "limit", "agent_error"] = "completed"
    detail: str = ""


NotRecorded = Literal["messages", "results", "usage", "latency", "cost", "model"]


def read_lines(data: bytes) -> Iterator["Trace"]:
    """The traces of a recording that was checked, one JSON object a line."""
    for line in data.decode().split("\n"):  # a text may hold other marks that end lines
        if line.strip():
            yield Trace.model_validate_json(line)


class Trace(Record):
    """Messages and calls of one trial. What the source could not know is named, not invented."""

    schema_version: SchemaVersion = 1
    case_id: CaseId
    trial: Annotated[int, Field(ge=1)] = 1
    session_id: str = ""
    messages: tuple[Message, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    ending: Ending = Field(default_factory=Ending)
    stop_reason: str | None = None  # in the agent's words
    model: str | None = None
    usage: Usage = Field(default_factory=Usage)
    cost_usd: Dollars | None = None
    latency_s: Seconds | None = None  # of all replies together
    findings: JsonValue = None
    limitations: JsonValue = None
    not_recorded: tuple[NotRecorded, ...] = ()

    def reply(self, turn: int | None = None) -> str:
        """What the agent told the user, in one turn or in all of them."""
        return "\n".join(
            message.text
            for message in self.messages
            if message.role == "assistant" and turn in (None, message.turn)
        )
