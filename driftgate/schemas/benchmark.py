"""What comes of comparing models, or versions, on the same cases."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from driftgate.schemas.costs import SessionPolicy
from driftgate.schemas.manifests import DatasetRef
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, SemVer, Share

ModelId = Annotated[str, Field(min_length=1, max_length=300)]


def _once_each(models: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({one for one in models if models.count(one) > 1}):
        raise ValueError(f"wanted each model once, got {twice[0]} twice")
    return models


By = Literal["model", "version", "agent"]
Quantity = Literal[
    "calls",
    "failed_calls",
    "latency_s",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cost_usd",
    "findings",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
PairOutcome = Literal["signal", "no difference that matters", "buried in noise"]
Conclusion = Literal[
    "signal",
    "no difference that matters",
    "buried in noise",
    "the data is the bottleneck",
    "nothing to compare",
]


class Protocol(Record):
    """What a model is expected to do with its tools, whatever the case."""

    min_calls: Annotated[int, Field(ge=1)] | None = None
    overview: tuple[str, ...] = ()  # patterns of tools that show what there is
    drill_down: tuple[str, ...] = ()  # patterns of tools that look into one thing of it

    @model_validator(mode="after")
    def _both_or_none(self) -> "Protocol":
        if bool(self.overview) != bool(self.drill_down):
            raise ValueError("wanted overview and drill_down together, or none of them")
        return self


class ProtocolKept(Record):
    """In which share of its trials a model kept to the protocol."""

    enough_calls: Share | None  # None: no number is wanted
    drilled_down: Share | None  # a drill-down came after an overview; None: neither is named
    truncated: Share | None  # of the trials that tell why they stopped: for their length
    at_limit: Share  # the harness stopped it


class Average(Record):
    """A mean over cases, each weighing the same, and its 95 % interval."""

    mean: float
    low: float | None  # None: one case does not tell how cases vary
    high: float | None
    cases: int
    missing: int  # trials that do not say


class ToolShare(Record):
    tool: str
    trials: Share  # in which it was called


class CallOrder(Record):
    """Which tools were called one after the other, and in how many trials."""

    tools: tuple[str, ...]
    trials: int


class Contender(Record):
    """One of those that are compared: a model, or a version."""

    name: str
    versions: tuple[str, ...]  # agent@version
    models: tuple[str, ...]
    cases: int
    trials: int
    unscored: int  # trials without a value of the metric: in no mean
    success: Average | None
    pass_hat: tuple[Share, ...]  # pass^1, pass^2, … as far as every case has trials
    measures: dict[Quantity, Average | None]
    scores: dict[str, Average]  # of the other metrics
    protocol: ProtocolKept
    tools: tuple[ToolShare, ...]
    orders: tuple[CallOrder, ...]  # the most frequent ones
    cost_per_solved_usd: float | None  # None: no cost is known, or nothing was solved
    dominated_by: str | None = None  # a contender that is at least as good, at less cost
    on_frontier: bool | None = None  # None: its cost is not known


class Pair(Record):
    """Two contenders on the cases that both have a value of."""

    better: str  # has the higher mean, though chance may have made it so
    worse: str
    cases: int
    difference: float  # of their means, at least 0
    low: float  # 95 % interval
    high: float
    p: Share  # two-sided, by permutation
    adjusted_p: Share  # over all pairs together
    effect: float | None  # difference in standard deviations of the cases'; None: all are alike
    wins: int  # cases in which the better one has more
    losses: int
    detectable: float  # the difference that is found in four of five comparisons
    outcome: PairOutcome
    trials_needed: int | None = None  # of each case, for the margin to be detectable
    cases_needed: int | None = None
    why: tuple[str, ...] = ()  # what the worse one does otherwise; of a signal alone


class Variance(Record):
    """Of what the variance of one trial is made up, over the cases that all have in common."""

    cases_in_common: int
    models: float | None  # between models
    cases: float | None  # between cases, alike for all models
    interaction: float | None  # some models are better at some cases; with `within` unknown, both
    within: float | None  # between trials of a model at a case; None: no case was tried twice
    total: float
    told: str  # the same in a sentence

    def share(self, part: float | None) -> float | None:
        return None if part is None or not self.total else part / self.total


class Discrimination(Record):
    """Whether the cases tell contenders apart at all."""

    cases: int  # in common
    all_solved: int  # by every contender in every trial
    none_solved: int
    informative: int  # the others that do not always come out the same
    p: (
        Share | None
    )  # that shuffling trials among contenders gives as much; None: nothing to shuffle
    flat: tuple[CaseId, ...]  # always the same, the first ones

    @property
    def share(self) -> float:
        return self.informative / self.cases if self.cases else 0.0


class Comparison(Record):
    """The answer to "is it the model?", and all that is shown of it."""

    schema_version: SchemaVersion = 1
    metric: str
    by: By
    dataset: str
    rows: int
    margin: Share  # the smallest difference that matters
    alpha: Share
    seed: int
    protocol: Protocol
    contenders: tuple[Contender, ...]  # the best first
    pairs: tuple[Pair, ...]  # the surest first
    variance: Variance | None  # None: nothing is in common
    discrimination: Discrimination
    conclusion: Conclusion
    reason: str
    cheapest: str | None  # of those that are not shown to be worse than the best
    notes: tuple[str, ...]


class BenchmarkRequest(Record):
    """Models to run on the same cases with the same code, tools, prompts and data."""

    agent: Name
    version: SemVer
    models: Annotated[tuple[ModelId, ...], Field(min_length=1), AfterValidator(_once_each)]
    environment: Name
    dataset: DatasetRef | None = None  # None: the one the manifest pins
    case_ids: tuple[CaseId, ...] | None = None  # None: all
    trials: Annotated[int, Field(ge=1, le=100)]
    seed: int = 0
    repeat: int = 0  # 1 and more: the same benchmark made again on purpose
    sessions: SessionPolicy = "stop_after_case"
    max_usd: Annotated[float, Field(gt=0)] | None = None  # that each model may spend


class BenchmarkResult(Record):
    """What was run, and what is missing of it."""

    benchmark_id: str
    runs: dict[str, str]  # of each model
    trials: int  # of all models together
    made: int  # now; the others had been before
    missing: int  # left no trace
