"""Intervals: how far a mean or a difference may be off by chance. Shown, not decided on."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

LEVEL = 0.95


def wilson(mean: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The Wilson score interval of a mean of `n` independent values in [0, 1].

    It is made for shares, where every value is 0 or 1. Values between these vary less than shares
    with the same mean do, so for them it is wider than need be, never narrower.

    Args:
        mean: of the values, in [0, 1].
        n: how many values there are; trials of one case are not independent, so count cases.
        level: the share of such intervals that hold the true mean, about.

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
    z = _z(level)
    centre = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def paired_difference(differences: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """The interval of the mean of paired differences, by Agresti and Min.

    For cases that are solved or not, it is the interval of a matched 2 x 2 table with half a case
    added to each cell. Adding them is the same as adding a difference of +1 and one of -1, at half
    weight, and one case's weight of no difference; written so, it takes differences between these
    too. It does not shrink to a point where no case differs, as the plain interval does.

    Args:
        differences: one for each case, candidate less baseline, in [-1, 1].
        level: the share of such intervals that hold the true mean, about.

    Returns:
        Its ends, in [-1, 1], no unit.

    Raises:
        ValueError: no differences, or one that is not in [-1, 1].

    Source:
        Agresti and Min 2005, Statistics in Medicine 24:729-740.
    """
    if not differences:
        raise ValueError("an interval needs differences, got none")
    if outside := [d for d in differences if not -1 <= d <= 1]:
        raise ValueError(f"a difference lies in [-1, 1], got {outside[0]}")
    weight = len(differences) + 2
    centre = sum(differences) / weight
    square = (sum(d * d for d in differences) + 1) / weight
    half = _z(level) * sqrt((square - centre * centre) / weight)
    return max(-1.0, centre - half), min(1.0, centre + half)


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
