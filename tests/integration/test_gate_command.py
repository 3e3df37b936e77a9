"""`driftgate gate` on a run of the teller, in processes of their own."""

import gzip
import json

import pytest

from tests.conftest import TELLER, Cli
from tests.integration.test_run import version


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a first release, and a version that shows balances a hundred times too small."""
    folder = tmp_path_factory.mktemp("gate")
    cli = Cli(folder / "home")
    assert cli("dataset", "publish", TELLER / "dataset").code == 0
    assert cli("run", "--agent", TELLER, "--local").code == 0
    assert cli("agent", "publish", TELLER).code == 0
    assert cli("agent", "promote", "teller@1.0.0").code == 0
    worse = version(folder / "worse", "2.0.0", **{"${TELLER:-fine}": "units"})
    assert cli("run", "--agent", worse, "--local", "--trials", "3").code in (1, 4)
    return cli


def runs(home):
    return home("runs", "--json").json[::-1]  # the oldest first


def test_finished_runs_are_listed_with_their_outcome(home):
    first, second = runs(home)
    assert (first["version"], first["outcome"]) == ("1.0.0", "BASELINE_CREATED")
    assert (second["version"], second["baseline"]) == ("2.0.0", "1.0.0")
    assert home("runs", "--agent", "nobody", "--json").json == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_verdict_follows_bit_equal_in_a_fresh_process_of_another_hash_seed_and_locale(
    home, number
):
    run = runs(home)[number]["run_id"]
    done = home("gate", "verify", run[:12], "--json", PYTHONHASHSEED="99", LC_ALL="tr_TR.UTF-8")
    assert (done.code, done.json["run_id"]) == (0, run), done.err
    assert [check["faults"] for check in done.json["verdicts"]] == [[]]
    assert done.json["chain"] == {"agent": "teller", "first": number + 1, "head": 2, "faults": []}
    assert "byte for byte" in done.err


def test_the_whole_chain_of_an_agent_is_verified(home):
    done = home("gate", "verify", "--chain", "teller", "--json")
    assert (done.code, done.json["chain"]["head"], len(done.json["verdicts"])) == (0, 2, 2)
    done = home("gate", "verify", "--chain", "nobody")
    assert (done.code, "there is none of nobody" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "wanted the id of a run, or --chain"),
        (("r-1", "--chain", "teller"), "wanted the id of a run, or --chain"),
        (("r-nothing",), "there is no r-nothing"),
    ],
)
def test_what_can_not_be_verified_is_bad_input(home, words, said):
    done = home("gate", "verify", *words)
    assert (done.code, said in done.err) == (2, True)


def test_an_engineer_is_told_what_broke_where_its_trace_lies_and_what_it_took(home):
    run = runs(home)[1]["run_id"]
    done = home("gate", "explain", run, "--json")
    assert done.code == 0
    told = {section["title"]: section["sentences"] for section in done.json["sections"]}
    broken = next(s for s in told["Which cases changed"] if s.startswith("broken: "))
    trace = next(part for part in broken.replace("(", " ").split() if "/candidate/" in part)
    assert (home.home / trace).is_file()
    assert any("goes unseen" in s or "no drop" in s for s in told["What could not have been seen"])
    assert told["What it took"][0].startswith("baseline: 18 trials, ")
    assert any("output_tokens" in s or "tokens written: not reported" in s
               for s in told["What it took"])  # fmt: skip
    assert all(title in done.err for title in told)


def test_a_score_that_was_changed_is_named_and_fails_the_command(home):
    """Last, as it harms the home."""
    run = runs(home)[1]["run_id"]
    (path,) = home.home.glob(f"records/verdicts/teller/{run}/**/*.bundle.json.gz")
    content = json.loads(gzip.decompress(path.read_bytes()))
    card = next(c for c in content["cards"] if c["scores"]["task_success"]["value"] == 0)
    card["scores"]["task_success"]["value"] = 1.0
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    done = home("gate", "verify", run, "--json")
    assert done.code == 1
    assert any("was linked with sha256" in fault for fault in done.json["verdicts"][0]["faults"])
    assert "FAULT: strata.0.candidate: stored" in done.err
    assert "INTEGRITY_FAIL" in done.err
