"""One offline run: its plan, the requests and results of its states, and its verdict."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self, get_args

from pydantic import MISSING, AfterValidator, Field, model_validator

from driftgate.schemas.capacity import Capacity
from driftgate.schemas.costs import SessionPolicy
from driftgate.schemas.events import Announcement
from driftgate.schemas.judgments import CanaryAnswer, JudgePlan, JudgeSpec
from driftgate.schemas.manifests import AgentVersion, DatasetRef, Suite
from driftgate.schemas.overrides import OverrideId, UsedOverride
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Effective, Outcome, Policy
from driftgate.schemas.record import (
    CaseId,
    Name,
    Record,
    SchemaVersion,
    SemVer,
    Sha256,
    Share,
    count,
)

ALL_CASES = "all cases"
Arm = Literal["baseline", "candidate"]
DrillKind = Literal["aa", "tool", "broad"]  # a version against itself, and against a broken copy
Quantity = Literal[
    "latency_s", "input_tokens", "output_tokens", "cost_usd", "steps", "unnecessary_calls"
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
BENCHMARK_ID = r"^b-[0-9a-f]{20}$"
RunId = Annotated[str, Field(pattern=r"^r-[0-9a-f]{20}$")]
Trial = Annotated[int, Field(ge=1)]


def _of_a_known_design(looks: tuple[int, ...]) -> tuple[int, ...]:
    """Each look spends a part of the allowed error; for others than these nobody knows which."""
    if len(looks) > 1 and looks != SEQUENTIAL_LOOKS[: len(looks)]:
        raise ValueError(f"wanted one number of trials, or the first of {SEQUENTIAL_LOOKS}")
    return looks


Concurrency = Annotated[int, Field(ge=1, le=1000)]
Looks = Annotated[tuple[Trial, ...], Field(min_length=1), AfterValidator(_of_a_known_design)]


class TrialKey(Record):
    """Which trial of which case in which arm: the key of every artifact of a run."""

    arm: Arm
    trial: Trial
    case_id: CaseId


class PinnedDataset(Record):
    """The dataset a run uses. `published` is false for one that is read from a folder."""

    name: Name
    version: SemVer
    sha256: Sha256
    published: bool
    count: int  # of all its cases; a run may use some

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" + ("" if self.published else " (unpublished)")


class Drill(Record):
    """A run that tries the gate: a version against itself, or a copy that the seed breaks."""

    kind: DrillKind
    tool: Name | None = None  # that is broken, in a drill of kind tool; None: the seed draws it


class PlannedDrill(Drill):
    broken: str  # what was done to the candidate; nothing in an A/A run


class RunPlan(Record):
    """Everything that decides what a trial does. Frozen: a resumed run reads it back."""

    schema_version: SchemaVersion = 1
    run_id: RunId
    suite: Suite = "regression"  # by which metrics it is decided
    harness: str  # versions of Driftgate and of every metric: what would make scores incomparable
    dataset: PinnedDataset
    case_ids: tuple[CaseId, ...]
    arms: dict[Arm, AgentVersion]
    looks: Looks  # trials of each case at each look
    seed: int
    repeat: int  # 1 and more: the same run made again on purpose
    baseline_run: RunId | None = None  # whose traces the baseline has, so that it is not run again
    drill: PlannedDrill | None = None  # then a broken candidate is in this plan alone
    judge: JudgePlan | None = None  # None: no case has anything to judge
    benchmark: Annotated[str, Field(pattern=BENCHMARK_ID)] | MISSING = MISSING  # of which it is
    # Which version of its runtime each arm's endpoint served, if it is one of AgentCore's.
    live_versions: dict[Arm, str] | MISSING = MISSING
    sessions: SessionPolicy = "stop_after_case"
    capacity: Capacity | None = None  # as it was first planned; a resumed run chooses anew

    @property
    def is_partial(self) -> bool:
        return len(self.case_ids) < self.dataset.count

    @property
    def benchmark_id(self) -> str | None:
        """The benchmark that it is a part of, if it is."""
        return self.benchmark if isinstance(self.benchmark, str) else None

    @property
    def arms_to_run(self) -> tuple[Arm, ...]:
        """Those whose traces are not there from the start."""
        return tuple(
            arm
            for arm, agent in self.arms.items()
            if not agent.is_recorded and not (arm == "baseline" and self.baseline_run)
        )

    @property
    def arms_to_count(self) -> tuple[Arm, ...]:
        """Those whose trials are executions of their own: not an earlier run's trials again, and
        not of a drill, which breaks its candidate."""
        if self.drill is not None:
            return ()
        return tuple(arm for arm in self.arms if not (arm == "baseline" and self.baseline_run))

    def is_judged(self, key: TrialKey) -> bool:
        return self.judge is not None and key.case_id in self.judge.case_ids

    def trial_keys(self, look: int) -> Iterator[TrialKey]:
        """All trials up to a look, the first being 1."""
        for part in range(1, look + 1):
            yield from self.trials_of(part)

    def trials_of(self, look: int) -> Iterator[TrialKey]:
        """The trials that a look adds, arms side by side, the first arm changing by turns."""
        arms = sorted(self.arms)
        before = self.looks[look - 2] if look > 1 else 0
        for trial in range(before + 1, self.looks[look - 1] + 1):
            for index, case_id in enumerate(self.case_ids):
                for arm in arms if (trial + index) % 2 else reversed(arms):
                    yield TrialKey(arm=arm, trial=trial, case_id=case_id)


class PlanRunRequest(Record):
    """Ids only; the registry has the rest."""

    agent: Name
    version: SemVer
    baseline: SemVer | None = None  # None: the version that `environment` points to
    absolute: bool = False  # no baseline, even if there is one
    environment: Name
    suite: Suite = "regression"
    dataset: DatasetRef | None = None  # None: the one the candidate's manifest pins for the suite
    case_ids: tuple[CaseId, ...] | None = None  # None: all
    looks: Looks = SEQUENTIAL_LOOKS
    seed: int = 0
    repeat: int = 0
    baseline_run: RunId | None = None  # see RunPlan
    variables: Sha256 | None = None  # of what ${VARIABLES} of the arms' manifests are filled with
    drill: Drill | None = None  # then `version` is the baseline, and the candidate made of it
    judge: JudgeSpec | None = None  # None: the environment's
    sessions: SessionPolicy = "stop_after_case"
    model: str | None = None  # instead of the manifest's: this run is a part of a benchmark
    benchmark: Annotated[str, Field(pattern=BENCHMARK_ID)] | None = None  # which one
    max_usd: Annotated[float, Field(gt=0)] | None = None  # that it may spend; None: any sum
    concurrency: Concurrency | None = None  # None: chosen by the quotas; else within them

    @model_validator(mode="after")
    def _a_drill_has_its_baseline(self) -> Self:
        if self.drill and (self.baseline or self.absolute or self.baseline_run):
            raise ValueError("a drill compares `version` with itself: no other baseline, no none")
        return self

    @model_validator(mode="after")
    def _a_benchmark_compares_no_arms(self) -> Self:
        if self.model and not (self.absolute and len(self.looks) == 1):
            raise ValueError("a benchmark's run has one arm and one look")
        return self


class PlanRunResult(Record):
    run_id: RunId
    look: int  # the first
    judged: bool  # whether there is a judge, which is to be proven first
    concurrency: int  # trials at a time
    warning: str = ""  # why its trials may take longer than the environment wants
    trials_key: str  # of an artifact with a RunCaseRequest in each line: what the map goes over


class TakeLeaseRequest(Record):
    run_id: RunId
    execution: str  # the ARN of the one that asks


class TakeLeaseResult(Record):
    taken: bool  # False: it was this execution's already


class Lease(Record):
    """The registry's row of who makes a run's trials. It holds as long as its execution runs."""

    schema_version: SchemaVersion = 1
    run_id: RunId
    execution: str
    taken_at: str
    swept: bool = False  # it is over, and none of its sessions is open


class PreflightRequest(Record):
    run_id: RunId


class PreflightResult(Record):
    asked: int  # agents; none if the run has begun already


class ProveJudgeRequest(Record):
    run_id: RunId


class ProveJudgeResult(Record):
    asked: int  # canaries; none if they were asked before
    missed: int


class PlannedTrial(TrialKey):
    """A trial of a run as it is listed for the map over all of them."""

    run_id: RunId
    judged: bool = False


class RunCaseRequest(PlannedTrial):
    pass


class RunCaseResult(Record):
    session_id: str
    stored: bool  # False: an earlier attempt's trace stands


class EndSessionsRequest(PlannedTrial):
    pass


class EndSessionsResult(Record):
    ended: int  # sessions


class ScoreCaseRequest(PlannedTrial):
    pass


class ScoreCaseResult(Record):
    scored: int
    unscored: int


class JudgeCaseRequest(PlannedTrial):
    pass


class JudgeCaseResult(Record):
    judgments: int
    faults: int  # repeats without an answer that can be used
    cached: int  # judgments that were there before


class DecideGateRequest(Record):
    run_id: RunId
    look: Annotated[int, Field(ge=1)] = 1
    concurrency: Concurrency = 20  # handed on to the next look
    policy: Policy = Field(default_factory=Policy)  # the environment's; manifests may tighten it


class PublishRunRequest(Record):
    verdict_key: str
    environment: Name
    execution: str  # for which an override is used: asked again, it has the same


class Attempt(Record):
    """A session that was opened for a trial, or that has ended, and when."""

    schema_version: SchemaVersion = 1
    session_id: str
    at: str


class Fault(Record):
    """One attempt that left no trace, and why. Never evidence about the agent."""

    schema_version: SchemaVersion = 1
    session_id: str
    error: str  # the class in driftgate.errors
    message: str


class Spending(Record):
    """What a trial took on average, over the cases that have a value in every arm."""

    quantity: Quantity
    cases: int
    baseline: float | None
    candidate: float | None
    higher: int  # cases in which the candidate took more

    @property
    def ratio(self) -> float | None:
        """Times what the baseline took; None where that is unknown or nothing."""
        if self.baseline is None or self.candidate is None or not self.baseline:
            return None
        return self.candidate / self.baseline

    @property
    def difference(self) -> float | None:
        if self.baseline is None or self.candidate is None:
            return None
        return self.candidate - self.baseline


class Criterion(Record):
    """One condition of the gate, with the numbers it was decided on."""

    metric: str
    stratum: str  # "all cases", "critical cases", "tool transfer_money"
    kind: Literal["drop", "floor", "coverage", "ratio"]
    cases: int  # that have a value in every arm concerned; coverage: that expect the new tool
    baseline: Share | None = None  # for a floor, over the baseline's own cases; not decided on
    candidate: Share | None
    ratio: float | None = None  # for a ratio alone; the means are in the verdict's spending
    bound: float  # drop: stay below, or no drop at all; floor, coverage: reach; ratio: not exceed
    ok: bool | None  # None: nothing to decide on, or not proven either way
    low: float | None = None  # floor, calibrated: 95 % bounds of the candidate's value, one-sided;
    high: float | None = None  # drop, calibrated: the largest drop that is not excluded
    adjusted_p: Share | None = None  # drop, calibrated

    @property
    def label(self) -> str:
        if self.kind == "coverage":
            return f"coverage of new {self.stratum}"
        if self.kind == "ratio":
            return f"ratio of {self.metric} to the baseline's"
        return f"{self.kind} of {self.metric} over {self.stratum}"

    @property
    def brief(self) -> str:
        """For a list: the label, with the numbers."""
        if self.kind not in ("drop", "floor") or self.candidate is None:
            return str(self)
        before = "" if self.baseline is None or self.kind == "floor" else f"{self.baseline:.1%} to "
        return f"{self.label} ({before}{self.candidate:.1%})"

    @property
    def standing(self) -> str:
        if self.ok is not None:
            return "holds" if self.ok else "fails"
        return "no value" if self.candidate is None else "not proven"

    @property
    def wanted(self) -> str:
        if self.kind == "floor":
            return f"at least {self.bound:.1%}"
        if self.kind == "coverage":
            return f"at least {self.bound:.0f}"
        if self.kind == "ratio":
            return f"at most {self.bound:.2f} times"
        return (
            f"falls by less than {100 * self.bound:.1f} points" if self.bound else "does not fall"
        )

    def __str__(self) -> str:
        if self.kind == "coverage":
            expected = f"{count(self.cases, 'case')} of the dataset expect"
            expected += "s it" if self.cases == 1 else " it"
            return f"{self.stratum} is new and {expected}, wanted {self.wanted}"
        if self.kind == "ratio":
            cases = count(self.cases, "case")
            if self.ratio is None:
                return f"{self.metric} can't be compared over {cases}, wanted {self.wanted}"
            times = f"{self.ratio:.2f} times the baseline's over {cases}"
            return f"{self.metric} is {times}, wanted {self.wanted}"
        if self.candidate is None:
            return f"{self.metric} over {self.stratum}: no case has a value"
        cases = count(self.cases, "case")
        what = self.metric if self.stratum == ALL_CASES else f"{self.metric} on {self.stratum}"
        if self.kind == "floor":
            bounds = "" if self.low is None else f" ({self.low:.1%} to {self.high:.1%})"
            proven = ", not proven" if self.low is not None and self.ok is None else ""
            return (
                f"{what} is {self.candidate:.1%}{bounds} over {cases}, "
                f"wanted at least {self.bound:.1%}{proven}"
            )
        assert self.baseline is not None
        points = 100 * (self.candidate - self.baseline)
        moved = (
            f"{what} went from {self.baseline:.1%} to {self.candidate:.1%} over {cases}: "
            f"{points:+.1f} points, "
        )
        if self.high is None:
            return (
                moved
                + (f"a drop of less than {100 * self.bound:.1f}" if self.bound else "no drop")
                + " is allowed"
            )
        if self.ok is False:
            return moved + f"more than chance gives (adjusted p {self.adjusted_p:.4f})"
        return moved + f"the drop may be {100 * self.high:.1f}, wanted below {100 * self.bound:.1f}"


class Stratum(Record):
    """A metric's mean in a part of the cases; with what the calibrated rule says of its drop."""

    metric: str
    stratum: str
    cases: int
    baseline: Share | None
    candidate: Share | None
    drop: float | None = None  # baseline minus candidate
    low: float | None = None  # 95 % interval of the drop
    high: float | None = None
    p: Share | None = None  # one-sided, by permutation
    adjusted_p: Share | None = None  # over all strata together
    detectable: float | None = None  # the drop that is found in four of five runs

    def __str__(self) -> str:
        if self.candidate is None:
            return f"{self.metric} over {self.stratum}: no case has a value"
        return f"{self.metric} is {self.candidate:.1%} over {count(self.cases, 'case')}"


class Look(Record):
    """One look of the calibrated rule."""

    trials: int  # of each case and arm
    alpha: Share  # BLOCK: an adjusted p is not above it
    drop: float  # of the primary metric over all cases
    upper: float  # the largest drop that is not excluded
    least_p: Share  # the smallest adjusted p of all strata
    outcome: Outcome | Literal["CONTINUE"]


class CaseOutcome(Record):
    """How often a case was solved, and why a trial of it failed."""

    case_id: CaseId
    task_type: str
    critical: bool
    tools: tuple[str, ...]  # that the case expects
    baseline: Share | None  # share of its trials with a value that were solved
    candidate: Share
    reason: str  # of the worse arm's first failed trial, in the words of the metric


class MissingTrial(TrialKey):
    """A trial without a value of the primary metric, and what is known about why."""

    attempts: int  # that failed
    reason: str


class ArmSummary(Record):
    agent: Name
    version: SemVer
    digest: Sha256
    model: str
    description: str


class Total(Record):
    """A sum over the trials that say, and how many do."""

    value: float
    trials: int


class ArmTotals(Record):
    """What the trials of an arm took together; None where no trial says."""

    trials: int  # with a score card
    latency_s: Total | None
    input_tokens: Total | None
    output_tokens: Total | None
    cost_usd: Total | None
    steps: Total | None  # tool calls


class JudgeSummary(Record):
    """Who judged a run, and what that took."""

    spec: JudgeSpec
    fingerprint: Sha256
    trials: int  # that were to be judged, and have a score card
    judged: int  # of these, those with a value
    cached: int  # judgments that were there before, and cost nothing again
    cost_usd: float | None  # of all judgments when they were made; None: of one it is not known
    missing: tuple[MissingTrial, ...]  # without a value
    canaries: int
    missed_canaries: tuple[CanaryAnswer, ...]

    def __str__(self) -> str:
        who = f"{self.spec.backend} {self.spec.model or 'judge'}"
        cost = "unknown" if self.cost_usd is None else f"{self.cost_usd:.4f} USD"
        right = self.canaries - len(self.missed_canaries)
        return (
            f"judged by the {who}: {self.judged} of {count(self.trials, 'trial')}, "
            f"{right} of {self.canaries} known answers right, cost {cost}"
        )


class Verdict(Record):
    """The run's answer and what it was computed from; equal inputs give equal bytes."""

    schema_version: SchemaVersion = 1
    run_id: RunId
    outcome: Outcome
    effective: Effective
    reason: str
    policy: Policy
    suite: Suite = "regression"
    harness: str
    dataset: PinnedDataset
    cases: int
    trials: int  # of each case and arm, at the look that decided
    planned_trials: int  # at the last look, had it been reached
    invocations: int  # trials over all cases of the arms that were run, however often one was tried
    planned_invocations: int  # of all looks
    scored: int  # trials with a value of the primary metric, over all arms
    seed: int
    repeat: int
    baseline_run: RunId | None  # whose trials the baseline's are; None: of this run
    arms: dict[Arm, ArmSummary]
    criteria: tuple[Criterion, ...]
    spending: tuple[Spending, ...] = ()
    remarks: tuple[str, ...] = ()  # what the candidate takes notably more of; it decided nothing
    strata: tuple[Stratum, ...]
    looks: tuple[Look, ...]  # none under the point rule
    hard_breaks: tuple[
        CaseId, ...
    ]  # critical, passed in every baseline trial, failed in every other
    broken: tuple[CaseOutcome, ...]  # the candidate solves it less often than the baseline
    fixed: tuple[CaseOutcome, ...]  # more often
    failing: tuple[CaseOutcome, ...]  # not always solved, and not broken
    missing: tuple[MissingTrial, ...]
    totals: dict[Arm, ArmTotals]
    judge: JudgeSummary | None = None  # None: nothing was judged


class DecideGateResult(Record):
    """A verdict, or CONTINUE with the next look and its trials."""

    run_id: RunId
    look: int
    outcome: Outcome | Literal["CONTINUE"]
    concurrency: int = 20  # of the next look's trials
    trials_key: str | None = None  # of the next look's trials
    verdict_key: str | None = None
    reason: str = ""  # of the verdict


class PublishRunResult(Record):
    verdict_key: str
    effective: Effective  # the verdict's, or OVERRIDDEN
    override: UsedOverride | None
    refused: tuple[str, ...]  # overrides of this verdict, and why each was
    events: tuple[Announcement, ...]


class RunRow(Record):
    """The registry's row of a finished run."""

    schema_version: SchemaVersion = 1
    run_id: RunId
    finished_at: str
    environment: Name
    agent: Name
    version: SemVer
    digest: Sha256
    baseline: SemVer | None
    suite: Suite = "regression"
    dataset: str
    cases: int
    of_cases: int
    outcome: Outcome
    effective: Effective | None = None  # for the last execution; None: entered without
    override_id: OverrideId | None = None  # that execution's


class BaselinePointer(Record):
    """Which version of an agent is in production in an environment."""

    schema_version: SchemaVersion = 1
    agent: Name
    environment: Name
    version: SemVer
    digest: Sha256
    moved_at: str
