"""Time and memory of one decision, in a process of its own.

    python -m bench.gate_speed look_at|decide CASES

Prints JSON: median CPU seconds, and the largest resident memory of the process in MB. The work is
one thread's, so on a quiet machine this is the time it takes; on a busy one it is still true.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

ROUNDS = 5


def measured(what: str, cases: int) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, "-m", "bench.gate_speed", what, str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    what, cases = sys.argv[1], int(sys.argv[2])
    call = _look_at(cases) if what == "look_at" else _decide(cases)
    took = []
    for _ in range(ROUNDS):
        started = time.process_time()
        call()
        took.append(time.process_time() - started)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": median(took), "mb": peak_mb}))


def _look_at(cases: int) -> Callable[[], Any]:
    """The last look at its 10,000 permutations, all of whose cases moved in some metric."""
    from bench import gate_simulation as simulation
    from driftgate.gate import calibrated

    run = simulation.draw(simulation.NO_CHANGE, cases, 0)
    unit = 60 * calibrated.THOUSANDTHS
    differences, members = simulation.matrices(run, simulation.TRIALS, unit)
    return lambda: calibrated.look_at(
        differences,
        members,
        unit,
        calibrated.SEQUENTIAL[-1],
        margin=simulation.MARGIN,
        last=True,
        seed=0,
    )


def _decide(cases: int) -> Callable[[], Any]:
    """The first look of a whole run: from its score cards to the verdict or to CONTINUE."""
    from bench import gate_product, gate_simulation
    from driftgate import gate
    from driftgate.gate.calibrated import SEQUENTIAL
    from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy

    run = gate_simulation.draw(gate_simulation.NO_CHANGE, cases, 0)
    plan = gate_product.plan(cases, SEQUENTIAL_LOOKS, seed=0)
    given = gate_product.cases(run.cases), list(gate_product.cards(run, SEQUENTIAL[0].trials))
    return lambda: gate.decide(plan, Policy(), *given, (), look=1)


if __name__ == "__main__":
    main()
