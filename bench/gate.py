"""Does the gate keep its promises? Simulated runs, recorded agents, time and memory.

    make bench-gate         OPTIONS="--draws 500" for a quick look; its checks may then fail

Every bound is held against the one-sided 95 % confidence limit of what was counted, not against the
count. The rules of others decide on the same runs. docs/gate.md holds the table.
"""

import argparse
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench import gate_product, gate_recorded, gate_speed
from bench import gate_simulation as simulation
from bench.gate_simulation import (
    CORRELATED,
    DIFFUSE,
    NO_CHANGE,
    NULLS,
    SCENARIOS,
    TOOL,
    TRIALS,
)
from bench.intervals import mean_upper
from bench.results import Results
from driftgate import intervals
from driftgate.gate.calibrated import PERMUTATIONS, seed_of
from driftgate.metrics import PRIMARY
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy

CASES, DRAWS = 200, 4000
FEWER_CASES = (50, 100, 120)
IN_SIMULATION = 2000  # permutations; that the product's 10,000 say the same is a figure
HOME = Path("build/bench/gate")
PAGE = Path("docs/gate.md")
RIVALS = (".venvs/rivals/bin/python", "bench/gate_rivals.py")


class Decided(NamedTuple):
    """What the rules say of one draw, and its trials of the primary metric, as 0 and 1."""

    calibrated: simulation.Decision
    hard_breaks_block: simulation.Decision
    blocked: dict[str, bool]  # by the rules that know nothing but pass and block
    baseline: NDArray[np.uint8]
    candidate: NDArray[np.uint8]


class Row(NamedTuple):
    """A line of the table: a rule, the trials it takes, and its shares by scenario."""

    rule: str
    trials: str
    block: dict[str, float]
    passed: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    results = Results("bench", "gate")
    speed(results)  # first: a process is counted the memory of the one that started it
    results.figure("seed", simulation.SEED)
    results.figure("draws of each scenario", options.draws)
    with ProcessPoolExecutor(options.processes) as pool:
        decided = {
            scenario: list(pool.map(partial(decide, scenario), range(options.draws), chunksize=20))
            for scenario in SCENARIOS
        }
        hold(decided, results)
        fewer_cases(pool, options.draws // 4, results)
        more_permutations(pool, options.draws // 8, results)
        as_the_product(pool, results)
    rows = [*own_rows(decided), *other_rows(decided)]
    gate_recorded.check(results)
    lines = list(table(rows))
    results.figure("table", lines[0])
    for row, line in zip(rows, lines[2:], strict=True):
        results.figure(row.rule, line)
    if options.draws == DRAWS:
        told = PAGE.read_text().splitlines()
        lacking = sum(line not in told for line in lines)
        results.check(f"lines of the table that {PAGE} lacks", lacking, "==", 0)
    print("\n".join(lines), end="\n\n")
    results.finish()


def decide(scenario: str, number: int) -> Decided:
    run = simulation.draw(scenario, CASES, number)
    calibrated, hard_breaks_block = simulation.decide(run, IN_SIMULATION)
    blocked = {
        "`rule: point`, 1 trial": simulation.point_rule(run, 1),
        "`rule: point`": simulation.point_rule(run, TRIALS),
        "any stratum fell by more than 5": simulation.any_stratum(run, TRIALS),
        "MLflow `validate_evaluation_results`": simulation.no_drop(run, TRIALS),
    }
    arms = [(arm.scores[PRIMARY] > 0).astype(np.uint8) for arm in (run.baseline, run.candidate)]
    return Decided(calibrated, hard_breaks_block, blocked, *arms)


def hold(decided: dict[str, list[Decided]], results: Results) -> None:
    """The bounds of the rule, each against the limit of what was counted."""
    blocks = {
        scenario: sum(one.calibrated.outcome == "BLOCK" for one in runs)
        for scenario, runs in decided.items()
    }
    for scenario in NULLS:
        limit = intervals.share_upper(blocks[scenario], len(decided[scenario]))
        results.check(f"false blocks, {scenario}, upper limit", limit, "<=", 0.05)
    for scenario, bound in ((DIFFUSE, 0.94), (TOOL, 0.97)):
        limit = intervals.share_lower(blocks[scenario], len(decided[scenario]))
        results.check(f"blocks, {scenario}, lower limit", limit, ">=", bound)
    trials = [one.calibrated.trials / TRIALS for one in decided[NO_CHANGE]]
    limit = mean_upper(trials)
    results.check("invocations with no change, share of the fixed plan", limit, "<=", 0.55)
    for scenario, runs in decided.items():
        results.figure(f"{scenario}: outcomes", _shares([one.calibrated for one in runs]))
        results.figure(f"{scenario}: trials", fmean(one.calibrated.trials for one in runs))
        policy = [one.hard_breaks_block for one in runs]
        results.figure(f"{scenario}: outcomes, hard breaks block", _shares(policy))
        added = sum(one.outcome == "BLOCK" for one in policy) - blocks[scenario]
        results.figure(f"{scenario}: blocks that hard breaks add", added / len(runs))


def fewer_cases(pool: ProcessPoolExecutor, draws: int, results: Results) -> None:
    """What the rule says of datasets that are smaller than is good for it."""
    results.figure("draws with fewer cases", draws)
    for cases in FEWER_CASES:
        for scenario in (NO_CHANGE, CORRELATED, DIFFUSE, TOOL):
            said = list(pool.map(partial(outcome, scenario, cases), range(draws), chunksize=20))
            results.figure(f"{cases} cases, {scenario}: outcomes", _shares(said))


def outcome(
    scenario: str, cases: int, number: int, permutations: int = IN_SIMULATION
) -> simulation.Decision:
    return simulation.decide(simulation.draw(scenario, cases, number), permutations)[0]


def more_permutations(pool: ProcessPoolExecutor, draws: int, results: Results) -> None:
    """With the product's number of permutations on the same draws."""
    for scenario in (NO_CHANGE, DIFFUSE):
        said = {
            number: list(
                pool.map(
                    partial(outcome, scenario, CASES, permutations=number),
                    range(draws),
                    chunksize=20,
                )
            )
            for number in (IN_SIMULATION, PERMUTATIONS)
        }
        for number, decisions in said.items():
            name = f"{scenario}, first {draws} draws, {number} permutations: outcomes"
            results.figure(name, _shares(decisions))
        pairs = zip(said[IN_SIMULATION], said[PERMUTATIONS], strict=True)
        same = fmean(fewer.outcome == more.outcome for fewer, more in pairs)
        results.figure(f"{scenario}: share of equal outcomes", same)


def as_the_product(pool: ProcessPoolExecutor, results: Results, draws: int = 10) -> None:
    """The whole gate on score cards of the same trials must say the same as the simulation."""
    runs = [(scenario, number) for scenario in SCENARIOS for number in range(draws)]
    differ = sum(pool.map(differences_to_product, *zip(*runs, strict=True)))
    results.figure("decisions compared with those of gate.decide", 3 * len(runs))
    results.check("decisions that gate.decide makes otherwise", differ, "==", 0)


def differences_to_product(scenario: str, number: int) -> int:
    run = simulation.draw(scenario, CASES, number)
    # With the same permutations, or what is near a threshold could go either way.
    seed = seed_of(gate_product.plan(CASES, SEQUENTIAL_LOOKS, run.seed))
    shown, blocking = simulation.decide(run, PERMUTATIONS, judged=False, seed=seed)
    by_point = "BLOCK" if simulation.point_rule(run, TRIALS) else "PASS"
    wanted = (
        (shown.outcome, Policy(), SEQUENTIAL_LOOKS),
        (blocking.outcome, Policy(hard_breaks="block"), SEQUENTIAL_LOOKS),
        (by_point, Policy(rule="point"), (TRIALS,)),
    )
    return sum(gate_product.decide(run, policy, looks) != said for said, policy, looks in wanted)


def own_rows(decided: dict[str, list[Decided]]) -> Iterator[Row]:
    sequential = f"{fmean(one.calibrated.trials for one in decided[NO_CHANGE]):.1f}"
    calibrated = {s: [one.calibrated for one in runs] for s, runs in decided.items()}
    blocking = {s: [one.hard_breaks_block for one in runs] for s, runs in decided.items()}
    yield _row("**calibrated**", sequential, calibrated)
    more = f"{fmean(one.trials for one in blocking[NO_CHANGE]):.1f}"
    yield _row("calibrated, `hard_breaks: block`", more, blocking)
    for rule in decided[NO_CHANGE][0].blocked:
        block = {s: fmean(one.blocked[rule] for one in runs) for s, runs in decided.items()}
        trials = "1" if rule.endswith("1 trial") else str(TRIALS)
        yield Row(rule, trials, block, {s: 1 - share for s, share in block.items()})


def other_rows(decided: dict[str, list[Decided]]) -> Iterator[Row]:
    """The rules of others, by their own code, on the same trials."""
    HOME.mkdir(parents=True, exist_ok=True)
    for old in HOME.glob("*.npz"):
        old.unlink()
    for scenario, runs in decided.items():
        np.savez_compressed(
            HOME / f"{scenario}.npz",
            baseline=np.stack([one.baseline for one in runs]),
            candidate=np.stack([one.candidate for one in runs]),
        )
    done = subprocess.run([*RIVALS, str(HOME)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for rule in found[NO_CHANGE]:
        block = {scenario: found[scenario][rule]["block"] for scenario in SCENARIOS}
        passed = {scenario: found[scenario][rule]["pass"] for scenario in SCENARIOS}
        yield Row(rule, "1" if "first trial" in rule else str(TRIALS), block, passed)


def speed(results: Results) -> None:
    for cases, bound in ((200, 0.1), (10_000, 1.0)):
        found = gate_speed.measured("look_at", cases)
        results.check(f"{cases} cases: seconds of a look", found["seconds"], "<=", bound)
        results.check(f"{cases} cases: largest memory, MB", round(found["mb"]), "<=", 300)
        whole = gate_speed.measured("decide", cases)
        results.figure(f"{cases} cases: seconds of gate.decide on score cards", whole["seconds"])
        results.figure(f"{cases} cases: its largest memory, MB, cards included", round(whole["mb"]))


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown: block / pass in percent."""
    yield f"| rule | trials | {' | '.join(SCENARIOS)} |"
    yield f"| --- | --- |{' --- |' * len(SCENARIOS)}"
    for row in rows:
        cells = (f"{100 * row.block[s]:.1f} / {100 * row.passed[s]:.1f}" for s in SCENARIOS)
        yield f"| {row.rule} | {row.trials} | {' | '.join(cells)} |"


def _row(rule: str, trials: str, said: dict[str, list[simulation.Decision]]) -> Row:
    block = {s: fmean(one.outcome == "BLOCK" for one in runs) for s, runs in said.items()}
    passed = {s: fmean(one.outcome.startswith("PASS") for one in runs) for s, runs in said.items()}
    return Row(rule, trials, block, passed)


def _shares(decisions: Sequence[simulation.Decision]) -> dict[str, float]:
    counts = Counter(decision.outcome for decision in decisions)
    return {name: round(number / len(decisions), 4) for name, number in sorted(counts.items())}


if __name__ == "__main__":
    main()
