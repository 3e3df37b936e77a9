"""What things cost: prices with their date and source, what is paid for, and the sum."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.record import Record, SchemaVersion, Share

Dollars = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, le=1_209_600)]  # a session's longest life
# What becomes of an agent's session after a conversation: ended at once; used for the next one of
# its lane and then ended; or left to its idle timeout.
SessionPolicy = Literal["stop_after_case", "reuse_lane", "leave"]


class Prices(Record):
    """USD in one region. What AWS charges changes; the date says what was known when."""

    schema_version: SchemaVersion = 1
    effective: str  # the day from which they are known to hold
    source: str
    runtime_vcpu_hour: Dollars  # AgentCore Runtime, only while it computes
    runtime_gb_hour: Dollars  # from the session's start until its end, idle or not
    transition: Dollars = 0.000025  # of a Standard state machine
    function_gb_s: Dollars = 0.0000166667  # Lambda on x86; less on arm
    object_put: Dollars = 0.000005  # S3, a request; the bytes are a hundredth of it


class RunSpending(Record):
    """The registry's row of what a run has spent, and may; in billionths of a USD."""

    schema_version: SchemaVersion = 1
    run_id: str
    max_nano_usd: int | None = None  # None: any sum
    nano_usd: int = 0  # of what told
    told: int = 0  # trials
    untold: int = 0  # trials that did not say what they cost
    dearest: int = 0  # of a trial
    last: str = ""  # what was counted last

    @property
    def spent(self) -> int:
        """A trial that does not say is taken for the dearest that did."""
        return self.nano_usd + self.untold * self.dearest


CostPart = Literal[
    "model tokens",
    "judge",
    "session memory",
    "session processors",
    "step functions",
    "functions",
    "storage",
]


class PartCost(Record):
    """What one thing cost. None is what nobody knows, never zero."""

    part: CostPart
    usd: Dollars | None
    basis: str  # what it was worked out from, what it leaves out, or why nobody knows


class RunCost(Record):
    """What a run cost, or will, by its parts."""

    schema_version: SchemaVersion = 1
    run_id: str
    kind: Literal["estimate", "actual"]
    prices: str  # the day of the price list
    parts: tuple[PartCost, ...]

    @property
    def usd(self) -> float:
        """The sum of the parts that are known: the least that it is."""
        return sum(part.usd for part in self.parts if part.usd is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        return tuple(part.part for part in self.parts if part.usd is None)

    def __str__(self) -> str:
        known = ", ".join(f"{p.part} {p.usd:.4f}" for p in self.parts if p.usd is not None)
        missing = f"; not known: {', '.join(self.unknown)}" if self.unknown else ""
        if not known:
            return f"cost not known{missing}"
        return f"{'at least ' if self.unknown else ''}{self.usd:.4f} USD ({known}{missing})"


class SessionUse(Record):
    """The conversations of a day, and the machine each session is."""

    calls: Annotated[int, Field(ge=1)]
    seconds: Seconds  # of a conversation
    memory_gb: Annotated[float, Field(gt=0, le=32)]
    vcpus: Annotated[float, Field(gt=0, le=32)] = 1
    active: Share = 0.1  # of the seconds in which it computes; the rest waits for a model
    start_s: Seconds = 2  # until a session is there; it is paid for
    lanes: Annotated[int, Field(ge=1)] = 1  # sessions side by side that share the calls


class SessionCost(Record):
    """What a policy costs, for one day's conversations."""

    policy: SessionPolicy
    idle_s: Seconds | None  # None: no session is left
    sessions: int
    memory_s: float  # seconds for which memory is paid
    memory_usd: Dollars
    cpu_usd: Dollars

    @property
    def usd(self) -> float:
        return self.memory_usd + self.cpu_usd


class WatchPrices(Record):
    """USD in one region, of what the watch over production uses."""

    schema_version: SchemaVersion = 1
    effective: str  # the day from which they are known to hold
    source: str
    lambda_million: Dollars  # requests
    lambda_gb_s: Dollars
    s3_put_million: Dollars
    s3_get_million: Dollars
    s3_gb_month: Dollars
    write_million: Dollars  # write request units of DynamoDB, on demand: 1 KB each
    read_million: Dollars  # strongly consistent read request units: 4 KB each
    dynamodb_gb_month: Dollars
    express_million: Dollars  # executions
    express_gb_s: Dollars
    transition_million: Dollars  # of standard executions
    metrics: tuple[tuple[int, Dollars], ...]  # up to so many in all: for each of them, a month
    metric_beyond: Dollars
    alarm: Dollars
    composite_alarm: Dollars
    dashboard: Dollars
    log_gb: Dollars  # taken in


class WatchUse(Record):
    """An environment's production in a month of 30 days, evenly spread over agents and hours."""

    conversations: Annotated[int, Field(ge=1)]  # a day, of all agents
    agents: Annotated[int, Field(ge=1)] = 1
    versions: Annotated[int, Field(ge=1)] = 1  # of an agent that have sessions at a time
    task_types: Annotated[int, Field(ge=1)] = 6  # of an agent
    tools: Annotated[int, Field(ge=0)] = 12  # of an agent
    fragments: Annotated[int, Field(ge=1)] = 4  # batches that a conversation's spans come in
    kb: Annotated[float, Field(gt=0)] = 50  # of a conversation's spans
    base: Share = 0.10  # that is judged, see SamplingPolicy
    floor_per_hour: Annotated[float, Field(ge=0)] = 12
    ceiling_per_hour: Annotated[float, Field(ge=0)] = 600
    window_s: Annotated[int, Field(ge=60, le=3600)] = 300
    judge_input_tokens: Annotated[int, Field(ge=0)] = 4000  # of a judgment
    judge_output_tokens: Annotated[int, Field(ge=0)] = 400
    judge_input_usd: Dollars = 3.0  # for a million tokens
    judge_output_usd: Dollars = 15.0


class WatchItem(Record):
    """A line of the bill, for a month."""

    name: str
    of: str  # what is counted
    number: Annotated[float, Field(ge=0)]
    usd: Dollars
