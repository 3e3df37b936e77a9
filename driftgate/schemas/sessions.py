"""A session of an agent in production: what its spans tell of it, and what they don't."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from driftgate.schemas.record import Record, SchemaVersion
from driftgate.schemas.traces import Trace

Gap = Literal["arguments", "result", "latency"]


class CallOrigin(Record):
    """Where a call of the trace stands in the spans. What is None was not recorded."""

    seq: Annotated[int, Field(ge=1)]
    name: str  # as the spans have it: a Gateway's tool is target___tool
    call_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None  # None: nothing but messages tells of it
    started_at: AwareDatetime | None = None
    missing: tuple[Gap, ...] = ()


class AskedCall(Record):
    """A call that a model asked for; no span and no message tells that it was made."""

    turn: Annotated[int, Field(ge=1)]
    tool: str
    call_id: str | None = None


class ProductionSession(Record):
    """A trace, and the facts of its session that no trial has.

    `trace.case_id` is made from the session's id, as nobody wrote a case for it.
    """

    schema_version: SchemaVersion = 1
    trace: Trace
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    service: str | None = None  # the runtime's name
    endpoint: str | None = None
    runtime: str | None = None  # the endpoint's ARN
    agent_version: str | None = None
    task_type: str | None = None
    families: tuple[str, ...] = ()  # that its spans are of
    trace_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()  # all that answered; the trace has the agent's own
    calls: tuple[CallOrigin, ...] = ()  # for each call of the trace, in its order
    asked: tuple[AskedCall, ...] = ()


class UnknownShape(Record):
    """Spans that no family knows how to read, told apart by what they look like."""

    scope: str
    name: str
    attributes: tuple[str, ...]  # names, in order, the first twenty
    count: Annotated[int, Field(ge=1)]
    trace_id: str  # of the first one, so that it can be looked at where it is kept
    span_id: str


class Normalised(Record):
    """What a batch of span records tells: sessions, and what could not be read."""

    schema_version: SchemaVersion = 1
    sessions: tuple[ProductionSession, ...] = ()
    unknown: tuple[UnknownShape, ...] = ()
    records: Annotated[int, Field(ge=0)] = 0
    duplicates: Annotated[int, Field(ge=0)] = 0
    not_spans: Annotated[int, Field(ge=0)] = 0  # log lines, and what is no record at all
    quiet: Annotated[int, Field(ge=0)] = 0  # spans of HTTP, AWS and the like
