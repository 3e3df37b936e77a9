"""Do the tests notice when matching or a metric is changed? Mutation testing with mutmut.

    make mutation

mutmut changes one thing of a function at a time and runs the tests that reach the function; a
change that none of them notices survives. What is changed, and which tests must notice, stands in
pyproject.toml; why a survivor is left, in mutation_survivors.toml. The figures go to
build/mutation.json and docs/mutation.md, what mutmut says to build/mutation.log.
"""

import json
import os
import shutil
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.results import Results

BOUND = 85  # percent of a module's mutants
PYTHON = Path(".venvs/mutation/bin/python").absolute()
MUTMUT = PYTHON.with_name("mutmut")
MOCK_TOOLS = Path("lambdas/mock_tools/python").absolute()
MUTANTS = Path("mutants")
LOG = Path("build/mutation.log")
REASONS = Path("bench/mutation_survivors.toml")
PAGE = Path("docs/mutation.md")
PROCESSES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
KILLED, TIMED_OUT, SURVIVED, NOT_RUN = "killed", "timed out", "survived", "not run"
OUTCOMES = {  # by exit code
    **dict.fromkeys((1, 2), KILLED),  # a test failed, or pytest could not collect the tests
    **dict.fromkeys((-24, 24, 36, 152), TIMED_OUT),
    **dict.fromkeys((0, 5, 33), SURVIVED),  # passed, or there was no test
}


class Mutant(NamedTuple):
    name: str  # driftgate.matching.x__list__mutmut_10
    outcome: str

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def function(self) -> str:
        mangled = self.name.rpartition(".")[2].rpartition("__mutmut_")[0]
        return f"{self.module}.{mangled[2:].replace('ǁ', '.')}"  # x__list, xǁAbsentǁ__repr__


class Survivor(NamedTuple):
    function: str
    change: str  # lines taken out and put in, as in a diff
    reason: str | None


def main() -> None:
    started = time.perf_counter()
    run_mutmut()
    mutants = list(read_mutants())
    reasons = tomllib.loads(REASONS.read_text(encoding="utf-8"))["survivor"]
    survivors = [explain(m, reasons) for m in mutants if m.outcome == SURVIVED]
    PAGE.write_text(page(mutants, survivors), encoding="utf-8")

    results = Results("", "mutation")
    results.figure("minutes", round((time.perf_counter() - started) / 60, 1))
    results.figure("processes", PROCESSES)
    for module, counts in by_module(mutants).items():
        of = f"of {counts.total()}: {counts[KILLED]} killed, {counts[TIMED_OUT]} timed out"
        results.figure(module, f"{of}, {counts[SURVIVED]} survived")
        results.check(f"{module}: noticed, %", percent(counts), ">=", BOUND)
    results.check("all: noticed, %", percent(Counter(m.outcome for m in mutants)), ">=", BOUND)
    results.check("could not be run", sum(m.outcome == NOT_RUN for m in mutants), "==", 0)
    unexplained = [s for s in survivors if s.reason is None]
    unused = [known for known in reasons if not any(explains(known, s) for s in survivors)]
    for survivor in unexplained:
        print(f"survived, and no reason is given: {survivor.function}\n{survivor.change}\n")
    for known in unused:
        print(f"a reason is given, and it was noticed: {known['function']}\n{known['change']}\n")
    results.check("survivors without a reason", len(unexplained), "==", 0)
    results.check("reasons without a survivor", len(unused), "==", 0)
    results.finish()


def run_mutmut() -> None:
    """Run all of it anew: what mutmut keeps from an earlier run does not see every change."""
    shutil.rmtree(MUTANTS, ignore_errors=True)
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as log:
        subprocess.run(
            [MUTMUT, "run", "--max-children", str(PROCESSES)],
            env={**os.environ, "PYTHONPATH": str(MOCK_TOOLS)},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )


def read_mutants() -> Iterator[Mutant]:
    for path in sorted(MUTANTS.rglob("*.meta")):
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            outcome = OUTCOMES.get(code, NOT_RUN)
            yield Mutant(name, try_again(name) if outcome in (SURVIVED, NOT_RUN) else outcome)


def try_again(name: str) -> str:
    """What all tests say of a mutant, in a process of its own.

    mutmut runs the tests that it has seen reach a function; of one that runs at import, or behind a
    cache, it sees next to none. Nor can it run tests of a module that the mutant keeps from being
    imported; it calls that a time-out, and whatever else went wrong with its own run.
    """
    config = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    tests = config["pytest_add_cli_args"] + config["pytest_add_cli_args_test_selection"]
    paths = os.pathsep.join(map(str, (MUTANTS.absolute(), MOCK_TOOLS)))
    try:
        done = subprocess.run(
            [PYTHON, "-m", "pytest", "-x", *tests],
            cwd=MUTANTS,
            env={**os.environ, "PYTHONPATH": paths, "MUTANT_UNDER_TEST": name},
            capture_output=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    return OUTCOMES.get(done.returncode, NOT_RUN)


def explain(mutant: Mutant, reasons: Iterable[Mapping[str, str]]) -> Survivor:
    survivor = Survivor(mutant.function, changed_lines(mutant), None)
    fitting = (known["reason"] for known in reasons if explains(known, survivor))
    return survivor._replace(reason=next(fitting, None))


def explains(known: Mapping[str, str], survivor: Survivor) -> bool:
    return known["function"] == survivor.function and known["change"] in survivor.change


def changed_lines(mutant: Mutant) -> str:
    done = subprocess.run([MUTMUT, "show", mutant.name], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line[:1] in ("-", "+")]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines[2:])  # after the files


def by_module(mutants: Iterable[Mutant]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for mutant in mutants:
        found.setdefault(mutant.module, Counter())[mutant.outcome] += 1
    return found


def percent(outcomes: Counter[str]) -> float:
    return round(100 * (outcomes[KILLED] + outcomes[TIMED_OUT]) / outcomes.total(), 1)


def page(mutants: Sequence[Mutant], survivors: Iterable[Survivor]) -> str:
    total = Counter(mutant.outcome for mutant in mutants)
    rows = "\n".join(
        f"| {module} | {counts.total()} | {counts[KILLED]} | {counts[TIMED_OUT]} "
        f"| {counts[SURVIVED]} | {percent(counts):.1f} % |"
        for module, counts in [*by_module(mutants).items(), ("all", total)]
    )
    alike: dict[tuple[str, str], list[str]] = {}
    for function, change, reason in survivors:
        alike.setdefault((function, reason or "no reason is given."), []).append(change)
    parts = [INTRODUCTION + rows, SURVIVORS]
    for (function, reason), changes in alike.items():
        parts += [f"`{function}`: {reason}", "\n".join(["```diff", "\n\n".join(changes), "```"])]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """\
# Mutation testing

Written by `make mutation`, which takes minutes and is no part of `make test`.

[mutmut](https://mutmut.readthedocs.io) changes one thing of a function at a time (an operator, a
number, a text, an argument, a branch) and runs the unit tests that reach the function. A change
that they notice is killed; one after which a test never ends has timed out, and is noticed too.
`make mutation` fails where less than 85 % of a module's changes are noticed, where one could not be
tried, and where one survives without a reason below.

Everything that mutmut changes counts, texts included: that a score says why is part of what is
promised. It leaves alone docstrings, annotations, the fixed words of f-strings, decorated functions
(properties, and the cached patterns of `written`) and what stands outside of functions (the tables
of currencies and months, which check serves which matcher, which metrics there are).

| module | changes | killed | timed out | survived | noticed |
| --- | ---: | ---: | ---: | ---: | ---: |
"""
SURVIVORS = """\
## Survivors

The reasons are kept in `bench/mutation_survivors.toml`."""


if __name__ == "__main__":
    main()
