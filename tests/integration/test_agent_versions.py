"""The sample agent's versions 2.1.0 to 2.4.0: each gets the verdict and the reason it deserves."""

import json

import pytest

from tests.conftest import Cli

VERSIONS = "agents/support/versions"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    cli = Cli(tmp_path_factory.mktemp("versions") / "home")
    assert cli("dataset", "publish", "datasets/support").code == 0
    return cli


def compare(cli, version, *flags):
    """The verdict on a version against 1.0.0, as JSON; the command's exit code agrees with it."""
    arms = ("--agent", f"{VERSIONS}/{version}.yaml", "--baseline", f"{VERSIONS}/1.0.0.yaml")
    done = cli("run", *arms, "--local", "--json", *flags)
    assert done.code == (done.json["outcome"] == "BLOCK"), done.err
    return done.json, done.err


def on(*case_ids):
    """Some cases, too few to prove anything: their means are compared."""
    return ["--rule", "point", *(word for case_id in case_ids for word in ("--case", case_id))]


def failed(verdict):
    return {(c["metric"], c["stratum"]) for c in verdict["criteria"] if c["ok"] is False}


def test_2_1_0_looks_up_what_it_does_not_need_and_runs_into_the_limit(home):
    verdict, _ = compare(
        home,
        "2.1.0",
        *on("balance-checking", "balance-savings-by-email", "address-moved"),
        *on("transactions-last-two", "exchange-no-rate"),
    )
    assert verdict["outcome"] == "BLOCK"
    assert ("call_precision", "all cases") in failed(verdict)
    assert "drop of call_precision over all cases (100.0% to " in verdict["reason"]
    (broken,) = verdict["broken"]
    assert broken["case_id"] == "exchange-no-rate"
    assert broken["reason"] == "ran into a limit: more than 20 tool calls"
    calls = next(r for r in verdict["remarks"] if r.startswith("more unnecessary calls: "))
    assert "get_exchange_rate" in calls
    assert "find_customer" in calls


def test_2_2_0_is_blocked_by_one_rare_tool(home, tmp_path):
    disputes = [dispute(n, "I don't recognise this charge:", "not_recognised") for n in range(10)]
    disputes += [
        dispute(n, "Please dispute this, it never arrived:", "not_received") for n in range(10, 12)
    ]
    folder = dataset(tmp_path / "disputes", [*disputes, *(rate(n) for n in range(50))])
    verdict, shown = compare(home, "2.2.0", "--dataset", folder, "--seed", "1")
    assert ("task_success", "tool open_dispute") in failed(verdict)
    assert {flip["case_id"] for flip in verdict["broken"]} == {f"dispute-{n}" for n in range(10)}
    assert "open_dispute.reason: wanted exactly 'not_recognised', got 'unauthorised'" in shown
    assert "hit hardest: tool open_dispute, task_success from 100.0% to 16.7% over 12" in shown
    assert "changed: contract open_dispute changed from 1.0.0 to 1.1.0\n" in shown


def test_2_3_0_passes_and_is_called_slower_and_dearer(home):
    verdict, shown = compare(
        home,
        "2.3.0",
        *on("balance-checking", "balance-german", "balance-total", "transfer-own-accounts"),
        *on("card-lost-one-card", "exchange-convert"),
        *("--max-concurrency", "2"),  # what a trial waits for others is noise
    )
    assert (verdict["outcome"], verdict["broken"]) == ("PASS", [])
    slower, dearer = verdict["remarks"]
    assert slower.startswith("slower: ")
    assert dearer.startswith("dearer: 1.")
    assert slower in shown
    assert dearer in shown
    took = {row["quantity"]: row for row in verdict["spending"]}
    assert took["steps"]["baseline"] == took["steps"]["candidate"]


def test_2_4_0_writes_twice(home):
    verdict, shown = compare(
        home,
        "2.4.0",
        *on("transfer-own-accounts", "transfer-not-covered", "address-moved", "card-stolen-by-id"),
        *on("ticket-wants-a-person", "balance-checking", "transactions-last-two"),
    )
    assert verdict["outcome"] == "BLOCK"
    metrics = {"task_success", "action_correctness", "call_precision"}
    assert failed(verdict) == {(metric, "all cases") for metric in metrics}
    reasons = {flip["case_id"]: flip["reason"] for flip in verdict["broken"]}
    assert {case_id: reason.partition(":")[0] for case_id, reason in reasons.items()} == {
        "transfer-own-accounts": "transfer_money was done twice",
        "address-moved": "update_address was done twice",
        "ticket-wants-a-person": "create_ticket was done twice",
    }
    assert "transfer_money was done twice: " in verdict["reason"]
    output = next(c for c in verdict["criteria"] if c["metric"] == "output_correctness")
    assert output["candidate"] == 1
    assert "broken  transfer-own-accounts (critical): transfer_money was done twice" in shown


def dataset(folder, cases):
    folder.mkdir()
    header = {
        "name": "disputes",
        "version": "1.0.0",
        "description": "Few disputes among other requests.",
        "owner": "us",
        "changelog": "The first.",
        "tools": {"open_dispute": "write", "get_exchange_rate": "read"},
    }
    (folder / "dataset.yaml").write_text(json.dumps(header))
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return folder


def dispute(number, says, reason):
    transaction = {"id": f"TXN-41{number:02}", "account": "ACC-1001", "merchant": "Rail One"}
    expected = {
        "tool": "open_dispute",
        "effect": "write",
        "arguments": {"transaction_id": transaction["id"], "reason": reason},
    }
    return {
        **spoken(f"dispute-{number}", f"{says} {transaction['id']}"),
        "expected_calls": [expected],
        "world": {"transactions": [transaction], "disputes": []},
    }


def rate(number):
    arguments = {"base": "EUR", "quote": "USD"}
    return {
        **spoken(f"rate-{number}", "What is the exchange rate from EUR to USD?"),
        "expected_calls": [{"tool": "get_exchange_rate", "effect": "read", "arguments": arguments}],
        "world": {"rates": {"EUR": {"USD": 1.0875}}},
    }


def spoken(case_id, text):
    return {
        "case_id": case_id,
        "task_type": case_id.partition("-")[0],
        "provenance": {"kind": "manual", "author": "us"},
        "turns": [{"user": text}],
    }
