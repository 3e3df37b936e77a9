"""The latency monitors: false alarms over all tools, and how soon a slower tool is noticed."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from bench.intervals import mean_upper_of_groups
from bench.online_simulation import (
    BUSY,
    GIVE_UP_DAYS,
    HISTORY_DAYS,
    PER_DAY,
    PERIOD_S,
    SEED,
    TOOL_SHARES,
    Floats,
    Wholes,
)
from bench.results import Results
from driftgate import latency, monitor, thresholds
from driftgate.schemas.monitoring import LatencyCounts

VOLUME, AGENTS = 10_000, 8
MEDIANS_S = np.geomspace(0.05, 5, len(TOOL_SHARES))
SPREAD = 0.6  # of the logarithm: one call in twenty takes 2.7 times the median
SLOWER = (1.25, 1.5, 2.0)  # times, of the tool with 9 % of the calls
TOOL = 4
DAYS = 30


class Evidence(NamedTuple):
    """`latency.increments` for arrays, of some baselines."""

    above: Floats  # (baselines, buckets)
    usual: Floats  # (baselines, 1)
    means: Floats  # (baselines, detectors)

    @classmethod
    def of(cls, baselines: Sequence[LatencyCounts]) -> "Evidence":
        shares, above = (np.array(one) for one in zip(*map(latency.ranks, baselines), strict=True))
        tilts = [latency.GUARD_TILT, *latency.TILTS.values()]
        means = [np.log((shares * np.exp(tilt * above)).sum(axis=-1)) for tilt in tilts]
        return cls(above, means[0][:, None], np.stack(means[1:], axis=-1))

    def added(self, buckets: Wholes) -> Floats:
        """(…, baselines, buckets) to (…, baselines, detectors)"""
        calls = buckets.sum(axis=-1)[..., None]
        slower = (buckets * self.above).sum(axis=-1)[..., None]
        tilts = np.array(list(latency.TILTS.values())) - latency.GUARD_TILT
        weight = np.minimum(1, latency.MOST_CALLS / np.maximum(calls, 1))
        return np.asarray(weight * (tilts * slower - calls * (self.means - self.usual)))


class Found(NamedTuple):
    alarms: list[float]  # in 30 days, by agent
    hours: dict[float, list[float]]  # until a tool that is so many times slower is noticed
    levels: list[float]


def find(copies: int) -> Found:
    random = np.random.Generator(np.random.PCG64([SEED, 3]))
    alarms: list[float] = []
    levels: list[list[float]] = []
    hours: dict[float, list[float]] = {slower: [] for slower in SLOWER}
    for _ in range(AGENTS):
        agent, limits = _learn(random)
        levels.append(limits)
        alarms.append(_alarms(agent, np.array(limits), copies, random))
        for slower in SLOWER:
            hours[slower] += _delays(agent, np.array(limits), slower, copies, random)
    return Found(alarms, hours, [fmean(one) for one in zip(*levels, strict=True)])


def hold(found: Found, quality: float, results: Results) -> None:
    results.figure("latency: thresholds", [round(level, 1) for level in found.levels])
    for slower, hours in found.hours.items():
        results.figure(f"latency: hours until {slower:g} times slower is found", fmean(hours))
    limit = mean_upper_of_groups(found.alarms, AGENTS)
    results.figure("latency: false alarms in 30 days", fmean(found.alarms))
    results.check(
        "10,000 a day: false alarms of quality and latency in 30 days, upper limits",
        quality + limit,
        "<=",
        thresholds.PER_30_DAYS,
    )


def _chances(slower: float = 1.0) -> Floats:
    """(tools, buckets): how often a call of a tool is in a bucket."""
    medians = MEDIANS_S.copy()
    medians[TOOL] *= slower
    bounds = np.log(np.array(latency.BOUNDS_S)[None, :] / medians[:, None]) / SPREAD
    below = 0.5 * (1 + np.vectorize(math.erf)(bounds / math.sqrt(2)))
    ends = np.ones((len(medians), 1))
    return np.diff(np.concatenate([0 * ends, below, ends], axis=1), axis=1)


def _calls(window: Wholes, chances: Floats, random: np.random.Generator) -> Wholes:
    """(chains, tools, buckets) of one window; `window` is the time of day of each chain."""
    busy = 1 + BUSY * np.sin(2 * np.pi * window / PER_DAY)
    mean = VOLUME / PER_DAY * busy[:, None] * np.array(TOOL_SHARES)
    return np.asarray(random.poisson(mean[..., None] * chances))


def _learn(random: np.random.Generator) -> tuple[Evidence, list[float]]:
    chances = _chances()
    seen = np.stack(
        [_calls(np.array([w]), chances, random)[0] for w in range(HISTORY_DAYS * PER_DAY)]
    )
    tools = [f"tool {number:02}" for number in range(len(TOOL_SHARES))]
    calls = {
        tool: [LatencyCounts(buckets=tuple(row)) for row in seen[:, number].tolist()]
        for number, tool in enumerate(tools)
    }
    totals = seen.sum(axis=0).tolist()
    baselines = {t: LatencyCounts(buckets=tuple(row)) for t, row in zip(tools, totals, strict=True)}
    limits = thresholds.latency_levels(calls, baselines, PERIOD_S, int(random.integers(2**31)))
    return Evidence.of([baselines[tool] for tool in tools]), limits


def _alarms(agent: Evidence, limits: Floats, copies: int, random: np.random.Generator) -> float:
    chances, hours = _chances(), random.integers(0, PER_DAY, copies)
    level, alarms = np.zeros((copies, len(TOOL_SHARES), len(limits))), 0
    for window in range(DAYS * PER_DAY):
        added = agent.added(_calls(hours + window, chances, random))
        level = np.clip(level + added, 0, monitor.MOST_LEVEL)
        over = (level >= limits).any(axis=-1)
        alarms += int(over.sum())
        level[over] = 0
    return alarms / copies * 30 / DAYS


def _delays(
    agent: Evidence, limits: Floats, slower: float, copies: int, random: np.random.Generator
) -> list[float]:
    chances, hours = _chances(slower), random.integers(0, PER_DAY, copies)
    level = np.zeros((copies, len(TOOL_SHARES), len(limits)))
    found = np.full(copies, GIVE_UP_DAYS * 24.0)
    for window in range(GIVE_UP_DAYS * PER_DAY):
        added = agent.added(_calls(hours + window, chances, random))
        level = np.clip(level + added, 0, monitor.MOST_LEVEL)
        at = ((window + 1) * PERIOD_S + monitor.WATERMARK_S) / 3600
        over = (level >= limits).any(axis=(-1, -2))
        found = np.where(over, np.minimum(found, at), found)
        if (found <= at).all():
            break
    return [float(one) for one in found]
