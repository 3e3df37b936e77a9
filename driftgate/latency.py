"""Has a tool become slower? A CUSUM on ranks: where do its calls stand among earlier ones?

No shape of the distribution is assumed, and one very slow call counts no more than a slow one. A
call's rank is the share of the baseline's calls that were faster, half of the equally fast ones
among them: 0.5 on average while nothing has changed (the rank of Mann and Whitney).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import exp, fsum, log

from driftgate import monitor
from driftgate.schemas.monitoring import Detector, LatencyCounts, LatencyWindow, MonitorState

# Upper ends of the buckets, in seconds: four for each factor of ten, from 10 ms to 1,000 s.
BOUNDS_S = tuple(round(0.01 * 10 ** (step / 4), 6) for step in range(21))
GUARD_TILT = 0.4  # a mean rank of 0.53: as slow as that is no news
TILTS: dict[Detector, float] = {"latency_small": 1.5, "latency_large": 4.0}
# Calls of one window are slow together, so no window counts more than so many.
MOST_CALLS = 30


def count(latencies_s: Iterable[float]) -> LatencyCounts:
    """Calls by bucket; a call that takes just a bound is in the bucket below it."""
    buckets = [0] * (len(BOUNDS_S) + 1)
    for latency in latencies_s:
        buckets[bisect_left(BOUNDS_S, latency)] += 1
    return LatencyCounts(buckets=tuple(buckets))


def begin(agent: str, version: str, tool: str) -> MonitorState:
    return MonitorState(agent=agent, version=version, stratum=f"latency of {tool}")


def update(state: MonitorState, window: LatencyWindow, baseline: LatencyCounts) -> MonitorState:
    """Fold one window in, as `monitor.update`; `reset` and `read` are those of there.

    Args:
        baseline: the calls of the last 14 days without alarm, of this version or its predecessor.
    """
    return monitor.fold(state, window.id, window.counts, increments(window.counts, baseline))


def increments(counts: LatencyCounts, baseline: LatencyCounts) -> dict[Detector, float]:
    """What one window adds: log-likelihood ratios of the baseline tilted towards slow calls."""
    calls = sum(counts.buckets)
    if not calls or not sum(baseline.buckets):
        return dict.fromkeys(TILTS, 0.0)
    shares, above = ranks(baseline)
    slower = fsum(number * rank for number, rank in zip(counts.buckets, above, strict=True))
    weight = min(1.0, MOST_CALLS / calls)
    usual = _log_mean(GUARD_TILT, shares, above)
    return {
        detector: weight
        * ((tilt - GUARD_TILT) * slower - calls * (_log_mean(tilt, shares, above) - usual))
        for detector, tilt in TILTS.items()
    }


def ranks(baseline: LatencyCounts) -> tuple[Sequence[float], Sequence[float]]:
    """Each bucket's share of the baseline's calls, and its rank less 0.5. No share is 0."""
    total = sum(baseline.buckets) + 1
    shares = [(number + 1 / len(baseline.buckets)) / total for number in baseline.buckets]
    above, below = [], 0.0
    for share in shares:
        above.append(below + share / 2 - 0.5)
        below += share
    return shares, above


def mean_rank(counts: LatencyCounts, baseline: LatencyCounts) -> float | None:
    """The chance that a call of these is slower than one of the baseline; None without calls."""
    calls = sum(counts.buckets)
    _, above = ranks(baseline)
    total = fsum(number * rank for number, rank in zip(counts.buckets, above, strict=True))
    return 0.5 + total / calls if calls else None


def _log_mean(tilt: float, shares: Sequence[float], above: Sequence[float]) -> float:
    return log(fsum(share * exp(tilt * rank) for share, rank in zip(shares, above, strict=True)))
