"""Driftgate: task_success, which is a metric of the whole task."""

from collections.abc import Iterator
from pathlib import Path

from bench.peers.recorded import Verdict, serve
from driftgate.metrics import METRICS
from driftgate.traces.trajectories import read_source


def task_success(folder: Path) -> Iterator[Verdict]:
    """A trial without a value counts as failed: a peer has no such answer."""
    source = read_source(folder)
    score = METRICS["task_success"].score
    for name in source.runs:
        for run in source.read_run(name):
            case, trace = source.cases[run.trace.case_id], run.trace
            success = score(case, trace).value == 1
            yield Verdict(case.provenance.origin, trace.model or "", trace.trial - 1, success)


if __name__ == "__main__":
    serve({"task_success": task_success})
