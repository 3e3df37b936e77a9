"""A day's quality from what was judged, against what is true of all conversations."""

from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from bench.online_simulation import (
    KINDS,
    NO_CHANGE,
    PER_DAY,
    SEED,
    STRATA,
    Fleet,
    Seen,
)
from bench.results import Results
from driftgate import intervals, sampling
from driftgate.sampling import Drawn
from driftgate.schemas.sampling import SamplingPolicy

VOLUME, DAYS = 10_000, 3000
AT_A_TIME = 100
SMALL = "the task type of 6 %"
PARTS = {"all conversations": slice(None), SMALL: slice(len(KINDS) - 12, None)}
ANOMALOUS = 0.01  # share of strata that look so in a window, by chance


class Found(NamedTuple):
    misses: list[float]  # estimate less truth, a day
    plain: list[float]  # the unweighted mean less truth
    held: int  # days on which the interval holds the truth


def find(policy: SamplingPolicy) -> dict[str, Found]:
    random = np.random.Generator(np.random.PCG64([SEED, 4]))
    found = {part: Found([], [], 0) for part in PARTS}
    for _ in range(DAYS // AT_A_TIME):
        _days(found, policy, random)
    return found


def hold(design: str, by_part: dict[str, Found], results: Results) -> None:
    found = {f"{design}, {part}": one for part, one in by_part.items()}
    results.figure("days of estimates", DAYS)
    for part, one in found.items():
        miss = abs(fmean(one.misses)) + intervals.Z * stdev(one.misses) / DAYS**0.5
        results.check(f"{part}: points the estimate is off, limit", 100 * miss, "<=", 0.2)
        results.figure(f"{part}: points an unweighted mean is off", 100 * fmean(one.plain))
        results.figure(f"{part}: share of intervals that hold the truth", one.held / DAYS)
        lower = intervals.share_lower(one.held, DAYS)
        results.check(f"{part}: intervals that hold the truth, lower limit", lower, ">=", 0.93)
        if part.endswith(SMALL):  # few are judged: it may hold more often, and a figure says so
            continue
        upper = intervals.share_upper(one.held, DAYS)
        results.check(f"{part}: intervals that hold the truth, upper limit", upper, "<=", 0.97)


def _days(found: dict[str, Found], policy: SamplingPolicy, random: np.random.Generator) -> None:
    """Whole days under rates that change with the traffic and while a stratum looks anomalous."""
    fleet = Fleet(VOLUME, policy, AT_A_TIME, random)
    windows = []
    for number in range(PER_DAY + 12):
        one = fleet.sessions(NO_CHANGE)
        counts = fleet.count(one.cell)
        ratios = (random.random((AT_A_TIME, len(STRATA))) < ANOMALOUS).astype(float)
        fleet.renew(Seen(counts, counts, counts, counts, counts, np.zeros(0, np.int64)), ratios)
        if number >= 12:  # an hour after the first rates
            windows.append(one)
    cell, failed, _, negative, judged, chance = (
        np.concatenate(column) for column in zip(*windows, strict=True)
    )
    order = np.argsort(cell, kind="stable")
    cell, score = cell[order], (~failed[order]).astype(float)
    drawn = (judged | negative)[order]
    weight = np.where(negative, 1.0, chance)[order]
    for day in range(AT_A_TIME):
        for part, kinds in PARTS.items():
            cells = np.arange(day * len(KINDS), (day + 1) * len(KINDS))[kinds]
            start, end = np.searchsorted(cell, [cells[0], cells[-1] + 1])
            own = slice(start, end)
            chosen = drawn[own]
            pairs = zip(score[own][chosen].tolist(), weight[own][chosen].tolist(), strict=True)
            estimate = sampling.estimate(Drawn(*pair) for pair in pairs)
            assert estimate is not None
            truth = float(score[own].mean())
            so_far = found[part]
            so_far.misses.append(estimate.mean - truth)
            so_far.plain.append(float(score[own][chosen].mean()) - truth)
            inside = estimate.lower <= truth <= estimate.upper
            found[part] = so_far._replace(held=so_far.held + inside)
