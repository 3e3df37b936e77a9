"""What an agent's stored runs say of its noise, and of what the gate can find with its dataset."""

from driftgate.schemas.policies import Outcome
from driftgate.schemas.record import Name, Record, SemVer, Sha256, Share
from driftgate.schemas.runs import RunId


class Noise(Record):
    """How one version's trials of the same cases differ in the primary metric."""

    cases: int  # with two trials or more: the others say nothing here
    trials: int  # of these
    mean: Share
    within: float  # variance between trials of a case, its mean over cases; unbiased, in [0, 0.5]
    between: float  # variance of the cases' own rates, without what trials explain; at least 0
    always_solved: Share  # of the cases
    never_solved: Share


class Pairs(Record):
    """How the arms of a run differ, case by case, against what the noise of trials explains."""

    run_id: RunId
    candidate: SemVer
    cases: int
    drop: float  # mean, baseline minus candidate
    variance: float  # of the cases' differences around it
    by_noise: float | None  # of that, what two arms of the noisy version have; None: not known


class Frequency(Record):
    """How often something happened in a simulation, with its one-sided 95 % limits."""

    draws: int
    count: int
    rate: Share
    lower: Share  # Clopper and Pearson
    upper: Share


class Simulated(Record):
    """What the rule said of simulated runs."""

    scenario: str
    cases: int
    stratum_cases: int  # of which the scenario speaks
    looks: tuple[int, ...]
    blocked: Frequency
    outcomes: dict[Outcome, int]
    trials: float  # of each case and arm, mean


class Floor(Record):
    """An absolute target, and what the version's trials say of it."""

    metric: str
    stratum: str
    bound: Share
    cases: int
    value: Share
    certified_from: int | None  # trials in all at which this value certifies it; None: none do


class Calibration(Record):
    """The noise of an agent's version, and what follows from it."""

    agent: Name
    environment: Name
    runs: tuple[RunId, ...]  # that were read, the latest first
    version: SemVer  # the one whose noise is told: the latest run's baseline
    digest: Sha256
    dataset: str
    cases: int  # of the version on this dataset, that have a trial
    noise: Noise | None
    pairs: tuple[Pairs, ...]
    no_change: Simulated | None
    drop: Simulated | None  # 5 points everywhere, with the cases that there are
    more_cases: tuple[Simulated, ...]  # the same with as many more as it takes, or as were tried
    tools: tuple[Simulated, ...]  # 30 points on one tool
    floors: tuple[Floor, ...]
    too_few: str | None  # why there is no more than this
