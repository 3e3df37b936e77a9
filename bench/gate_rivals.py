"""What other tools decide on simulated runs, by their own functions, in their own environment.

    .venvs/rivals/bin/python bench/gate_rivals.py FOLDER

Reads FOLDER/*.npz, each with `baseline` and `candidate` (runs, cases, trials) of 0 and 1. Prints
the share of runs that each tool fails: {file: {rule: {"block": share, "pass": share}}}.
"""

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from signaltest.compare import DEFAULT_MIN_EFFECT
from signaltest.stats.correction import bh_adjust
from signaltest.stats.gate import decide_gate, is_underpowered, is_underpowered_paired
from signaltest.stats.significance import boolean_significance, paired_significance

ALPHA = 0.05
Trials = NDArray[np.uint8]  # (cases, trials)


def mlflow_tests() -> Any:
    """MLflow's tests, from their file: importing the package would need fifty others."""
    package = importlib.util.find_spec("mlflow")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "genai/evaluation/comparison"
    spec = importlib.util.spec_from_file_location("tests", folder / "significance_tests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MLFLOW = mlflow_tests()


def mcnemar_of_first(baseline: Trials, candidate: Trials) -> str:
    """`compare_evaluations` on one trial of each case, and on 0 or 1 it takes McNemar's test.

    It asserts an improvement; failed is here, as a mirror of that, a drop with p < alpha.
    """
    return _mlflow(MLFLOW._mcnemar, candidate[:, 0] * 1.0 - baseline[:, 0])


def mcnemar_of_majority(baseline: Trials, candidate: Trials) -> str:
    half = baseline.shape[1] / 2
    solved = [arm.sum(axis=1) > half for arm in (candidate, baseline)]
    return _mlflow(MLFLOW._mcnemar, solved[0] * 1.0 - solved[1])


def mlflow_on_means(baseline: Trials, candidate: Trials) -> str:
    """`compare_evaluations` with each case's trials averaged: Wilcoxon's test."""
    return _mlflow(MLFLOW._wilcoxon, candidate.mean(axis=1) - baseline.mean(axis=1))


def signaltest_suite(baseline: Trials, candidate: Trials) -> str:
    """`run_suite` at a fixed number of trials: Fisher's test in each case, p as Benjamini-Hochberg.

    The suite fails if a case does, as its `exit_code` says.
    """
    trials = baseline.shape[1]
    solved = list(zip(baseline.sum(axis=1).tolist(), candidate.sum(axis=1).tolist(), strict=True))
    adjusted = bh_adjust([_fisher(before, after, trials) for before, after in solved])
    found = {
        decide_gate(
            p,
            (after - before) / trials,
            min_effect=DEFAULT_MIN_EFFECT["boolean"],
            n_valid=trials,
            underpowered=is_underpowered(trials, trials),
        ).status
        for p, (before, after) in zip(adjusted, solved, strict=True)
    }
    return next(status for status in ("fail", "inconclusive", "pass") if status in found)


def signaltest_paired(baseline: Trials, candidate: Trials) -> str:
    """`compare_scores(paired=True)` on the cases' means, which its user has to make."""
    before, after = baseline.mean(axis=1), candidate.mean(axis=1)
    verdict = decide_gate(
        paired_significance(before, after),
        float((after - before).mean()),
        min_effect=DEFAULT_MIN_EFFECT["numeric"],
        n_valid=len(before),
        underpowered=is_underpowered_paired(len(before)),
    )
    return str(verdict.status)


@cache
def _fisher(before: int, after: int, trials: int) -> float:
    arms = ([1] * solved + [0] * (trials - solved) for solved in (before, after))
    return float(boolean_significance(*arms))


def _mlflow(test: Callable[[Any], tuple[str, float]], gained: NDArray[Any]) -> str:
    _, p = test(gained)
    return "fail" if gained.mean() < 0 and p < ALPHA else "pass"


RULES: dict[str, Callable[[Trials, Trials], str]] = {
    "MLflow `compare_evaluations`, first trial: McNemar": mcnemar_of_first,
    "McNemar on the majority": mcnemar_of_majority,
    "MLflow `compare_evaluations`, means: Wilcoxon": mlflow_on_means,
    "signaltest `run_suite`": signaltest_suite,
    "signaltest `compare_scores(paired=True)`": signaltest_paired,
}


def main() -> None:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        runs = np.load(path)
        baseline, candidate = runs["baseline"], runs["candidate"]
        found[path.stem] = {}
        for name, rule in RULES.items():
            said = Counter(rule(*pair) for pair in zip(baseline, candidate, strict=True))
            shares = {"block": said["fail"] / len(baseline), "pass": said["pass"] / len(baseline)}
            found[path.stem][name] = shares
    print(json.dumps(found))


if __name__ == "__main__":
    main()
