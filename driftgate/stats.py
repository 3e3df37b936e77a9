"""The permutation tests of the gate and of comparisons: plain numbers in, plain numbers out.

The same numbers give the same bits on every machine. Scores are counted in integers, whose sums
float64 holds exactly in any order; signs come from PCG64's raw output, which numpy keeps stable.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS_AT_A_TIME = 1 << 22  # signs drawn at once: 32 MB of float64

Whole = NDArray[np.int64]


class Permuted(NamedTuple):
    """What a permutation test says of each hypothesis."""

    p: tuple[float, ...]  # in (0, 1]
    adjusted: tuple[float, ...]  # in (0, 1], over the whole family, never below p
    threshold: float  # the largest p that is rejected at `alpha` (single step); 0: none is


def sign_flip_min_p(differences: Whole, *, seed: int, permutations: int, alpha: float) -> Permuted:
    """Test a family of hypotheses "this mean difference is not above 0" together.

    Under "nothing changed" a case's difference is as likely as its negative. All differences of a
    case get the same sign, so the test knows how the hypotheses hang together: a case that broke
    shows in its tool, its task type and overall.

    Args:
        differences: (cases, hypotheses) whole numbers, baseline minus candidate, so that a drop is
            above 0; 0 where a case is not of a hypothesis. Their sums must stay below 2**53.
        seed: of the signs, at least 0.
        permutations: signs drawn, the observed ones among them; 1 or more.
        alpha: the family-wise error rate for which `threshold` is told, in (0, 1).

    Returns:
        One-sided p and the step-down adjusted p, in the order of the hypotheses, and the threshold.
        p is a count over `permutations`, so never below 1 / permutations.

    Source:
        Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 2.8 (step-down minP).
    """
    sums = _signed_sums(differences, seed, permutations)
    ordered = np.sort(sums, axis=0)
    at_least = np.empty(sums.shape, np.int64)  # how many permutations reach each sum
    for column in range(sums.shape[1]):
        below = np.searchsorted(ordered[:, column], sums[:, column], side="left")
        at_least[:, column] = permutations - below
    observed = at_least[0]
    falling = np.argsort(observed, kind="stable")[::-1]  # the least significant first
    least = np.full(permutations, permutations)
    adjusted = np.empty(len(observed), np.int64)
    for hypothesis in falling:
        np.minimum(least, at_least[:, hypothesis], out=least)
        adjusted[hypothesis] = np.count_nonzero(least <= observed[hypothesis])
    adjusted[falling[::-1]] = np.maximum.accumulate(adjusted[falling[::-1]])
    too_many = np.sort(least)[math.floor(alpha * permutations)]
    rejected = int(least[least < too_many].max(initial=0))
    return Permuted(
        p=tuple(float(count / permutations) for count in observed),
        adjusted=tuple(float(count / permutations) for count in adjusted),
        threshold=rejected / permutations,
    )


def sign_flip_max_t(differences: Whole, *, seed: int, permutations: int, alpha: float) -> Permuted:
    """Test a family of hypotheses "this mean difference is 0" together, two-sided.

    As in `sign_flip_min_p` all differences of a case get the same sign. What is compared is each
    sum over the root of its sum of squares, which no sign changes: so the largest of hundreds of
    them needs no more draws than one does, where the smallest of as many p would.

    Args: as those of `sign_flip_min_p`, but a difference may be a loss or a gain.

    Returns:
        p and the step-down adjusted p. The threshold is the smallest statistic, in standard errors,
        that is rejected at `alpha` (single step).

    Source:
        Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 4.1 (step-down maxT).
    """
    scale = np.sqrt((differences.astype(np.float64) ** 2).sum(axis=0))
    found = np.abs(_signed_sums(differences, seed, permutations)) / np.where(scale, scale, 1.0)
    observed = found[0]
    rising = np.argsort(observed, kind="stable")  # the least significant first
    largest = np.zeros(permutations)
    adjusted = np.empty(len(observed))
    for hypothesis in rising:
        np.maximum(largest, found[:, hypothesis], out=largest)
        adjusted[hypothesis] = np.mean(largest >= observed[hypothesis])
    adjusted[rising[::-1]] = np.maximum.accumulate(adjusted[rising[::-1]])
    return Permuted(
        p=tuple(np.mean(found >= observed, axis=0).tolist()),
        adjusted=tuple(adjusted.tolist()),
        threshold=float(np.sort(largest)[math.ceil((1 - alpha) * permutations) - 1]),
    )


def _signed_sums(differences: Whole, seed: int, permutations: int) -> NDArray[np.float64]:
    """Each hypothesis' sum under each draw of signs, (permutations, hypotheses); observed first."""
    moved = differences[differences.any(axis=1)].astype(np.float64)  # 0 has no sign
    total = moved.sum(axis=0)
    sums = np.empty((permutations, differences.shape[1]))
    sums[0] = total
    words = max(1, -(-len(moved) // 64))
    source = np.random.PCG64(seed)
    step = max(1, BITS_AT_A_TIME // (64 * words))
    for start in range(1, permutations, step):
        stop = min(start + step, permutations)
        raw = source.random_raw((stop - start, words)).astype("<u8").view(np.uint8)
        flipped = np.unpackbits(raw, axis=1, count=len(moved)).astype(np.float64)
        sums[start:stop] = total - 2 * (flipped @ moved)
    return sums
