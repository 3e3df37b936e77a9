"""Confidence limits of what a simulation measured; those of counts are the product's."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

Z = 1.644854  # one-sided at 95 %


def mean_upper(values: Sequence[float]) -> float:
    """The largest mean that is not excluded, one-sided at 95 %, by the normal approximation."""
    return fmean(values) + Z * stdev(values) / math.sqrt(len(values))
