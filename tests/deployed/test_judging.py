"""A judged run where it is deployed: its own state asks a model over HTTP, once for each answer."""

import json
import urllib.request

import pytest

from driftgate import evidence, judging
from driftgate.adapters import files
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.traces import Message, Trace
from tests.builders import case

HERE = ("--environment", "local")
JUDGE = ("--judge", "converse:standin.judge-v1:0")
CASES, BAD = 8, 2
QUESTION = {"id": "thanks", "question": "Does the agent say thank you?", "check": "thank you"}


@pytest.fixture(scope="module")
def recorded(cloud, tmp_path_factory):
    """Eight conversations, in two of which the agent does not say thank you."""
    folder = tmp_path_factory.mktemp("polite")
    turns = [[{"user": f"About {number}?"}] for number in range(CASES)]
    cases = [
        case(case_id=f"c{number}", turns=asks, rubric=[QUESTION])
        for number, asks in enumerate(turns)
    ]
    header = DatasetHeader(name="polite", version="1.0.0", owner="us", changelog="x", tools={})
    files.write_dataset(folder / "polite", header, cases)
    said = ["No." if number < BAD else "Thank you." for number in range(CASES)]
    traces = [
        Trace(
            case_id=f"c{number}",
            messages=(
                Message(role="user", text=f"About {number}?"),
                Message(role="assistant", text=text),
            ),
        )
        for number, text in enumerate(said)
    ]
    (folder / "t.jsonl").write_bytes(b"\n".join(evidence.to_bytes(trace) for trace in traces))
    manifest = {
        "agent": "polite",
        "version": "1.0.0",
        "model": "none",
        "target": {"kind": "recorded", "traces": "t.jsonl"},
        "invocation": {
            "request": {"prompt": "{{turn}}"},
            "response": {"final_response": "/answer"},
        },
        "datasets": {"regression": "polite@1.0.0"},
    }
    (folder / "agent.yaml").write_text(json.dumps(manifest))
    for words in (("dataset", "publish", folder / "polite"), ("agent", "publish", folder)):
        done = cloud(*words, *HERE)
        assert done.code == 0, done.err
    return cloud


def disturb(cloud, **how):
    """Tell the stand-in what goes wrong from now on; returns how often it was asked."""
    url = f"{cloud.instance.standins_url}/standin/converse"
    wanted = urllib.request.Request(url, json.dumps(how).encode(), method="POST")
    with urllib.request.urlopen(wanted) as answer:
        return json.load(answer)["asked"]


def run(cloud, *words):
    return cloud("run", "--agent", "polite@1.0.0", "--trials", "1", *HERE, *words, "--json")


def test_a_judged_run_asks_once_for_each_answer_and_a_rerun_only_what_is_known(recorded):
    before = disturb(recorded)
    done = run(recorded, *JUDGE)
    assert done.code == 0, done.err
    canaries = len(judging.canaries())
    judge = done.json["judge"]
    assert (judge["trials"], judge["judged"], judge["missing"]) == (CASES, CASES, [])
    (quality,) = [s for s in done.json["strata"] if s["metric"] == "response_quality"]
    assert quality["candidate"] == (CASES - BAD) / CASES
    asked = disturb(recorded)
    assert asked - before == CASES + canaries

    again = run(recorded, *JUDGE)
    assert (again.json, disturb(recorded)) == (done.json, asked)
    rerun = run(recorded, *JUDGE, "--rerun")
    assert (rerun.json["judge"]["cached"], disturb(recorded) - asked) == (CASES, canaries)


def test_the_embedded_judge_says_the_same_and_is_the_default(recorded):
    done = run(recorded)
    assert done.json["judge"]["fingerprint"] == judging.fingerprint(JudgeSpec())
    (quality,) = [s for s in done.json["strata"] if s["metric"] == "response_quality"]
    assert quality["candidate"] == (CASES - BAD) / CASES


def test_a_judge_that_is_talked_round_fails_the_run_and_one_that_is_silent_ends_it(recorded):
    disturb(recorded, always="obeys")
    done = run(recorded, "--judge", "converse:standin.judge-v2:0")
    assert (done.code, done.json["outcome"]) == (1, "INTEGRITY_FAIL"), done.err
    disturb(recorded, always="denied")
    done = run(recorded, "--judge", "converse:standin.judge-v3:0")
    disturb(recorded)
    assert done.code == 3
    assert "canary bad-order: rejected: An error occurred (AccessDeniedException)" in done.err


def test_answers_that_can_not_be_used_are_missing_and_the_trials_keep_their_scores(recorded):
    disturb(recorded, faults=["ok"] * len(judging.canaries()), always="prose")
    done = run(recorded, "--judge", "converse:standin.judge-v4:0")
    disturb(recorded)
    assert (done.code, done.json["outcome"]) == (4, "INCONCLUSIVE"), done.err
    assert (done.json["scored"], len(done.json["judge"]["missing"])) == (CASES, CASES)
    assert "prose: wanted JSON and nothing else" in done.json["judge"]["missing"][0]["reason"]
