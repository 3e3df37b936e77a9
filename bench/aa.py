"""Twenty runs of the sample agent against itself, and drills that must be blocked, in process.

    make bench-aa

By the command line, as a user would: real agents, mocked tools, the whole way to a verdict. The
seeds were fixed before the first run. A rule that blocks 5 % of unchanged versions blocks more than
three of twenty in 1.6 % of benches.
"""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from bench.results import Results
from driftgate.drills import TOOL_CASES

HOME = Path("build/bench/aa")
SEEDS = range(1, 21)
CASES = 60  # of the dataset, drawn by the seed; one trial of each
AGENT = "agents/support/versions/1.0.0.yaml"


def main() -> None:
    results = Results("bench", "aa")
    shutil.rmtree(HOME, ignore_errors=True)
    for dataset in ("datasets/support", "datasets/support-adversarial"):  # the manifest pins both
        driftgate("dataset", "publish", dataset)
    driftgate("agent", "publish", AGENT)
    driftgate("agent", "promote", "support@1.0.0")
    runs = [tried("aa", seed) for seed in SEEDS]
    outcomes = Counter(row["outcome"] for row, _ in runs)
    results.figure("cases of each run, one trial", CASES)
    results.figure("A/A runs: outcomes", dict(sorted(outcomes.items())))
    results.figure("an A/A run: seconds, median", round(median(taken for _, taken in runs), 1))
    results.check("A/A runs that count", sum(row["counts"] for row, _ in runs), "==", len(SEEDS))
    results.check("A/A runs blocked, of 20", sum(bool(row["fell"]) for row, _ in runs), "<=", 3)
    for kind in ("tool", "broad"):
        row, taken = tried("drill", 1, "--break", kind)
        results.figure(f"drill, {kind}", f"{row['broken']}: {row['outcome']}")
        results.figure(f"drill, {kind}: seconds", round(taken, 1))
        results.check(f"drill, {kind}: strata that fell", len(row["fell"]), ">=", 1)
    [health] = json.loads(driftgate("gate", "health", "--json"))
    results.figure("rate of false blocks, 95 % limits", [health["lower"], health["upper"]])
    results.figure("the least cases of a tool that is broken", TOOL_CASES)
    results.finish()


def tried(command: str, seed: int, *options: str) -> tuple[Any, float]:
    """The row of a try, and its seconds."""
    started = time.perf_counter()
    words = ("gate", command, "support", "--cases", str(CASES), "--seed", str(seed), "--json")
    out = driftgate(*words, *options)
    return json.loads(out), time.perf_counter() - started


def driftgate(*words: str) -> str:
    """Run a command; 1 is an answer too, of a drill that was missed."""
    script = "from driftgate.cli.main import main; main()"
    command = [sys.executable, "-c", script, "--home", str(HOME), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
