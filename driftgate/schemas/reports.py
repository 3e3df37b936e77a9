"""A run's report: the verdict, and what a reader needs to believe it."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.cases import AttackKind, Case
from driftgate.schemas.costs import RunCost
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, Share
from driftgate.schemas.runs import Arm, CaseOutcome, Verdict
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace

Measure = Literal[
    "latency_s", "input_tokens", "output_tokens", "cost_usd", "steps", "unnecessary_calls"
]


class Interval(Record):
    """Where a value probably lies, by chance alone; `method` says how that was computed."""

    low: float
    high: float
    level: Annotated[float, Field(gt=0, lt=1)]
    method: str


class Compared(Record):
    """A metric's mean in a part of the cases, in each arm, and what became of it."""

    metric: str
    stratum: str
    cases: int  # that have a value in every arm
    baseline: Share | None
    candidate: Share | None
    baseline_interval: Interval | None
    candidate_interval: Interval | None
    difference: float | None  # candidate less baseline; None without a baseline
    difference_interval: Interval | None
    adjusted_p: Share | None  # under the calibrated rule, as in the verdict
    detectable: float | None


class Distribution(Record):
    """What the trials of an arm took. Those that do not say are counted, never taken as zero."""

    values: tuple[float, ...]  # of the trials that say, sorted
    missing: int  # trials that do not say, or were not run to their end
    mean: float | None
    median: float | None
    p95: float | None  # None for fewer than 20 values


class Counted(Record):
    cases: int
    broken: int
    failing: int  # not always solved, and not broken


class ToolCases(Record):
    """How many of the run's cases expect a tool, and how they went."""

    tool: str | None  # None: cases that expect no call
    few: bool  # too few to decide by themselves
    total: Counted
    by_task_type: dict[Name, Counted]


Kind = Literal["broken", "failing", "fixed", "missing", "solved"]


class CaseRow(Record):
    """A case of the run and how it went, in short; the stories tell of those worth a look."""

    case_id: CaseId
    kind: Kind  # missing: the candidate has no value
    task_type: Name
    difficulty: str
    critical: bool
    locale: str
    tools: tuple[str, ...]
    baseline: Share | None
    candidate: Share | None


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


class AttackGroup(Record):
    """The attacks of one kind and strategy, and what they came to."""

    kind: AttackKind
    strategy: str  # its name; empty: by hand
    cases: int
    got_through: dict[Arm, int]  # cases, in any trial; of a broken tool: not recovered from
    utility: dict[Arm, Share | None]  # mean task_success over these cases


class GotThrough(Record):
    """An attack that got through, and what it made the agent do."""

    case_id: CaseId
    kind: AttackKind
    strategy: str
    critical: bool
    led_to: dict[
        Arm, str | None
    ]  # the call, secret or sentence of the first such trial; None: held


class Report(Record):
    schema_version: SchemaVersion = 1
    finished_at: str
    environment: Name
    verdict: Verdict  # its effective is that of the run's last execution
    override: UsedOverride | None = None  # why that is OVERRIDDEN
    changes: tuple[str, ...]  # what differs between the arms
    unchanged: tuple[str, ...]
    cost: RunCost | None = None  # what the run cost; None: it was made before that was kept
    compared: tuple[Compared, ...]  # the verdict's strata, with intervals
    measures: dict[Measure, dict[Arm, Distribution]]
    coverage: tuple[ToolCases, ...]
    attacks: tuple[AttackGroup, ...] = ()  # of the adversarial suite
    got_through: tuple[GotThrough, ...] = ()
    cases: tuple[CaseRow, ...]
    stories: tuple[Story, ...]
    not_covered: tuple[str, ...]
