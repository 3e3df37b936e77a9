"""The gate on recorded runs of real agents: unchanged ones, worse ones, and another harness.

Cases that were run more than once (replicates.jsonl) make runs of an unchanged agent: which of a
case's runs goes to which arm is left to chance. Everything else goes through the command line.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.gate_simulation import MARGIN, SEED
from bench.results import Results
from driftgate import intervals
from driftgate.adapters import files
from driftgate.gate.calibrated import (
    PERMUTATIONS,
    SEQUENTIAL,
    THOUSANDTHS,
    Z_ONE_SIDED,
    Boundary,
    look_at,
)
from driftgate.gate.sample import parts_of
from driftgate.metrics import PRIMARY
from driftgate.schemas.cases import Case
from driftgate.schemas.traces import Trace
from driftgate.traces.trajectories import Source, case_id, read_source

DEFAULT = "../shared/data/trajectories"
HOME = Path("build/bench/gate/recorded")
MODEL = "gpt-4o-2024-05-13"  # of agentdojo; no other was run twice on so many cases
CASES, SPLITS = 200, 1000
ONE_TRIAL = (Boundary(1, 0.05, Z_ONE_SIDED),)
WORSE = (  # source, baseline, candidate, and what the gate must say
    ("tau2_airline", "claude-sonnet-4-5", "qwen2.5-7b", "BLOCK"),
    ("tau2_airline", "button-claude-opus-4-6", "gpt-oss-120b-langchain", "BLOCK"),
    ("bfcl", "gemma4-e4b-toolcall-v02", "AIREV-Agent-0.8B", "BLOCK"),
    # three of its hundred trials lack messages: more than 2 % are missing, whatever the rest says
    ("tau2_airline", "claude-sonnet-4-5", "gpt-4o-2024-11-20", "INCONCLUSIVE"),
)
OLD, NEW = "agentdojo before 8f7ea21ff", "agentdojo 8f7ea21ff"  # commits: how send_email fails

Solved = NDArray[np.int64]  # (cases, trials) of 0 and 1
Run = tuple[Case, list[int]]  # a case, and which of its runs were solved, oldest first


def check(results: Results) -> None:
    folder = Path(os.environ.get("DRIFTGATE_TRAJECTORIES", DEFAULT))
    if not folder.is_dir():
        print(f"skipped: no trajectories at {folder}; set DRIFTGATE_TRAJECTORIES", file=sys.stderr)
        return
    shutil.rmtree(HOME, ignore_errors=True)
    source = read_source(folder / "agentdojo")
    rows = [json.loads(line) for line in (folder / "replicates.jsonl").read_text().splitlines()]
    rows = [row for row in rows if (row["source"], row["model"]) == ("agentdojo", MODEL)]
    unchanged(source, [row for row in rows if not row["harness_changed"]], results)
    worse(folder, results)
    other_harness(source, [row for row in rows if row["harness_changed"]], results)


def unchanged(source: Source, rows: list[dict[str, Any]], results: Results) -> None:
    """The same model against itself."""
    runs = [(source.cases[case_id(row["case_id"])], row["runs"]) for row in rows]
    results.figure(f"recorded: cases that {MODEL} ran more than once", len(runs))
    ways = {
        "each case's runs split at random": (_split, ONE_TRIAL),
        "5 trials drawn from each case's runs": (_resampled, SEQUENTIAL),
    }
    for name, (arms, boundaries) in ways.items():
        blocked = 0
        for number in range(SPLITS):
            rng = np.random.default_rng([SEED, number])
            chosen = [runs[i] for i in rng.choice(len(runs), CASES, replace=False)]
            cases = [case for case, _ in chosen]
            blocked += _outcome(cases, *arms(rng, chosen), boundaries, seed=number) == "BLOCK"
        results.figure(f"recorded, {name}: false blocks of {SPLITS}", blocked)
        limit = intervals.share_upper(blocked, SPLITS)
        results.check(f"recorded, {name}: false blocks, upper limit", limit, "<=", 0.05)


def worse(folder: Path, results: Results) -> None:
    """A weaker model against a stronger one on the cases that both ran, by `driftgate score`."""
    for name, baseline, candidate, wanted in WORSE:
        source = read_source(folder / name)
        traces = {
            model: {run.trace.case_id: run.trace for run in source.read_run(model)}
            for model in (baseline, candidate)
        }
        both = traces[baseline].keys() & traces[candidate].keys()
        dataset = HOME / f"{name}-{candidate}"
        write(dataset, source, both, traces)
        verdict = scored(dataset, baseline, candidate)
        fell = [c for c in verdict["criteria"] if c["kind"] == "drop" and c["ok"] is False]
        whole = verdict["strata"][0]
        results.figure(
            f"recorded, {name}: {baseline}, then {candidate}",
            f"{whole['baseline']:.3f} to {whole['candidate']:.3f} over {whole['cases']} cases",
        )
        results.check(f"recorded, {name}, {candidate}: outcome", verdict["outcome"], "==", wanted)
        results.check(f"recorded, {name}, {candidate}: strata that fell", len(fell), ">=", 1)


def other_harness(source: Source, rows: list[dict[str, Any]], results: Results) -> None:
    """The same model under two versions of the harness: refused, once the recordings say so.

    The newer harness is the better one, so it is taken as the baseline.
    """
    wanted = {case_id(row["case_id"]) for row in rows}
    trials: dict[str, dict[int, Trace]] = {}
    for run in source.read_run(MODEL):
        if run.trace.case_id in wanted:
            trials.setdefault(run.trace.case_id, {})[run.trace.trial] = run.trace
    dataset = HOME / "harness"
    old = {name: runs[min(runs)] for name, runs in trials.items()}
    new = {name: runs[max(runs)] for name, runs in trials.items()}
    write(dataset, source, wanted, {"old": old, "new": new})
    untold = scored(dataset, "new", "old")
    reason = untold["reason"].partition("; ")[0]
    results.figure(f"recorded, {MODEL} under two harnesses, not told", reason)
    results.check("recorded, two harnesses, not told: outcome", untold["outcome"], "==", "BLOCK")
    told = score(dataset, "new", "old", "--harness", OLD, "--baseline-harness", NEW)
    results.figure("recorded, two harnesses, told", told.stderr.strip())
    results.check("recorded, two harnesses, told: exit code", told.returncode, "==", 2)


def write(
    dataset: Path, source: Source, case_ids: Set[str], traces: Mapping[str, Mapping[str, Trace]]
) -> None:
    """A dataset of some cases, and recordings of them with one trial each."""
    cases = [source.cases[name] for name in sorted(case_ids)]
    files.write_dataset(dataset, source.header(), cases)
    (dataset / "traces").mkdir()
    for name, recorded in traces.items():
        chosen = (recorded[i].model_copy(update={"trial": 1}) for i in sorted(case_ids))
        lines = "".join(f"{trace.model_dump_json(exclude_defaults=True)}\n" for trace in chosen)
        (dataset / "traces" / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def _outcome(
    cases: Sequence[Case],
    baseline: Solved,
    candidate: Solved,
    boundaries: Sequence[Boundary],
    seed: int,
) -> str:
    """What the calibrated rule says of the primary metric in all its strata."""
    place = {case.case_id: row for row, case in enumerate(cases)}
    parts = [ids for (metric, _), ids in parts_of("regression", cases).items() if metric == PRIMARY]
    members = np.zeros((len(cases), len(parts)), np.bool_)
    for column, ids in enumerate(parts):
        members[[place[i] for i in ids], column] = True
    for boundary in boundaries:
        fell = (baseline - candidate)[:, : boundary.trials].sum(axis=1)
        tested = look_at(
            fell[:, None] * THOUSANDTHS * members,
            members,
            THOUSANDTHS * boundary.trials,
            boundary,
            margin=MARGIN,
            last=boundary is boundaries[-1],
            seed=seed,
            permutations=PERMUTATIONS // 5,
        )
        if tested.outcome:
            return tested.outcome
    raise AssertionError("the last look decides")


def _split(rng: np.random.Generator, runs: Sequence[Run]) -> tuple[Solved, Solved]:
    """Two different runs of each case, one for each arm."""
    pairs = np.array([rng.choice(solved, 2, replace=False) for _, solved in runs])
    return pairs[:, :1], pairs[:, 1:]


def _resampled(rng: np.random.Generator, runs: Sequence[Run]) -> tuple[Solved, Solved]:
    """As many trials as are wanted, each one of the case's runs."""
    trials = np.array([rng.choice(solved, 2 * SEQUENTIAL[-1].trials) for _, solved in runs])
    return trials[:, ::2], trials[:, 1::2]


def scored(dataset: Path, baseline: str, candidate: str) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads(score(dataset, baseline, candidate).stdout)
    return verdict


def score(
    dataset: Path, baseline: str, candidate: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    traces = dataset / "traces"
    return driftgate(
        *("score", str(traces / f"{candidate}.jsonl"), "--dataset", str(dataset)),
        *("--baseline", str(traces / f"{baseline}.jsonl"), "--json", *flags),
    )


def driftgate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "driftgate"), "--home", str(HOME / "home"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)
