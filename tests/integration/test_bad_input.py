"""What a user may get wrong: one clear error, the exit code that fits, and nothing written."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from tests.conftest import ROOT, TELLER

RUN = ("run", "--agent", TELLER, "--local", "--json")


@pytest.fixture
def copy(tmp_path):
    """A copy of the teller to spoil."""
    return shutil.copytree(TELLER, tmp_path / "teller")


def spoil(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refused(cli, code, *words, **environment):
    """Run a command that must fail without writing; return what it says."""
    before = cli.files()
    done = cli(*words, **environment)
    assert (done.code, done.out) == (code, ""), done.err
    assert cli.files() == before
    kind, _, said = done.err.partition(": ")
    assert kind == ("INTEGRITY_FAIL" if code == 1 else "error")
    return said.strip()


class TestDatasets:
    def test_a_malformed_line(self, cli, copy):
        spoil(copy / "dataset" / "cases.jsonl", '"case_id": "balance"', '"case_id" "balance"')
        said = refused(cli, 2, "dataset", "validate", copy / "dataset")
        assert said.startswith(f"{copy}/dataset/cases.jsonl:2: not a JSON object on one line")

    def test_a_duplicate_id(self, cli, copy):
        spoil(copy / "dataset" / "cases.jsonl", '"case_id": "balance"', '"case_id": "asks-first"')
        said = refused(cli, 2, "dataset", "publish", copy / "dataset")
        assert said == (
            f"{copy}/dataset/cases.jsonl:2: case_id: 'asks-first' is given on line 1 already"
        )

    def test_an_unknown_tool(self, cli, copy):
        spoil(copy / "dataset" / "cases.jsonl", '"tool": "pay"', '"tool": "repay"')
        said = refused(cli, 2, "dataset", "validate", copy / "dataset")
        assert said == (
            f"{copy}/dataset/cases.jsonl:4: expected_calls.0.tool: "
            "unknown tool 'repay'; the dataset has balance, pay"
        )

    def test_a_matcher_that_can_not_match_by_itself(self, cli, copy):
        never = '"amount": {"match": "one_of", "options": []}'
        spoil(copy / "dataset" / "cases.jsonl", '"amount": 500', never)
        said = refused(cli, 2, "dataset", "validate", copy / "dataset")
        assert f"{copy}/dataset/cases.jsonl:4: expected_calls.0.arguments.amount" in said

    def test_a_matcher_that_can_not_match_any_arms_contract(self, bank, copy):
        spoil(copy / "dataset" / "cases.jsonl", '"amount": 500', '"amount": "500"')
        wanted = "expected_calls.0.arguments.amount: can't match: wanted integer, got '500'"
        spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0")
        for words in (
            (*RUN, "--dataset", copy / "dataset"),
            ("dataset", "validate", copy / "dataset", "--agent", TELLER),
        ):
            said = refused(bank, 2, *words)
            assert said == f"{copy}/dataset/cases.jsonl:4: {wanted}"
        assert bank("dataset", "publish", copy / "dataset").code == 0
        said = refused(bank, 2, *RUN, "--dataset", "bank@1.1.0")
        assert said == f"dataset bank@1.1.0, case pays: {wanted}"

    def test_a_folder_that_is_not_there(self, cli):
        said = refused(cli, 2, "dataset", "validate", "nowhere")
        assert said == "nowhere/dataset.yaml: can't read it: No such file or directory"

    def test_another_content_under_a_published_version(self, bank, copy):
        spoil(copy / "dataset" / "cases.jsonl", "1250.4", "1250.5")
        said = refused_but_for_the_blob(bank, 2, "dataset", "publish", copy / "dataset")
        assert "dataset bank@1.0.0 exists with sha256" in said

    def test_a_tampered_blob(self, bank):
        (blob,) = (bank.home / "registry" / "datasets").iterdir()
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes().replace(b"1250.4", b"12.504"))
        for words in (RUN, ("dataset", "show", "bank@1.0.0")):
            said = refused(bank, 1, *words)
            assert said.startswith(f"dataset bank@1.0.0 was published with sha256 {blob.name}")

    def test_a_row_that_points_to_another_blob(self, bank, copy):
        spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0")
        spoil(copy / "dataset" / "cases.jsonl", "1250.4", "1250.5")
        other = bank("dataset", "publish", copy / "dataset", "--json").json["sha256"]
        (row,) = (bank.home / "registry" / "rows").glob("*1.0.0.json")
        content = json.loads(row.read_text())
        row.write_text(json.dumps({**content, "sha256": other}))
        for words in (RUN, ("dataset", "show", "bank@1.0.0")):
            said = refused(bank, 1, *words)
            assert said.startswith("dataset bank@1.0.0: its chain hash is ")

    def test_a_version_whose_parent_was_exchanged(self, bank, copy):
        spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0\nparent: 1.0.0")
        assert bank("dataset", "publish", copy / "dataset").code == 0
        assert bank("dataset", "show", "bank@1.1.0").code == 0
        (row,) = (bank.home / "registry" / "rows").glob("*1.0.0.json")
        row.write_text(re.sub('"sha256":"....', '"sha256":"0000', row.read_text()))
        said = refused(bank, 1, "dataset", "show", "bank@1.1.0")
        assert said.startswith("dataset bank@1.1.0: its chain hash is ")


def refused_but_for_the_blob(cli, code, *words):
    """An orphan blob may stay: nothing names it, so no reader meets it."""
    rows = {name for name in cli.files() if "/rows/" in name}
    done = cli(*words)
    assert (done.code, done.out) == (code, "")
    assert {name for name in cli.files() if "/rows/" in name} == rows
    return done.err


class TestAgents:
    def test_a_manifest_that_pins_an_unpublished_dataset(self, cli):
        for words in (RUN, ("agent", "publish", TELLER)):
            said = refused(cli, 2, *words)
            assert said == (
                f"{TELLER}/agent.yaml:14: datasets.regression: "
                "dataset bank@1.0.0 is not published in laptop; there is no version of it"
            )

    def test_a_baseline_that_is_not_what_was_promoted(self, bank):
        assert bank("agent", "publish", TELLER).code == 0
        assert bank("agent", "promote", "teller@1.0.0").code == 0
        (row,) = (bank.home / "registry" / "rows").glob("baseline*")
        row.write_text(re.sub('"digest":"....', '"digest":"0000', row.read_text()))
        said = refused(bank, 1, *RUN)
        assert said.startswith("teller 1.0.0 became the baseline with digest 0000")

    @pytest.mark.parametrize("command", ["show", "promote"])
    def test_a_version_that_is_not_the_one_that_was_judged(self, bank, command):
        stored = bank("agent", "publish", TELLER, "--json").json["digest"]
        right = bank("agent", command, "teller@1.0.0", "--digest", stored)
        assert right.code == 0
        said = refused(bank, 2, "agent", command, "teller@1.0.0", "--digest", "f" * 64)
        assert said == (
            f"agent teller 1.0.0: wanted digest {'f' * 64}, what is stored has {stored}"
        )

    def test_a_manifest_with_a_field_too_many(self, bank, copy):
        spoil(copy / "agent.yaml", "model: rules", "model: rules\ntemperature: 0")
        said = refused(bank, 2, "agent", "publish", copy)
        assert said == f"{copy}/agent.yaml:4: temperature: there is no such field"

    def test_a_policy_that_loosens_the_environments(self, bank, copy):
        spoil(copy / "agent.yaml", "model: rules", "model: rules\npolicy: {max_drop: 0.2}")
        said = refused(bank, 2, "run", "--agent", copy, "--local")
        assert "policy.max_drop: the environment has 0.05, a manifest may only tighten it" in said

    def test_an_agent_that_does_not_start(self, bank, copy):
        (copy / "agent.py").write_text("raise SystemExit('no licence')\n")
        said = refused(bank, 3, "run", "--agent", copy, "--local")
        assert said == "teller 1.0.0 did not start; exit code 1; its last lines:\n  no licence"

    def test_what_an_agent_writes_is_not_acted_on_by_the_terminal(self, bank, copy):
        (copy / "agent.py").write_text("raise SystemExit('\\x1b]0;owned\\x07\\x9b2J')\n")
        said = refused(bank, 3, "run", "--agent", copy, "--local")
        assert said.endswith("  \\u001b]0;owned\\u0007\\u009b2J")

    def test_an_agent_whose_program_is_not_there(self, bank, copy):
        spoil(
            copy / "agent.yaml",
            "  kind: python\n  function: agent:answer",
            "  kind: http\n  command: [no-such-program]",
        )
        (copy / "tmp").mkdir()
        said = refused(bank, 3, "run", "--agent", copy, "--local", TMPDIR=str(copy / "tmp"))
        assert "can't run no-such-program: No such file or directory" in said
        assert list((copy / "tmp").iterdir()) == []

    def test_an_agent_that_starts_and_never_answers(self, bank, copy):
        spoil(
            copy / "agent.yaml",
            "  kind: python\n  function: agent:answer",
            "  kind: http\n  command: [sleep, '60']",
        )
        spoil(copy / "agent.yaml", "start_timeout_s: 10", "start_timeout_s: 0.5")
        said = refused(bank, 3, "run", "--agent", copy, "--local")
        assert "did not answer GET /ping within 0.5 s" in said

    def test_an_agent_that_needs_a_variable_that_is_not_set(self, bank, copy):
        spoil(copy / "agent.yaml", "${TELLER:-fine}", "${NO_SUCH_VARIABLE}")
        said = refused(bank, 2, "run", "--agent", copy, "--local")
        assert said == "teller 1.0.0: target: the environment variable NO_SUCH_VARIABLE is not set"

    def test_an_agent_at_an_address_where_nobody_is(self, bank, copy):
        text = (copy / "agent.yaml").read_text()
        start, end = text.index("target:"), text.index("invocation:")
        target = "target: {kind: http, url: 'http://127.0.0.1:9'}\n"
        (copy / "agent.yaml").write_text(text[:start] + target + text[end:])
        said = refused(bank, 3, "run", "--agent", copy, "--local")
        assert "http://127.0.0.1:9/invocations: ConnectError" in said

    def test_an_agent_that_answers_garbage(self, bank):
        said = refused(bank, 3, *RUN, TELLER="html")
        assert said == (
            "candidate teller 1.0.0, case asks-first: invocation.response.final_response: wanted a "
            "text at '/answer' of the reply, got '\"<html>under construction</html>\"'"
        )


def plan_an_answer(copy, result):
    """The first case plans what `balance` answers, whose contract states the answer's type."""
    spoil(
        copy / "contracts" / "balance.yaml",
        "behaviour:",
        "output_schema: {type: object, properties: {balance: {type: integer}}}\nbehaviour:",
    )
    planned = json.dumps([{"tool": "balance", "answers": [{"result": result}]}])
    spoil(copy / "dataset" / "cases.jsonl", '"world"', f'"mocks": {planned}, "world"')
    spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0")


class TestMocks:
    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('"unit": "EUR"', '"measure": "EUR"', 'wanted {"value": a number'),
            ('{"value": 7.5', '{"value": "7.5"', 'wanted {"value": a number'),
            ('"unit": "EUR"', '"unit": "kg"', "'kg' is no currency"),
            ('{"value": 7.5', '{"value": 7.555', "7.555 EUR has parts of its smallest unit"),
        ],
    )
    def test_a_world_that_a_contract_can_not_render_is_found_before_anything_runs(
        self, bank, copy, old, new, reason
    ):
        spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0")
        spoil(copy / "dataset" / "cases.jsonl", old, new)
        said = refused(bank, 2, *RUN, "--dataset", copy / "dataset")
        where = f"{copy}/dataset/cases.jsonl:1: expected_calls.0: teller 1.0.0: balance: "
        assert said.startswith(where)
        assert reason in said
        assert refused(bank, 2, "dataset", "validate", copy / "dataset", "--agent", TELLER)

    def test_a_published_mock_that_lags_behind_its_contract_is_broken_evidence(self, bank, copy):
        """One in a folder is the writer's to mend; nothing is run or written in either case."""
        plan_an_answer(copy, {"balance": 7.5})
        behind = (
            "mocks.0.answers.0.result.balance: balance 1.0.0 of teller 1.0.0: "
            "wanted integer, got 7.5"
        )
        run = ("run", "--agent", copy, "--local", "--json", "--dataset")
        said = refused(bank, 2, *run, copy / "dataset")
        assert said == f"{copy}/dataset/cases.jsonl:1: {behind}"
        assert bank("dataset", "publish", copy / "dataset").code == 0
        said = refused(bank, 1, *run, "bank@1.1.0", "--mode", "observe")
        assert said == (
            f"dataset bank@1.1.0, case asks-first: {behind}; "
            "the mock lags behind its tool's contract"
        )

    def test_a_planned_answer_that_keeps_its_contract_is_given(self, bank, copy):
        plan_an_answer(copy, {"balance": 750})
        done = bank("run", "--agent", copy, "--local", "--json", "--dataset", copy / "dataset")
        assert (done.code, done.json["outcome"]) == (0, "BASELINE_CREATED")

    def test_a_mock_that_breaks_in_the_middle_is_not_the_agents_fault(self, bank, copy):
        """The agent asks for A1 although the case expects no call, and there is no balance."""
        lines = (copy / "dataset" / "cases.jsonl").read_text().splitlines()
        case = {**json.loads(lines[1]), "expected_calls": [], "world": {"accounts": {"A1": {}}}}
        (copy / "dataset" / "cases.jsonl").write_text("\n".join([lines[0], json.dumps(case)]))
        spoil(copy / "dataset" / "dataset.yaml", "1.0.0", "1.1.0")
        done = bank(*RUN, "--dataset", copy / "dataset")
        assert (done.code, done.json["outcome"]) == (4, "INCONCLUSIVE")
        (missing,) = done.json["missing"]
        assert missing["reason"].startswith("MockBroken: balance: {account.balance}")


def test_an_interrupted_run_says_how_to_go_on_and_is_no_verdict(bank):
    running = subprocess.Popen(
        bank.command(*RUN, "--trials", "20", "--max-concurrency", "1"),
        cwd=ROOT,
        env={**os.environ, "TELLER_THINKS_S": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not list(bank.home.glob("runs/*/traces/*/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "interrupted; the same command takes up where it was left" in err
    assert len(list(bank.home.glob("runs/*/traces/*/*/*.json"))) < 60  # of 120: it did stop


def test_an_interrupted_run_ends_without_waiting_for_replies_and_blames_nobody(bank, copy):
    spoil(copy / "agent.yaml", "case_s: 2", "case_s: 60")
    running = subprocess.Popen(
        bank.command("run", "--agent", copy, "--local", "--case", "slow-day", "--case", "pays"),
        cwd=ROOT,
        env={**os.environ, "TELLER": "slow"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not list(bank.home.glob("runs/*/attempts/*/*/slow-day/*/opened.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)  # until it is asked
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = running.communicate(timeout=60)
    assert (running.returncode, time.monotonic() - began < 3) == (130, True), err
    assert "Traceback" not in err
    assert not list(bank.home.glob("runs/*/faults/**/*.json"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("run", "--agent", "nowhere/agent.yaml", "--local"), "nowhere/agent.yaml: can't read it"),
        (("run", "--agent", "agent.yml", "--local"), "agent.yml: can't read it"),
        (
            ("run", "--agent", "x@1.0.0", "--baseline", "y@1.0.0", "--no-baseline", "--local"),
            "wanted --baseline or --no-baseline, got both",
        ),
    ],
)
def test_what_was_meant_is_told_apart(cli, words, reason):
    assert reason in refused(cli, 2, *words)


def test_an_environment_that_there_is_not_is_bad_input(cli):
    for words in (
        ("run", "--agent", TELLER, "--environment", "PROD"),
        ("agent", "promote", "teller@1.0.0", "--environment", "../x"),
    ):
        said = refused(cli, 2, *words)
        assert said.startswith("Invalid value for '--environment'")
        assert "is not one of 'laptop', 'local', 'dev', 'staging', 'prod'" in said


def test_an_environment_to_promote_from_that_there_is_not_is_bad_input(cli):
    said = refused(cli, 2, "dataset", "promote", "bank@1.0.0", "--from", "prd", "--to", "laptop")
    assert said.startswith("Invalid value for '--from'")


def test_a_usage_error_is_bad_input(cli):
    assert refused(cli, 2, "run", "--local") == (
        "wanted --agent, as in --agent agent.yaml, or --resume with a run's id"
    )


def test_a_termination_is_no_verdict(bank):
    running = subprocess.Popen(
        bank.command(*RUN, "--trials", "20", "--max-concurrency", "1"),
        cwd=ROOT,
        env={**os.environ, "TELLER_THINKS_S": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not list(bank.home.glob("runs/*/traces/*/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.terminate()
    out, _ = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, b"")


@pytest.mark.parametrize(
    ("old", "new"), [('"bank"', '"BANK!"'), ('"count":6', '"count":"six"'), ("{", "[")]
)
def test_a_damaged_row_is_broken_evidence(bank, old, new):
    (row,) = (bank.home / "registry" / "rows").iterdir()
    row.write_text(row.read_text().replace(old, new, 1))
    assert "damaged" in refused(bank, 1, "dataset", "list")


@pytest.mark.parametrize("place", ["runs/*/verdicts/*/*-0.json", "records/verdicts/**/*-0.json"])
def test_a_verdict_that_was_edited_is_broken_evidence(bank, place):
    assert bank(*RUN).code == 0
    (stored,) = bank.home.glob(place)
    stored.write_text(stored.read_text().replace("BASELINE_CREATED", "PASS"))
    said = refused(bank, 1, *RUN)
    assert said.endswith("is not what the run's scores give")


def test_a_damaged_trace_is_broken_evidence(bank):
    assert bank(*RUN).code == 0
    trace = next(bank.home.glob("runs/*/traces/*/*/balance.json"))
    trace.write_text("{}")
    for path in [*bank.home.glob("runs/*/scores/*/*/*"), *bank.home.glob("runs/*/verdicts/*/*")]:
        path.unlink()
    done = bank(*RUN)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith("INTEGRITY_FAIL: the stored runs/r-")


def test_a_case_edited_in_the_middle_of_a_run_is_broken_evidence_in_every_mode(bank):
    """The fainting teller leaves a trial to be made, so the second start decides anew."""
    assert bank(*RUN, TELLER="crash").code == 4
    (case,) = bank.home.glob("runs/*/cases/balance.json")
    spoil(case, "1250.4", "12.504")
    done = bank(*RUN, "--mode", "observe", TELLER="crash")
    assert (done.code, done.json["outcome"]) == (1, "INTEGRITY_FAIL")
    assert done.json["reason"] == "the run's copy of a case is not what dataset bank@1.0.0 holds"


def test_places_that_can_not_be_written_are_named(bank, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for output in (blocked, blocked / "below"):
        said = refused(bank, 2, *RUN, "--output", output)
        assert said == f"--output: wanted a folder, {blocked} is a file"
    done = bank("--home", blocked, "dataset", "publish", TELLER / "dataset")
    assert (done.code, "Not a directory" in done.err) == (3, True)
