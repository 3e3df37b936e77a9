"""Of what variance is made up, and whether cases tell models apart: plain numbers in and out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Trials = Mapping[str, Sequence[float]]  # case id -> the values of its trials
SHUFFLES = 2_000


class Components(NamedTuple):
    """Variance components of one trial; what is estimated below 0 is 0."""

    models: float | None
    cases: float | None
    interaction: float | None
    within: float | None


def components(models: Sequence[Trials], case_ids: Sequence[str]) -> Components:
    """Split the variance of one trial, by the sums of squares of a two-way layout of cell means.

    Models and cases are taken as drawn from many. Cells may have different numbers of trials: every
    cell weighs the same, and the noise of its mean is what its own number of trials leaves of it.

    Args:
        models: for each, the values of its trials by case.
        case_ids: that every model has a value of.

    Returns:
        None for what can't be told: `models` and `interaction` of one model or one case, `within`
        where no cell has two trials (then `interaction` holds it too).

    Source:
        Searle, Casella and McCulloch 1992, Variance Components, 4.4 (ANOVA estimators), on
        unweighted cell means.
    """
    cells = [[np.asarray(model[case_id], float) for case_id in case_ids] for model in models]
    freedom = sum(len(cell) - 1 for row in cells for cell in row)
    squares = sum(float(((cell - cell.mean()) ** 2).sum()) for row in cells for cell in row)
    within = squares / freedom if freedom else None
    if len(models) < 2 or len(case_ids) < 2:
        return Components(None, None, None, within)
    means = np.array([[cell.mean() for cell in row] for row in cells])
    by_model, by_case, rest = _mean_squares(means)
    noise = (within or 0.0) * float(np.mean([1 / len(cell) for row in cells for cell in row]))
    return Components(
        models=max(0.0, (by_model - rest) / len(case_ids)),
        cases=max(0.0, (by_case - rest) / len(models)),
        interaction=max(0.0, rest - noise),
        within=within,
    )


def _mean_squares(means: NDArray[np.float64]) -> tuple[float, float, float]:
    models, cases = means.shape
    of_model, of_case, grand = means.mean(axis=1), means.mean(axis=0), means.mean()
    rest = means - of_model[:, None] - of_case[None, :] + grand
    return (
        float(cases * ((of_model - grand) ** 2).sum() / (models - 1)),
        float(models * ((of_case - grand) ** 2).sum() / (cases - 1)),
        float((rest**2).sum() / ((models - 1) * (cases - 1))),
    )


def shuffled_p(models: Sequence[Trials], case_ids: Sequence[str], seed: int) -> float | None:
    """How often trials that are dealt out anew differ as much between the models of a case.

    If it made no difference which model made a trial, the trials of a case could be exchanged
    between its models. What is compared is the sum over cases of the squares between models. It is
    large if one model is better, and also if each is better at other cases.

    Returns:
        p in (0, 1], a count over SHUFFLES; None where no case has trials that differ.
    """
    differing = [
        [model[case_id] for model in models]
        for case_id in case_ids
        if len({value for model in models for value in model[case_id]}) > 1
    ]
    if not differing or len(models) < 2:
        return None
    by_shape: dict[tuple[int, ...], list[list[float]]] = {}
    for cells in differing:  # cases with the same numbers of trials are shuffled together
        values = [value for cell in cells for value in cell]
        by_shape.setdefault(tuple(map(len, cells)), []).append(values)
    rng = np.random.default_rng(seed)
    sums = np.zeros(SHUFFLES)
    for shape, rows in by_shape.items():
        dealt = np.array(rows)
        sums[0] += _between(dealt, shape)
        for number in range(1, SHUFFLES):
            sums[number] += _between(rng.permuted(dealt, axis=1), shape)
    return float(np.count_nonzero(sums >= sums[0] - 1e-9)) / SHUFFLES


def _between(values: NDArray[np.float64], shape: Sequence[int]) -> float:
    """The sum of squares between the models, up to what is the same for every shuffle."""
    starts = np.concatenate(([0], np.cumsum(shape)[:-1]))
    sums = np.add.reduceat(values, starts, axis=1)
    return float((sums**2 / np.asarray(shape)).sum())
