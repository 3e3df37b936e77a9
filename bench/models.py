"""Recorded agents compared, and every number calculated a second time with pandas and scipy.

    make bench-models

The recordings are imported and compared by the command line. What it writes of the trials, as CSV,
is all that `bench/models_again.py` sees, in an environment of its own. What is drawn at random is
compared within what two draws may differ by. Beside that, models that are alike are compared.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.results import Results
from driftgate import benchmark, intervals
from driftgate.schemas.ledger import Execution
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Ending

DEFAULT = "../shared/data/trajectories"
HOME = Path("build/bench/models")
STATISTICS = Path(".venvs/statistics/bin/python")
SOURCES = ("tau1_airline", "tau2_airline", "agentdojo", "bfcl")
EXACT = 1e-7  # our normal quantile has six decimals
ALIKE, MODELS, CASES, TRIALS = 400, 4, 40, 3
WIDE = 3.9  # standard errors: one in ten thousand is as far off


def main() -> None:
    results = Results("bench", "models")
    folder = Path(os.environ.get("DRIFTGATE_TRAJECTORIES", DEFAULT))
    if folder.is_dir():
        shutil.rmtree(HOME, ignore_errors=True)
        for name in SOURCES:
            recorded(folder / name, results)
    else:
        print(f"skipped: no trajectories at {folder}; set DRIFTGATE_TRAJECTORIES", file=sys.stderr)
    alike(results)
    results.finish()


def recorded(source: Path, results: Results) -> None:
    output = HOME / source.name
    driftgate("benchmark", "import", str(source))
    dataset = f"{source.name}@1.0.0"
    found = driftgate("benchmark", "compare", "--dataset", dataset, "--output", str(output))
    again = json.loads(
        subprocess.run(
            [str(STATISTICS), "bench/models_again.py", str(output / "executions.csv")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    name = source.name
    results.figure(f"{name}: executions", found["rows"])
    results.figure(f"{name}: conclusion", found["conclusion"])
    for one in found["contenders"]:
        if one["success"]:
            results.figure(f"{name}: {one['name']}", f"{one['success']['mean']:.4f}")
    compared, worst = differences(of_contenders(found), again["contenders"])
    results.figure(f"{name}: numbers of contenders", compared)
    results.check(f"{name}: contenders, largest difference", worst, "<=", EXACT)
    if found["pairs"]:
        compared, worst = differences(of_pairs(found), again["pairs"])
        results.figure(f"{name}: numbers of pairs", compared)
        results.check(f"{name}: pairs, largest difference", worst, "<=", EXACT)
        for p in ("p", "adjusted_p"):
            worst = farthest({key(pair): pair[p] for pair in found["pairs"]}, again[p])
            results.check(f"{name}: {p}, in what two draws may differ by", worst, "<=", 1)
    if found["variance"]:
        kept = {k: v for k, v in found["variance"].items() if k not in ("told", "total")}
        _, worst = differences({"variance": kept}, {"variance": again["variance"]})
        results.check(f"{name}: variance, largest difference", worst, "<=", EXACT)
    found["discrimination"].pop("p")
    found["discrimination"].pop("flat")
    same = found["discrimination"] == again["discrimination"]
    results.check(f"{name}: cases that tell them apart, the same", same, "==", True)


def of_contenders(found: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """What the second calculation has too, by the same names."""
    numbers: dict[str, dict[str, float | None]] = {}
    for one in found["contenders"]:
        own: dict[str, float | None] = {
            "cases": one["cases"],
            "trials": one["trials"],
            "unscored": one["unscored"],
            "cost_per_solved_usd": one["cost_per_solved_usd"],
            "on_frontier": one["on_frontier"],
            **{f"pass^{k}": value for k, value in enumerate(one["pass_hat"], start=1)},
            **{f"success {part}": one["success"][part] for part in ("mean", "low", "high")},
        }
        for quantity, average in one["measures"].items():
            for part in ("mean", "low", "high", "cases", "missing"):
                if average is not None and quantity != "findings":
                    own[f"{quantity} {part}"] = average[part]
        numbers[one["name"]] = own
    return numbers


def of_pairs(found: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    fields = ("cases", "difference", "low", "high", "effect", "wins", "losses")
    return {key(pair): {field: pair[field] for field in fields} for pair in found["pairs"]}


def key(pair: dict[str, Any]) -> str:
    return f"{pair['better']} > {pair['worse']}"


def differences(
    ours: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]
) -> tuple[int, float]:
    """How many numbers there are, and the largest difference; infinite if a side lacks one."""
    worst, compared = 0.0, 0
    if ours.keys() != theirs.keys():
        return 0, math.inf
    for name, own in ours.items():
        if own.keys() != theirs[name].keys():
            return compared, math.inf
        for field, value in own.items():
            other, compared = theirs[name][field], compared + 1
            if (value is None) != (other is None):
                return compared, math.inf
            if value is not None:
                worst = max(worst, abs(value - other) / max(1.0, abs(other)))
    return compared, worst


def farthest(ours: dict[str, float], theirs: dict[str, float]) -> float:
    """The largest difference of two p, in what 10,000 draws each may make of one."""
    if ours.keys() != theirs.keys():
        return math.inf
    worst = 0.0
    for name, p in ours.items():
        middle = min(max((p + theirs[name]) / 2, 1e-4), 1 - 1e-4)
        error = math.sqrt(2 * middle * (1 - middle) / benchmark.PERMUTATIONS)
        worst = max(worst, abs(p - theirs[name]) / (WIDE * error + 4e-4))
    return worst


def alike(results: Results) -> None:
    """Models that differ in nothing: how often any of six pairs is called different."""
    called = looked = 0
    for seed in range(ALIKE):
        found = benchmark.compare(simulated(seed))
        called += found.conclusion == "signal"
        looked += min(pair.p for pair in found.pairs) <= benchmark.ALPHA
    results.figure(f"{MODELS} models that are alike: any p below 0.05", looked / ALIKE)
    results.figure(f"{MODELS} models that are alike: called different", called / ALIKE)
    limit = intervals.share_lower(called, ALIKE)
    results.check("models that are alike: called different, lower limit", limit, "<=", 0.05)


def simulated(seed: int) -> list[Execution]:
    """Cases that are unequally hard, and equally so for all."""
    rng = np.random.default_rng(seed)
    hard = rng.beta(2, 1, CASES)
    return [
        execution(f"m{model}", f"c{case}", trial, float(rng.random() < hard[case]))
        for model in range(MODELS)
        for case in range(CASES)
        for trial in range(1, TRIALS + 1)
    ]


def execution(model: str, case_id: str, trial: int, value: float) -> Execution:
    return Execution(
        key=f"simulated/{model}/{trial}/{case_id}",
        origin="benchmark",
        at="2026-11-20T00:00:00+00:00",
        run_id="simulated",
        trial=trial,
        case_id=case_id,
        task_type="any",
        agent="simulated",
        version="1.0.0",
        digest="0" * 64,
        model=model,
        dataset="simulated@1.0.0",
        harness="none",
        ending=Ending(),
        scores={benchmark.PRIMARY: Score(value=value, reason="drawn")},
        trace="none",
    )


def driftgate(*words: str) -> dict[str, Any]:
    command = [str(Path(sys.executable).parent / "driftgate"), "--home", str(HOME / "home")]
    done = subprocess.run([*command, *words, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"driftgate {' '.join(words)}: {done.stderr}")
    written: dict[str, Any] = json.loads(done.stdout)
    return written


if __name__ == "__main__":
    main()
