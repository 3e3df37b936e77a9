"""Statistics, against counting by hand, enumeration, or a slower second method."""

from itertools import product

import numpy as np
import pytest

from driftgate import stats


def flips(columns, permutations=20_000, alpha=0.05, seed=7):
    matrix = np.array(columns, np.int64).T
    return stats.sign_flip_min_p(matrix, seed=seed, permutations=permutations, alpha=alpha)


def share_reaching(differences):
    """One-sided p by enumeration of every choice of signs."""
    observed = sum(differences)
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(total >= observed for total in sums) / len(sums)


class TestSignFlips:
    @pytest.mark.parametrize(
        "differences", [[1, 1, 1], [3, -1, 2, 5], [0, 0, 0], [-4, -1, 2], [5, 0, 0, 5, -5]]
    )
    def test_p_is_the_share_of_signs_that_reach_the_observed_sum(self, differences):
        assert flips([differences]).p[0] == pytest.approx(share_reaching(differences), abs=0.015)

    def test_one_hypothesis_needs_no_correction(self):
        tested = flips([[3, -1, 2, 5]])
        assert tested.adjusted == tested.p

    def test_the_same_hypothesis_twice_costs_nothing(self):
        once, twice = flips([[3, -1, 2, 5]]), flips([[3, -1, 2, 5], [3, -1, 2, 5]])
        assert twice.adjusted == (once.p[0], once.p[0])

    def test_adjusted_p_are_those_of_the_textbook_done_slowly(self):
        columns = np.random.default_rng(3).integers(-4, 5, (5, 30))
        columns[1] += 1
        columns[3] += 2
        sums = stats._signed_sums(columns.T.copy(), 7, 400).tolist()

        def p(row, h):
            return sum(other[h] >= row[h] for other in sums) / len(sums)

        table = [[p(row, h) for h in range(5)] for row in sums]
        slow, floor = {}, 0.0
        left = sorted(range(5), key=lambda h: table[0][h])
        while left:
            best = left[0]
            share = sum(min(row[h] for h in left) <= table[0][best] for row in table) / len(table)
            slow[best] = floor = max(floor, share)
            left = left[1:]

        fast = flips(columns, permutations=400)
        assert fast.p == tuple(table[0])
        assert fast.adjusted == pytest.approx([slow[h] for h in range(5)])

    def test_what_the_threshold_rejects_is_what_alpha_rejects(self):
        columns = np.random.default_rng(5).integers(-4, 6, (6, 40))
        tested = flips(columns, alpha=0.1)
        least, alone = min(tested.adjusted), min(tested.p)
        assert (alone <= tested.threshold) == (least <= 0.1)

    def test_in_four_cases_no_p_is_small_enough(self):
        assert flips([[1, 1, 1, 1]], alpha=0.05).threshold == 0

    def test_the_order_of_cases_does_not_change_the_observed_sum_nor_the_hypotheses_their_p(self):
        columns = np.random.default_rng(9).integers(-3, 5, (3, 25))
        forward, backward = flips(columns), flips(columns[::-1])
        assert forward.p == backward.p[::-1]
        assert forward.adjusted == backward.adjusted[::-1]

    def test_how_many_signs_are_drawn_at_once_changes_nothing(self, monkeypatch):
        columns = np.random.default_rng(2).integers(-3, 5, (2, 130))
        whole = flips(columns)
        monkeypatch.setattr(stats, "BITS_AT_A_TIME", 1000)
        assert flips(columns) == whole

    def test_the_signs_of_a_seed_are_these_on_every_machine(self):
        """Were they others, no stored verdict could be recomputed. Counted once, in numpy 2.4."""
        sums = stats._signed_sums(np.arange(1, 71, dtype=np.int64)[:, None], 20, 6)
        assert sums[:, 0].tolist() == [2485, -309, 35, 175, 455, -101]


def two_sided(columns, permutations=20_000):
    matrix = np.array(columns, np.int64).T
    return stats.sign_flip_max_t(matrix, seed=7, permutations=permutations, alpha=0.05)


class TestTwoSidedSignFlips:
    @pytest.mark.parametrize("differences", [[1, 1, 1], [3, -1, 2, 5], [0, 0, 0], [-4, -1, 2]])
    def test_p_is_the_share_of_signs_that_are_as_far_from_nothing(self, differences):
        total = abs(sum(differences))
        signs = list(product((1, -1), repeat=len(differences)))
        far = sum(
            abs(sum(s * d for s, d in zip(one, differences, strict=True))) >= total for one in signs
        )
        assert two_sided([differences]).p[0] == pytest.approx(far / len(signs), abs=0.015)

    def test_one_hypothesis_needs_no_correction(self):
        found = two_sided([[3, -1, 2, 5]])
        assert found.adjusted == found.p

    def test_the_same_differences_in_another_unit_cost_nothing(self):
        found = two_sided([[3, -1, 2, 5], [-30, 10, -20, -50]])
        assert found.adjusted == (found.p[0], found.p[0])

    def test_adjusted_p_are_those_of_the_textbook_done_slowly(self):
        columns = np.random.default_rng(3).integers(-4, 5, (5, 30))
        columns[1] += 1
        columns[3] += 2
        root = np.sqrt((columns**2).sum(axis=1))
        rows = (np.abs(stats._signed_sums(columns.T.copy(), 7, 400)) / root).tolist()
        slow, floor = {}, 0.0
        left = sorted(range(5), key=lambda h: -rows[0][h])
        while left:
            largest = [max(row[h] for h in left) for row in rows]
            floor = max(floor, sum(one >= rows[0][left[0]] for one in largest) / len(rows))
            slow[left.pop(0)] = floor
        found = two_sided(columns, permutations=400)
        assert found.adjusted == pytest.approx([slow[h] for h in range(5)])

    def test_what_is_above_the_threshold_is_rejected_in_one_step(self):
        rng = np.random.default_rng(9)
        columns = rng.integers(-3, 4, (6, 60))
        columns[0] += 2
        found = two_sided(columns, permutations=2_000)
        t = np.abs(columns.sum(axis=1)) / np.sqrt((columns**2).sum(axis=1))
        assert [bool(one) for one in t > found.threshold] == [p <= 0.05 for p in found.adjusted]
