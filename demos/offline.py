"""The offline demo: a tool's unit changes, nothing raises, and the change is blocked.

    make demo           on a local AWS: deployed functions, Step Functions, S3, DynamoDB
    make demo-laptop    the same in one process, without any of that

Everything is done with the command line, as a user would, in a home folder of the demo's own. The
emulator is one process, so there the dataset's smoke cases are run, once each.
"""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import Results

VERSIONS = Path("agents/support/versions")
PART = ("--filter", "smoke", "--trials", "1")  # of the dataset, on the emulator


@dataclass(frozen=True)
class Done:
    code: int
    seconds: float
    verdict: Any


def main() -> None:
    on_aws = sys.argv[1:] != ["laptop"]
    demo = Demo(Path("build/demo/home"), "local" if on_aws else "laptop")
    results = Results("demo", "offline" if on_aws else "laptop")
    started = time.perf_counter()
    demo.driftgate("local", "stop")
    shutil.rmtree(demo.home, ignore_errors=True)
    try:
        if on_aws:
            title("a local AWS is started, and Driftgate deployed to it through CloudFormation")
            demo.driftgate("local", "start")
            demo.driftgate("local", "deploy")
            results.figure("start and deploy: seconds", round(time.perf_counter() - started, 1))
        tell(demo, results)
    finally:
        demo.driftgate("local", "stop")
    bound = 90 if on_aws else 60
    results.check("seconds in all", round(time.perf_counter() - started, 1), "<=", bound)
    results.finish()


def tell(demo: "Demo", results: Results) -> None:
    """The story of three versions, and what must be true of it."""
    for dataset in ("datasets/support", "datasets/support-adversarial"):  # the manifests pin both
        demo.driftgate("dataset", "publish", dataset, *demo.there)
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        demo.driftgate("agent", "publish", f"{VERSIONS}/{version}.yaml", *demo.there)

    title("1.0.0 is the first release: it is held to absolute thresholds, and becomes the baseline")
    first = demo.evaluate("1.0.0")
    demo.driftgate("agent", "promote", "support@1.0.0", *demo.there)
    title("1.1.0 has friendlier wording: it passes")
    harmless = demo.evaluate("1.1.0")
    title("2.0.0: the balance service moved from cents to currency units, the agent did not")
    broken = demo.evaluate("2.0.0")

    lost = broken.verdict["broken"]
    about_balance = [flip for flip in lost if "get_account_balance" in flip["tools"]]
    wrong = next(flip for flip in lost if flip["case_id"] == "balance-checking")
    success = broken.verdict["criteria"][0]
    results.figure("cases", first.verdict["cases"])
    for name, done in (("1.0.0", first), ("1.1.0", harmless), ("2.0.0", broken)):
        results.figure(f"{name}: verdict", done.verdict["outcome"])
        results.figure(f"{name}: seconds", round(done.seconds, 2))
    results.figure(
        "2.0.0: task_success", f"{success['baseline']:.1%} to {success['candidate']:.1%}"
    )
    results.figure("2.0.0: broken cases", len(lost))
    results.figure("2.0.0: reason", broken.verdict["reason"].partition("; failed cases")[0])
    results.figure("2.0.0: for example", f"{wrong['case_id']}: {wrong['reason']}")
    results.figure("report", broken.verdict["report"])
    results.check("1.0.0 becomes the baseline", first.verdict["outcome"], "==", "BASELINE_CREATED")
    results.check("1.1.0 passes", harmless.verdict["outcome"], "==", "PASS")
    results.check("2.0.0 is blocked", broken.verdict["outcome"], "==", "BLOCK")
    results.check("exit codes", [first.code, harmless.code, broken.code], "==", [0, 0, 1])
    results.check("its first threshold", success["metric"], "==", "task_success")
    results.check("task_success", "holds" if success["ok"] else "fails", "==", "fails")
    # The agent slips in 0.3 % of its turns, whatever its version.
    results.check("broken cases without the balance", len(lost) - len(about_balance), "<=", 3)
    expected_and_got = "wanted 1,250.40 EUR" in wrong["reason"] and "12.50" in wrong["reason"]
    results.check("expected against got is shown", expected_and_got, "==", True)


class Demo:
    """The command line in a home of the demo's own; what it says to people is shown."""

    def __init__(self, home: Path, environment: str) -> None:
        self.home = home
        self.there = ("--environment", environment)
        self._part = () if environment == "laptop" else PART

    def driftgate(self, *words: str, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
        script = "from driftgate.cli.main import main; main()"
        command = [sys.executable, "-c", script, "--home", str(self.home), *words]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=not may_fail)

    def evaluate(self, version: str) -> Done:
        return self.run(version, *self._part)

    def run(self, version: str, *flags: str) -> Done:
        started = time.perf_counter()
        words = ("run", "--agent", f"support@{version}", *self.there, *flags, "--json")
        process = self.driftgate(*words, may_fail=True)
        return Done(process.returncode, time.perf_counter() - started, json.loads(process.stdout))


def title(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


if __name__ == "__main__":
    main()
