"""The numbers of a comparison once more, from its CSV, by pandas and scipy: see bench/models.py.

It imports nothing of Driftgate and shares no code with it. It runs in an environment of its own.
"""

import json
import sys
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

QUANTITIES = (
    *("calls", "failed_calls", "latency_s", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cost_usd"),
)
DRAWS = 10_000


def main(path: str) -> None:
    rows = pd.read_csv(path, dtype={"model": str, "case_id": str}, keep_default_na=True)
    rows["model"] = rows["model"].fillna("unknown")
    scored = rows.dropna(subset=["task_success"])
    cells = scored.groupby(["model", "case_id"])["task_success"]
    means = cells.mean().unstack("case_id")
    found = {
        "contenders": contenders(rows, scored, means),
        **pairs(means),
        "variance": variance(scored, means),
        "discrimination": discrimination(scored, means),
    }
    json.dump(found, sys.stdout)


def contenders(rows: pd.DataFrame, scored: pd.DataFrame, means: pd.DataFrame) -> dict[str, Any]:
    found = {}
    for model, of in rows.groupby("model"):
        own = scored[scored.model == model]
        cases = means.loc[model].dropna()
        low, high = wilson(cases, len(own))
        numbers = {
            "cases": len(cases),
            "trials": len(of),
            "unscored": len(of) - len(own),
            "success mean": cases.mean(),
            "success low": low,
            "success high": high,
            **pass_hat(own),
            "cost_per_solved_usd": cost_per_solved(own, cases),
        }
        for quantity in QUANTITIES:
            known = of.dropna(subset=[quantity])
            by_case = known.groupby("case_id")[quantity].mean()
            if by_case.empty:
                continue
            ends: tuple[Any, Any] = (None, None)
            if len(by_case) > 1:
                ends = stats.norm.interval(0.95, by_case.mean(), by_case.sem())
                ends = ends if by_case.sem() else (by_case.mean(), by_case.mean())
            numbers[f"{quantity} mean"] = by_case.mean()
            numbers[f"{quantity} low"], numbers[f"{quantity} high"] = ends
            numbers[f"{quantity} cases"] = len(by_case)
            numbers[f"{quantity} missing"] = len(of) - len(known)
        found[str(model)] = numbers
    for numbers in found.values():
        numbers["on_frontier"] = frontier(numbers, list(found.values()))
    return {name: plain(numbers) for name, numbers in found.items()}


def wilson(cases: pd.Series, trials: int) -> tuple[float, float]:
    """Where the score test stops to reject, for as many values as the cases' variance is worth."""
    mean, n = cases.mean(), len(cases)
    spread = cases.var() if n > 1 else 0.0
    worth = n if not spread else min(max(mean * (1 - mean) / (spread / n), n), trials)
    z = stats.norm.ppf(0.975)

    def score(p: float) -> Any:
        return (mean - p) ** 2 - z**2 * p * (1 - p) / worth

    low = 0.0 if mean == 0 else optimize.brentq(score, 0, mean, xtol=1e-14)
    high = 1.0 if mean == 1 else optimize.brentq(score, mean, 1, xtol=1e-14)
    return low, high


def pass_hat(own: pd.DataFrame) -> dict[str, float]:
    by_case = own.groupby("case_id")["task_success"]
    tried, solved = by_case.size(), by_case.apply(lambda of: (of == 1).sum())
    return {
        f"pass^{k}": (special.comb(solved, k) / special.comb(tried, k)).mean()
        for k in range(1, tried.min() + 1)
    }


def cost_per_solved(own: pd.DataFrame, cases: pd.Series) -> float | None:
    costs = own.dropna(subset=["cost_usd"]).groupby("case_id")["cost_usd"].mean()
    solved = cases[costs.index].sum()
    return costs.sum() / solved if solved else None


def frontier(one: dict[str, Any], every: list[dict[str, Any]]) -> bool | None:
    cost, mean = one.get("cost_usd mean"), one["success mean"]
    if cost is None:
        return None
    return not any(
        other["cost_usd mean"] <= cost
        and other["success mean"] >= mean
        and (other["cost_usd mean"], other["success mean"]) != (cost, mean)
        for other in every
        if other.get("cost_usd mean") is not None
    )


def pairs(means: pd.DataFrame) -> dict[str, Any]:
    found, raw, flips = {}, {}, {}
    shared = {}
    for a, b in combinations(sorted(means.index), 2):
        d = (means.loc[a] - means.loc[b]).dropna()
        if d.empty:
            continue
        if d.sum() < -1e-12:
            a, b, d = b, a, -d
        name = f"{a} > {b}"
        # half a case of each kind is added to a matched table, for the error alone
        padded = np.array([*d, 1.0, -1.0, 0.0])
        weights = np.array([1.0] * len(d) + [0.5, 0.5, 1.0])
        centre = np.average(padded, weights=weights)
        error = np.sqrt(np.average((padded - centre) ** 2, weights=weights) / weights.sum())
        low, high = stats.norm.interval(0.95, d.mean(), error)
        effect = d.mean() / d.std() if len(d) > 1 and d.std() > 0 else None
        found[name] = plain(
            {
                "cases": len(d),
                "difference": d.mean(),
                "low": low,
                "high": high,
                "effect": effect,
                "wins": int((d > 1e-12).sum()),
                "losses": int((d < -1e-12).sum()),
            }
        )
        tested = stats.permutation_test(
            (d.to_numpy(),),
            lambda x, axis: np.round(np.abs(np.mean(x, axis=axis)), 12),
            permutation_type="samples",
            vectorized=True,
            n_resamples=DRAWS,
            alternative="greater",
            batch=500,
            rng=np.random.default_rng(17),
        )
        raw[name] = float(tested.pvalue)
        shared[name] = d
    if shared:
        flips = step_down(pd.DataFrame(shared).fillna(0.0))
    return {"pairs": found, "p": raw, "adjusted_p": flips}


def step_down(d: pd.DataFrame) -> dict[str, float]:
    """Westfall and Young's maxT of all pairs: the surest is held against the largest of all, each
    next one against the largest of those that are left.
    """
    root = np.sqrt((d**2).sum()).replace(0.0, 1.0)
    rng = np.random.default_rng(23)
    signs = rng.choice([-1.0, 1.0], (DRAWS, len(d)))
    signs[0] = 1.0
    drawn = pd.DataFrame(np.abs(signs @ d.to_numpy()), columns=d.columns) / root
    left = list(drawn.iloc[0].sort_values(ascending=False).index)
    adjusted, floor = {}, 0.0
    while left:
        floor = max(floor, float((drawn[left].max(axis=1) >= drawn[left[0]][0] - 1e-9).mean()))
        adjusted[left.pop(0)] = floor
    return adjusted


def variance(scored: pd.DataFrame, means: pd.DataFrame) -> dict[str, Any]:
    """By least squares on indicators of models and cases, residual sums compared."""
    common = means.dropna(axis=1)
    models, cases = common.shape
    of = scored[scored.case_id.isin(common.columns)]
    cells = of.groupby(["model", "case_id"])["task_success"]
    freedom = (cells.size() - 1).sum()
    within = ((of.task_success - cells.transform("mean")) ** 2).sum() / freedom if freedom else None
    none = {"models": None, "cases": None, "interaction": None}
    if models < 2 or cases < 2:
        return plain({"cases_in_common": cases, **none, "within": within})
    y = common.to_numpy().ravel()
    by_model = np.kron(np.eye(models), np.ones((cases, 1)))
    by_case = np.kron(np.ones((models, 1)), np.eye(cases))
    ones = np.ones((models * cases, 1))

    def residual(*parts: np.ndarray) -> float:
        design = np.hstack(parts)
        fit = np.linalg.lstsq(design, y, rcond=None)[0]
        return float(((y - design @ fit) ** 2).sum())

    left = residual(ones, by_model, by_case)
    rest = left / ((models - 1) * (cases - 1))
    of_models = (residual(ones, by_case) - left) / (models - 1)
    of_cases = (residual(ones, by_model) - left) / (cases - 1)
    noise = (within or 0.0) * (1 / cells.size()).mean()
    return plain(
        {
            "cases_in_common": cases,
            "models": max(0.0, (of_models - rest) / cases),
            "cases": max(0.0, (of_cases - rest) / models),
            "interaction": max(0.0, rest - noise),
            "within": within,
        }
    )


def discrimination(scored: pd.DataFrame, means: pd.DataFrame) -> dict[str, int]:
    common = means.dropna(axis=1).columns
    values = scored[scored.case_id.isin(common)].groupby("case_id")["task_success"]
    flat = values.nunique() == 1
    first = values.first()[flat]
    return {
        "cases": len(common),
        "all_solved": int((first == 1).sum()),
        "none_solved": int((first == 0).sum()),
        "informative": int((~flat).sum()),
    }


def plain(numbers: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in numbers.items()
    }


if __name__ == "__main__":
    main(sys.argv[1])
