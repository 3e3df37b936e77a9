"""What the monitors of production know: counts, states, thresholds."""

from typing import Annotated, Literal, Self

from pydantic import Field

from driftgate.schemas.record import Record, SchemaVersion, Share
from driftgate.schemas.sampling import Number, WindowId

# A judge's, a fused and a latency CUSUM, each made for a small and for a large drop.
Detector = Literal[
    "judge_small", "judge_large", "fused_small", "fused_large", "latency_small", "latency_large"
]
Level = Annotated[float, Field(ge=0)]


class Counts(Record):
    """What sessions showed, and what was expected of sessions of their kinds.

    `judged` and `failed` are of the base sample, the other counts of all sessions.
    """

    judged: Number = 0
    failed: Number = 0
    expected_failed: Level = 0
    sessions: Number = 0
    flagged: Number = 0  # with a proxy signal: turn limit, unrecovered tool error, escalation
    expected_flagged: Level = 0
    negative: Number = 0  # with explicit negative feedback
    expected_negative: Level = 0

    def __add__(self, more: Self) -> Self:
        fields = type(self).model_fields
        return self.model_copy(
            update={name: getattr(self, name) + getattr(more, name) for name in fields}
        )


class Window(Record):
    """One stratum in one closed window."""

    id: WindowId
    counts: Counts = Counts()
    late: Number = 0  # sessions of windows that were closed before they came


class LatencyCounts(Record):
    """Calls of one tool by latency, see `latency.BOUNDS_S`."""

    buckets: tuple[Number, ...]

    def __add__(self, more: Self) -> Self:
        together = zip(self.buckets, more.buckets, strict=True)
        return self.model_copy(update={"buckets": tuple(a + b for a, b in together)})


class LatencyWindow(Record):
    """The calls of one tool in one closed window."""

    id: WindowId
    counts: LatencyCounts


class Excursion(Record):
    """One CUSUM since it last was 0. Its first window is the estimate of when a change began."""

    level: Level
    since: WindowId
    counts: Counts | LatencyCounts  # since then


class MonitorState(Record):
    """All that is kept of one stratum of one agent version, or of the latency of one tool."""

    schema_version: SchemaVersion = 1
    agent: str
    version: str
    stratum: str
    window: WindowId | None = None  # the last one that was folded in
    excursions: dict[Detector, Excursion] = {}  # those above 0
    late: Number = 0


class Thresholds(Record):
    """At what level each detector alarms."""

    schema_version: SchemaVersion = 1
    # Until an agent has a history: above all that the simulation of bench-online came to.
    levels: dict[Detector, Annotated[float, Field(gt=0)]] = {
        "judge_small": 7,
        "judge_large": 10,
        "fused_small": 9,
        "fused_large": 14,
        "latency_small": 12,
        "latency_large": 14,
    }
    windows: Number = 0  # of history that they were made from; 0: none


class LogLinear(Record):
    """How often something is expected of a session: the rate, times an effect of each stratum."""

    sessions: Number
    rate: Share
    effects: dict[str, Annotated[float, Field(gt=0)]]


class RiskModel(Record):
    """What is expected of a version's sessions by their task type and tools."""

    schema_version: SchemaVersion = 1
    version: str  # that it was learned from
    failed: LogLinear
    flagged: LogLinear
    negative: LogLinear


class Reading(Record):
    """How near a stratum is to an alarm; `ratio` 1 is one."""

    stratum: str
    ratio: Level
    detector: Detector | None = None  # the nearest; None: all are at 0
    since: WindowId | None = None
    counts: Counts | LatencyCounts | None = None  # since then: the evidence

    @property
    def alarms(self) -> bool:
        return self.ratio >= 1
