"""A run's report: the verdict, and what a reader needs to believe it."""

from typing import Literal

from driftgate.schemas.cases import Case
from driftgate.schemas.record import Name, Record, SchemaVersion
from driftgate.schemas.runs import Arm, CaseOutcome, Verdict
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


class Story(Record):
    """A case that was not always solved, with a trial of each arm that shows it."""

    kind: Literal["broken", "fixed", "failing"]
    outcome: CaseOutcome
    case: Case
    expected: tuple[str, ...]  # what the case asks for, in words
    arms: dict[Arm, Told]


class Report(Record):
    schema_version: SchemaVersion = 1
    finished_at: str
    environment: Name
    verdict: Verdict
    changes: tuple[str, ...]  # what differs between the arms
    unchanged: tuple[str, ...]
    spent: dict[Arm, Spent]
    stories: tuple[Story, ...]
    not_covered: tuple[str, ...]
