"""Are wrong keys found? Recorded pipelines on agentdojo, with some cases' outcomes turned round.

    make bench-saturation      DRIFTGATE_TRAJECTORIES points to other data of the same layout

A case whose key is wrong is failed by whoever does it right. So in each draw some of the tasks are
chosen by a seed, and what their outcomes say is turned round, in some of the pipelines, as if
there were no others. Found is a planted case that is flagged as suspicious or dead; a false flag is
one of a case that was left as it is, although some of these may deserve it. The draws are of the
same recordings: their limits, one-sided at 95 %, tell of the draws and not of other agents.

The threshold was chosen with the tasks in view, and with 5 % of them planted. Tasks with an attack
in their tools' results are shown beside them and hold no bound: agents fail them for two reasons,
what they can't do and what they are talked into, and the item analysis assumes one.
"""

import os
import random
import sys
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

from bench.results import Results
from bench.scoring import DEFAULT
from driftgate import datasets, saturation
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.record import CaseId
from driftgate.schemas.saturation import ItemAnalysis, Solved
from driftgate.traces.trajectories import read_source

SEED, DRAWS = 20261120, 100
Z = 1.644854
ENOUGH = 0.9  # of the tasks that most pipelines met: one that met fewer is left out
WANTED_VERSIONS = (10, 12, 15, 18)
Recorded = dict[str, dict[CaseId, Solved]]


class Found(NamedTuple):
    recall: float
    false_flags: float
    flags: int


def main() -> None:
    folder = Path(os.environ.get("DRIFTGATE_TRAJECTORIES", DEFAULT)) / "agentdojo"
    if not folder.is_dir():
        print(f"skipped: no trajectories at {folder}; set DRIFTGATE_TRAJECTORIES", file=sys.stderr)
        return
    results = Results("bench", "saturation")
    cases, recorded = read(folder)
    tasks = [case for case in cases if case.adversarial is None]
    attacks = [case for case in cases if case.adversarial is not None]
    chosen = _common(tasks, recorded)
    pipelines = len(chosen[1])
    results.figure("pipelines", pipelines)
    results.figure("tasks that all of them met", len(chosen[0]))
    counts = [n for n in WANTED_VERSIONS if n <= pipelines]
    for share in (0.05, 0.1):
        for versions in counts:
            _hold(f"{share:.0%} planted, {versions} versions", *chosen, versions, share, results)
    silent = [
        sum(_draw(*chosen, versions, 0.05, number).flags for number in range(DRAWS))
        for versions in range(1, saturation.LEAST_VERSIONS)
    ]
    results.check("flags below six versions", sum(silent), "==", 0)
    results.check("that it is silent is said", _says_so(*chosen), "==", True)
    _tell_attacks(*_common(attacks, recorded), counts, results)
    results.check("numbers of versions looked at, of ten and more", len(counts), ">=", 1)
    results.finish()


def read(folder: Path) -> tuple[list[Case], Recorded]:
    """The cases, and how often each pipeline solved each, by the source's own reward."""
    source = read_source(folder)
    recorded: Recorded = {}
    for name in source.runs:
        of = recorded.setdefault(name, {})
        for run in source.read_run(name):
            if run.reward is None:
                continue
            before = of.get(run.trace.case_id)
            of[run.trace.case_id] = Solved(
                solved=(before.solved if before else 0) + (run.reward == 1),
                trials=(before.trials if before else 0) + 1,
            )
    return list(source.cases.values()), recorded


def _common(cases: Sequence[Case], recorded: Recorded) -> tuple[list[Case], Recorded]:
    """The cases that all pipelines met which met most of those that several did."""
    ids = {case.case_id for case in cases}
    met = {name: ids & of.keys() for name, of in recorded.items()}
    usual = sorted(len(of) for of in met.values())[len(met) // 2]
    whole = {name: of for name, of in met.items() if len(of) >= ENOUGH * usual}
    common = set.intersection(*whole.values())
    return (
        [case for case in cases if case.case_id in common],
        {name: {i: recorded[name][i] for i in sorted(common)} for name in whole},
    )


def _hold(
    name: str,
    cases: Sequence[Case],
    recorded: Recorded,
    versions: int,
    share: float,
    results: Results,
) -> None:
    found = [_draw(cases, recorded, versions, share, number) for number in range(DRAWS)]
    recall, lower = _mean([one.recall for one in found], -Z)
    false, upper = _mean([one.false_flags for one in found], Z)
    results.figure(f"{name}: found", round(recall, 3))
    results.figure(f"{name}: false flags", round(false, 3))
    results.check(f"{name}: found, lower limit", round(lower, 3), ">=", 0.7)
    results.check(f"{name}: false flags, upper limit", round(upper, 3), "<=", 0.1)


def _tell_attacks(
    cases: Sequence[Case], recorded: Recorded, counts: Sequence[int], results: Results
) -> None:
    results.figure("attacked tasks that all met", len(cases))
    for versions in counts:
        found = [_draw(cases, recorded, versions, 0.05, number) for number in range(DRAWS // 10)]
        name = f"attacked tasks, 5% planted, {versions} versions"
        results.figure(f"{name}: found", round(fmean(one.recall for one in found), 3))
        results.figure(f"{name}: false flags", round(fmean(one.false_flags for one in found), 3))


def _draw(
    cases: Sequence[Case], recorded: Recorded, versions: int, share: float, number: int
) -> Found:
    """Plant wrong keys, and look for them in some of the pipelines."""
    draw = random.Random(f"{SEED} {versions} {share} {number}")  # noqa: S311
    names = draw.sample(sorted(recorded), versions)
    ids = sorted(case.case_id for case in cases)
    planted = set(draw.sample(ids, max(1, round(share * len(ids)))))
    outcomes = {name: _turned(recorded[name], planted) for name in names}
    flagged = {
        item.case_id
        for item in _analysed(cases, outcomes)
        if {"suspicious", "dead"} & {*item.flags}
    }
    return Found(
        recall=len(flagged & planted) / len(planted),
        false_flags=len(flagged - planted) / (len(ids) - len(planted)),
        flags=len(flagged),
    )


def _turned(outcomes: Mapping[CaseId, Solved], planted: set[CaseId]) -> dict[CaseId, Solved]:
    return {
        i: of.model_copy(update={"solved": of.trials - of.solved}) if i in planted else of
        for i, of in outcomes.items()
    }


def _analysed(cases: Sequence[Case], outcomes: Recorded) -> Sequence[ItemAnalysis]:
    return saturation.analyse(datasets.build(_HEADER, cases), outcomes).items


def _says_so(cases: Sequence[Case], recorded: Recorded) -> bool:
    few = dict(sorted(recorded.items())[: saturation.LEAST_VERSIONS - 1])
    notes = saturation.analyse(datasets.build(_HEADER, cases), few).notes
    return any(note.startswith("no case is flagged") for note in notes)


def _mean(values: Sequence[float], z: float) -> tuple[float, float]:
    """A mean over draws, and its limit."""
    return fmean(values), fmean(values) + z * stdev(values) / sqrt(len(values))


_HEADER = DatasetHeader(
    name="agentdojo", version="1.0.0", owner="external", changelog="Recorded.", tools={}
)


if __name__ == "__main__":
    main()
