"""The optimal assignment against trying everything."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.assignment import assign


def best_by_trying(values):
    rows, columns = len(values), len(values[0]) if values else 0
    size = max(rows, columns)
    padded = [[*row, *[0] * (size - columns)] for row in values]
    padded += [[0] * size for _ in range(size - rows)]
    return max(sum(padded[r][c] for r, c in enumerate(p)) for p in permutations(range(size)))


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    row = st.lists(st.integers(0, 9) | st.just(10**40), min_size=columns, max_size=columns)
    return draw(st.lists(row, min_size=rows, max_size=rows))


@given(matrices())
def test_no_assignment_is_worth_more(values):
    chosen = assign(values)
    assert len(set(chosen.values())) == len(chosen)
    assert sum(values[r][c] for r, c in chosen.items()) == best_by_trying(values)
    assert all(values[r][c] > 0 for r, c in chosen.items())


@pytest.mark.parametrize(("rows", "columns"), [*product((1, 2, 3), repeat=2)])
def test_no_assignment_is_worth_more_for_any_small_matrix_of_ones(rows, columns):
    for ones in product((0, 1), repeat=rows * columns):
        values = [ones[start : start + columns] for start in range(0, len(ones), columns)]
        chosen = assign(values)
        assert sum(values[r][c] for r, c in chosen.items()) == best_by_trying(values)


def test_greedy_would_lose_here():
    assert assign([[9, 8], [9, 0]]) == {0: 1, 1: 0}


def test_nothing_to_assign_is_nothing():
    assert assign([]) == {}
    assert assign([[], []]) == {}
