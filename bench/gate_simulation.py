"""Simulated runs of a gate: cases, what was changed in the agent, trials, and what a rule decides.

The calibrated rule is the product's: `calibrated.look_at`, on matrices as `calibrated.rule` builds
them from score cards. `bench.gate` holds both against each other on the same trials.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftgate.gate import calibrated, point
from driftgate.gate.calibrated import SEQUENTIAL, THOUSANDTHS
from driftgate.metrics import GATE_METRICS, JUDGED, PRIMARY
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy

SEED = 5  # chosen before the first run; the number of the issue, no other was tried
TRIALS = SEQUENTIAL_LOOKS[-1]
MARGIN = Policy().max_drop
# How hard cases are: share of the cases, mean success, concentration of the beta distribution.
DIFFICULTY = ((0.75, 0.98, 50), (0.18, 0.86, 10), (0.07, 0.50, 6))
TASK_TYPES = (0.30, 0.22, 0.18, 0.14, 0.10, 0.06)  # their shares
TOOLS = np.array([1.6, 1.4, 1.2, 1.1, 1, 1, 1, 0.9, 0.8, 0.7, 0.7, 0.6])  # relative use
ONE_TOOL = 0.6  # share of the cases that expect one tool; the others expect two
CRITICAL = 0.225  # share of the cases
BROKEN_TOOL = 0.11  # of the cases expect the tool that breaks, as nearly as there is one: 22 of 200
# How often a trial has 1 and not 0 in another gate metric: if the task was solved, and if not.
OTHER_METRICS = {
    "action_correctness": (1.0, 0.35),
    "output_correctness": (1.0, 0.45),
    "tool_call_accuracy": (0.99, 0.60),
    "argument_fidelity": (0.975, 0.50),
    "sequence_correctness": (0.99, 0.80),
    "call_precision": (0.97, 0.80),
}
# What a judge says, if cases have rubrics: means, and the noise of the agent and of the judge.
JUDGED_MEANS, RUN_SD, JUDGE_SD = (0.90, 0.40), 0.08, 0.10

Shares = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Cases(NamedTuple):
    solved: Shares  # how often the unchanged agent solves each
    task_type: NDArray[np.int64]
    tools: Mask  # (cases, tools)
    critical: Mask


class Arm(NamedTuple):
    """Scores in thousandths by metric, each (cases, trials)."""

    scores: Mapping[str, NDArray[np.int64]]

    def mean(self, metric: str, trials: int = TRIALS) -> Shares:
        return np.asarray(self.scores[metric][:, :trials].mean(axis=1) / THOUSANDTHS)


class Draw(NamedTuple):
    """One simulated run with all trials that could be wanted."""

    cases: Cases
    baseline: Arm
    candidate: Arm
    seed: int


class Decision(NamedTuple):
    outcome: str
    trials: int  # of each case and arm, when it was decided


class Scenario(NamedTuple):
    """How often the baseline and the candidate solve each case, and how alike an arm's trials are.

    `correlation` is that of the trials of one case and arm: 0, they are independent.
    """

    change: Callable[[np.random.Generator, Cases], tuple[Shares, Shares]]
    correlation: float = 0.0


def no_change(rng: np.random.Generator, cases: Cases) -> tuple[Shares, Shares]:
    return cases.solved, cases.solved


def churn(rng: np.random.Generator, cases: Cases) -> tuple[Shares, Shares]:
    """8 % of the cases lose 50 points, as many others gain them: all in all nothing."""
    number = round(0.08 * len(cases.solved))
    chosen = rng.choice(np.flatnonzero(cases.solved >= 0.5), 2 * number, replace=False)
    baseline, candidate = cases.solved.copy(), cases.solved.copy()
    candidate[chosen[:number]] -= 0.5
    baseline[chosen[number:]] -= 0.5
    return baseline, candidate


def diffuse(rng: np.random.Generator, cases: Cases) -> tuple[Shares, Shares]:
    """Every case becomes harder by as many logits, so that 5 points are lost on average."""
    solved = np.clip(cases.solved, 1e-9, 1 - 1e-9)
    logits = np.log(solved / (1 - solved))
    low, high = 0.0, 10.0
    for _ in range(50):
        shift = (low + high) / 2
        harder = 1 / (1 + np.exp(shift - logits))
        low, high = (shift, high) if (cases.solved - harder).mean() < 0.05 else (low, shift)
    return cases.solved, 1 / (1 + np.exp(low - logits))


def concentrated(rng: np.random.Generator, cases: Cases) -> tuple[Shares, Shares]:
    """Some cases break wholly, the last of them in part, so that 5 points are lost on average."""
    order = rng.permutation(len(cases.solved))
    before = np.cumsum(cases.solved[order]) - cases.solved[order]
    to_lose = 0.05 * len(order)
    candidate = cases.solved.copy()
    candidate[order] -= np.clip(to_lose - before, 0, cases.solved[order])
    return cases.solved, candidate


def one_tool(rng: np.random.Generator, cases: Cases) -> tuple[Shares, Shares]:
    """The cases of one tool lose 30 points each, those that have so many."""
    used = cases.tools.sum(axis=0)
    tool = np.argmin(abs(used - BROKEN_TOOL * len(cases.solved)))
    worse = np.clip(cases.solved - 0.3, 0, 1)
    return cases.solved, np.where(cases.tools[:, tool], worse, cases.solved)


NO_CHANGE, CORRELATED, CHURN = "no change", "correlated sessions", "churn"
DIFFUSE, CONCENTRATED, TOOL = "-5 diffuse", "-5 concentrated", "-30 on a tool"
SCENARIOS = {
    NO_CHANGE: Scenario(no_change),
    CORRELATED: Scenario(no_change, correlation=0.15),
    CHURN: Scenario(churn),
    DIFFUSE: Scenario(diffuse),
    CONCENTRATED: Scenario(concentrated),
    TOOL: Scenario(one_tool),
}
NULLS = (NO_CHANGE, CORRELATED, CHURN)


def draw(scenario: str, cases: int, number: int) -> Draw:
    """One draw of a scenario; the same number is the same draw, in whichever process."""
    rng = np.random.default_rng([SEED, list(SCENARIOS).index(scenario), cases, number])
    drawn = _cases(rng, cases)
    change, correlation = SCENARIOS[scenario]
    baseline, candidate = change(rng, drawn)
    return Draw(
        drawn,
        _arm(rng, baseline, correlation),
        _arm(rng, candidate, correlation),
        seed=int(rng.integers(1 << 62)),
    )


def _cases(rng: np.random.Generator, number: int) -> Cases:
    shares, means, concentrations = np.array(DIFFICULTY).T
    kind = rng.choice(len(shares), number, p=shares)
    mean, concentration = means[kind], concentrations[kind]
    used = np.zeros((number, len(TOOLS)), np.bool_)
    for row in used:
        how_many = 1 if rng.random() < ONE_TOOL else 2
        row[rng.choice(len(TOOLS), how_many, replace=False, p=TOOLS / TOOLS.sum())] = True
    return Cases(
        solved=rng.beta(mean * concentration, (1 - mean) * concentration),
        task_type=rng.choice(len(TASK_TYPES), number, p=TASK_TYPES),
        tools=used,
        critical=rng.random(number) < CRITICAL,
    )


def _arm(rng: np.random.Generator, solved: Shares, correlation: float) -> Arm:
    if correlation:
        likely = np.clip(solved, 1e-3, 1 - 1e-3)
        spread = (1 - correlation) / correlation
        solved = rng.beta(likely * spread, (1 - likely) * spread)
    shape = (len(solved), TRIALS)
    success = rng.random(shape) < solved[:, None]
    scores = {PRIMARY: success * THOUSANDTHS}
    for metric, (if_solved, if_not) in OTHER_METRICS.items():
        good = rng.random(shape) < np.where(success, if_solved, if_not)
        scores[metric] = good * THOUSANDTHS
    judged = np.where(success, *JUDGED_MEANS)
    judged = judged + rng.normal(0, RUN_SD, shape) + rng.normal(0, JUDGE_SD, shape)
    scores[JUDGED] = np.rint(np.clip(judged, 0, 1) * THOUSANDTHS).astype(np.int64)
    return Arm(scores)


def strata(cases: Cases, *, judged: bool = True) -> list[tuple[str, Mask]]:
    """Metric and cases of every stratum that has one, as `sample.parts_of` has them."""
    everything = np.ones(len(cases.solved), np.bool_)
    types = [cases.task_type == number for number in range(len(TASK_TYPES))]
    parts = [everything, cases.critical, *types, *cases.tools.T]
    others = [
        metric for metric in GATE_METRICS if metric != PRIMARY and (judged or metric != JUDGED)
    ]
    primary = [(PRIMARY, part) for part in parts if part.any()]
    return [*primary, *((metric, everything) for metric in others)]


def decide(
    run: Draw, permutations: int, *, judged: bool = True, seed: int | None = None
) -> tuple[Decision, Decision]:
    """What the calibrated rule says, and what it says where hard breaks block.

    `seed` is that of the permutations; None: the draw's own.
    """
    shown: Decision | None = None
    blocking: Decision | None = None
    for boundary in SEQUENTIAL:
        trials, last = boundary.trials, boundary.trials == TRIALS
        unit = THOUSANDTHS * math.lcm(*range(1, trials + 1))
        outcome = calibrated.look_at(
            *matrices(run, trials, unit, judged=judged),
            unit,
            boundary,
            margin=MARGIN,
            last=last,
            seed=run.seed if seed is None else seed,
            permutations=permutations,
        ).outcome
        if outcome and shown is None:
            shown = Decision(outcome, trials)
        if outcome != "BLOCK" and hard_breaks(run, trials):
            outcome = "BLOCK" if last else None
        if outcome and blocking is None:
            blocking = Decision(outcome, trials)
        if shown and blocking:
            return shown, blocking
    raise AssertionError("the last look decides")


def matrices(
    run: Draw, trials: int, unit: int, *, judged: bool = True
) -> tuple[NDArray[np.int64], Mask]:
    """What `look_at` takes: differences in units, and which case is of which stratum."""
    scale = unit // THOUSANDTHS // trials
    fell = {
        metric: (run.baseline.scores[metric] - run.candidate.scores[metric])[:, :trials].sum(axis=1)
        for metric in run.baseline.scores
    }
    family = strata(run.cases, judged=judged)
    differences = [np.where(part, fell[metric] * scale, 0) for metric, part in family]
    return np.stack(differences, axis=1), np.stack([part for _, part in family], axis=1)


def hard_breaks(run: Draw, trials: int) -> bool:
    """Whether a critical case passed in every baseline trial and fails in every other."""
    passed = run.baseline.scores[PRIMARY][:, :trials].min(axis=1) == THOUSANDTHS
    failed = run.candidate.scores[PRIMARY][:, :trials].max(axis=1) == 0
    return bool((run.cases.critical & passed & failed).any())


def point_rule(run: Draw, trials: int) -> bool:
    """Whether the point rule blocks by a drop: overall in a gate metric, or on a tool's cases.

    Of cases without rubrics.
    """
    for metric in GATE_METRICS:
        if metric != JUDGED and _fell(run, metric, trials).mean().round(9) >= MARGIN:
            return True
    lost = _fell(run, PRIMARY, trials)
    for part in run.cases.tools.T:
        enough = point.TOOL_CASES <= part.sum() < len(part)
        if enough and lost[part].mean().round(9) >= max(MARGIN, point.TOOL_LOSS / part.sum()):
            return True
    return False


def any_stratum(run: Draw, trials: int) -> bool:
    """Whether the mean of any stratum fell by more than 5 points; tools from ten cases on."""
    return any(
        _fell(run, metric, trials)[part].mean().round(9) > MARGIN
        for metric, part in strata(run.cases)
        if part.sum() >= point.TOOL_CASES
    )


def no_drop(run: Draw, trials: int) -> bool:
    """Whether the primary metric's mean fell at all.

    The loosest comparison that MLflow's `validate_evaluation_results` has: `min_relative_change=0`,
    as `min_absolute_change` must be above 0 (mlflow 3.18.0, mlflow/models/evaluation/validation.py,
    `_validate`). A drop that is allowed can't be said.
    """
    return bool(_fell(run, PRIMARY, trials).mean().round(9) > 0)


def _fell(run: Draw, metric: str, trials: int) -> Shares:
    return run.baseline.mean(metric, trials) - run.candidate.mean(metric, trials)
