"""`driftgate mocks check` as it is typed: what it says, where, and how it ends."""

import json
import shutil

import pytest

from tests.conftest import ROOT

SUPPORT = ROOT / "agents" / "support"
CASES = ROOT / "datasets" / "support"
COUNT = len((CASES / "cases.jsonl").read_text().splitlines())
FITTING = f"support@1.2.0: the mocks of {COUNT} cases"
REAL = [
    {"account_id": "ACC-2001", "balance": 125040, "currency": "EUR"},
    {"account_id": "ACC-2002", "balance": -9805, "currency": "EUR"},
    {"account_id": "ACC-2003", "balance": 310000, "currency": "USD"},
]


@pytest.fixture
def support(cli):
    assert cli("dataset", "publish", CASES).code == 0
    return cli


@pytest.fixture
def agents(tmp_path):
    """A copy of the support agent's manifests and contracts to spoil."""
    return shutil.copytree(SUPPORT, tmp_path / "support")


def record(path, *balances):
    calls = [
        {"tool": "get_account_balance", "arguments": {"account_id": b["account_id"]}, "result": b}
        for b in balances
    ]
    path.write_text("".join(json.dumps(call) + "\n" for call in calls))
    return path


def spoil(agents, contract, old, new):
    path = agents / "contracts" / contract
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize("number", ["1.0.0", "1.1.0", "2.0.0"])
def test_the_unchanged_is_silent(support, number):
    done = support("mocks", "check", SUPPORT / "versions" / f"{number}.yaml", "--json")
    assert (done.code, done.json["faults"], done.json["notes"]) == (0, [], [])
    assert done.err == f"{FITTING} fit support {number}\n"


def test_real_calls_that_fit_are_silent_and_the_uncompared_is_told(support, tmp_path):
    calls = record(tmp_path / "real.jsonl", *REAL)
    manifest = SUPPORT / "versions" / "1.0.0.yaml"
    done = support("mocks", "check", manifest, "--recorded", calls, "--json")
    assert (done.code, done.json["faults"], done.json["notes"]) == (0, [], [])
    assert (done.json["recorded"], len(done.json["not_compared"])) == (3, 10)
    note, fits = done.err.splitlines()
    assert note.startswith("note: not compared with recorded calls: block_card, create_ticket, ")
    assert fits == f"{FITTING} fit support 1.0.0 and 3 recorded calls"


def test_a_unit_change_a_removed_field_a_new_argument_and_a_renamed_value_are_named(
    support, agents, tmp_path
):
    """The real balance service moved to units, dropped the currency and wants a purpose."""
    calls = record(tmp_path / "real.jsonl", *({**b, "balance": b["balance"] // 100} for b in REAL))
    text = calls.read_text().replace(', "currency": "EUR"', "", 1)
    text = text.replace('{"account_id": "ACC-2003"}', '{"account_id": "ACC-2003", "purpose": "x"}')
    calls.write_text(text)
    spoil(agents, "block_card-1.0.0.yaml", "[lost, stolen", "[lost, theft")
    manifest = agents / "versions" / "1.0.0.yaml"
    words = ("mocks", "check", manifest, "--dataset", CASES, "--recorded", calls, "--json")
    done = support(*words)
    assert done.code == 2
    named = {(f["tool"], f["field"].rpartition(".")[2]) for f in done.json["faults"]}
    assert named == {
        ("get_account_balance", "balance"),
        ("get_account_balance", "currency"),
        ("get_account_balance", "purpose"),
        ("block_card", "reason"),
    }
    line = next(
        number
        for number, text in enumerate((CASES / "cases.jsonl").read_text().splitlines(), start=1)
        if '"stolen"' in text
    )
    assert f"{CASES}/cases.jsonl:{line}: case " in done.err
    assert "can't match: wanted one of ['lost', 'theft', 'damaged'], got 'stolen'" in done.err
    assert f"{calls}:1: get_account_balance: result.currency: required, and not given" in done.err


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (
            lambda r: r["result"].update(balance=r["result"]["balance"] // 100),
            "result.balance",
            "about 100 times",
        ),
        (lambda r: r["result"].pop("currency"), "result.currency", "required, and not given"),
        (lambda r: r["arguments"].update(purpose="audit"), "arguments.purpose", "does not know it"),
        (lambda r: r["result"].update(status="OPEN"), "result.status", "wanted one of ['open'"),
    ],
    ids=["a unit change", "a removed field", "a new argument", "a renamed value"],
)
def test_each_drift_of_the_real_tool_is_named_alone(support, agents, tmp_path, change, field, said):
    """Here the real tool moved and nobody changed the contract, which states a status too."""
    contract = "get_account_balance-1.0.0.yaml"
    spoil(
        agents,
        contract,
        "currency: {type: string}",
        "currency: {type: string}\n    status: {enum: [open]}",
    )
    calls = [
        {
            "tool": "get_account_balance",
            "arguments": {"account_id": b["account_id"]},
            "result": {**b},
        }
        for b in REAL
    ]
    recorded, manifest = tmp_path / "real.jsonl", agents / "versions" / "1.0.0.yaml"
    for moved in (False, True):
        if moved:
            for call in calls:
                change(call)
        recorded.write_text("".join(json.dumps(call) + "\n" for call in calls))
        words = ("mocks", "check", manifest, "--dataset", CASES, "--recorded", recorded, "--json")
        done = support(*words)
        assert done.code == (2 if moved else 0)
        named = {(fault["tool"], fault["field"]) for fault in done.json["faults"]}
        assert named == ({("get_account_balance", field)} if moved else set())
    assert said in done.err


def test_a_contract_that_requires_more_than_its_baseline_did_is_told(support, agents):
    manifest = agents / "versions" / "1.0.0.yaml"
    assert support("dataset", "publish", f"{CASES}-adversarial").code == 0
    assert support("agent", "publish", manifest).code == 0
    assert support("agent", "promote", "support@1.0.0").code == 0
    contract = "get_account_balance-2.0.0.yaml"
    spoil(agents, contract, "required: [account_id]", "required: [account_id, purpose]")
    spoil(agents, contract, "properties:", "properties:\n    purpose: {type: string}")
    done = support("mocks", "check", agents / "versions" / "2.0.0.yaml")
    assert done.code == 0
    assert done.err.startswith(
        "note: support@1.2.0: get_account_balance: arguments.purpose: required by 2.0.0 and not "
        "by 1.0.0, which came before; no expected call names it\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "wanted at least one recorded call, the file has none"),
        ('{"tool": "x"}\n', ":1: result: required, and not given"),
        ('\n{"tool": "x", "result": 1, "at": 2}\n', ":2: at: there is no such field"),
        ("x\n", ":1: not a JSON object on one line"),
    ],
)
def test_recordings_that_are_none_are_bad_input(support, tmp_path, text, said):
    (tmp_path / "real.jsonl").write_text(text)
    manifest = SUPPORT / "versions" / "1.0.0.yaml"
    done = support("mocks", "check", manifest, "--recorded", tmp_path / "real.jsonl")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
