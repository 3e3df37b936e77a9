"""Is the scoring true? Recorded runs of real models, scored and held against the recorded rewards.

    make bench-scoring      DRIFTGATE_TRAJECTORIES points to other data of the same layout

`task_success` is compared with the recorded reward; `make bench-attacks` does so for attacks. A
trial that is left without a value, because its source did not record every message, is counted and
left out; counted as a failure instead, it enters the strict figure. Then the same is done by three
peers, and all are timed: `bench/speed.py` says how.
"""

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench import speed
from bench.results import Results
from driftgate.metrics import METRICS
from driftgate.traces.trajectories import Source, read_source

DEFAULT = "../shared/data/trajectories"
Pair = tuple[bool, bool]  # what we say, what the source says


def main() -> None:
    folder = Path(os.environ.get("DRIFTGATE_TRAJECTORIES", DEFAULT))
    if not folder.is_dir():
        print(f"skipped: no trajectories at {folder}; set DRIFTGATE_TRAJECTORIES", file=sys.stderr)
        return
    results = Results("bench", "scoring")
    trials, started = 0, time.perf_counter()
    corpora = [path.resolve() for path in sorted(folder.iterdir()) if (path / "runs").is_dir()]
    for path in corpora:
        source = read_source(path)
        successes(source, results)
        trials += sum(1 for name in source.runs for _ in source.read_run(name))
    results.figure("trials read and scored", trials)
    results.figure("trials per second", round(trials / (time.perf_counter() - started)))
    speed.measure(corpora, mcc, results)
    results.finish()


def successes(source: Source, results: Results) -> None:
    """Hold task_success against the recorded reward."""
    pairs: list[Pair] = []
    strict: list[Pair] = []
    naive: list[Pair] = []
    for name in source.runs:
        for run in source.read_run(name):
            if run.reward is None:
                continue
            case, truth = source.cases[run.trace.case_id], run.reward == 1.0
            score = METRICS["task_success"].score(case, run.trace)
            wanted, made = [c.tool for c in case.expected_calls], [c.tool for c in run.trace.calls]
            naive.append((wanted == made, truth))
            strict.append((score.value == 1, truth))
            if score.value is not None:
                pairs.append((score.value == 1, truth))
    results.figure(f"{source.name}: trials with a reward", len(strict))
    results.figure(f"{source.name}: trials without a value", len(strict) - len(pairs))
    results.figure(f"{source.name}: task_success MCC", round(mcc(pairs), 4))
    results.figure(f"{source.name}: the same, no value counted as failure", round(mcc(strict), 4))
    results.figure(f"{source.name}: share of equal verdicts", round(agreement(pairs), 4))
    if source.name.startswith("tau"):
        results.figure(f"{source.name}: same tools in the same order, MCC", round(mcc(naive), 4))
        results.check(f"{source.name}: task_success MCC", round(mcc(pairs), 4), ">=", 0.95)
    if source.name.startswith("bfcl"):
        results.check(f"{source.name}: equal verdicts", round(agreement(pairs), 4), ">=", 0.97)


def mcc(pairs: Iterable[Pair]) -> float:
    """Matthews correlation of two verdicts, in [-1, 1]; 0 where one of them never varies.

    Source:
        Matthews 1975, Comparison of the predicted and observed secondary structure of T4 phage
        lysozyme.
    """
    counts = Counter(pairs)
    tp, tn = counts[True, True], counts[False, False]
    fp, fn = counts[True, False], counts[False, True]
    scale = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / scale if scale else 0.0


def agreement(pairs: list[Pair]) -> float:
    return sum(ours == theirs for ours, theirs in pairs) / len(pairs)


if __name__ == "__main__":
    main()
