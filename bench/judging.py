"""What the state machine adds to the time that a judge takes, on the local AWS.

    make bench-judging

A model takes a second for each answer, here its stand-in. 120 cases are judged 3 times each, 10
trials at a time: 36 seconds, if nothing else took time. The agent is a recording, so that only the
judge takes time, and the ideal is counted with the judge's second as it is measured here, alone and
through the same stand-in. Functions are warm: a cold start on this machine competes with the work.
The canaries are asked before the map, and are no part of what is measured of it.
"""

import json
import shutil
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.orchestration import driftgate as command
from bench.results import Results
from driftgate import evidence, judging
from driftgate.adapters import deployment, files
from driftgate.adapters.deployment import Deployment
from driftgate.judges import prompts
from driftgate.judges.passages import passages
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.manifests import DatasetRef
from driftgate.schemas.runs import PlanRunRequest, PublishRunResult
from driftgate.schemas.traces import Message, Trace
from local.instances import DEFAULT, Instance, Instances

HOME = Path("build/bench/judging")
LOCAL = ("--environment", "local")
CASES, REPEATS, AT_A_TIME, SECOND = 120, 3, 10, 1.0
MODEL = "standin.judge-v1:0"


def main() -> None:
    results = Results("bench", "judging")
    shutil.rmtree(HOME, ignore_errors=True)
    driftgate("local", "start")
    try:
        driftgate("local", "deploy")
        write_agent()
        driftgate("dataset", "publish", str(HOME / "polite"), *LOCAL)
        driftgate("agent", "publish", str(HOME), *LOCAL)
        instance = Instances(HOME).get(DEFAULT)
        measure(deployment.find("local", instance.client), instance, results)
    finally:
        driftgate("local", "stop")
    results.finish()


def measure(place: Deployment, instance: Instance, results: Results) -> None:
    run(place, repeats=1, max_tokens=128)  # warms up, with the stand-in at its fastest
    asked_before = disturb(instance, latency_s=SECOND)
    second = alone(instance)
    ideal = CASES * REPEATS * second / AT_A_TIME
    map_s, whole_s, verdict = run(place, repeats=REPEATS, max_tokens=256)
    asked = disturb(instance) - asked_before - 5
    results.figure("the judge alone: seconds", round(second, 3))
    results.figure(f"{CASES} cases x {REPEATS}, ideal: seconds", round(ideal, 2))
    results.figure("the map: seconds", round(map_s, 2))
    results.figure("the whole execution: seconds", round(whole_s, 2))
    results.check("the map against the ideal", round(map_s / ideal, 3), "<=", 1.35)
    results.check("trials judged", verdict["judge"]["judged"], "==", CASES)
    wanted = CASES * REPEATS + len(judging.canaries())
    results.check("requests to the judge, canaries included", asked, "==", wanted)


def run(place: Deployment, repeats: int, max_tokens: int) -> tuple[float, float, Any]:
    """Seconds of the map, seconds of the execution, and the verdict.

    Another `max_tokens` is another judge, so that nothing is answered from what is kept.
    """
    spec = JudgeSpec(backend="converse", model=MODEL, repeats=repeats, max_tokens=max_tokens)
    request = PlanRunRequest(
        agent="polite",
        version="1.0.0",
        absolute=True,
        environment="local",
        dataset=DatasetRef(name="polite", version="1.0.0"),
        looks=(1,),
        judge=spec,
        concurrency=AT_A_TIME,
    )
    execution = place.start(request, f"bench-{max_tokens}")
    ended: PublishRunResult | None = None
    while (ended := place.result(execution)) is None:
        time.sleep(0.2)
    verdict = json.loads(place.records.get(ended.verdict_key) or b"")
    return (*place.seconds(execution), verdict)


def alone(instance: Instance) -> float:
    """The seconds of one request, the median of five, with nothing else going on."""
    client = instance.client("bedrock-runtime")
    canary = judging.canaries()[0]
    told = passages(canary.trace)
    prompt = prompts.render("rubric_v1", (canary.question,), told, "0" * 16)
    tool = {"name": prompt.tool["name"], "inputSchema": {"json": prompt.tool["schema"]}}
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        client.converse(
            modelId=MODEL,
            messages=[{"role": "user", "content": [{"text": prompt.user}]}],
            toolConfig={
                "tools": [{"toolSpec": tool}],
                "toolChoice": {"tool": {"name": tool["name"]}},
            },
        )
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def disturb(instance: Instance, **how: Any) -> int:
    """Set how slow the stand-in is; returns how often it was asked so far."""
    url = f"{instance.standins_url}/standin/converse"
    request = urllib.request.Request(  # noqa: S310  on loopback
        url, json.dumps(how).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return int(json.load(answer)["asked"])


def write_agent() -> None:
    """A recording in which each conversation is another one, so that no two share an answer."""
    question = {"id": "thanks", "question": "Does the agent say thank you?", "check": "thank you"}
    cases = [
        Case.model_validate(
            {
                "case_id": f"case-{number:04}",
                "task_type": "thank",
                "turns": [{"user": f"Question {number}?"}],
                "rubric": [question],
            }
        )
        for number in range(CASES)
    ]
    header = DatasetHeader(
        name="polite", version="1.0.0", owner="bench", changelog="made", tools={}
    )
    files.write_dataset(HOME / "polite", header, cases)
    traces = [
        Trace(
            case_id=case.case_id,
            messages=(
                Message(role="user", text=case.turns[0].user),
                Message(role="assistant", text="Thank you."),
            ),
        )
        for case in cases
    ]
    (HOME / "traces.jsonl").write_bytes(b"\n".join(map(evidence.to_bytes, traces)))
    manifest = {
        "agent": "polite",
        "version": "1.0.0",
        "model": "none",
        "target": {"kind": "recorded", "traces": "traces.jsonl"},
        "invocation": {
            "request": {"prompt": "{{turn}}"},
            "response": {"final_response": "/answer"},
        },
        "datasets": {"regression": "polite@1.0.0"},
    }
    (HOME / "agent.yaml").write_text(json.dumps(manifest))


def driftgate(*words: str) -> None:
    command(*words, home=HOME)


if __name__ == "__main__":
    main()
