"""`driftgate gate aa`, `drill` and `health` on the teller, in processes of their own."""

import json

import pytest

from driftgate.adapters.local import LocalRegistry
from tests.conftest import TELLER, Cli


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which the teller has a baseline, and twelve cases that ask for a balance."""
    folder = tmp_path_factory.mktemp("drills")
    (folder / "dataset").mkdir()
    header = (TELLER / "dataset" / "dataset.yaml").read_text()
    (folder / "dataset" / "dataset.yaml").write_text(header)
    lines = [json.dumps(asks(number)) for number in range(12)]
    (folder / "dataset" / "cases.jsonl").write_text("\n".join(lines) + "\n")
    cli = Cli(folder / "home")
    assert cli("dataset", "publish", folder / "dataset").code == 0
    assert cli("agent", "publish", TELLER).code == 0
    assert cli("agent", "promote", "teller@1.0.0").code == 0
    return cli


def asks(number: int):
    account, value = f"A{number % 10}", 10.25 + number
    return {
        "case_id": f"balance-{number}",
        "task_type": "balance",
        "turns": [
            {
                "user": f"What does {account} hold?",
                "expected_outputs": [{"match": "money", "value": value, "currency": "EUR"}],
            }
        ],
        "expected_calls": [
            {"tool": "balance", "effect": "read", "arguments": {"account": account}}
        ],
        "world": {"accounts": {account: {"balance": {"value": value, "unit": "EUR"}}}},
    }


def test_a_gate_is_tried_and_its_record_shows(home):
    same = home("gate", "aa", "teller", "--cases", 10, "--json")
    assert (same.code, same.json["seed"], same.json["cases"], same.json["fell"]) == (0, 1, 10, [])
    again = home("gate", "aa", "teller", "--json")
    assert (again.json["seed"], again.json["cases"]) == (2, 12)

    met = home("gate", "drill", "teller", "--json")
    assert (met.code, met.json["outcome"]) == (0, "BLOCK")
    assert met.json["broken"] == "balance answers in another unit"
    assert "drop of task_success over tool balance" in met.json["fell"]
    assert home("gate", "health").code == 0

    missed = home("gate", "drill", "teller", "--break", "broad")  # three cases prove nothing
    assert missed.code == 1
    assert "FAILED: wanted BLOCK by a drop, got INCONCLUSIVE" in missed.err

    health = home("gate", "health", "teller", "--json")
    assert health.code == 1
    [found] = health.json
    assert (found["aa_runs"], found["false_blocks"], found["wanted"]) == (2, 0, 57)
    assert found["standing"] == "too few to tell"
    assert [(row["kind"], bool(row["fell"])) for row in found["last"]] == [
        ("aa", False),
        ("tool", True),
        ("broad", False),
    ]


def test_a_drill_leaves_no_run_no_verdict_and_nothing_to_promote(home):
    assert home("gate", "drill", "teller").code == 0
    assert home("runs", "--json").json == []
    assert LocalRegistry(home.home / "registry").keys("agent/") == ["agent/teller/1.0.0"]
    assert home("agent", "promote", "teller@0.0.0").code == 2
    assert "there is none of teller" in home("gate", "verify", "--chain", "teller").err


def test_runs_against_itself_are_what_its_noise_is_told_from(home):
    assert home("gate", "aa", "teller").code == 0
    done = home("gate", "calibrate", "teller", "--json")
    assert done.code == 0
    assert {pair["candidate"] for pair in done.json["pairs"]} == {"1.0.0"}  # no broken copy
    assert done.json["noise"]["cases"] == 12
    assert done.json["no_change"] is None
    assert "too few runs to tell: 12 cases have two trials" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gate", "aa", "nobody"), "wanted an agent with a baseline, nobody has none in laptop"),
        (("gate", "drill", "teller", "--tool", "pay"), "got pay, there are balance"),
        (("gate", "drill", "teller", "--break", "broad", "--tool", "pay"), "--tool is for --break"),
        (("gate", "calibrate", "nobody"), "wanted finished runs of nobody in laptop"),
        (("gate", "drill", "teller", "--cases", "9"), "that 10 of 9 cases expect"),
    ],
)
def test_what_can_not_be_tried_is_bad_input(home, words, said):
    done = home(*words)
    assert done.code == 2
    assert said in done.err
