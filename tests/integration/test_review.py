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
