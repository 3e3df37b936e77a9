"""Which conversations of production are judged, how likely that was, and why."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.record import Record, SchemaVersion, Share, Whole

ALL_CONVERSATIONS = "all conversations"

Number = Annotated[int, Field(ge=0)]
PerHour = Annotated[float, Field(ge=0)]
WindowId = Annotated[int, Field(ge=0, strict=True)]  # counted from 1970 in windows of one length
Why = Literal["floor", "anomalous"]


class SamplingPolicy(Record):
    """What is wanted; what an hour's traffic and a day's budget make of it is `Rates`."""

    base: Share = 0.10
    floor_per_hour: PerHour = 12  # of each task type and critical tool
    anomalous: Share = 0.50  # the rate of a stratum that looks as if it had fallen
    anomalous_from: Share = 0.4  # share of an alarm's threshold
    anomalous_hours: Annotated[float, Field(gt=0)] = 2  # since it last looked so
    ceiling_per_hour: PerHour = 600  # of each task type and tool
    judgments_per_day: Whole | None = None  # None: no limit
    critical_tools: tuple[str, ...] = ()


class StratumRate(Record):
    """What one stratum adds to the base rate."""

    rate: Share
    why: Why | None = None  # None: no more than the base
    cap: Share = 1  # no session of it is judged with a greater probability: the ceiling
    per_hour: PerHour | None = None  # its traffic, smoothed over an hour; None: none seen yet
    until: WindowId | None = None  # the last window that it counts as anomalous


class Rates(Record):
    """The rates of one agent that hold until the next window is published."""

    schema_version: SchemaVersion = 1
    agent: str
    window: WindowId | None = None  # the one they were made from; None: none yet
    base: Share
    unseen: Share = 1  # of a task type that no window has had yet: it is below its floor
    budget: Share = 1  # all of these times this
    feedback: Share = 1  # of sessions with explicit negative feedback; below 1 only for the budget
    strata: dict[str, StratumRate] = {}
    negative_per_hour: PerHour = 0
    notes: tuple[str, ...] = ()  # what is lower than the policy wants, in words


class Sampled(Record):
    """The decision on one session, stored with it.

    `probability` is that of the design, known before the dice fell, so that its inverse is the
    session's weight. `base` says that it would have been judged without its feedback: only those
    may stand for what they were drawn from.
    """

    schema_version: SchemaVersion = 1
    judged: bool
    probability: Share
    base: bool
    negative: bool = False  # explicit negative feedback is known of
    reasons: tuple[str, ...] = ()


class Quality(Record):
    """An estimate over all conversations from those that were judged."""

    mean: Share
    lower: Share
    upper: Share  # at 95 %
    judged: Number
    missing: Number  # drawn, and without a judgment: left out


class Coverage(Record):
    """How much of the traffic was judged; None: there was nothing to judge."""

    conversations: Share | None
    negative_feedback: Share | None
