"""Confidence limits of what a simulation counted."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

ALPHA = 0.05  # one-sided
Z = 1.644854


def upper(successes: int, trials: int) -> float:
    """The largest share that is not excluded, one-sided at 95 %.

    Source:
        Clopper and Pearson 1934, The use of confidence or fiducial limits, Biometrika 26.
    """
    if successes == trials:
        return 1.0
    return _where(lambda share: _at_most(successes, trials, share) > ALPHA)


def lower(successes: int, trials: int) -> float:
    """The smallest share that is not excluded, one-sided at 95 %."""
    return 1 - upper(trials - successes, trials)


def mean_upper(values: Sequence[float]) -> float:
    """The largest mean that is not excluded, one-sided at 95 %, by the normal approximation."""
    return fmean(values) + Z * stdev(values) / math.sqrt(len(values))


def _at_most(successes: int, trials: int, share: float) -> float:
    """The exact probability of so many successes or fewer."""
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(share)
        + (trials - k) * math.log1p(-share)
        for k in range(successes + 1)
    )
    return math.fsum(map(math.exp, logs))


def _where(holds: Callable[[float], bool]) -> float:
    """The share in (0, 1) up to which something holds."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
