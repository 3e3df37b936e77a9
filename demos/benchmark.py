"""The benchmark demo: is it the model, or is it noise, or is it the data?

    make demo-benchmark

Three scripted models of the sample agent, with the same code, tools, prompt and data: one plans
badly, two are capable and one of these looks things up twice. Five trials of each case. Then the
same models meet cases in which there is nothing to find. All of it is done with the command line,
in one process, in a home folder of the demo's own.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from bench.results import Results
from demos.offline import Demo, title

AGENT = "agents/support/models.yaml"
CAPABLE, NOISY, WEAK = "scripted", "scripted-noisy", "scripted-weak"
CASES, TRIALS = 60, 5
REPORT = Path("build/demo/benchmark")


def main() -> None:
    demo = Demo(Path("build/demo/home-benchmark"), "laptop")
    results = Results("demo", "benchmark")
    started = time.perf_counter()
    shutil.rmtree(demo.home, ignore_errors=True)
    for name in ("support", "support-adversarial", "support-quiet"):
        demo.driftgate("dataset", "publish", f"datasets/{name}")
    title(f"three models on {CASES} cases, {TRIALS} trials each")
    first = compared(demo, "support@1.2.0", REPORT)
    tell(first, results)
    title("the same models on cases in which there is nothing to find")
    quiet = compared(demo, "support-quiet@1.0.0", REPORT / "quiet")
    results.figure("nothing to find: conclusion", quiet["conclusion"])
    results.figure("nothing to find: why", quiet["reason"])
    results.check(
        "nothing to find: conclusion", quiet["conclusion"], "==", "the data is the bottleneck"
    )
    results.figure("reports", f"{REPORT}, {REPORT / 'quiet'}")
    results.figure("seconds in all", round(time.perf_counter() - started, 1))
    results.finish()


def compared(demo: Demo, dataset: str, output: Path) -> Any:
    models = [word for name in (CAPABLE, NOISY, WEAK) for word in ("--model", name)]
    done = demo.driftgate(
        *("benchmark", "run", "--agent", AGENT, *models, "--dataset", dataset),
        *("--limit", str(CASES), "--trials", str(TRIALS)),
        *("--output", str(output), "--json"),
    )
    return json.loads(done.stdout)["comparison"]


def tell(found: Any, results: Results) -> None:
    """What the demo claims, checked: the weak one differs, and why; the capable ones do not."""
    pairs = {frozenset((pair["better"], pair["worse"])): pair for pair in found["pairs"]}
    by_name = {one["name"]: one for one in found["contenders"]}
    results.figure("conclusion", found["conclusion"])
    for name in (CAPABLE, NOISY, WEAK):
        one = by_name[name]
        low, high = one["success"]["low"], one["success"]["high"]
        results.figure(
            f"{name}: task_success", f"{one['success']['mean']:.3f} ({low:.3f} to {high:.3f})"
        )
        results.figure(f"{name}: calls of a trial", round(one["measures"]["calls"]["mean"], 2))
        results.figure(f"{name}: pass^{TRIALS}", round(one["pass_hat"][-1], 3))
    results.figure("the variance of a trial", found["variance"]["told"])
    results.figure("the cheapest that is not worse", found["cheapest"])
    for name in (CAPABLE, NOISY):
        pair = pairs[frozenset((name, WEAK))]
        results.check(f"{WEAK} is below {name}", pair["worse"], "==", WEAK)
        results.check(f"{WEAK} and {name}: adjusted p", pair["adjusted_p"], "<=", 0.05)
    why = pairs[frozenset((CAPABLE, WEAK))]["why"]
    results.figure("why it is below", "; ".join(why))
    of_calls = any("tool calls a trial" in one or "of the trials" in one for one in why)
    of_order = any("in the order in which" in one for one in why)
    results.check("the number or choice of its calls is a reason", of_calls, "==", True)
    results.check("their order is a reason", of_order, "==", True)
    alike = pairs[frozenset((CAPABLE, NOISY))]
    results.check("the capable ones: outcome", alike["outcome"], "==", "no difference that matters")
    results.check("the capable ones: largest difference", alike["high"], "<=", 0.05)


if __name__ == "__main__":
    main()
