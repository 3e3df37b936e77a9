"""How far a mean or a difference may be off by chance."""

from collections.abc import Callable, Sequence
from math import exp, fsum, lgamma, log, log1p, sqrt
from typing import NamedTuple

LEVEL = 0.95  # of the intervals that are shown: the share of them that hold the true value, about
Z = 1.959964  # its normal quantile, two-sided
ONE_SIDED = 0.05  # what a limit of a share misses, on its one side


class Estimate(NamedTuple):
    """A mean with its standard error."""

    mean: float
    error: float

    def lower(self, z: float = Z) -> float:
        return self.mean - z * self.error

    def upper(self, z: float = Z) -> float:
        return self.mean + z * self.error


def wilson(mean: float, n: float, z: float = Z) -> tuple[float, float]:
    """The Wilson score interval of a mean of `n` values in [0, 1].

    It is made for shares, where every value is 0 or 1. Values between these vary less than shares
    with the same mean do, and so do trials of cases that are unequally hard: for them it is wider
    than need be, never narrower.

    Args:
        mean: of the values, in [0, 1].
        n: how many values there are, or how many their unequal weights are worth.
        z: the normal quantile of the level that is wanted.

    Returns:
        Its ends, in [0, 1], no unit. `mean` lies between them.

    Raises:
        ValueError: no values, or a mean that is not in [0, 1].

    Source:
        Wilson 1927, JASA 22:209-212.
    """
    if n < 1:
        raise ValueError(f"an interval needs values, got {n}")
    if not 0 <= mean <= 1:
        raise ValueError(f"a mean of values in [0, 1] lies there too, got {mean}")
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def paired_difference(differences: Sequence[float]) -> Estimate:
    """The mean of paired differences, with an error that is not nothing where no case differs.

    For the error half a case is added to each cell of a matched 2 x 2 table: one difference of +1
    and one of -1 at half weight, and one case's weight of none. Without that, five cases that went
    the same way would look like proof that nothing changed. The mean is the plain one.

    Args:
        differences: one for each case, in [-1, 1].

    Returns:
        Mean in [-1, 1] and standard error over cases; the same for any order of the cases.

    Raises:
        ValueError: no differences, or one that is not in [-1, 1].

    Source:
        Agresti and Min 2005, Statistics in Medicine 24:729-740, for the added cases.
    """
    if not differences:
        raise ValueError("an interval needs differences, got none")
    if outside := [d for d in differences if not -1 <= d <= 1]:
        raise ValueError(f"a difference lies in [-1, 1], got {outside[0]}")
    total, weight = fsum(differences), len(differences) + 2
    variance = (fsum(d * d for d in differences) + 1) / weight - (total / weight) ** 2
    return Estimate(total / len(differences), sqrt(variance / weight))


def share_upper(successes: int, trials: int) -> float:
    """The largest share that a count does not exclude, one-sided at 95 %, exactly.

    Args:
        successes: counted, from 0 to `trials`.
        trials: independent, with the same chance each; at least 1.

    Returns:
        A share in [0, 1], no unit; 0 of 59 gives 0.0495.

    Raises:
        ValueError: no trials, or more successes than trials.

    Source:
        Clopper and Pearson 1934, Biometrika 26:404-413.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"wanted a count of one or more trials, got {successes} of {trials}")
    if successes == trials:
        return 1.0
    return _where(lambda share: _at_most(successes, trials, share) > ONE_SIDED)


def share_lower(successes: int, trials: int) -> float:
    """The smallest share that a count does not exclude; see `share_upper`."""
    return 1 - share_upper(trials - successes, trials)


def _at_most(successes: int, trials: int, share: float) -> float:
    """The exact probability of so many successes or fewer."""
    logs = (
        lgamma(trials + 1)
        - lgamma(k + 1)
        - lgamma(trials - k + 1)
        + k * log(share)
        + (trials - k) * log1p(-share)
        for k in range(successes + 1)
    )
    return fsum(map(exp, logs))


def _where(holds: Callable[[float], bool]) -> float:
    """The share in (0, 1) up to which something holds."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
