"""Reviews at the command line, by people who are told apart by their names."""

import json

import pytest

from driftgate.adapters.local import Laptop
from tests.office import FP, MONEY, Office


@pytest.fixture
def office(cli):
    made = Office(cli.home)
    made.mine()
    return made


def test_a_candidate_is_claimed_edited_approved_by_two_others_and_published(cli, office, tmp_path):
    listed = cli("review", "list", "--agent", "support", "--json")
    assert listed.code == 0, listed.err
    assert [item["candidate"]["fingerprint"] for item in listed.json] == [FP]
    file = tmp_path / "draft.json"
    shown = cli("review", "show", "aaaa", "--agent", "support", "--draft", file)
    assert "suggested: get_account_balance (read)" in shown.err
    assert cli("review", "claim", "aaaa", "--agent", "support", "--as", "ann").code == 0
    content = json.loads(file.read_text())
    content["turns"][0]["expected_outputs"] = [MONEY]
    file.write_text(json.dumps(content))
    stale = cli("review", "edit", "aaaa", "--agent", "support", "--case", file, "--revision", "0")
    assert (stale.code, "revision 0 was read, it is at 1" in stale.err) == (2, True)
    edit = ("review", "edit", "aaaa", "--agent", "support", "--case", file, "--as", "ann")
    assert cli(*edit).code == 0
    own = cli("review", "accept", "aaaa", "--agent", "support", "--as", "ann")
    assert (own.code, "ann wrote its draft" in own.err) == (2, True)
    first = cli("review", "accept", "aaaa", "--agent", "support", "--as", "bob")
    assert "approved, not accepted yet" in first.err
    assert cli("review", "accept", "aaaa", "--agent", "support", "--as", "cleo").code == 0
    done = cli("review", "publish", "support", "--as", "pat", "--json")
    assert done.code == 0, done.err
    assert (done.json["version"], done.json["author"]) == ("1.1.0", "pat")
    assert Laptop(cli.home).reviews.rows("review.support/")[0]["state"] == "published"


def test_generated_drafts_are_proposed_to_the_curators(cli, office):
    refused = cli("dataset", "generate", "support@1.0.0", "--propose")
    assert (refused.code, "wanted --agent as id@version" in refused.err) == (2, True)
    words = ("--agent", "support@2.0.0", "--strategy", "typos", "--propose", "--json")
    done = cli("dataset", "generate", "support@1.0.0", *words)
    assert done.code == 0, done.err
    assert "1 candidate to review" in done.err
    rows = Laptop(cli.home).reviews.rows("candidate.support/")
    (found,) = (row for row in rows if row["origin"] == "synthetic")
    assert found["reasons"] == ["synthetic: typos seed=0"]


def test_a_session_is_erased_and_what_was_made_of_it(cli, office):
    none = cli("privacy", "erase", "--agent", "support")
    assert (none.code, "got neither" in none.err) == (2, True)
    words = ("privacy", "erase", "--agent", "support", "--session", "session-1")
    assert "1 session would be erased" in cli(*words, "--plan").err
    done = cli(*words, "--json")
    assert (done.code, done.json["candidates"], done.json["objects"]) == (0, 1, 1)
    assert not Laptop(cli.home).reviews.keys("candidate.support/")
