"""Optimal assignment: who goes with whom, so that the whole is best."""

from collections.abc import Sequence


def assign(values: Sequence[Sequence[int]]) -> dict[int, int]:
    """Choose at most one column per row and one row per column for the largest sum of values.

    Args:
        values: one row of non-negative integers per row; 0 means that the two must not be joined.

    Returns:
        row -> column of the chosen pairs, whose values are above 0.

    Source:
        Kuhn 1955, The Hungarian method; in the form with potentials and shortest augmenting paths
        of Jonker and Volgenant 1987. O(n^3) in exact integers.
    """
    if not values or not values[0]:
        return {}
    if len(values) > len(values[0]):  # the method adds row by row and needs a column for each
        turned = assign([list(column) for column in zip(*values, strict=True)])
        return {row: column for column, row in turned.items()}
    rows, columns = len(values), len(values[0])
    if rows == 1:  # the most common of all, and there is nothing to weigh
        best = max(range(columns), key=values[0].__getitem__)
        return {0: best} if values[0][best] > 0 else {}
    row_potential = [0] * (rows + 1)
    column_potential = [0] * (columns + 1)
    row_of = [0] * (columns + 1)  # column -> its row, both counted from 1; 0 is free
    for row in range(1, rows + 1):
        row_of[0] = row
        column = 0
        least: list[int | None] = [None] * (columns + 1)
        came_from = [0] * (columns + 1)
        done = [False] * (columns + 1)
        while row_of[column]:
            done[column] = True
            current, delta, next_column = row_of[column], None, 0
            for other in range(1, columns + 1):
                if done[other]:
                    continue
                cost = -values[current - 1][other - 1]
                reduced = cost - row_potential[current] - column_potential[other]
                seen = least[other]
                if seen is None or reduced < seen:
                    least[other], came_from[other] = reduced, column
                    seen = reduced
                if delta is None or seen < delta:
                    delta, next_column = seen, other
            assert delta is not None
            for other in range(columns + 1):
                if done[other]:
                    row_potential[row_of[other]] += delta
                    column_potential[other] -= delta
                elif (seen := least[other]) is not None:
                    least[other] = seen - delta
            column = next_column
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return {
        row_of[column] - 1: column - 1
        for column in range(1, columns + 1)
        if row_of[column] and values[row_of[column] - 1][column - 1] > 0
    }
