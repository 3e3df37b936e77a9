"""Are spans read completely, how fast, and in how much memory?

    make bench-spans      DRIFTGATE_SPANS points to other recorded spans

Every file is read, and what is found is held against two counts that share no code with it: a
search of the text (`spans_search.py`), and, for the files that we know, a count by hand
(`spans_counted.json`). Then strands-agents-evals' mappers read the same files, each of us in an
environment and a process of its own, with one thread, from the file to the records: in rounds in
which both take turns, over the files from which both make a trace. What a file takes is small, so
each is read many times; imports and a first round lie before what is timed. Then new processes read
each file once, imports included, as a function's cold start does.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from bench import speed
from bench.peers.spans import Told
from bench.results import Results
from bench.spans_search import search
from driftgate.schemas.sessions import Normalised
from driftgate.traces import envelopes
from driftgate.traces.normaliser import normalise

DEFAULT = "../shared/data/spans"
COUNTED = Path(__file__).with_name("spans_counted.json")
OURS, PEER = "spans_ours", "strands_evals"
ROUNDS, TIMES = 9, 10
MEMORY_MB, MIB = 256, 1024 * 1024


def main() -> None:
    folder = Path(os.environ.get("DRIFTGATE_SPANS", DEFAULT))
    files = [path.resolve() for path in sorted(folder.glob("*.json"))]
    if not files:
        print(f"skipped: no spans at {folder}; set DRIFTGATE_SPANS", file=sys.stderr)
        return
    results = Results("bench", "spans")
    counts(files, results)
    compare(files, results)
    memory(files, results)
    results.finish()


def counts(files: list[Path], results: Results) -> None:
    """Hold what is read of every file against the search and the count by hand."""
    by_hand: dict[str, list[int]] = json.loads(COUNTED.read_text(encoding="utf-8"))["counts"]
    known = overlooked = 0
    for path in files:
        found = normalise(envelopes.read(path.read_bytes()))
        ours, looked_for = _counted(found), search([path])
        counted = by_hand.get(path.stem)
        strange = sum(shape.count for shape in found.unknown)
        told = f"{ours[0]}, {ours[1]}, {ours[2]}, {ours[3]}; {strange} spans unknown"
        results.figure(f"{path.stem}: calls, arguments, results, failed", told)
        lacking = _lacking(found, looked_for, remembered=counted[5] if counted else None)
        for fault in lacking:
            print(f"{path.name}: {fault}", file=sys.stderr)
        overlooked += len(lacking)
        if counted:
            known += 1
            results.check(f"{path.stem}: as counted by hand", ours, "==", counted[:5])
    results.figure("files read", len(files))
    results.figure("files counted by hand", known)
    results.check("overlooked, that the search of the text sees", overlooked, "==", 0)


def _counted(found: Normalised) -> list[int]:
    calls = [call for session in found.sessions for call in session.trace.calls]
    origins = [origin for session in found.sessions for origin in session.calls]
    return [
        len(calls),
        sum(call.arguments is not None for call in calls),
        sum("result" not in origin.missing for origin in origins),
        sum(call.error is not None for call in calls),
        sum(len(session.asked) for session in found.sessions),
    ]


def _lacking(found: Normalised, looked_for: Any, remembered: int | None) -> list[str]:
    """What the search sees and we don't, span by span and id by id.

    Args:
        remembered: how many ids are of calls of other sessions; None: nobody counted.
    """
    pairs = [
        (origin, call)
        for session in found.sessions
        for origin, call in zip(session.calls, session.trace.calls, strict=True)
        if origin.span_id
    ]
    made = {origin.span_id for origin, _ in pairs}
    failed = {origin.span_id for origin, call in pairs if call.error}
    arguments = {origin.span_id for origin, call in pairs if call.arguments is not None}
    results = {origin.span_id for origin, _ in pairs if "result" not in origin.missing}
    told = [
        *(f"span {id} is a tool's" for id in looked_for.tools - made),
        *(f"span {id} failed" for id in looked_for.failed - failed),
        *(f"span {id} did not fail" for id in (failed & looked_for.tools) - looked_for.failed),
        *(f"span {id} has arguments" for id in looked_for.with_arguments - arguments),
        *(f"span {id} has a result" for id in looked_for.with_result - results),
    ]
    ids = {o.call_id for session in found.sessions for o in session.calls}
    ids |= {asked.call_id for session in found.sessions for asked in session.asked}
    unseen = looked_for.call_ids - ids
    if remembered is not None and len(unseen) != remembered:
        told += [f"call {id} is nowhere" for id in unseen]
    return told


def compare(files: list[Path], results: Results) -> None:
    """Without the peer there is nothing to compare with: then the check fails, by name."""
    speed.BUILD.mkdir(parents=True, exist_ok=True)
    python = speed.environment(PEER)
    results.check(f"{PEER}: installed from its lock", python is not None, "==", True)
    if python is None:
        return
    plan = speed.BUILD / "spans.json"
    with (
        speed.Scorer(OURS, Path(sys.executable)) as ours,
        speed.Scorer(PEER, python) as theirs,
    ):
        read = {scorer.name: _read(scorer, plan, files) for scorer in (ours, theirs)}
        both = [f for f in files if all(read[name][f.name].traces for name in (OURS, PEER))]
        results.figure("files from which the mappers make a trace", len(both))
        for name in (OURS, PEER):
            seen = [read[name][file.name] for file in files]
            told = f"{sum(t.calls for t in seen)}, {sum(t.failed for t in seen)} of them failed"
            results.figure(f"calls in all files, {name}", told)
        _plan(plan, both, TIMES)
        warm = [
            {scorer.name: scorer.score(plan, scorer.methods[0]) for scorer in order}
            for order in _in_turns(ours, theirs)
        ]
    _plan(plan, both, 1)
    pythons = {OURS: Path(sys.executable), PEER: python}
    cold = [{name: once(name, pythons[name], plan) for name in o} for o in _in_turns(OURS, PEER)]
    for clock, called in speed.CLOCKS.items():
        label = f"times as fast as the mappers, {called}"
        results.figure(f"{label}: a new process", _ratio(cold, clock))
        results.check(f"{label}", _ratio(warm, clock), ">=", 5)


def _in_turns(one: Any, other: Any) -> list[tuple[Any, Any]]:
    return [(one, other) if number % 2 == 0 else (other, one) for number in range(ROUNDS)]


def _ratio(rounds: list[dict[str, dict[str, float]]], clock: str) -> float:
    theirs, ours = ([one[name][clock] for one in rounds] for name in (PEER, OURS))
    return round(median(theirs) / median(ours), 2)


def once(name: str, python: Path, plan: Path) -> dict[str, float]:
    """Seconds from the start of a process, which reads each file once, to its end."""
    code = f"from bench.peers.{name} import METHOD; [*METHOD(__import__('pathlib').Path('{plan}'))]"
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(python), "-c", code], check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu}


def _read(scorer: speed.Scorer, plan: Path, files: list[Path]) -> dict[str, Told]:
    """What one of us makes of each file; at the same time it warms up."""
    _plan(plan, files, 1)
    scorer.score(plan, scorer.methods[0])
    lines = scorer.verdicts(plan).read_text(encoding="utf-8").splitlines()
    return {told.file: told for told in (Told(*json.loads(line)) for line in lines)}


def _plan(path: Path, files: list[Path], times: int) -> None:
    path.write_text(json.dumps({"files": [str(file) for file in files], "times": times}))


def memory(files: list[Path], results: Results) -> None:
    """The largest resident memory of a process that reads a batch, with its imports."""
    path = speed.BUILD / "batch"
    for name, pack in (("1 MiB of records", bytes), ("1 MiB, gzipped", gzip.compress)):
        path.write_bytes(batch(files, pack))
        command = [sys.executable, "-m", "bench.spans_memory", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        results.figure(f"{name}: records", told["records"])
        results.figure(f"{name}: seconds of CPU", round(told["cpu_s"], 2))
        results.check(f"{name}: MB of memory", round(told["mb"]), "<=", MEMORY_MB)


def batch(files: list[Path], pack: Callable[[bytes], bytes]) -> bytes:
    """JSON lines of the files' records, each time of other traces, up to 1 MiB when packed."""
    records = [r for path in files for r in envelopes.read(path.read_bytes())]
    fitting, lines, checked = b"", b"", 0
    for number in count():
        for record in records:
            of = record if isinstance(record, dict) else {}
            trace = f"{of.get('traceId') or of.get('trace_id') or ''}"[:16] + f"{number:016x}"
            lines += json.dumps({**of, "traceId": trace}).encode() + b"\n"
            if len(lines) - checked < 50_000:
                continue
            if len(packed := pack(lines)) > MIB:
                return fitting
            fitting, checked = packed, len(lines)
    raise AssertionError("count never ends")


if __name__ == "__main__":
    main()
