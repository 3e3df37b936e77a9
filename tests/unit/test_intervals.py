"""Intervals hold what they promise, by enumeration, and agree with published figures."""

from math import comb, sqrt

import pytest

from driftgate.intervals import paired_difference, share_lower, share_upper, wilson


def test_a_wilson_interval_is_the_published_one():
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I: 81 of 263, 15 of 148, 0 of 20."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1, 20) == pytest.approx((1 - 0.1611, 1), abs=5e-5)


def test_the_error_of_a_difference_is_that_of_a_table_with_half_a_case_in_each_cell():
    broken, fixed, same = 9, 2, 29
    n = broken + fixed + same + 2
    down, up = (broken + 0.5) / n, (fixed + 0.5) / n
    found = paired_difference([1.0] * broken + [-1.0] * fixed + [0.0] * same)
    assert found.error == pytest.approx(sqrt((down + up - (down - up) ** 2) / n))
    assert found.mean == pytest.approx(7 / 40)


@pytest.mark.parametrize("n", [10, 20, 40])
@pytest.mark.parametrize(("down", "up"), [(0.02, 0.02), (0.1, 0.02), (0.3, 0.1), (0.5, 0.0)])
def test_an_interval_of_a_difference_holds_the_true_one_nearly_as_often_as_it_says(n, down, up):
    """Every outcome of n cases with its probability; 95 % is meant, few cases give 92 or more."""
    held = 0.0
    for broken in range(n + 1):
        for fixed in range(n + 1 - broken):
            same = n - broken - fixed
            chance = comb(n, broken) * comb(n - broken, fixed)
            chance *= down**broken * up**fixed * (1 - down - up) ** same
            found = paired_difference([1.0] * broken + [-1.0] * fixed + [0.0] * same)
            held += chance * (found.lower() <= down - up <= found.upper())
    assert held >= 0.92


def test_that_nothing_moved_in_five_cases_proves_little_and_in_two_hundred_much():
    assert paired_difference([0] * 5).upper() > 0.2
    assert paired_difference([0] * 200).upper() < 0.01


def test_the_order_of_cases_changes_no_bit():
    differences = [n / 7 * (-1) ** n for n in range(7)] * 9
    assert paired_difference(differences) == paired_difference(differences[::-1])


def test_an_interval_of_nothing_or_of_what_is_no_share_is_refused():
    with pytest.raises(ValueError, match="needs values, got 0"):
        wilson(0.5, 0)
    with pytest.raises(ValueError, match=r"got 1\.2"):
        wilson(1.2, 5)
    with pytest.raises(ValueError, match="got none"):
        paired_difference([])
    with pytest.raises(ValueError, match=r"\[-1, 1\], got 2"):
        paired_difference([0, 2])


def test_the_exact_limits_of_a_count_are_where_its_tail_has_five_percent():
    assert share_upper(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert share_lower(20, 20) == pytest.approx(0.05 ** (1 / 20))
    assert (share_lower(0, 20), share_upper(20, 20)) == (0, 1)
    limit = share_upper(3, 20)
    tail = sum(comb(20, k) * limit**k * (1 - limit) ** (20 - k) for k in range(4))
    assert tail == pytest.approx(0.05)
    assert share_lower(17, 20) == pytest.approx(1 - limit)


@pytest.mark.parametrize("counted", [(0, 0), (-1, 5), (6, 5)])
def test_limits_of_what_is_no_count_are_refused(counted):
    with pytest.raises(ValueError, match="wanted a count of one or more trials"):
        share_upper(*counted)
