"""An agent's own noise, from its stored runs, and what the gate's rule does with it.

The rule is the product's (`calibrated.look_at`); only trials are simulated, from what was observed:
a case's rate of success with what is not known of it, and for the other metrics score cards that
were seen. docs/gate.md says how to read the result.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean, variance
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftgate import intervals
from driftgate.errors import BadInput
from driftgate.gate.calibrated import SEQUENTIAL, THOUSANDTHS, Z_ONE_SIDED, look_at
from driftgate.gate.sample import Sample, floors, parts_of
from driftgate.metrics import SUITES, Compared
from driftgate.schemas.calibration import (
    Calibration,
    Floor,
    Frequency,
    Noise,
    Pairs,
    Simulated,
)
from driftgate.schemas.cases import Case
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.manifests import AgentVersion, Suite
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy
from driftgate.schemas.runs import ALL_CASES
from driftgate.schemas.scores import ScoreCard

ENOUGH_CASES = 40  # with two trials or more; fewer tell no noise
DROP, TOOL_DROP = 0.05, 0.30
POWER = 0.8  # found in four of five runs, as `detectable` in a verdict
UNDECIDED = 0.05  # of the runs of an unchanged version, at most, where looks suffice
MORE_CASES = (100, 150, 200, 300, 400)
PERMUTATIONS = 1000  # of a simulated look; bench-gate compares fewer with the product's number
MAX_TRIALS = 100_000  # up to which a floor is followed

Shares = NDArray[np.float64]
Rows = NDArray[np.int64]
Change = Callable[[Shares, NDArray[np.bool_]], Shares]


class Trials(NamedTuple):
    """One version's trials of one dataset's cases, each draw of its noise once."""

    version: AgentVersion
    suite: Suite
    dataset: str
    cases: tuple[Case, ...]
    cards: tuple[ScoreCard, ...]


def calibrate(
    agent: str,
    environment: str,
    bundles: Sequence[Bundle],
    policy: Policy,
    *,
    draws: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Calibration:
    """Estimate noise, and simulate what the rule does with it.

    Args:
        bundles: of the agent's runs of a suite, the latest first; the first one's baseline is
            looked at.
        policy: whose floors are meant.
        draws: simulated runs of each scenario.
        seed: of the simulation; the same bundles and seed give the same numbers.
        progress: told how many scenarios are done, and of how many at most.

    Raises:
        BadInput: no runs.
    """
    if not bundles:
        raise BadInput(f"wanted finished runs of {agent} in {environment}, there are none")
    trials = pooled(bundles)
    noise = noise_of(trials)
    known = Calibration(
        agent=agent,
        environment=environment,
        runs=tuple(bundle.plan.run_id for bundle in bundles),
        version=trials.version.manifest.version,
        digest=trials.version.digest,
        dataset=trials.dataset,
        cases=len(trials.cases),
        noise=noise,
        pairs=tuple(pairs_of(bundles, noise)),
        no_change=None,
        drop=None,
        more_cases=(),
        tools=(),
        floors=tuple(_floors(policy, trials)),
        too_few=too_few(noise),
    )
    if known.too_few or noise is None:
        return known
    model = Model(trials, noise)
    total = 2 + len(MORE_CASES) + len(model.tools())
    everything, done = len(trials.cases), 0

    def simulated(scenario: str, part: str, change: Change, cases: int) -> Simulated:
        nonlocal done
        rng = np.random.default_rng([seed, cases, *scenario.encode()])
        found = model.simulate(scenario, part, change, cases, draws, rng)
        done += 1
        progress(done, total)
        return found

    no_change = simulated("no change", ALL_CASES, _unchanged, everything)
    drop = simulated("-5 points everywhere", ALL_CASES, _everywhere, everything)
    more: list[Simulated] = []
    for number in (number for number in MORE_CASES if number > everything):
        if [drop, *more][-1].blocked.lower >= POWER:
            break
        more.append(simulated("-5 points everywhere", ALL_CASES, _everywhere, number))
    tools = [
        simulated(f"-30 points on {tool}", f"tool {tool}", _on_part, everything)
        for tool in model.tools()
    ]
    return known.model_copy(
        update={
            "no_change": no_change,
            "drop": drop,
            "more_cases": tuple(more),
            "tools": tuple(tools),
        }
    )


def pooled(bundles: Sequence[Bundle]) -> Trials:
    """The trials of the latest run's baseline, from all runs on the same cases.

    An agent that follows its seed repeats itself in another run with the same seed, arm and trial
    number. Such a trial is no second witness, so each counts once, the latest.
    """
    first = bundles[0].plan
    primary = SUITES[first.suite].primary
    version = first.arms.get("baseline", first.arms["candidate"])
    cards: dict[tuple[str, int, int, str], ScoreCard] = {}
    cases: dict[str, Case] = {}
    for bundle in bundles:
        plan = bundle.plan
        same = (plan.dataset.sha256, plan.harness) == (first.dataset.sha256, first.harness)
        own = {arm for arm, agent in plan.arms.items() if agent.digest == version.digest}
        for card in bundle.cards if same else ():
            if card.arm in own and card.scores[primary].scored:
                cards.setdefault((card.arm, plan.seed, card.trial, card.case_id), card)
        cases |= {case.case_id: case for case in bundle.cases if same and own}
    seen = {card.case_id for card in cards.values()}
    ordered = tuple(cases[case_id] for case_id in sorted(seen))
    return Trials(version, first.suite, str(first.dataset), ordered, tuple(cards.values()))


def noise_of(trials: Trials) -> Noise | None:
    """The variance of the primary metric within cases and between them; None: no case has two."""
    values = {i: found for i, found in _values(trials).items() if len(found) > 1}
    if not values:
        return None
    within = fmean(variance(found) for found in values.values())
    means = [fmean(found) for found in values.values()]
    by_trials = fmean(variance(found) / len(found) for found in values.values())
    spread = variance(means) if len(means) > 1 else 0.0
    return Noise(
        cases=len(values),
        trials=sum(map(len, values.values())),
        mean=fmean(means),
        within=within,
        between=max(0.0, spread - by_trials),
        always_solved=fmean(mean == 1 for mean in means),
        never_solved=fmean(mean == 0 for mean in means),
    )


def too_few(noise: Noise | None) -> str | None:
    """Why no rate can be told from so little, and what to do; None: enough."""
    cases = noise.cases if noise else 0
    if cases < ENOUGH_CASES:
        return (
            f"too few runs to tell: {cases} cases have two trials of this version, wanted "
            f"{ENOUGH_CASES}; run it against itself, or with --trials 3"
        )
    assert noise is not None
    if noise.within == 0:
        pairs = noise.trials - noise.cases
        limit = intervals.share_upper(0, pairs)
        return (
            f"too few runs to tell: no trial differed from another of its case; with {pairs} "
            f"more trials than cases, up to {limit:.1%} of them may yet"
        )
    return None


def pairs_of(bundles: Iterable[Bundle], noise: Noise | None) -> Iterator[Pairs]:
    for bundle in bundles:
        primary = SUITES[bundle.plan.suite].primary
        sample = Sample(card for card in bundle.cards if card.scores[primary].scored)
        ids = sample.known(primary, (case.case_id for case in bundle.cases))
        if "baseline" not in bundle.plan.arms or len(ids) < 2:
            continue
        fell = [
            fmean(sample.values(primary, "baseline", i))
            - fmean(sample.values(primary, "candidate", i))
            for i in ids
        ]
        each = fmean(
            1 / len(sample.values(primary, arm, i))
            for i in ids
            for arm in ("baseline", "candidate")
        )
        yield Pairs(
            run_id=bundle.plan.run_id,
            candidate=bundle.plan.arms["candidate"].manifest.version,
            cases=len(ids),
            drop=fmean(fell),
            variance=variance(fell),
            by_noise=None if noise is None else 2 * noise.within * each,
        )


class Model:
    """Simulated runs of a version's cases.

    A case's rate is drawn from the beta distribution that its trials leave possible, its prior
    fitted by moments to all cases (empirical Bayes). The other metrics of a trial are those of a
    card that was seen: of the same case where it ended alike, else of any case where it did.
    """

    def __init__(self, trials: Trials, noise: Noise) -> None:
        self._cases = trials.cases
        self._suite = SUITES[trials.suite]
        self._parts = parts_of(trials.suite, trials.cases)
        rows = {case.case_id: row for row, case in enumerate(trials.cases)}
        self._members = np.zeros((len(rows), len(self._parts)), np.bool_)
        for column, ids in enumerate(self._parts.values()):
            self._members[[rows[i] for i in ids], column] = True
        self._metrics = [self._suite.metrics.index(metric) for metric, _ in self._parts]
        values = _values(trials)
        solved = np.array([sum(values[i]) for i in rows])
        tried = np.array([len(values[i]) for i in rows])
        weight = noise.within / noise.between if noise.between else math.inf
        weight = min(weight, 1e6)  # all cases alike
        self._alpha = solved + weight * noise.mean
        self._beta = tried - solved + weight * (1 - noise.mean)
        self._donors, self._start, self._count = _donors(trials.cards, self._suite, rows)

    def tools(self) -> list[str]:
        return [name.removeprefix("tool ") for _, name in self._parts if name.startswith("tool ")]

    def simulate(
        self,
        scenario: str,
        part: str,
        change: Change,
        cases: int,
        draws: int,
        rng: np.random.Generator,
    ) -> Simulated:
        """Decide so many runs in which a part of the cases was changed in the candidate."""
        column = list(self._parts).index((self._suite.primary, part))
        said = Counter[tuple[str, int]]()
        for _ in range(draws):
            said[self._decided(change, column, cases, rng)] += 1
        blocked = sum(times for (outcome, _), times in said.items() if outcome == "BLOCK")
        outcomes = Counter[str]()
        for (outcome, _), times in said.items():
            outcomes[outcome] += times
        return Simulated.model_validate(
            {
                "scenario": scenario,
                "cases": cases,
                "stratum_cases": round(cases * self._members[:, column].mean()),
                "looks": SEQUENTIAL_LOOKS,
                "blocked": frequency(blocked, draws),
                "outcomes": dict(sorted(outcomes.items())),
                "trials": sum(trials * times for (_, trials), times in said.items()) / draws,
            }
        )

    def _decided(
        self, change: Change, column: int, cases: int, rng: np.random.Generator
    ) -> tuple[str, int]:
        own = len(self._cases)
        chosen = np.arange(own) if cases == own else rng.choice(own, cases)
        members = self._members[chosen]
        present = members.any(axis=0)
        rates = rng.beta(self._alpha[chosen], self._beta[chosen])
        changed = change(rates, members[:, column])
        baseline, candidate = self._arm(chosen, rates, rng), self._arm(chosen, changed, rng)
        seed = int(rng.integers(1 << 62))
        for boundary in SEQUENTIAL:
            unit = THOUSANDTHS * math.lcm(*range(1, boundary.trials + 1))
            fell = (baseline - candidate)[:, : boundary.trials].sum(axis=1)
            differences = fell[:, self._metrics] * (unit // THOUSANDTHS // boundary.trials)
            outcome = look_at(
                np.where(members, differences, 0)[:, present],
                members[:, present],
                unit,
                boundary,
                margin=DROP,
                last=boundary is SEQUENTIAL[-1],
                seed=seed,
                permutations=PERMUTATIONS,
            ).outcome
            if outcome:
                return outcome, boundary.trials
        raise AssertionError("the last look decides")

    def _arm(self, chosen: Rows, rates: Shares, rng: np.random.Generator) -> Rows:
        """Scores in thousandths, (cases, trials, metrics)."""
        shape = (len(chosen), SEQUENTIAL_LOOKS[-1])
        solved = (rng.random(shape) < rates[:, None]).astype(np.int64)
        count, start = self._count[chosen[:, None], solved], self._start[chosen[:, None], solved]
        scores = self._donors[start + (rng.random(shape) * count).astype(np.int64)]
        scores[:, :, self._suite.metrics.index(self._suite.primary)] = solved * THOUSANDTHS
        return scores


def frequency(count: int, draws: int) -> Frequency:
    return Frequency(
        draws=draws,
        count=count,
        rate=count / draws,
        lower=intervals.share_lower(count, draws),
        upper=intervals.share_upper(count, draws),
    )


def _donors(
    cards: Sequence[ScoreCard], suite: Compared, rows: Mapping[str, int]
) -> tuple[Rows, Rows, Rows]:
    """Score cards to draw from: all of them, and where those of a case and an ending begin.

    Returns:
        Thousandths (cards, metrics); and for (cases, failed or solved) first card and number. A
        metric that has no value in a card is 1: it never tells the arms apart.
    """
    by_ending: dict[tuple[int, int], list[list[int]]] = {}
    for card in cards:
        scores = [card.scores[m].value if m in card.scores else None for m in suite.metrics]
        counted = [THOUSANDTHS if s is None else round(s * THOUSANDTHS) for s in scores]
        solved = int(counted[0] == THOUSANDTHS)
        for key in ((rows[card.case_id], solved), (-1, solved)):
            by_ending.setdefault(key, []).append(counted)
    start, count = (np.zeros((len(rows), 2), np.int64) for _ in range(2))
    drawn: list[list[int]] = []
    first: dict[tuple[int, int], int] = {}
    for key, found in by_ending.items():
        first[key] = len(drawn)
        drawn.extend(found)
    for row in rows.values():
        for solved in (0, 1):
            key = (row, solved) if (row, solved) in by_ending else (-1, solved)
            start[row, solved], count[row, solved] = first[key], len(by_ending[key])
    return np.array(drawn, np.int64), start, count


def _unchanged(rates: Shares, part: NDArray[np.bool_]) -> Shares:
    return rates


def _everywhere(rates: Shares, part: NDArray[np.bool_]) -> Shares:
    """Every case becomes harder by as many logits, so that `DROP` is lost on average."""
    sure = np.clip(rates, 1e-9, 1 - 1e-9)
    logits = np.log(sure / (1 - sure))
    low, high = 0.0, 30.0
    for _ in range(40):
        shift = (low + high) / 2
        harder = 1 / (1 + np.exp(shift - logits))
        low, high = (shift, high) if (sure - harder).mean() < DROP else (low, shift)
    return np.asarray(1 / (1 + np.exp(low - logits)))


def _on_part(rates: Shares, part: NDArray[np.bool_]) -> Shares:
    """The part's cases lose 30 points each, those that have so many."""
    return np.where(part, np.clip(rates - TOOL_DROP, 0, 1), rates)


def _floors(policy: Policy, trials: Trials) -> Iterator[Floor]:
    """For each floor, how many trials certify what was observed, if it stays so."""
    sample = Sample(card.model_copy(update={"arm": "candidate"}) for card in trials.cards)
    for metric, stratum, ids, bound in floors(trials.suite, policy, trials.cases):
        values = [value for i in ids for value in sample.values(metric, "candidate", i)]
        if values:
            mean = fmean(sorted(values))
            yield Floor(
                metric=metric,
                stratum=stratum,
                bound=bound,
                cases=len(ids),
                value=mean,
                certified_from=_certified_from(mean, bound),
            )


def _certified_from(mean: float, bound: float) -> int | None:
    """The least trials whose lower bound reaches the floor; None: the mean does not."""
    low, high = 0, MAX_TRIALS
    if mean < bound or intervals.wilson(mean, high, Z_ONE_SIDED)[0] < bound:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        reached = intervals.wilson(mean, middle, Z_ONE_SIDED)[0] >= bound
        low, high = (low, middle) if reached else (middle, high)
    return high


def _values(trials: Trials) -> dict[str, list[float]]:
    """The primary metric of each case's trials."""
    values: dict[str, list[float]] = {}
    for card in trials.cards:
        value = card.scores[SUITES[trials.suite].primary].value
        assert value is not None
        values.setdefault(card.case_id, []).append(value)
    return values
