"""Recorded trajectories: imported, scored, compared, without running any agent."""

import json
import os

import pytest

from tests.conftest import ROOT

TOOLS = [
    {"name": "find", "effect": "read"},
    {"name": "pay", "effect": "write"},
    {"name": "think", "effect": "generic"},
]
CASES = [
    {
        "case_id": f"Shop/{n}",
        "source": "shop",
        "toolset": "shop",
        "input": "Pay for it",
        "multi_turn": False,
        "category": "write",
        "critical": True,
        "expected_calls": [
            {"name": "pay", "args": {"n": n, "to": {"id": 1}}, "effect": "write"},
        ],
        "expected_outputs": ["done"],
    }
    for n in range(10)
]


def recorded(n, **changes):
    call = {
        "i": 0,
        "turn": 1,
        "name": "pay",
        "args": {"n": n, "to": {"id": 1, "name": "extra"}},
        "result": "ok",
        "error": False,
        "executed": True,
    }
    return {
        "case_id": f"Shop/{n}",
        "model": "m",
        "trial": 0,
        "calls": [{**call, **changes}, {**call, "name": "think", "args": {}}],
        "final": "All done.",
        "user_turns": 1,
        "reward": 1.0,
    }


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "shop"
    (folder / "runs").mkdir(parents=True)
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, CASES)))
    good = [recorded(n) for n in range(10)]
    worse = [recorded(n, args={"n": 99}) if n in (3, 4) else recorded(n) for n in range(10)]
    partly = [recorded(n) for n in range(9)]
    for name, runs in (("good", good), ("worse", worse), ("partly", partly)):
        (folder / "runs" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, runs)))
    return folder


@pytest.fixture
def imported(cli, source, tmp_path):
    folder = tmp_path / "imported"
    done = cli("dataset", "import", source, folder)
    assert (done.code, done.out) == (0, ""), done.err
    return folder


def score(cli, folder, name, *flags):
    return cli(
        "score",
        folder / "traces" / f"{name}.jsonl",
        "--dataset",
        folder,
        "--rule",
        "point",
        "--json",
        *flags,
    )


def test_an_imported_dataset_is_a_valid_one(cli, imported):
    assert cli("dataset", "validate", imported).code == 0


def test_a_recording_is_scored_and_a_worse_one_is_blocked_with_its_cases(cli, imported):
    first = score(cli, imported, "good")
    assert (first.code, first.json["outcome"]) == (0, "BASELINE_CREATED")
    assert "agent promote" not in first.err
    worse = score(cli, imported, "worse", "--baseline", imported / "traces" / "good.jsonl")
    assert (worse.code, worse.json["outcome"]) == (1, "BLOCK")
    broken = {flip["case_id"]: flip["reason"] for flip in worse.json["broken"]}
    assert set(broken) == {"shop.3", "shop.4"}
    assert broken["shop.3"].startswith("pay.n: wanted 3, got 99")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("--harness", "shop 2", "--baseline-harness", "shop 1"), ("shop 2", "shop 1")),
        (("--harness", "shop 2"), ("shop 2", "none that is told")),
    ],
)
def test_recordings_of_different_harnesses_are_not_compared(cli, imported, labels, told):
    """Good against itself: only the labels differ."""
    baseline = ("--baseline", imported / "traces" / "good.jsonl")
    done = score(cli, imported, "good", *baseline, *labels)
    assert (done.code, done.err.strip()) == (
        2,
        f"error: wanted both arms of the same harness, got {told[0]} for recorded 0.0.2 and "
        f"{told[1]} for recorded 0.0.1",
    )


def test_recordings_of_the_same_harness_are_compared(cli, imported):
    same = ("--harness", "shop 1", "--baseline-harness", "shop 1")
    worse = score(cli, imported, "worse", "--baseline", imported / "traces" / "good.jsonl", *same)
    assert worse.json["scored"] == 20
    assert [flip["case_id"] for flip in worse.json["broken"]] == ["shop.3", "shop.4"]


def test_a_trial_that_was_not_recorded_is_missing(cli, imported):
    done = score(cli, imported, "partly")
    assert (done.code, done.json["outcome"]) == (4, "INCONCLUSIVE")
    (missing,) = done.json["missing"]
    assert (missing["case_id"], missing["attempts"]) == ("shop.9", 1)  # to try again is no use
    assert "the recording of recorded 0.0.2 has no trial 1 of shop.9" in missing["reason"]


def test_every_recorded_trial_is_scored(cli, imported):
    traces = imported / "traces" / "good.jsonl"
    again = traces.read_text().replace('"case_id"', '"trial":2,"case_id"').replace("All done", "No")
    traces.write_text(traces.read_text() + again)
    verdict = score(cli, imported, "good", "--mode", "observe").json
    assert (verdict["trials"], verdict["scored"]) == (2, 20)
    assert verdict["failing"][0]["candidate"] == 0.5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "there is none"),
        ('{"case_id": "elsewhere"}', "there is none"),
        ("{}", "case_id: required"),
    ],
)
def test_traces_that_fit_no_case_are_refused(cli, imported, content, reason):
    (imported / "traces" / "odd.jsonl").write_text(content)
    done = score(cli, imported, "odd")
    assert (done.code, reason in done.err) == (2, True)


def test_traces_of_no_case_of_the_dataset_are_counted_and_left_out(cli, imported):
    traces = imported / "traces" / "good.jsonl"
    traces.write_text(traces.read_text() + '{"case_id": "old.1"}\n{"case_id": "old.2"}\n')
    done = score(cli, imported, "good")
    assert (done.code, done.json["scored"]) == (0, 10)
    assert f"note: {traces}: 2 traces of no case of shop@1.0.0, left out" in done.err


def test_a_folder_with_something_in_it_is_not_written_over(cli, source, imported):
    done = cli("dataset", "import", source, imported)
    assert (done.code, "wanted a new or empty folder" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("runs/partly.jsonl", "{", "not a line of this form: Expecting property name"),
        ("runs/partly.jsonl", '{"case_id": "Shop/99"}', "wanted 'Shop/99', it is not there"),
        ("runs/partly.jsonl", '{"case_id": "Shop/1"}', "wanted 'trial', it is not there"),
        ("runs/partly.jsonl", "[]", "not a line of this form: list indices must be"),
        ("runs/partly.jsonl", json.dumps(recorded(1, name=5)), "calls.0.tool: Input should be a"),
        ("cases.jsonl", '{"case_id": "Shop/1"}', "wanted 'source', it is not there"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_is_left_of_the_import(
    cli, source, tmp_path, name, line, reason
):
    path = source / name
    number = len(path.read_text().splitlines()) + 1
    path.write_text(f"{path.read_text()}\n{line}")
    before = set(tmp_path.rglob("*"))
    done = cli("dataset", "import", source, tmp_path / "imported")
    assert done.code == 2
    assert done.err.startswith(f"error: {path}:{number}: {reason}")
    assert set(tmp_path.rglob("*")) == before


def test_what_is_no_source_is_refused(cli, tmp_path):
    done = cli("dataset", "import", tmp_path, tmp_path / "out")
    assert (done.code, done.err.strip()) == (
        2,
        f"error: {tmp_path}: wanted cases.jsonl[.gz] and runs/*.jsonl[.gz]",
    )


def test_recorded_agents_are_judged_as_their_benchmark_did(cli, tmp_path):
    """On the recorded data, where it is there: one model's runs from file to verdict."""
    folder = ROOT / os.environ.get("DRIFTGATE_TRAJECTORIES", "../shared/data/trajectories")
    if not (folder / "tau2_airline").is_dir():
        pytest.skip(f"no recorded trajectories at {folder}")
    out = tmp_path / "tau2"
    assert cli("dataset", "import", folder / "tau2_airline", out).code == 0
    done = score(cli, out, "gpt-4o-2024-11-20", "--mode", "observe")
    success = next(s for s in done.json["strata"] if s["metric"] == "task_success")
    assert success["candidate"] * success["cases"] == pytest.approx(23)  # as many as were rewarded


def test_saturation_counts_what_became_of_the_cases_that_are_as_they_were(cli, imported):
    worse, good = (imported / "traces" / f"{name}.jsonl" for name in ("worse", "good"))
    done = cli("score", good, "--dataset", imported, "--baseline", worse)
    assert done.code in (0, 1, 4), done.err
    told = cli("dataset", "saturation", imported, "--json")
    assert told.code == 0, told.err
    assert "no case is flagged: wanted 6 versions or more, got 2 versions" in told.err
    assert told.json["versions"] == [f"recorded in {good}", f"recorded in {worse}"]
    items = {item["case_id"]: item for item in told.json["items"]}
    assert (items["shop.2"]["solved"], items["shop.2"]["trials"]) == (2, 2)
    assert (items["shop.3"]["solved"], items["shop.3"]["trials"]) == (1, 2)
    cases = imported / "cases.jsonl"
    changed = [json.loads(line) for line in cases.read_text().splitlines()]
    changed[3]["difficulty"] = "hard"
    cases.write_text("\n".join(map(json.dumps, changed)))
    again = cli("dataset", "saturation", imported, "--json").json["items"]
    assert [item["case_id"] for item in again if not item["trials"]] == ["shop.3"]
