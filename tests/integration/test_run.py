"""The whole flow in process, with a real agent over HTTP and real mock tools over MCP."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from driftgate.agentkit.serve import handler
from tests.conftest import ROOT, TELLER

# Six cases prove nothing, so means are compared; tests of the calibrated rule say so.
RUN = ("run", "--agent", TELLER, "--local", "--rule", "point", "--json")


def traces(home, arm="candidate"):
    return {
        path.stem: json.loads(path.read_text())
        for path in home.glob(f"runs/*/traces/{arm}/*/*.json")
    }


def faults(home):
    return [json.loads(path.read_text()) for path in home.glob("runs/*/faults/**/*.json")]


def version(folder, number, **replacements):
    """A copy of the teller under another version number."""
    shutil.copytree(TELLER, folder)
    text = (folder / "agent.yaml").read_text().replace("version: 1.0.0", f"version: {number}")
    for old, new in replacements.items():
        text = text.replace(old, new)
    (folder / "agent.yaml").write_text(text)
    return folder


class TestVerdicts:
    def test_a_first_release_becomes_a_baseline_an_equal_one_passes_a_worse_one_is_blocked(
        self, bank, tmp_path
    ):
        first = bank(*RUN)
        assert (first.code, first.json["outcome"]) == (0, "BASELINE_CREATED")
        assert bank("agent", "publish", TELLER).code == 0
        assert bank("agent", "promote", "teller@1.0.0").code == 0

        equal = version(tmp_path / "equal", "1.1.0")
        passed = bank("run", "--agent", equal, "--rule", "point", "--json")
        assert (passed.code, passed.json["outcome"]) == (0, "PASS")
        assert passed.json["arms"]["baseline"]["version"] == "1.0.0"

        worse = version(tmp_path / "worse", "2.0.0", **{"${TELLER:-fine}": "units"})
        blocked = bank("run", "--agent", worse, "--rule", "point", "--json")
        assert (blocked.code, blocked.json["outcome"]) == (1, "BLOCK")
        broken = {flip["case_id"]: flip["reason"] for flip in blocked.json["broken"]}
        assert broken["balance"] == "in the reply to turn 1: wanted 1,250.40 EUR, found 12.50 EUR"
        assert set(broken) == {
            "asks-first",
            "balance",
            "crash-prone",
            "pays-then-looks",
            "slow-day",
        }

        before = {name for name in bank.files() if "/traces/" in name}
        advised = bank("run", "--agent", worse, "--rule", "point", "--json", "--mode", "advisory")
        assert (advised.code, advised.json["effective"]) == (0, "ADVISORY")
        assert {name for name in bank.files() if "/traces/" in name} == before  # nothing was rerun

        assert bank("agent", "publish", worse).code == 0
        promoted = bank("agent", "promote", "teller@2.0.0")
        assert "note: its last regression run" in promoted.err
        assert "ended in BLOCK" in promoted.err

    def test_what_changed_between_the_arms_is_said(self, bank, tmp_path):
        other = version(tmp_path / "other", "1.1.0")
        contract = other / "contracts" / "balance.yaml"
        changed = contract.read_text().replace("version: 1.0.0", "version: 2.0.0")
        contract.write_text(changed.replace("|minor}", "|major}"))
        done = bank("run", "--agent", other, "--baseline", TELLER, "--local")
        assert done.code == 1
        assert "changed: contract balance changed from 1.0.0 to 2.0.0" in done.err

    def test_a_candidate_edited_under_its_baselines_version_is_refused(self, bank, tmp_path):
        assert bank("agent", "publish", TELLER).code == 0
        assert bank("agent", "promote", "teller@1.0.0").code == 0
        edited = version(tmp_path / "edited", "1.0.0", **{"${TELLER:-fine}": "units"})
        done = bank("run", "--agent", edited, "--local")
        assert (done.code, "teller 1.0.0 exists with digest" in done.err) == (2, True)

    def test_a_run_is_in_this_process_if_nothing_else_is_said(self, bank):
        said = bank("run", "--agent", TELLER, "--json").json
        for words in ((), ("--environment", "laptop"), ("--local", "--environment", "laptop")):
            assert bank("run", "--agent", TELLER, "--json", *words).json == said
        both = bank("run", "--agent", TELLER, "--local", "--environment", "prod")
        assert both.code == 2
        assert both.err.startswith("error: wanted --local, to run it in this process, or --environ")

    def test_a_part_of_the_dataset_is_called_a_part_and_validates_nothing(self, bank):
        part = bank(*RUN, "--case", "pays").json
        assert part["reason"].startswith("on 1 of the dataset's 6 cases: ")
        assert not list((bank.home / "registry" / "rows").glob("validated*"))
        assert bank(*RUN).code == 0
        (row,) = (bank.home / "registry" / "rows").glob("validated*")
        assert json.loads(row.read_text())["digest"]

    def test_cases_are_chosen_by_what_they_are_and_the_first_are_taken(self, bank):
        every = bank(*RUN, "--filter", "task_type=bal*", "--filter", "critical=false").json
        assert set(traces(bank.home)) == {"asks-first", "crash-prone", "slow-day"}
        assert every["reason"].startswith("on 3 of the dataset's 6 cases: ")
        some = bank(*RUN, "--filter", "task_type=balance", "--limit", "2").json
        named = bank(*RUN, "--case", "asks-first", "--case", "balance").json
        assert (some["cases"], some["run_id"]) == (2, named["run_id"])
        whole = bank(*RUN, "--limit", "99").json
        assert (whole["cases"], whole["run_id"]) == (6, bank(*RUN).json["run_id"])

    def test_a_finished_run_is_listed_and_its_report_is_written_again(self, bank, tmp_path):
        part = bank(*RUN, "--case", "pays").json
        advised = bank(*RUN, "--mode", "observe", TELLER="units").json
        blocking = bank(*RUN, TELLER="units").json
        assert advised["run_id"] == blocking["run_id"]
        listed = bank("runs", "--agent", "teller", "--json")
        assert {row["run_id"] for row in listed.json} == {part["run_id"], blocking["run_id"]}
        assert bank("runs", "--agent", "nobody", "--json").json == []
        out = tmp_path / "again"
        again = bank("report", blocking["run_id"], "--output", out, "--json")
        assert again.code == 0
        assert again.json == {**blocking, "report": str(out / "report.html")}
        first = Path(blocking["report"]).parent
        assert {p.name: p.read_text() for p in out.iterdir()} == {
            p.name: p.read_text() for p in first.iterdir()
        }
        missing = bank("report", "r-0123")
        assert (
            missing.err == "error: there is no finished run r-0123 in laptop; see driftgate runs\n"
        )

    def test_a_first_release_whose_cases_fail_comes_with_a_warning(self, bank):
        low = bank("run", "--agent", TELLER, TELLER="units")
        assert (low.code, "BASELINE_CREATED" in low.err) == (0, True)
        assert "warning: 5 of 6 cases failed. As a baseline, this version" in low.err
        assert "warning" not in bank("run", "--agent", TELLER).err

    def test_a_draft_and_its_published_version_are_two_runs(self, cli):
        draft = cli(*RUN, "--dataset", TELLER / "dataset").json
        assert cli("dataset", "publish", TELLER / "dataset").code == 0
        published = cli(*RUN).json
        assert [run["dataset"]["published"] for run in (draft, published)] == [False, True]
        assert published["run_id"] != draft["run_id"]

    def test_the_report_says_what_the_verdict_says(self, bank):
        verdict = bank(*RUN).json
        folder = bank.home / "reports" / verdict["run_id"]
        assert verdict["report"] == str(folder / "report.html")
        assert json.loads((folder / "report.json").read_text())["verdict"] == {
            key: value for key, value in verdict.items() if key != "report"
        }
        assert (
            (folder / "report.md").read_text().startswith("# ✅ BASELINE_CREATED: teller 1.0.0\n")
        )
        assert 'name="BASELINE_CREATED" />' in (folder / "junit.xml").read_text()

    def test_people_read_on_stderr_and_json_stands_alone_on_stdout(self, bank):
        spoken = bank("run", "--agent", TELLER, "--local")
        assert spoken.out == ""
        assert "BASELINE_CREATED: nothing to compare with; task_success is 100.0%" in spoken.err
        assert "driftgate agent promote teller@1.0.0" in spoken.err
        assert bank(*RUN).json["outcome"] == "BASELINE_CREATED"

    def test_two_arms_are_interleaved_and_only_the_named_cases_run(self, bank, tmp_path):
        other = version(tmp_path / "other", "1.1.0")
        command = (
            "run",
            "--agent",
            other,
            "--baseline",
            TELLER,
            "--local",
            "--json",
            "--trials",
            "2",
        )
        verdict = bank(*command, "--case", "pays", "--case", "balance").json
        assert (verdict["cases"], verdict["trials"], verdict["scored"]) == (2, 2, 8)
        assert set(traces(bank.home, "baseline")) == {"pays", "balance"}


class TestANewTool:
    """The teller's 1.1.0 has a third tool, fees, and asks it where the text says so."""

    @pytest.fixture
    def third_tool(self, tmp_path):
        folder = version(tmp_path / "third", "1.1.0")
        contract = (folder / "contracts" / "balance.yaml").read_text()
        (folder / "contracts" / "fees.yaml").write_text(
            contract.replace("tool: balance", "tool: fees").replace("{balance:", "{fee:")
        )
        code = (folder / "agent.py").read_text()
        asks = (
            '    if "fee" in text:\n'
            '        fee = json.loads(context.tools.call("fees", account=account[0]))["fee"]\n'
            '        return {"answer": f"It costs {fee / 100:,.2f} EUR."}\n'
        )
        before = '    if "pay" in text:\n'
        assert code.count(before) == 1
        (folder / "agent.py").write_text(code.replace(before, asks + before))
        return folder

    def dataset(self, folder, cases):
        """The teller's dataset and so many cases that expect the new tool."""
        shutil.copytree(TELLER / "dataset", folder)
        header = (folder / "dataset.yaml").read_text().replace("1.0.0", "1.1.0")
        (folder / "dataset.yaml").write_text(header.replace("pay: write", "pay: write, fees: read"))
        with (folder / "cases.jsonl").open("a") as lines:
            for number in range(cases):
                amount = {"value": number + 1, "unit": "EUR"}
                new = {
                    "case_id": f"fee-{number}",
                    "task_type": "fees",
                    "turns": [{"user": "Which fee has A1?", "expected_outputs": [number + 1]}],
                    "expected_calls": [
                        {"tool": "fees", "effect": "read", "arguments": {"account": "A1"}}
                    ],
                    "world": {"accounts": {"A1": {"balance": amount}}},
                }
                lines.write(f"{json.dumps(new)}\n")
        return folder

    def compare(self, bank, candidate, *words):
        command = ("run", "--agent", candidate, "--baseline", TELLER, "--rule", "point", "--json")
        return bank(*command, *words)

    def test_blocks_until_ten_cases_expect_it(self, bank, tmp_path, third_tool):
        none = self.compare(bank, third_tool)
        assert (none.code, none.json["outcome"]) == (1, "BLOCK")
        reason = "tool fees is new and 0 cases of the dataset expect it, wanted at least 10"
        assert none.json["reason"] == reason
        assert reason in none.err.replace("\n", " ")
        few = self.compare(
            bank, third_tool, "--dataset", self.dataset(tmp_path / "nine", 9), "--case", "fee-1"
        )
        assert few.code == 1
        assert few.json["reason"].startswith(
            "on 1 of the dataset's 15 cases: tool fees is new and 9 cases of the dataset expect it"
        )
        ten = self.dataset(tmp_path / "ten", 10)
        whole = self.compare(bank, third_tool, "--dataset", ten)
        assert (whole.code, whole.json["outcome"]) == (0, "PASS")
        part = self.compare(bank, third_tool, "--dataset", ten, "--case", "fee-1")
        assert (part.code, part.json["outcome"]) == (0, "PASS")

    def test_its_manifest_can_not_turn_the_rule_off(self, bank, third_tool):
        with (third_tool / "agent.yaml").open("a") as manifest:
            manifest.write("policy: {min_cases_per_new_tool: 0}\n")
        done = self.compare(bank, third_tool)
        assert done.code == 2
        assert "policy.min_cases_per_new_tool: the environment has 10" in done.err


class TestTraces:
    def test_a_trace_has_what_was_said_and_done_turn_by_turn(self, bank):
        bank(*RUN)
        trace = traces(bank.home)["pays-then-looks"]
        assert [(m["turn"], m["role"]) for m in trace["messages"]] == [
            (1, "user"),
            (1, "assistant"),
            (2, "user"),
            (2, "assistant"),
        ]
        assert [(c["seq"], c["turn"], c["tool"], c["effect"]) for c in trace["calls"]] == [
            (1, 1, "pay", "write"),
            (2, 2, "balance", "read"),
        ]
        assert trace["calls"][1]["result"] == {"balance": 9500}
        assert 33 <= len(trace["session_id"]) <= 100

    def test_what_the_agent_does_not_report_is_missing(self, bank):
        bank(*RUN)
        found = traces(bank.home)
        told = {"input_tokens": 18}
        assert {k: v for k, v in found["balance"]["usage"].items() if v is not None} == told
        assert found["pays"]["usage"]["input_tokens"] is None
        assert found["balance"]["cost_usd"] is None

    def test_every_trial_has_a_session_of_its_own(self, bank):
        bank(*RUN, "--trials", "3")
        sessions = [
            json.loads(path.read_text())["session_id"]
            for path in bank.home.glob("runs/*/traces/*/*/*.json")
        ]
        assert len(set(sessions)) == len(sessions) == 18

    def test_a_function_can_catch_what_a_tool_refuses(self, bank):
        verdict = bank(*RUN, "--case", "balance", TELLER="careful").json
        assert verdict["missing"] == []
        said = traces(bank.home)["balance"]["messages"][-1]["text"]
        assert said.startswith('It said {"error": ')


class TestLimits:
    def test_an_agent_that_takes_too_long_has_failed_and_is_not_missing(self, bank):
        verdict = bank(*RUN, TELLER="slow").json
        assert verdict["missing"] == []
        trace = traces(bank.home)["slow-day"]
        assert trace["ending"] == {"kind": "limit", "detail": "no reply within 2 s"}
        assert trace["messages"][-1]["role"] == "user"

    def test_an_agent_that_never_stops_calling_is_stopped_and_has_failed(self, bank):
        bank(*RUN, TELLER="loop")
        trace = traces(bank.home)["balance"]
        assert trace["ending"] == {"kind": "limit", "detail": "more than 5 tool calls"}
        assert len(trace["calls"]) == 6


class TestFaults:
    def test_an_attempt_that_fails_is_tried_again_and_then_missing_never_zero(self, bank):
        done = bank(*RUN, TELLER="crash")
        assert (done.code, done.json["outcome"]) == (4, "INCONCLUSIVE")
        (missing,) = done.json["missing"]
        assert (missing["case_id"], missing["attempts"]) == ("crash-prone", 3)
        assert "HTTP 500" in missing["reason"]
        assert "the teller fainted" in missing["reason"]
        found = faults(bank.home)
        assert [fault["error"] for fault in found] == ["AgentUnavailable"] * 3
        assert len({fault["session_id"] for fault in found}) == 3
        assert "crash-prone" not in traces(bank.home)

    def test_a_proxy_of_the_environment_is_not_asked_for_what_runs_here(self, bank):
        nobody = "http://127.0.0.1:9"
        done = bank(*RUN, HTTP_PROXY=nobody, http_proxy=nobody, ALL_PROXY=nobody)
        assert (done.code, done.json["outcome"]) == (0, "BASELINE_CREATED")

    def test_one_odd_reply_costs_its_trial_and_not_the_run(self, bank):
        done = bank(*RUN, TELLER="odd")
        assert (done.code, done.json["outcome"]) == (4, "INCONCLUSIVE")
        (missing,) = done.json["missing"]
        assert missing["case_id"] == "crash-prone"
        assert missing["reason"].startswith("AgentContractBroken: invocation.response: ")

    def test_the_next_start_runs_only_what_is_missing(self, bank):
        before = bank(*RUN, TELLER_UNSEEN="crash")
        sessions = {case: trace["session_id"] for case, trace in traces(bank.home).items()}
        after = bank(*RUN)
        assert (before.json["run_id"], after.json["outcome"]) == (
            after.json["run_id"],
            "BASELINE_CREATED",
        )
        found = traces(bank.home)
        assert {case: found[case]["session_id"] for case in sessions} == sessions
        assert len(found) == 6

    def test_a_finished_run_is_not_made_again_unless_asked(self, bank):
        first = bank(*RUN)
        written = bank.files()
        again = bank(*RUN, TELLER_UNSEEN="html")  # would fail, if it were asked
        assert (again.code, again.json) == (first.code, first.json)
        assert "not made again; --rerun makes it again" in again.err
        assert bank.files() == written
        asked = bank(*RUN, "--rerun", TELLER_UNSEEN="units").json
        assert (asked["repeat"], asked["run_id"] != first.json["run_id"]) == (1, True)
        assert len(asked["failing"]) == 5
        assert bank(*RUN, "--rerun").json["repeat"] == 2

    def test_a_verdict_is_not_reused_when_a_variable_of_the_manifest_has_another_value(self, bank):
        fine = bank(*RUN).json
        units = bank(*RUN, TELLER="units").json
        assert (fine["failing"], len(units["failing"])) == ([], 5)
        assert bank(*RUN).json == fine

    def test_the_values_of_variables_are_not_kept(self, bank):
        assert bank(*RUN, TELLER="open-sesame").code == 0
        assert not any(b"open-sesame" in (bank.home / name).read_bytes() for name in bank.files())

    def test_an_agent_that_only_has_an_address_is_always_asked_again(self, bank, tmp_path):
        """Its code is not in its digest, so nobody knows whether it is what it was."""
        folder = version(tmp_path / "served", "1.0.0")
        with served(folder, ALWAYS_ASKS):
            command = ("run", "--agent", folder, "--local", "--json", "--case", "asks-first")
            verdicts = [bank(*command).json for _ in range(2)]
        assert [verdict["repeat"] for verdict in verdicts] == [0, 1]

    def test_an_incomplete_run_of_an_agent_that_only_has_an_address_begins_anew(
        self, bank, tmp_path
    ):
        folder = version(tmp_path / "served", "1.0.0")
        asked = []

        def other_agent_after_four(payload, context):
            asked.append(payload)
            if 1 < len(asked) <= 4:  # after the preflight
                raise RuntimeError("moving house")
            return {"answer": "Which account?"}

        with served(folder, handler(other_agent_after_four)):
            command = ("run", "--agent", folder, "--local", "--json", "--case", "asks-first")
            broken, whole = bank(*command), bank(*command)
        assert [done.json["outcome"] for done in (broken, whole)] == ["INCONCLUSIVE", "BLOCK"]
        assert [done.json["repeat"] for done in (broken, whole)] == [0, 1]

    def test_an_agent_that_dies_on_a_case_is_started_again_for_the_others(self, bank):
        done = bank(*RUN, "--max-concurrency", "1", TELLER="die")
        assert done.json["outcome"] == "INCONCLUSIVE"
        assert [trial["case_id"] for trial in done.json["missing"]] == ["crash-prone"]


class TestKilled:
    def test_killed_before_its_verdict_was_published_a_run_is_published_by_the_next_start(
        self, bank
    ):
        first = bank(*RUN)
        published = [
            *(bank.home / "registry" / "rows").glob("run*"),
            *bank.home.glob("records/verdicts/**/*.json"),
        ]
        kept = {path: path.read_bytes() for path in published}
        for path in published:
            path.unlink()
        again = bank(*RUN)
        assert (again.code, again.json) == (0, first.json)
        assert len(kept) == 4  # the run's row, the verdict, its link, and what the run cost
        assert all(path.exists() for path in kept)

    def test_a_run_that_is_looked_at_again_keeps_the_time_it_was_finished(self, bank):
        bank(*RUN)
        (row,) = (bank.home / "registry" / "rows").glob("run*")
        before = row.read_bytes()
        bank(*RUN)
        assert row.read_bytes() == before

    def test_killed_in_the_middle_a_run_is_completed_by_the_next_start(self, bank, tmp_path):
        whole = bank(*RUN, "--trials", "2").json
        other = type(bank)(tmp_path / "other")
        assert other("dataset", "publish", TELLER / "dataset").code == 0
        slow = {**os.environ, "TELLER_THINKS_S": "0.15"}
        victim = subprocess.Popen(
            other.command(*RUN, "--trials", "2", "--max-concurrency", "2"),
            cwd=ROOT,
            env=slow,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while len(traces(other.home)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        kept = {path: path.read_bytes() for path in other.home.glob("runs/*/traces/*/*/*.json")}
        assert 2 <= len(kept) < 12

        finished = other(*RUN, "--trials", "2").json
        own = {"report": "", "spending": [], "totals": {}}  # no run takes as long as another
        assert {**finished, **own} == {**whole, **own}
        stored = list(other.home.glob("runs/*/traces/*/*/*.json"))
        assert len(stored) == 12
        assert all(path.read_bytes() == data for path, data in kept.items())
        # What was being written when it was killed stays a hidden file, which nobody reads.

    def test_killed_in_the_middle_a_run_is_taken_up_by_its_id_without_its_files(
        self, cli, tmp_path
    ):
        agent = version(tmp_path / "agent", "1.1.0")
        drafts = ("--baseline", TELLER, "--dataset", agent / "dataset", "--filter", "critical")
        words = ("run", "--agent", agent, *drafts, "--trials", "4", "--json")
        slow = {**os.environ, "TELLER_THINKS_S": "0.15"}
        victim = subprocess.Popen(
            cli.command(*words, "--max-concurrency", "2"),
            cwd=ROOT,
            env=slow,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        run_id = victim.stderr.readline().split()[-1]
        deadline = time.monotonic() + 30
        while len(traces(cli.home)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        kept = {path: path.read_bytes() for path in cli.home.glob("runs/*/traces/*/*/*.json")}
        assert 2 <= len(kept) < 16

        other_value = cli("run", "--resume", run_id, TELLER="units")
        assert other_value.code == 2
        assert "can't be taken up: a ${VARIABLE} of its agents' manifests" in other_value.err
        there_is_none = cli("run", "--resume", "r-0123")
        assert (there_is_none.code, "there is no run r-0123" in there_is_none.err) == (2, True)

        shutil.rmtree(agent)
        done = cli("run", "--resume", run_id, "--rule", "point", "--json")
        assert (done.code, done.json["outcome"]) == (0, "PASS"), done.err
        assert (done.json["run_id"], done.json["cases"], done.json["scored"]) == (run_id, 2, 16)
        assert all(path.read_bytes() == data for path, data in kept.items())
        shutil.copytree(TELLER, agent)
        version(tmp_path / "again", "1.1.0")
        shutil.copy(tmp_path / "again" / "agent.yaml", agent / "agent.yaml")
        assert cli(*words).json["run_id"] == run_id  # the same command means the same run

    def test_a_run_of_an_agent_that_only_has_an_address_is_not_taken_up(self, bank, tmp_path):
        folder = version(tmp_path / "served", "1.0.0")
        with served(folder, ALWAYS_ASKS):
            run_id = bank("run", "--agent", folder, "--json", "--limit", "1").json["run_id"]
            done = bank("run", "--resume", run_id)
        assert (done.code, "may have changed unseen; start it anew" in done.err) == (2, True)

    @pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_the_agents_of_a_run_end_with_it_when_its_whole_process_group_is_ended(self, bank, end):
        mark = f"driftgate-test-{time.time_ns()}"
        victim = subprocess.Popen(
            bank.command(*RUN, "--trials", "20", "--max-concurrency", "1"),
            cwd=ROOT,
            env={**os.environ, "TELLER_THINKS_S": "0.1", "TELLER_MARK": mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # as a terminal or a CI job does
        )
        deadline = time.monotonic() + 30
        while not traces(bank.home) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(running_with(mark)) > 1
        os.killpg(victim.pid, end)
        victim.wait()
        while running_with(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running_with(mark) == []


@contextmanager
def served(folder, answers):
    """Make the agent of a folder one that runs already, and run it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = (folder / "agent.yaml").read_text()
        start, end = text.index("target:"), text.index("invocation:")
        url = f"http://127.0.0.1:{server.server_address[1]}"
        target = f"target: {{kind: http, url: '{url}'}}\n"
        (folder / "agent.yaml").write_text(text[:start] + target + text[end:])
        yield
        server.shutdown()


ALWAYS_ASKS = handler(lambda payload, context: {"answer": "Which account?"})


def running_with(mark):
    """The processes whose environment holds the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--baseline", "teller@0.1.0", "--no-baseline"], "wanted --baseline or --no-baseline"),
        (["--environment", "prod", "--mode", "observe"], "prod has its own --mode; leave it out"),
        (["--filter", "colour=red"], "wanted field=value with one of case, task_type, tool"),
        (["--filter", "tool=py"], "no case of bank@1.0.0 has such a tool; there are balance, pay"),
        (["--filter", "tool=pay", "--case", "balance"], "has all of balance, tool=pay"),
        (["--resume", "r-0"], "--resume takes up a run as it was planned; leave out --agent"),
        (["--output", "README.md/report"], "README.md is a file"),
        (["--output", "/proc/report"], "can't write into /proc"),
        (["--local", "--case", "nonsense"], "has no case 'nonsense'"),
        (["--local", "--case", "BAL-0"], "has no case 'BAL-0'"),
        (["--local", "--dataset", "bank@9.9.9"], "dataset bank@9.9.9 is not published"),
        (["--local", "--dataset", "bank"], "wanted name@version"),
        (["--local", "--baseline", "teller@0.1.0"], "agent teller 0.1.0 is not published"),
        (["--local", "--baseline", "teller"], "wanted name@version"),
    ],
)
def test_a_request_that_can_not_be_met_is_bad_input_and_writes_nothing(bank, flags, reason):
    before = bank.files()
    done = bank("run", "--agent", TELLER, *flags)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert done.err.count("\n") == 1
    assert bank.files() == before


def test_a_folder_for_the_report_is_not_made_for_a_run_that_can_not_be(bank, tmp_path):
    assert bank(*RUN, "--case", "nonsense", "--output", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


class TestAStoredBaseline:
    """The teller's 1.0.0 was run; its trials stand for new ones."""

    @pytest.fixture
    def worse(self, tmp_path):
        return version(tmp_path / "worse", "1.1.0", **{"${TELLER:-fine}": "units"})

    def test_is_not_run_again_and_the_verdict_says_what_it_cant_tell(self, bank, worse):
        bank(*RUN)
        bank("agent", "publish", TELLER)
        before = sum(1 for _ in bank.home.glob("runs/*/attempts/*/*/*/*"))
        words = ("run", "--agent", worse, "--baseline", "teller@1.0.0", "--rule", "point", "--json")
        done = bank(*words, "--stored-baseline")
        assert (done.code, done.json["outcome"]) == (1, "BLOCK"), done.err
        (source,) = [row["run_id"] for row in bank("runs", "--json").json][1:]
        assert done.json["baseline_run"] == source
        assert f"the baseline's trials are those of run {source}" in done.json["reason"]
        after = sum(1 for _ in bank.home.glob("runs/*/attempts/*/*/*/*"))
        assert after - before == done.json["cases"]  # the candidate's alone
        fresh = bank(*words).json
        assert [flip["case_id"] for flip in fresh["broken"]] == [
            flip["case_id"] for flip in done.json["broken"]
        ]

    def test_without_a_run_of_the_baseline_is_refused(self, bank, worse):
        bank("agent", "publish", TELLER)
        done = bank("run", "--agent", worse, "--baseline", "teller@1.0.0", "--stored-baseline")
        assert done.code == 2
        assert "there is no run of teller 1.0.0 on these cases of bank@1.0.0" in done.err

    def test_of_another_dataset_is_none(self, bank, worse, tmp_path):
        bank(*RUN, "--case", "pays")
        bank("agent", "publish", TELLER)
        words = ("run", "--agent", worse, "--baseline", "teller@1.0.0", "--stored-baseline")
        assert bank(*words).code == 2  # the run had one of the cases only
        assert bank(*words, "--case", "pays", "--rule", "point").code in (0, 1)

    def test_looks_no_further_than_its_trials(self, bank, worse):
        bank(*RUN, "--trials", "3")
        bank("agent", "publish", TELLER)
        words = ("--stored-baseline", "--trials", "2,3,5", "--json")
        done = bank("run", "--agent", worse, "--baseline", "teller@1.0.0", *words)
        assert done.json["planned_trials"] == 3


def costs(home):
    """Of the trials that tell."""
    told = [trace["cost_usd"] for trace in traces(home).values()]
    return [usd for usd in told if usd is not None]


def test_a_run_that_has_spent_its_budget_starts_no_trial_and_goes_on_with_a_larger_one(
    bank, tmp_path
):
    """The teller's tokens stand for dollars: every reply says how many it took."""
    priced = version(tmp_path / "priced", "1.5.0", **{"input_tokens: /tokens": "cost_usd: /tokens"})
    run = ("run", "--agent", priced, "--rule", "point", "--json", "--max-concurrency", "1")
    spent = bank(*run, "--max-usd", "0.01")
    assert (spent.code, spent.json["outcome"]) == (4, "INCONCLUSIVE"), spent.err
    assert "of the run's budget of 0.01 USD are spent" in spent.json["reason"]
    (told,) = costs(bank.home)
    assert f"cost {told:.4f} USD" in spent.err
    assert "BudgetSpent" in {fault["error"] for fault in faults(bank.home)}

    whole = bank(*run, "--max-usd", "1000000")
    assert (whole.json["run_id"], whole.json["outcome"]) == (
        spent.json["run_id"],
        "BASELINE_CREATED",
    )
    assert len(traces(bank.home)) == whole.json["scored"] == 6
    total = sum(costs(bank.home))
    assert f"cost {total:.4f} USD" in whole.err
    page = Path(whole.json["report"]).read_text()
    assert "What the run cost" in page
    assert f"{total:.4f} USD" in page

    refused = bank("run", "--agent", TELLER, "--local", "--max-usd", "1")
    assert (refused.code, "needs what a trial costs" in refused.err) == (2, True)
    assert bank(*run, "--max-usd", "0").code == 2
