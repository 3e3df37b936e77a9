"""Item analysis: what the cases of a dataset still tell, over the versions that met them.

A case that every version solves tells nothing any more. One that better versions solve less often
than worse ones is suspicious: its key, what it expects, may be wrong. Below six versions nothing is
flagged, as chance would do it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import atanh, comb, sqrt, tanh
from statistics import fmean
from typing import NamedTuple

from driftgate.datasets import expected_tools
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import Dataset
from driftgate.schemas.record import CaseId, count
from driftgate.schemas.saturation import Flag, ItemAnalysis, Saturation, Solved, Traffic

Outcomes = Mapping[str, Mapping[CaseId, Solved]]  # version -> what it did of the cases it met
Kind = tuple[str, frozenset[str]]  # task type, and the tools that are called

LEAST_VERSIONS = 6  # below, nothing is flagged
INDEX_VERSIONS, INDEX_TRIALS = 10, 3  # versions, and trials by each, that an index needs
UNSOLVED_VERSIONS = 10  # that never solved a case: then it is suspicious without a correlation
SOLVED, UNSOLVED = 0.97, 0.1  # chances of success beyond which a case is saturated, or dead
SUSPICIOUS = -0.2  # a discrimination below it; `make bench-saturation` holds what it finds
MOST_SATURATED, LARGEST_MDE = 0.5, 0.05  # beyond these, harder cases are due
Z_80 = 2.49  # normal quantiles of 5 % one-sided and 80 % power together
Z_ONE_SIDED = 1.644854
TRIALS = (1, 3, 5)


class Discrimination(NamedTuple):
    """A correlation over versions, and its upper limit, one-sided at 95 %."""

    value: float
    upper: float


def analyse(
    dataset: Dataset, outcomes: Outcomes, labels: Mapping[str, str] | None = None
) -> Saturation:
    """Say of each case, and of all together, what they still tell.

    Args:
        dataset: whose cases they are; outcomes of others are left out.
        outcomes: of the cases as they are now. A trial that is missing is none.
        labels: what people call the versions, if not by their keys.
    """
    ids = [case.case_id for case in dataset.cases]
    known = {v: {i: of[i] for i in ids if i in of} for v, of in outcomes.items()}
    known = {version: of for version, of in known.items() if of}
    discriminations = discrimination(known)
    items = [_item(i, known, discriminations.get(i)) for i in ids]
    chances = {i: _variance([of[i] for of in known.values() if i in of]) for i in ids}
    told = [variance for variance in chances.values() if variance is not None]
    mde = {n: minimum_detectable_effect(told, n) for n in TRIALS} if told else {}
    whole = [
        i
        for i in ids
        if sum(of[i].trials >= INDEX_TRIALS for of in known.values() if i in of) >= INDEX_VERSIONS
    ]
    index = fmean(_is_saturated(_pooled(i, known)) for i in whole) if whole else None
    header = dataset.header
    found = Saturation(
        dataset=f"{header.name}@{header.version}",
        sha256=dataset.sha256,
        cases=len(ids),
        versions=tuple(sorted((labels or {}).get(version, version) for version in known)),
        trials=sum(of.trials for by_case in known.values() for of in by_case.values()),
        index=index,
        information=4 * sum(told),
        mde=mde,
        unseen=unseen(Counter(map(kind_of, dataset.cases)).values()),
        items=tuple(items),
        notes=(),
    )
    return found.model_copy(update={"notes": tuple(_notes(found, len(whole)))})


def discrimination(outcomes: Outcomes) -> dict[CaseId, Discrimination]:
    """The corrected item-rest correlation of each case, over the versions that met it.

    What a version solved of a case is held against how much more it solved of all others than
    versions usually do, so that versions which met other cases can be compared. A case that every
    version met alike has none, nor one that fewer than three versions met.

    Args:
        outcomes: by version and case; versions weigh the same, however many their trials.

    Returns:
        Values in [-1, 1]: 1 is a case that the better versions solve and the others don't.

    Source:
        Henrysson 1963, Psychometrika 28:211-218 (corrected for the case itself); Fisher's z for the
        limit.
    """
    rates = {v: {i: s.solved / s.trials for i, s in of.items()} for v, of in outcomes.items()}
    by_case: dict[CaseId, list[float]] = {}
    for of in rates.values():
        for case_id, rate in of.items():
            by_case.setdefault(case_id, []).append(rate)
    usual = {case_id: fmean(values) for case_id, values in by_case.items()}
    more = {v: sum(rate - usual[i] for i, rate in of.items()) for v, of in rates.items()}
    found = {}
    for case_id in by_case:
        pairs = [
            (of[case_id], (more[v] - of[case_id] + usual[case_id]) / (len(of) - 1))
            for v, of in rates.items()
            if case_id in of and len(of) > 1
        ]
        value = _correlation(pairs)
        if value is not None:
            found[case_id] = Discrimination(value, _upper(value, len(pairs)))
    return found


def at_least(share: float, solved: int, trials: int) -> float:
    """The probability that a case's chance of success is above a share, after so many trials.

    From a uniform prior, so under Beta(1 + solved, 1 + failed); 22 of 22 gives 0.504 for 0.97.
    """
    n = trials + 1
    return sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(solved + 1))


def minimum_detectable_effect(variances: Iterable[float], trials: int) -> float:
    """The drop that a comparison finds in 80 % of runs, at a one-sided level of 5 %.

    Args:
        variances: p(1-p) of each case, p being its chance of success in one trial.
        trials: of each case and arm.

    Returns:
        A difference of shares. The gate tests a family of strata, which costs it a little more.

    Source:
        Miller 2024, Adding Error Bars to Evals, arXiv:2411.00640, section 5.
    """
    found = list(variances)
    return Z_80 * sqrt(2 * fmean(found) / (len(found) * trials))


def unseen(seen: Iterable[int]) -> float | None:
    """The chance that the next one is of a kind that was never seen; None if nothing was seen.

    Args:
        seen: how often each kind was, one number a kind. They are taken for a random sample.

    Source:
        Good 1953, Biometrika 40:237-264: the share of those that were seen once.
    """
    times = list(seen)
    return times.count(1) / sum(times) if sum(times) else None


def kind_of(case: Case) -> Kind:
    return case.task_type, frozenset(expected_tools(case))


def traffic(cases: Iterable[Case], sessions: Mapping[Kind, int]) -> Traffic:
    """How much of production is of a kind that a dataset has."""
    known = {kind_of(case) for case in cases}
    total = sum(sessions.values())
    covered = sum(number for kind, number in sessions.items() if kind in known)
    return Traffic(
        sessions=total, covered=covered / total if total else None, unseen=unseen(sessions.values())
    )


def _item(case_id: CaseId, outcomes: Outcomes, found: Discrimination | None) -> ItemAnalysis:
    pooled = _pooled(case_id, outcomes)
    versions = sum(case_id in of for of in outcomes.values())
    flags = dict(_flags(pooled, versions, found)) if pooled else {}
    return ItemAnalysis(
        case_id=case_id,
        versions=versions,
        trials=pooled.trials if pooled else 0,
        solved=pooled.solved if pooled else 0,
        discrimination=found.value if found else None,
        upper=found.upper if found else None,
        flags=tuple(flags),
        why="; ".join(flags.values()),
    )


def _flags(
    pooled: Solved, versions: int, found: Discrimination | None
) -> Iterator[tuple[Flag, str]]:
    if versions < LEAST_VERSIONS:
        return
    tally = f"{pooled.solved} of {pooled.trials} trials of {versions} versions"
    if _is_saturated(pooled):
        yield "saturated", f"solved in {tally}"
    if 1 - at_least(UNSOLVED, pooled.solved, pooled.trials) > 0.95:
        yield "dead", f"solved in {tally}"
    if found and found.value < SUSPICIOUS:
        sure = ", and chance does not explain it" if found.upper < 0 else ""
        yield (
            "suspicious",
            f"solved in {tally}, the less the better a version is elsewhere: discrimination "
            f"{found.value:.2f}, at most {found.upper:.2f}{sure}",
        )
    elif not pooled.solved and versions >= UNSOLVED_VERSIONS:
        yield "suspicious", f"never solved, in {pooled.trials} trials of {versions} versions"


def _notes(found: Saturation, whole: int) -> Iterator[str]:
    versions = len(found.versions)
    if versions < LEAST_VERSIONS:
        yield (
            f"no case is flagged: wanted {LEAST_VERSIONS} versions or more, got "
            f"{count(versions, 'version')}"
        )
    wanted = f"{INDEX_VERSIONS} versions of {INDEX_TRIALS} trials each"
    if not whole:
        yield f"no saturation index: no case was met by {wanted}"
    elif whole < found.cases:
        yield f"the saturation index is of {whole} of {found.cases} cases, met by {wanted}"
    if found.index is not None and found.index > MOST_SATURATED:
        yield (
            f"{found.index:.0%} of the cases are saturated, more than {MOST_SATURATED:.0%}: time "
            "for harder ones; keep the oldest of these as a smoke set"
        )
    largest = found.mde.get(TRIALS[-1])
    if largest is not None and largest > LARGEST_MDE:
        yield (
            f"a drop must be {largest:.1%} to be found in 80 % of runs of {TRIALS[-1]} trials, "
            f"more than {LARGEST_MDE:.0%}: more cases are due, or less easy ones"
        )


def _is_saturated(pooled: Solved | None) -> bool:
    return pooled is not None and at_least(SOLVED, pooled.solved, pooled.trials) > 0.5


def _pooled(case_id: CaseId, outcomes: Outcomes) -> Solved | None:
    met = [of[case_id] for of in outcomes.values() if case_id in of]
    if not met:
        return None
    return Solved(solved=sum(s.solved for s in met), trials=sum(s.trials for s in met))


def _variance(met: list[Solved]) -> float | None:
    """p(1-p) of a case, unbiased within versions; where none has two trials, over all versions,
    which is larger, as versions differ. None: it can't be told from one trial.
    """
    within = [_unbiased(s) for s in met if s.trials > 1]
    if within:
        return fmean(within)
    if len(met) < 2:
        return None
    return _unbiased(Solved(solved=sum(s.solved for s in met), trials=len(met)))


def _unbiased(of: Solved) -> float:
    return of.solved * (of.trials - of.solved) / (of.trials * (of.trials - 1))


def _correlation(pairs: list[tuple[float, float]]) -> float | None:
    if len(pairs) < 3:
        return None
    own, rest = zip(*pairs, strict=True)
    own_mean, rest_mean = fmean(own), fmean(rest)
    spread = sum((x - own_mean) ** 2 for x in own) * sum((y - rest_mean) ** 2 for y in rest)
    if spread < 1e-12:
        return None
    together = sum((x - own_mean) * (y - rest_mean) for x, y in pairs)
    return max(-1.0, min(1.0, together / sqrt(spread)))


def _upper(value: float, versions: int) -> float:
    if versions <= 3 or abs(value) >= 1:
        return 1.0 if versions <= 3 else value
    return tanh(atanh(value) + Z_ONE_SIDED / sqrt(versions - 3))
