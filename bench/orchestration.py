"""What the state machine adds to the time that the agents take, on the local AWS.

    make bench-orchestration

The agent takes a second, 20 trials run at a time: 200 trials would take 10 agent-seconds if nothing
else took time. The ideal is counted with the agent's second as it is measured here, alone and
through the same stand-in. Functions are warm: a cold start on this machine competes with the work.
"""

import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from bench.results import Results
from driftgate.adapters import deployment, files
from driftgate.adapters.deployment import Deployment
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.manifests import DatasetRef
from driftgate.schemas.runs import PlanRunRequest, PublishRunResult
from local.instances import DEFAULT, Instance, Instances

HOME = Path("build/bench/orchestration")
AT_A_TIME = 20  # PlanRunRequest.concurrency, if nobody says


def main() -> None:
    results = Results("bench", "orchestration")
    shutil.rmtree(HOME, ignore_errors=True)
    driftgate("local", "start")
    try:
        driftgate("local", "deploy")
        for count in (200, 2000):
            write_dataset(count)
            driftgate("dataset", "publish", str(HOME / f"sleeper-{count}"), *LOCAL)
        driftgate("agent", "publish", "bench/sleeper", *LOCAL)
        instance = Instances(HOME).get(DEFAULT)
        measure(deployment.find("local", instance.client), instance, results)
    finally:
        driftgate("local", "stop")
    results.finish()


LOCAL = ("--environment", "local")


def measure(place: Deployment, instance: Instance, results: Results) -> None:
    memory = Memory(instance)
    run(place, 200, seed=0)  # warms up
    second = alone(instance)
    ideal = 200 * second / AT_A_TIME
    map_s, whole_s, _ = run(place, 200, seed=1)
    results.figure("the agent alone: seconds", round(second, 3))
    results.figure("200 trials, ideal: seconds", round(ideal, 2))
    results.figure("200 trials, the map: seconds", round(map_s, 2))
    results.figure("200 trials, the whole execution: seconds", round(whole_s, 2))
    results.check("200 trials: the map against the ideal", round(map_s / ideal, 3), "<=", 1.35)
    with_preflight = ideal + second
    results.check(
        "200 trials: all of it against the ideal and a preflight's second",
        round(whole_s / with_preflight, 3),
        "<=",
        1.35,
    )
    map_s, whole_s, verdict = run(place, 2000, seed=2)
    results.figure("2,000 trials, the map: seconds", round(map_s, 1))
    results.figure("2,000 trials, the whole execution: seconds", round(whole_s, 1))
    results.figure("peak memory of emulator, stand-ins, functions and agent: MiB", memory.stop())
    results.check("2,000 trials: scored", verdict["scored"], "==", 2000)


def run(place: Deployment, count: int, seed: int) -> tuple[float, float, Any]:
    """Seconds of the map, seconds of the execution, and the verdict."""
    request = PlanRunRequest(
        agent="sleeper",
        version="1.0.0",
        absolute=True,
        environment="local",
        dataset=DatasetRef(name=f"sleeper-{count}", version="1.0.0"),
        seed=seed,
    )
    execution = place.start(request, f"bench-{uuid.uuid4().hex}")
    ended: PublishRunResult | None = None
    while (ended := place.result(execution)) is None:
        time.sleep(0.2)
    verdict = json.loads(place.records.get(ended.verdict_key) or b"")
    return (*place.seconds(execution), verdict)


def alone(instance: Instance) -> float:
    """The seconds of one invocation, the median of five, with nothing else going on."""
    client = instance.client("bedrock-agentcore")
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        client.invoke_agent_runtime(
            agentRuntimeArn=f"arn:aws:bedrock-agentcore:{instance.region}:{instance.account}:runtime/sleeper",
            qualifier="v1_0_0",
            runtimeSessionId=f"bench-alone-{uuid.uuid4().hex}",
            payload=b'{"prompt": "?"}',
        )["response"].read()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def write_dataset(count: int) -> None:
    cases = [
        Case.model_validate(
            {
                "case_id": f"case-{number:04}",
                "task_type": "say-yes",
                "turns": [{"user": f"Question {number}?", "expected_outputs": ["Yes"]}],
            }
        )
        for number in range(count)
    ]
    header = DatasetHeader(
        name=f"sleeper-{count}", version="1.0.0", owner="bench", changelog="made", tools={}
    )
    files.write_dataset(HOME / f"sleeper-{count}", header, cases)


class Memory:
    """The peak of what an instance's processes hold, shared pages counted once (PSS)."""

    def __init__(self, instance: Instance) -> None:
        self._groups = {str(instance.pid), str(instance.standins_pid)}
        self._peak_kib = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak_kib // 1024

    def _watch(self) -> None:
        while not self._over.wait(2):
            self._peak_kib = max(self._peak_kib, sum(map(self._held, Path("/proc").glob("[0-9]*"))))

    def _held(self, process: Path) -> int:
        try:
            session = (process / "stat").read_text().rpartition(")")[2].split()[3]
            if session not in self._groups:
                return 0
            lines = (process / "smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended
            return 0
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def driftgate(*words: str, home: Path = HOME) -> None:
    script = "from driftgate.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", script, "--home", str(home), *words], check=True)


if __name__ == "__main__":
    main()
