"""Runs by which the gate itself is tried, and what they come to."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Outcome
from driftgate.schemas.record import Name, Record, SchemaVersion, SemVer, Share
from driftgate.schemas.runs import Drill, DrillKind, Looks, PlanRunRequest, RunId


class DrillRow(Record):
    """The registry's row of one try."""

    schema_version: SchemaVersion = 1
    agent: Name
    environment: Name
    kind: DrillKind
    run_id: RunId
    seed: int
    version: SemVer  # of the baseline, and of what was broken
    finished_at: str
    broken: str  # what was done to the candidate; nothing in an A/A run
    cases: int
    trials: int  # of each case and arm, when it was decided
    outcome: Outcome | Literal["FAILED"]  # the run came to no verdict
    fell: tuple[str, ...]  # the drops and ratios for which it was blocked
    counts: bool  # whether it says something of the comparison
    reason: str  # of the verdict, or of the failure
    invocations: int | None = None  # trials that were made
    trial_usd: float | None = None  # what one cost on average, over those that tell

    @property
    def passed(self) -> bool:
        """Whether the gate did what it should: block what is broken, and that alone."""
        return bool(self.fell) == (self.kind != "aa")


class Health(Record):
    """What the tries of an agent say of its gate."""

    agent: Name
    environment: Name
    aa_runs: int  # that count, the latest ones
    left_out: int  # among those: a floor was missed, or too much was missing
    false_blocks: int
    rate: Share | None
    lower: Share | None  # one-sided 95 % bounds by Clopper and Pearson
    upper: Share | None
    allowed: Share
    standing: Literal["holds", "too few to tell", "too high"]
    wanted: Annotated[int, Field(ge=0)]  # more A/A runs, none of them blocked, until it holds
    last: tuple[DrillRow, ...]  # of each kind that there is

    @property
    def failed(self) -> tuple[DrillRow, ...]:
        """The last drills in which the gate did not block what was broken."""
        return tuple(row for row in self.last if row.kind != "aa" and not row.passed)


class Budget(Record):
    """The most that one try may take; a night has one."""

    trials: Annotated[int, Field(ge=0)]
    usd: Annotated[float, Field(ge=0)]  # held where the agent's latest trials say what one costs

    def __str__(self) -> str:
        return f"{self.trials} trials and {self.usd:.2f} USD"


class ChooseDrillRequest(Drill):
    """What a schedule says: the kind. A person may say more, within the same budget."""

    agent: Name | None = None  # None: who waits longest
    cases: Annotated[int, Field(ge=1)] | None = None  # at most; None: as the budget allows
    looks: Looks = SEQUENTIAL_LOOKS
    seed: int | None = None  # None: one that was not used yet


class ChooseDrillResult(Record):
    run: PlanRunRequest | None = None  # None: there is nothing to try
    run_id: RunId | None = None
    reason: str = ""  # why there is nothing
    passed_over: tuple[str, ...] = ()  # who waited longer, and why it can't be done with them


class RecordDrillRequest(Record):
    run: PlanRunRequest
    run_id: RunId
    verdict_key: str | None = None  # None: the run failed
    error: str = ""
    cause: str = ""


class Measured(Record):
    """Metrics of one agent, or of all together."""

    agent: str
    values: dict[str, float]


class RecordDrillResult(Record):
    row: DrillRow
    measured: tuple[Measured, ...]
