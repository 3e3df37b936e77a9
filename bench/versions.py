"""Does every version of the sample agent get the verdict that it deserves, and for its reason?

    make bench-versions                   in one process, all cases, one trial of each
    make bench-versions PLACE=local       on the local AWS, with the gate's looks

Each version is held against 1.0.0 with the command line, in a home folder of the benchmark's own.
In one process both arms are run each time; on the local AWS the baseline's trials are stored ones,
and every verdict is verified there in a process of its own.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from bench.results import Results
from demos.offline import Demo, Done

VERSIONS = Path("agents/support/versions")
DESERVED = {  # outcome, and what the verdict must name
    "1.1.0": ("PASS", ""),
    "2.0.0": ("BLOCK", "tool get_account_balance"),
    "2.1.0": ("BLOCK", "call_precision"),
    "2.2.0": ("BLOCK", "tool open_dispute"),
    "2.3.0": ("PASS", "dearer: "),
    "2.4.0": ("BLOCK", "action_correctness"),
    "2.5.0": ("PASS", ""),  # what it lost only attacks can tell
}
PASSED = ("PASS", "PASS_AT_MAX")


def main() -> None:
    place = (sys.argv[1:] or ["laptop"])[0]
    home = Path("build/bench/versions") / place
    demo = Demo(home, place)
    results = Results("bench", f"versions-{place}")
    demo.driftgate("local", "stop")
    shutil.rmtree(home, ignore_errors=True)
    try:
        if place != "laptop":
            demo.driftgate("local", "start")
            demo.driftgate("local", "deploy")
        compare(demo, place, results)
    finally:
        demo.driftgate("local", "stop")
    results.finish()


def compare(demo: Demo, place: str, results: Results) -> None:
    for dataset in ("datasets/support", "datasets/support-adversarial"):  # the manifests pin both
        demo.driftgate("dataset", "publish", dataset, *demo.there)
    for version in ("1.0.0", *DESERVED):
        demo.driftgate("agent", "publish", f"{VERSIONS}/{version}.yaml", *demo.there)
    flags: tuple[str, ...] = ()
    if place != "laptop":
        first = demo.run("1.0.0", "--trials", "5")
        results.figure("1.0.0: five trials, seconds", round(first.seconds, 1))
        flags = ("--stored-baseline",)
    demo.driftgate("agent", "promote", "support@1.0.0", *demo.there)
    for version, (outcome, named) in DESERVED.items():
        done = demo.run(version, *flags)
        _hold(version, outcome, named, done, results)
        if place != "laptop":
            checked = demo.driftgate("gate", "verify", done.verdict["run_id"], *demo.there)
            results.check(f"{version}: verifies bit-equal", checked.returncode, "==", 0)
        elif version == "1.1.0":
            results.check("two arms, one trial: seconds", round(done.seconds, 1), "<", 20)
        elif version == "2.3.0":
            slower = any(remark.startswith("slower: ") for remark in done.verdict["remarks"])
            results.check("2.3.0: says slower, too", slower, "==", True)


def _hold(version: str, outcome: str, named: str, done: Done, results: Results) -> None:
    verdict = done.verdict
    results.figure(f"{version}: verdict", f"{verdict['outcome']} after {verdict['trials']}")
    results.figure(f"{version}: seconds", round(done.seconds, 1))
    results.figure(f"{version}: reason", verdict["reason"].partition("; failed cases")[0][:300])
    if outcome == "PASS":
        results.check(f"{version}: passes", verdict["outcome"] in PASSED, "==", True)
        told = "; ".join(verdict["remarks"])
        results.check(f"{version}: says {named or 'nothing else'}", named in told, "==", True)
        return
    results.check(f"{version}: is blocked", verdict["outcome"], "==", "BLOCK")
    fell = {name for c in verdict["criteria"] if c["ok"] is False for name in _names(c)}
    results.check(f"{version}: {named} fell", named in fell, "==", True)


def _names(criterion: dict[str, Any]) -> tuple[str, str]:
    return criterion["metric"], criterion["stratum"]


if __name__ == "__main__":
    main()
