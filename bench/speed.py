"""How fast is the scoring, and how true, against peers that score the same recorded runs?

Each of us is one process with one thread that reads the same files from disk, translates them to
its own form, scores them and writes a verdict a line. A peer is tried in every way of `bench/peers`
on three views of the calls: all of them, those that worked, and only successful writes, which is
our idea of what counts, lent to it. On each corpus it takes part with the way whose verdicts agree
best with the recorded reward. The tries warm it up; what is timed are rounds in which all take
turns, forwards and backwards.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Self

from bench.peers.recorded import read_trials
from bench.results import Results

PEERS = ("agentevals", "deepeval", "pydantic_evals")
OURS = "ours"
ROUNDS = 5
CLOCKS = {"cpu_s": "CPU time", "wall_s": "wall time"}
BUILD = Path("build/bench/peers")
Pair = tuple[bool, bool]  # the verdict, the recorded reward


class Scorer:
    """A process that scores recorded runs on request."""

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        command = [str(python), "-m", f"bench.peers.{name}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.methods: list[str] = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)  # ends its input, and so the process

    def score(self, folder: Path, method: str) -> dict[str, float]:
        """Seconds of the wall and of the CPU, and how many trials."""
        request = {
            "folder": str(folder),
            "method": method,
            "verdicts": str(self.verdicts(folder)),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, float] = self._answer()
        return answer

    def verdicts(self, folder: Path) -> Path:
        return BUILD / f"{self.name}-{folder.name}.jsonl"

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}, see above")
        return json.loads(line)


def measure(
    folders: Sequence[Path], mcc: Callable[[Iterable[Pair]], float], results: Results
) -> None:
    """Without the peers there is nothing to compare with: then the check fails, by name."""
    BUILD.mkdir(parents=True, exist_ok=True)
    pythons = {name: environment(name) for name in PEERS}
    for name, python in pythons.items():
        results.check(f"{name}: installed from its lock", python is not None, "==", True)
    if not all(pythons.values()):
        return
    scorers = [Scorer(OURS, Path(sys.executable))]
    scorers += [Scorer(name, python) for name, python in pythons.items() if python]
    methods = {folder: _best_methods(folder, scorers, mcc, results) for folder in folders}
    rounds = []
    for number in range(ROUNDS):
        order = scorers if number % 2 == 0 else scorers[::-1]
        rounds.append(
            {
                (folder.name, scorer.name): scorer.score(folder, methods[folder][scorer.name])
                for folder in folders
                for scorer in order
            }
        )
    for scorer in scorers:
        with scorer:
            pass
    _compare([folder.name for folder in folders], rounds, results)


def environment(name: str) -> Path | None:
    """The interpreter of a peer's environment, made from its lock where it is not there yet."""
    lock = Path("bench/peers") / f"{name}.txt"
    folder = BUILD / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([*pip, "install", "--require-hashes", "-r", str(lock)], check=True)
        except subprocess.CalledProcessError as error:
            print(f"{name} could not be installed: {error}", file=sys.stderr)
            return None
        ready.touch()
    return python


def _best_methods(
    folder: Path, scorers: list[Scorer], mcc: Callable[[Iterable[Pair]], float], results: Results
) -> dict[str, str]:
    """For each scorer the method that agrees best with the reward, as a figure with its MCC."""
    trials = [
        ((trial.case_id, trial.model, trial.number), trial.reward)
        for trial in read_trials(folder, "all")
    ]
    best: dict[str, str] = {}
    agreement: dict[str, float] = {}
    for scorer in scorers:
        for method in scorer.methods:
            scorer.score(folder, method)
            lines = scorer.verdicts(folder).read_text(encoding="utf-8").splitlines()
            verdicts = [json.loads(line) for line in lines]
            pairs = [
                (verdict[3], reward == 1.0)
                for (_, reward), verdict in zip(trials, verdicts, strict=True)
                if reward is not None
            ]
            assert [tuple(verdict[:3]) for verdict in verdicts] == [key for key, _ in trials]
            value = round(mcc(pairs), 4)
            if scorer.name not in best or value > agreement[scorer.name]:
                best[scorer.name], agreement[scorer.name] = method, value
        if scorer.name != OURS:
            label = f"{folder.name}: MCC of {scorer.name} ({best[scorer.name]})"
            results.figure(label, agreement[scorer.name])
    results.check(
        f"{folder.name}: MCC, no value counted as failure, above every peer's",
        agreement[OURS],
        ">",
        max(agreement[name] for name in PEERS),
    )
    return best


def _compare(
    corpora: list[str], rounds: list[dict[tuple[str, str], dict[str, float]]], results: Results
) -> None:
    """Ratios of medians over the rounds, with the least and the greatest ratio in one round."""
    for clock, called in CLOCKS.items():
        totals: dict[str, list[float]] = {}
        for name in (OURS, *PEERS):
            totals[name] = [sum(once[corpus, name][clock] for corpus in corpora) for once in rounds]
        for name in PEERS:
            parts = {"all corpora": (totals[name], totals[OURS])}
            for corpus in corpora:
                theirs = [once[corpus, name][clock] for once in rounds]
                parts[corpus] = theirs, [once[corpus, OURS][clock] for once in rounds]
            for part, (theirs, ours) in parts.items():
                ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
                ratio = median(theirs) / median(ours)
                results.figure(
                    f"{part}: times as fast as {name}, {called}",
                    f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                )
        fastest = min(PEERS, key=lambda name: median(totals[name]))
        results.check(
            f"times the throughput of the fastest peer, {fastest}, {called}",
            round(median(totals[fastest]) / median(totals[OURS]), 2),
            ">=",
            2,
        )
