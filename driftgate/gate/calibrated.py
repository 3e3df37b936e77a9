"""The calibrated rule: a drop blocks when chance does not explain it, a PASS excludes a drop.

Both arms are looked at after 2, 3 and 5 trials, and each look spends a part of the error that is
allowed. `make bench-gate` simulates what the rule holds; docs/gate.md has its table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist, fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftgate import canonical, intervals, stats
from driftgate.gate.rulings import Ruling, first_release
from driftgate.gate.sample import Sample, floor_of, floors, parts_of, stratum_of
from driftgate.metrics import SUITES
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import Suite
from driftgate.schemas.policies import Outcome, Policy
from driftgate.schemas.runs import ALL_CASES, Criterion, Look, RunPlan, Stratum

PERMUTATIONS = 10_000
THOUSANDTHS = 1000  # scores are counted in these
DOUBTFUL = 0.3  # no early PASS while a stratum's adjusted p is not above this
HARD_BREAK_TRIALS = 5  # of each arm: fewer are chance too often
Z_ONE_SIDED = 1.644854  # 95 %
Z_POWER = 0.841621  # 80 %


class Boundary(NamedTuple):
    """When a look at so many trials of each case and arm decides."""

    trials: int
    alpha: float  # BLOCK: a stratum's adjusted p is not above it
    z: float  # PASS: the drop's bound at this many standard errors is below the margin


SEQUENTIAL = (Boundary(2, 0.012, 2.0), Boundary(3, 0.018, 1.85), Boundary(5, 0.032, Z_ONE_SIDED))


class Tested(NamedTuple):
    """One look's test of all strata; the first one is the primary metric over all cases."""

    drops: tuple[intervals.Estimate, ...]
    p: tuple[float, ...]
    adjusted: tuple[float, ...]
    threshold: float  # the largest p that is rejected; 0: none is
    upper: float  # bound of the first stratum's drop
    outcome: Outcome | None


def boundary_of(plan: RunPlan, look: int) -> Boundary:
    """The boundary of a plan's look; a plan of one look spends all the error there."""
    if len(plan.looks) > 1:
        return SEQUENTIAL[look - 1]
    return Boundary(plan.looks[0], 0.05, Z_ONE_SIDED)


def look_at(
    differences: stats.Whole,
    members: NDArray[np.bool_],
    unit: int,
    boundary: Boundary,
    *,
    margin: float,
    last: bool,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> Tested:
    """Test a family of strata at a look.

    Args:
        differences: (cases, strata), baseline minus candidate in units; 0 where a case is not of
            the stratum. The first stratum is the primary metric over all cases.
        members: (cases, strata), whether the case is of the stratum; each has at least one.
        unit: what a difference of 1.0 is.
        boundary: of the look.
        margin: the drop over all cases that a PASS excludes, in (0, 1].
        last: whether no look follows.
        seed: of the permutations.

    Returns:
        BLOCK when a stratum fell by more than chance gives; PASS, at the last look PASS_AT_MAX,
        when the drop over all cases is below the margin with confidence, and before the last look
        no stratum is doubtful either; else nothing, at the last look INCONCLUSIVE.
    """
    drops = tuple(
        intervals.paired_difference((differences[members[:, h], h] / unit).tolist())
        for h in range(differences.shape[1])
    )
    permuted = stats.sign_flip_min_p(
        differences, seed=seed, permutations=permutations, alpha=boundary.alpha
    )
    least, upper = min(permuted.adjusted), drops[0].upper(boundary.z)
    outcome: Outcome | None = "INCONCLUSIVE" if last else None
    if least <= boundary.alpha:
        outcome = "BLOCK"
    elif upper < margin and (last or least > DOUBTFUL):
        outcome = "PASS_AT_MAX" if last and boundary in SEQUENTIAL else "PASS"
    return Tested(drops, permuted.p, permuted.adjusted, permuted.threshold, upper, outcome)


def seed_of(plan: RunPlan) -> int:
    """The permutations' seed: the same wherever the same versions meet on the same cases."""
    digests = [plan.arms[arm].digest for arm in sorted(plan.arms)]
    content = [plan.dataset.sha256, *plan.case_ids, *digests, plan.seed, plan.repeat]
    return int(canonical.sha256(canonical.dump(content))[:16], 16)


def rule(plan: RunPlan, policy: Policy, cases: Sequence[Case], sample: Sample, look: int) -> Ruling:
    """Decide a look. Without a baseline there is one, and the absolute targets decide it."""
    if "baseline" not in plan.arms:
        return _absolute(plan.suite, policy, cases, sample)
    primary = SUITES[plan.suite].primary
    boundary, last = boundary_of(plan, look), look == len(plan.looks)
    parts = {
        part: known
        for part, ids in parts_of(plan.suite, cases).items()
        if (known := sample.known(part[0], ids))
    }
    if (primary, ALL_CASES) not in parts:
        nothing = stratum_of((primary, ALL_CASES), (), sample)
        return Ruling("INCONCLUSIVE", str(nothing), (), (nothing,))
    unit = THOUSANDTHS * math.lcm(*range(1, boundary.trials + 1))
    differences, members = _matrices(parts, cases, sample, unit)
    tested = look_at(
        differences,
        members,
        unit,
        boundary,
        margin=policy.max_drop,
        last=last,
        seed=seed_of(plan),
    )
    strata = tuple(_strata(parts, sample, tested))
    criteria = (
        *_drops(strata, tested, boundary, policy),
        *_floors(plan.suite, policy, cases, sample),
    )
    hard = hard_breaks(primary, cases, sample, boundary.trials)
    outcome, reason = _outcome(tested, criteria, hard, boundary, policy, last=last)
    seen = Look(
        trials=boundary.trials,
        alpha=boundary.alpha,
        drop=_rounded(tested.drops[0].mean),
        upper=_rounded(tested.upper),
        least_p=min(tested.adjusted),
        outcome=outcome or "CONTINUE",
    )
    return Ruling(outcome, reason, criteria, strata, seen, tuple(hard))


def _absolute(suite: Suite, policy: Policy, cases: Sequence[Case], sample: Sample) -> Ruling:
    criteria = tuple(_floors(suite, policy, cases, sample))
    strata = tuple(
        stratum_of(part, ids, sample, ("candidate",))
        for part, ids in parts_of(suite, cases).items()
    )
    failed = [str(criterion) for criterion in criteria if criterion.ok is False]
    if failed:
        return Ruling("BLOCK", "; ".join(failed), criteria, strata)
    if strata[0].candidate is None:
        return Ruling("INCONCLUSIVE", str(strata[0]), criteria, strata)
    return Ruling("BASELINE_CREATED", first_release(criteria, strata), criteria, strata)


def hard_breaks(primary: str, cases: Sequence[Case], sample: Sample, trials: int) -> list[str]:
    """Critical cases that passed in every baseline trial and failed in every candidate trial.

    None in a single trial: any case that flips does that.
    """
    return [
        case.case_id
        for case in cases
        if trials > 1
        and case.critical
        and sample.values(primary, "baseline", case.case_id) == [1] * trials
        and sample.values(primary, "candidate", case.case_id) == [0] * trials
    ]


def _outcome(
    tested: Tested,
    criteria: Sequence[Criterion],
    hard: Sequence[str],
    boundary: Boundary,
    policy: Policy,
    *,
    last: bool,
) -> tuple[Outcome | None, str]:
    failed = [criterion for criterion in criteria if criterion.ok is False]
    if failed:
        also = [criterion.brief for criterion in failed[1:]]
        return "BLOCK", f"{failed[0]}{'; also ' if also else ''}{', '.join(also)}"
    if hard and policy.hard_breaks == "block":
        if boundary.trials >= HARD_BREAK_TRIALS:
            return "BLOCK", (
                f"critical case {hard[0]} passed in all {boundary.trials} trials of the baseline "
                "and in none of the candidate's"
            )
        if not last:
            return None, f"critical case {hard[0]} may be broken"
    overall = criteria[0]
    if tested.outcome in ("PASS", "PASS_AT_MAX"):
        fell = f"none of {len(tested.p)} strata fell by more than chance gives"
        broke = f"; broken in every trial: {', '.join(hard)}" if hard else ""
        return tested.outcome, f"{fell}; {overall}{broke}"
    return tested.outcome, f"neither a drop nor its absence is proven; {overall}"


def _matrices(
    parts: Mapping[tuple[str, str], Sequence[str]],
    cases: Sequence[Case],
    sample: Sample,
    unit: int,
) -> tuple[stats.Whole, NDArray[np.bool_]]:
    """Differences of the cases' means in whole units, and which case is of which stratum."""
    place = {case.case_id: row for row, case in enumerate(cases)}
    differences = np.zeros((len(cases), len(parts)), np.int64)
    members = np.zeros((len(cases), len(parts)), np.bool_)
    for column, ((metric, _), case_ids) in enumerate(parts.items()):
        for case_id in case_ids:
            baseline = _in_units(sample.values(metric, "baseline", case_id), unit)
            candidate = _in_units(sample.values(metric, "candidate", case_id), unit)
            differences[place[case_id], column] = baseline - candidate
            members[place[case_id], column] = True
    return differences, members


def _in_units(values: Sequence[float], unit: int) -> int:
    """The mean, a whole number by construction: the unit holds every number of trials."""
    counted = sum(round(value * THOUSANDTHS) for value in values)
    return counted * (unit // THOUSANDTHS // len(values))


def _strata(
    parts: Mapping[tuple[str, str], Sequence[str]], sample: Sample, tested: Tested
) -> Iterator[Stratum]:
    columns = zip(tested.drops, tested.p, tested.adjusted, strict=True)
    z = _z_of(tested.threshold)
    for (part, ids), (drop, p, adjusted) in zip(parts.items(), columns, strict=True):
        found = {
            "drop": _rounded(drop.mean),
            "low": _rounded(drop.lower()),
            "high": _rounded(drop.upper()),
            "p": p,
            "adjusted_p": adjusted,
            "detectable": None if z is None else _rounded((z + Z_POWER) * drop.error),
        }
        yield stratum_of(part, ids, sample).model_copy(update=found)


def _z_of(p: float) -> float | None:
    """How many standard errors a drop must have for this p; None where no p is small enough."""
    return None if p == 0 else round(NormalDist().inv_cdf(1 - p), 4)


def _drops(
    strata: Sequence[Stratum], tested: Tested, boundary: Boundary, policy: Policy
) -> Iterator[Criterion]:
    """The drop of the primary metric over all cases, then every stratum that fell."""
    for index, stratum in enumerate(strata):
        fell = tested.adjusted[index] <= boundary.alpha
        if index and not fell:
            continue
        excluded = tested.upper < policy.max_drop
        yield Criterion(
            metric=stratum.metric,
            stratum=stratum.stratum,
            kind="drop",
            cases=stratum.cases,
            baseline=stratum.baseline,
            candidate=stratum.candidate,
            bound=policy.max_drop,
            ok=False if fell else True if excluded else None,
            high=_rounded(tested.upper) if not index else stratum.high,
            adjusted_p=stratum.adjusted_p,
        )


def _floors(
    suite: Suite, policy: Policy, cases: Sequence[Case], sample: Sample
) -> Iterator[Criterion]:
    """Absolute targets, on all trials together: it fails when even the upper bound is below."""
    for metric, stratum, ids, bound in floors(suite, policy, cases):
        found = floor_of(metric, stratum, ids, sample, bound)
        values = [value for i in ids for value in sample.values(metric, "candidate", i)]
        if values:
            low, high = intervals.wilson(fmean(sorted(values)), len(values), Z_ONE_SIDED)
            ok = True if low >= bound else False if high < bound else None
            update = {"low": _rounded(low), "high": _rounded(high), "ok": ok}
            found = found.model_copy(update=update)
        yield found


def _rounded(value: float) -> float:
    return round(value, 6)
