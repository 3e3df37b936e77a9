"""Confidence limits of what a simulation measured; those of counts are the product's."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

Z = 1.644854  # one-sided at 95 %


def mean_upper(values: Sequence[float]) -> float:
    """The largest mean that is not excluded, one-sided at 95 %, by the normal approximation."""
    return fmean(values) + Z * stdev(values) / math.sqrt(len(values))


# Student's quantiles for few values, one-sided at 95 %.
T = {8: 1.894579, 16: 1.753050}


def mean_upper_of_groups(values: Sequence[float], groups: int) -> float:
    """The same where as many values each are of one group, and so not independent."""
    each = len(values) // groups
    means = [fmean(values[group * each : (group + 1) * each]) for group in range(groups)]
    return fmean(means) + T[groups] * stdev(means) / math.sqrt(groups)
