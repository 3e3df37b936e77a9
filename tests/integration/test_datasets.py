"""Published datasets on the command line: compared, fetched, verified, promoted, shown."""

import json
import shutil

import pytest

from local.instances import Instances
from tests.conftest import ROOT, TELLER

SUPPORT = ROOT / "datasets" / "support"
RUN = ("run", "--agent", TELLER, "--local", "--json")


@pytest.fixture
def edited(tmp_path):
    """The teller's dataset as 1.1.0: a case less, a case more, one with another amount."""
    folder = shutil.copytree(TELLER / "dataset", tmp_path / "edited")
    header = (folder / "dataset.yaml").read_text().replace("1.0.0", "1.1.0")
    (folder / "dataset.yaml").write_text(f"{header}parent: 1.0.0\n")
    cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
    cases = [case for case in cases if case["case_id"] != "asks-first"]
    pays = next(case for case in cases if case["case_id"] == "pays")
    pays["expected_calls"][0]["arguments"]["amount"] = 700
    cases.append({**pays, "case_id": "pays-more"})
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    return folder


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """The variables of an account that is on this machine."""
    home = Instances(tmp_path_factory.mktemp("account"))
    yield home.start("account")[0].environment()
    home.stop("account")


def sha256(cli, folder):
    return cli("dataset", "validate", folder, "--json").json["sha256"]


class TestDiff:
    def test_a_version_and_a_folder(self, bank, edited):
        done = bank("dataset", "diff", "bank@1.0.0", edited, "--json")
        assert (done.code, done.json["unchanged"]) == (0, 4)
        assert (done.json["added"], done.json["removed"]) == (["pays-more"], ["asks-first"])
        (changed,) = done.json["changed"]
        assert changed == {
            "case_id": "pays",
            "fields": [
                {
                    "field": "expected_calls.0.arguments.amount.value",
                    "change": "changed",
                    "before": 500,
                    "after": 700,
                }
            ],
        }
        assert done.json["after"]["sha256"] == sha256(bank, edited)
        assert done.err.splitlines() == [
            "bank@1.0.0 -> bank@1.1.0: 1 added, 1 removed, 1 changed, 4 unchanged",
            "added    pays-more",
            "removed  asks-first",
            "changed  pays",
            "  expected_calls.0.arguments.amount.value: 500 -> 700",
        ]

    def test_two_versions(self, bank, edited):
        assert bank("dataset", "publish", edited).code == 0
        done = bank("dataset", "diff", "bank@1.1.0", "bank@1.0.0")
        assert (done.code, done.out) == (0, "")
        assert "added    asks-first\nremoved  pays-more" in done.err

    def test_a_version_that_is_not_there(self, bank):
        done = bank("dataset", "diff", "bank@1.0.0", "bank@9.0.0")
        assert (done.code, done.err) == (
            2,
            "error: dataset bank@9.0.0 is not published in laptop; there are 1.0.0\n",
        )


class TestPull:
    @pytest.mark.parametrize("folder", [TELLER / "dataset", SUPPORT], ids=["bank", "support"])
    def test_what_is_pulled_has_the_same_hash_and_header(self, cli, tmp_path, folder):
        row = cli("dataset", "publish", folder, "--json").json
        copy = tmp_path / "new" / "copy"
        pulled = cli("dataset", "pull", f"{row['name']}@{row['version']}", copy, "--json")
        assert (pulled.code, pulled.json) == (0, row)
        assert sha256(cli, copy) == row["sha256"]
        assert cli("dataset", "publish", copy, "--json").json == row
        assert [path.name for path in copy.parent.iterdir()] == ["copy"]
        elsewhere = type(cli)(tmp_path / "elsewhere")
        again = elsewhere("dataset", "publish", copy, "--author", row["author"], "--json").json
        assert {**again, "created_at": ""} == {**row, "created_at": ""}

    def test_an_empty_folder_will_do(self, bank, tmp_path):
        (tmp_path / "empty").mkdir()
        assert bank("dataset", "pull", "bank@1.0.0", tmp_path / "empty").code == 0
        assert {path.name for path in (tmp_path / "empty").iterdir()} == {
            "dataset.yaml",
            "cases.jsonl",
        }

    def test_a_folder_that_holds_something_is_left_alone(self, bank, tmp_path):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "note").touch()
        for place in ("full", "full/note"):
            done = bank("dataset", "pull", "bank@1.0.0", tmp_path / place)
            assert (done.code, done.err) == (
                2,
                f"error: {tmp_path / place}: wanted a new or empty folder, it holds something\n",
            )
        assert [path.name for path in (tmp_path / "full").iterdir()] == ["note"]

    def test_a_damaged_version_leaves_no_folder(self, bank, tmp_path):
        tamper(bank)
        done = bank("dataset", "pull", "bank@1.0.0", tmp_path / "copy")
        assert (done.code, done.err.partition(":")[0]) == (1, "INTEGRITY_FAIL")
        assert not (tmp_path / "copy").exists()


def tamper(cli):
    (blob,) = (cli.home / "registry" / "datasets").iterdir()
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b"1250.4", b"12.504"))
    return blob.name


class TestVerify:
    def test_all_versions_or_one(self, bank, edited):
        assert bank("dataset", "publish", edited).code == 0
        every = bank("dataset", "verify", "--json")
        assert (every.code, every.err) == (0, "2 versions checked, all as published\n")
        assert [check["dataset"] for check in every.json] == ["bank@1.0.0", "bank@1.1.0"]
        one = bank("dataset", "verify", "bank@1.1.0")
        assert (one.code, one.err) == (0, "1 version checked, all as published\n")

    def test_each_fault_is_a_line(self, bank, edited):
        sha256 = tamper(bank)
        assert bank("dataset", "publish", edited).code == 0
        (row,) = (bank.home / "registry" / "rows").glob("*1.1.0*")
        row.write_text(row.read_text().replace('"count":6', '"count":7'))
        done = bank("dataset", "verify", "--json")
        first, second = done.err.splitlines()
        assert first.startswith(
            f"INTEGRITY_FAIL: dataset bank@1.0.0 was published with sha256 {sha256}, its stored"
        )
        assert second == "dataset bank@1.1.0: count is 6 in its content, its row says 7"
        assert (done.code, [len(check["faults"]) for check in done.json]) == (1, [1, 1])
        assert bank("dataset", "verify", "bank@1.0.0").code == 1

    def test_a_version_that_is_not_there(self, bank):
        assert bank("dataset", "verify", "bank@9.0.0").code == 2

    def test_where_nothing_is_published_nothing_is_wrong(self, cli):
        done = cli("dataset", "verify")
        assert (done.code, done.err) == (0, "0 versions checked, all as published\n")


class TestPromote:
    def test_two_environments_are_wanted(self, bank):
        done = bank("dataset", "promote", "bank@1.0.0", "--from", "laptop", "--to", "laptop")
        assert (done.code, done.err) == (2, "error: wanted two environments, got laptop twice\n")
        assert bank("dataset", "promote", "bank@1.0.0", "--to", "laptop").code == 2


class TestShow:
    def test_a_version_says_who_made_it_from_what_and_who_was_run_on_all_of_it(self, bank):
        fresh = bank("dataset", "show", "bank@1.0.0", "--json")
        assert fresh.json["validated"] == []
        assert "no agent version was run on all of it" in fresh.err
        assert bank(*RUN, "--case", "pays").code == 0
        assert bank("dataset", "show", "bank@1.0.0", "--json").json["validated"] == []
        run = bank(*RUN).json
        shown = bank("dataset", "show", "bank@1.0.0", "--json")
        (validated,) = shown.json["validated"]
        assert (validated["agent"], validated["version"]) == ("teller", "1.0.0")
        assert (validated["run_id"], validated["outcome"]) == (run["run_id"], "BASELINE_CREATED")
        for said in ("parent none, chain hash", "validated agent", run["run_id"], "BASELINE"):
            assert said in shown.err
        for field in ("created_at", "author", "changelog", "by_task_type", "by_tool", "parent"):
            assert field in shown.json


class TestCoverage:
    def test_what_a_version_covers_and_what_an_agents_contracts_say_of_it(self, bank):
        folder = bank("dataset", "coverage", TELLER / "dataset", "--agent", TELLER, "--json")
        assert (folder.code, folder.json["agent"], folder.json["cases"]) == (0, "teller 1.0.0", 6)
        tools = {tool["tool"]: tool for tool in folder.json["tools"]}
        assert (tools["balance"]["cases"], tools["balance"]["critical"]) == (5, False)
        assert (tools["pay"]["cases"], tools["pay"]["first_call"]) == (2, 2)
        assert [(s["tool"], s["kind"]) for s in folder.json["shortfalls"]] == [
            ("pay", "too few"),
            ("balance", "too few"),
        ]
        assert bank("agent", "publish", TELLER).code == 0
        published = bank("dataset", "coverage", "bank@1.0.0", "--agent", "teller@1.0.0", "--json")
        assert published.json == folder.json

    def test_without_an_agent_nothing_is_said_of_critical_tools(self, bank):
        done = bank("dataset", "coverage", "bank@1.0.0")
        assert (done.code, done.out) == (0, "")
        assert "too few: 2 cases for pay, wanted at least 10" in done.err
        assert "without --agent nobody knows which tools are critical" in done.err

    def test_the_tables_fit_sixty_columns_and_break_no_name(self, cli):
        agent = ROOT / "agents" / "support" / "versions" / "1.0.0.yaml"
        done = cli("dataset", "coverage", SUPPORT, "--agent", agent, COLUMNS="60")
        tables = done.err[done.err.index("task type") : done.err.index("must: ")]
        assert max(len(line.rstrip()) for line in tables.splitlines()) <= 60
        assert tables.count("get_account_balance") > 2  # its own rows, and combinations
        assert "transfer_money       26 " in tables


class TestNearDuplicates:
    def test_they_are_noted_and_no_fault(self, bank, edited):
        """pays-more has the amount of pays in other digits."""
        done = bank("dataset", "validate", edited, "--json")
        assert (done.code, done.json["cases"]) == (0, 6)
        note = "note: near-duplicates, only names, ids or numbers differ: pays, pays-more\n"
        assert done.err.endswith(note)
        found = bank("dataset", "coverage", edited, "--json")
        assert found.json["near_duplicates"] == [["pays", "pays-more"]]
        assert found.err.endswith(note)

    def test_the_support_dataset_has_none(self, cli):
        assert "near-duplicates" not in cli("dataset", "validate", SUPPORT).err


class TestExchange:
    def test_a_version_goes_to_agentcore_and_comes_back(self, bank, account, tmp_path):
        words = ("dataset", "export", "bank@1.0.0", "--to", "agentcore", "--json")
        done = bank(*words, **account)
        assert done.code == 0, done.err
        assert done.json["there"]["version"] == "1"
        assert "world" in done.json["left_out"]
        assert "left out" in done.err
        assert bank(*words, **account).json == done.json
        shown = bank("dataset", "show", "bank@1.0.0", "--json")
        assert shown.json["exchanges"] == [done.json]
        assert "export arn:aws:bedrock-agentcore:" in shown.err
        source, folder = done.json["there"]["arn"], tmp_path / "back"
        again = bank("dataset", "import", "--from", "agentcore", source, folder, **account)
        assert again.code == 0, again.err
        compared = bank("dataset", "diff", "bank@1.0.0", folder, "--json").json
        assert (compared["added"], compared["removed"], compared["tools"]) == ([], [], [])
        fields = {f["field"] for case in compared["changed"] for f in case["fields"]}
        assert not any(field.startswith(("turns.0.user", "task_type")) for field in fields)
        assert bank("dataset", "validate", folder).code == 0

    def test_a_dataset_that_agentcore_does_not_have(self, bank, account, tmp_path):
        done = bank("dataset", "import", "--from", "agentcore", "none@3", tmp_path / "x", **account)
        assert done.code == 2
        assert "AgentCore has no published version of dataset none@3" in done.err
        assert not (tmp_path / "x").exists()
