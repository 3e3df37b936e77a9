"""At what level the monitors alarm: one false alarm in 30 days over all monitors of an agent.

Each night the windows of the last days without alarm are drawn again and again in another order,
and the levels noted that CUSUMs reach over them though nothing has changed. What is expected of a
session was learned from the same days, so it is off by chance, and that is drawn again too: a
threshold that took it for the truth would be too low where little was judged.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from driftgate import latency, monitor, risk
from driftgate.schemas.monitoring import Counts, LatencyCounts, Thresholds

PER_30_DAYS = 1.0  # false alarms over all monitors of an agent
AIM = 0.75  # of them: the rest is for what windows drawn one by one can't tell
LATENCY_SHARE = 0.1  # of them are latency's: every call is seen, so being sure costs it little
MODELS, CHAINS_EACH, CHAIN_DAYS = 20, 4, 40
LEAST_DAYS = 2.0  # of history
LEAST_LEVEL = 2.0  # no threshold is lower

COUNTS = tuple(Counts.model_fields)
DETECTORS = tuple(monitor.increments(Counts()))  # in the order of `evidence`
LEARNED = {  # which count each expectation was learned from
    "expected_failed": "failed",
    "expected_flagged": "flagged",
    "expected_negative": "negative",
}

Floats = NDArray[np.float64]


def calibrate(
    quality: Sequence[Mapping[str, Counts]],
    calls: Mapping[str, Sequence[LatencyCounts]],
    baselines: Mapping[str, LatencyCounts],
    *,
    period_s: float,
    seed: int,
    per_30_days: float = PER_30_DAYS,
) -> Thresholds:
    """Thresholds from what was seen while all was well.

    Args:
        quality: the counts by stratum of each closed window, in order, those of an alarm left out;
            what is expected in them by the model that is to be used.
        calls: by tool, the calls of each of these windows.
        baselines: by tool, what its calls are held against.
        period_s: the length of a window.
        seed: of the draws, at least 0.

    Returns:
        The thresholds; those that an agent begins with where there are fewer than two days.
    """
    if len(quality) * period_s < LEAST_DAYS * 86400:
        return Thresholds()
    levels = dict(Thresholds().levels)
    counts = _counts(quality)
    if counts.size:
        found = quality_levels(counts, period_s, seed, per_30_days)
        levels |= dict(zip(DETECTORS, found, strict=True))
    if calls:
        found = latency_levels(calls, baselines, period_s, seed, per_30_days)
        levels |= dict(zip(latency.TILTS, found, strict=True))
    return Thresholds(levels=levels, windows=len(quality))


def quality_levels(
    counts: Floats, period_s: float, seed: int, per_30_days: float = PER_30_DAYS
) -> list[float]:
    """The thresholds of the detectors of quality, from counts (windows, strata, `COUNTS`)."""
    random = np.random.Generator(np.random.PCG64(seed))
    added = [evidence(_relearned(counts, random)).astype(np.float32) for _ in range(MODELS)]
    return _levels(np.stack(added), (1 - LATENCY_SHARE) * AIM * per_30_days, period_s, seed)


def latency_levels(
    calls: Mapping[str, Sequence[LatencyCounts]],
    baselines: Mapping[str, LatencyCounts],
    period_s: float,
    seed: int,
    per_30_days: float = PER_30_DAYS,
) -> list[float]:
    """The thresholds of the detectors of latency. Baselines have calls enough to be known."""
    by_tool = [
        [list(latency.increments(window, baselines[tool]).values()) for window in calls[tool]]
        for tool in sorted(calls)
    ]
    added = np.array(by_tool).swapaxes(0, 1)[None]
    return _levels(added, LATENCY_SHARE * AIM * per_30_days, period_s, seed)


def evidence(counts: Floats) -> Floats:
    """`monitor.increments` for arrays: (…, `COUNTS`) to (…, `DETECTORS`)."""
    count = {name: counts[..., number] for number, name in enumerate(COUNTS)}
    judge = _log_ratios(count["judged"], count["failed"], count["expected_failed"], 1.0)
    fused = (
        judge
        + monitor.PROXY_WEIGHT
        * _log_ratios(
            count["sessions"], count["flagged"], count["expected_flagged"], monitor.PROXY_LINK
        )
        + _log_ratios(
            count["sessions"], count["negative"], count["expected_negative"], monitor.FEEDBACK_LINK
        )
    )
    return np.concatenate([judge, fused], axis=-1)


def _log_ratios(sessions: Floats, events: Floats, expected: Floats, link: float) -> Floats:
    usual = expected / np.maximum(sessions, 1)
    well = np.clip(usual + link * monitor.GUARD, monitor.LEAST, monitor.MOST)
    ratios = []
    for drop in monitor.DROPS.values():
        fallen = np.clip(usual + link * drop, monitor.LEAST, monitor.MOST)
        good = sessions - events
        ratios.append(events * np.log(fallen / well) + good * np.log((1 - fallen) / (1 - well)))
    return np.where(sessions[..., None] > 0, np.stack(ratios, axis=-1), 0.0)


def _counts(quality: Sequence[Mapping[str, Counts]]) -> Floats:
    strata = sorted({stratum for window in quality for stratum in window})
    none = Counts()
    return np.array(
        [
            [[getattr(window.get(stratum, none), name) for name in COUNTS] for stratum in strata]
            for window in quality
        ]
    )


def _relearned(counts: Floats, random: np.random.Generator) -> Floats:
    """What would be expected if the same days had, by chance, gone a little differently."""
    relearned = counts.copy()
    prior = risk.PRIOR_EVENTS
    for name, learned_from in LEARNED.items():
        seen = counts[..., COUNTS.index(learned_from)].sum(axis=0)
        again = (random.poisson(seen) + prior) / (seen + prior)
        relearned[..., COUNTS.index(name)] *= again
    return relearned


def _levels(
    added: NDArray[np.floating], per_30_days: float, period_s: float, seed: int
) -> list[float]:
    """The level of each detector that all together reach so often.

    Each has an equal part of the false alarms; what two of them find at once is counted twice, so
    all together they err less often.

    Args:
        added: what windows add to each CUSUM: (models, windows, strata, detectors).
    """
    days, peaks = _peaks(added, period_s, np.random.Generator(np.random.PCG64(seed)))
    allowed = int(per_30_days / len(peaks) * days / 30)
    falling = [np.sort(one)[::-1] for one in peaks]
    return [
        max(LEAST_LEVEL, float(one[allowed])) if allowed < len(one) else LEAST_LEVEL
        for one in falling
    ]


def _peaks(
    added: NDArray[np.floating], period_s: float, random: np.random.Generator
) -> tuple[float, list[Floats]]:
    """How high each excursion went, by detector, and over how many days in all."""
    models, windows, strata, detectors = added.shape
    each = CHAINS_EACH * MODELS // models
    model = np.repeat(np.arange(models), each)
    steps = round(CHAIN_DAYS * 86400 / period_s)
    level = np.zeros((len(model), strata, detectors))
    highest = np.zeros_like(level)
    found: list[list[Floats]] = [[] for _ in range(detectors)]
    for _ in range(steps):
        level += added[model, random.integers(0, windows, len(model))]
        np.maximum(level, 0, out=level)
        np.maximum(highest, level, out=highest)
        begins = level == 0
        ended = begins & (highest > LEAST_LEVEL)
        if ended.any():
            for detector in range(detectors):
                found[detector].append(highest[..., detector][ended[..., detector]])
        highest[begins] = 0
    for detector in range(detectors):
        found[detector].append(highest[..., detector].ravel())
    return len(model) * steps * period_s / 86400, [np.concatenate(one) for one in found]
