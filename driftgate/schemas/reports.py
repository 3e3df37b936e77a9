"""A run's report: the verdict, and what a reader needs to believe it."""

from driftgate.schemas.cases import Case
from driftgate.schemas.record import Record, SchemaVersion
from driftgate.schemas.runs import Arm, Flip, Verdict
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace


class Spent(Record):
    """What an arm took: means over its trials, None where not every trial says."""

    trials: int
    latency_s: float | None
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None
    steps: float
    unnecessary_calls: float


class Told(Record):
    """One trial as it went: what was done, and what the metrics say of it."""

    trace: Trace
    card: ScoreCard


class FlipStory(Record):
    """A case whose success changed, with the trial of each arm that shows it."""

    flip: Flip
    broken: bool  # False: fixed
    case: Case
    expected: tuple[str, ...]  # what the case asks for, in words
    arms: dict[Arm, Told]


class Report(Record):
    schema_version: SchemaVersion = 1
    verdict: Verdict
    spent: dict[Arm, Spent]
    flips: tuple[FlipStory, ...]
    not_covered: tuple[str, ...]
