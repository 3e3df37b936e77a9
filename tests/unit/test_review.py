"""Reviews, from a production failure to the next version of a dataset."""

import itertools
import json
from datetime import timedelta

import pytest

from driftgate import publication, registry, review
from driftgate.adapters.local import LocalArtifacts
from driftgate.errors import BadInput, NotAllowed, StaleRevision, TraceMissing
from tests.builders import bank, case, expect
from tests.office import FP, Office


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    made.mine()
    return made


def test_a_draft_has_what_was_said_and_answered_and_marks_what_the_agent_did_as_a_suggestion(
    office,
):
    draft = office.desk("ann").draft(FP)
    assert [turn.user for turn in draft.case.turns] == ["My balance of ACC-1001?"]
    money = {"value": 1250.4, "unit": "EUR"}
    assert draft.case.world == {"accounts": {"ACC-1001": {"balance": money}}}
    assert [call.tool for call in draft.case.expected_calls] == ["get_account_balance"]
    assert draft.suggested == ("expected_calls.0",)
    assert draft.case.critical  # as its tool is
    assert draft.case.provenance.kind == "mined"
    assert "session-1" not in draft.model_dump_json()


def test_pseudonyms_become_stand_ins_that_stay_told_apart(tmp_path):
    office = Office(tmp_path)
    one, two = f"<email:{'a' * 16}>", f"<email:{'b' * 16}>"
    office.mine(text=f"I am {one}, not {two}. {one}!")
    said = office.desk("ann").draft(FP).case.turns[0].user
    assert said == "I am user1@example.com, not user2@example.com. user1@example.com!"


def test_a_case_goes_from_the_queue_to_the_next_version(office):
    office.accepted()
    planned = office.plan()
    found = planned.publication
    assert (found.base, found.header.version, found.bump) == ("1.0.0", "1.1.0", "minor")
    assert "outlier: get_account_balance /balance" in found.header.changelog
    assert found.header.owner == "us"
    row = office.publish(planned)
    assert (row.version, row.parent, row.count) == ("1.1.0", "1.0.0", 2)
    assert office.desk("ann").review(FP).published_in == "support@1.1.0"
    told = [(event.action, event.by) for event in office.desk("ann").trail(FP)]
    assert told == [
        ("claim", "ann"),
        ("edit", "ann"),
        ("approve", "bob"),
        ("accept", "cleo"),
        ("publish", "pat"),
    ]


def test_of_two_who_claim_the_same_revision_one_is_refused_and_told_who_was_first(office):
    office.desk("ann").claim(FP, 0)
    with pytest.raises(StaleRevision, match=r"revision 0 was read, it is at 1: ann did claim"):
        office.desk("bob").claim(FP, 0)
    with pytest.raises(NotAllowed, match="ann has it since"):
        office.desk("bob").claim(FP, 1)


def test_two_at_the_same_moment_are_told_apart_by_the_trail(office):
    """Both have read the review before either writes."""
    ann, bob = office.desk("ann"), office.desk("bob")
    before = ann.review(FP)
    ann._act(before, "claim", {"state": "claimed", "holder": "ann"})
    with pytest.raises(StaleRevision, match="ann did claim"):
        bob._act(before, "claim", {"state": "claimed", "holder": "bob"})
    assert [event.by for event in ann.trail(FP)] == ["ann"]


def test_a_review_whose_writer_died_after_its_event_follows_with_the_next_one(office):
    desk = office.desk("ann")
    desk.claim(FP, 0)
    row = office.reviews.row(f"review.support/{FP}")
    assert office.reviews.remove(f"review.support/{FP}")  # as if it was never written
    with pytest.raises(StaleRevision):
        office.desk("bob").claim(FP, 0)
    assert office.reviews.row(f"review.support/{FP}") == row


def test_a_stale_tab_loses_nothing_of_what_the_other_one_wrote(office):
    after = office.edited()
    with pytest.raises(StaleRevision):
        office.desk("ann").edit(FP, after.revision - 1, case(case_id="older"))
    assert office.desk("ann").draft(FP).case.turns[0].expected_outputs


def test_whoever_wrote_a_draft_cannot_approve_it_nor_anybody_twice(office):
    after = office.edited()
    with pytest.raises(NotAllowed, match="ann wrote its draft"):
        office.desk("ann").accept(FP, after.revision)
    after = office.desk("bob").accept(FP, after.revision)
    with pytest.raises(NotAllowed, match="bob has approved it already"):
        office.desk("arn:aws:sts::1:assumed-role/Curator/bob").accept(FP, after.revision)


def test_developers_alone_do_not_make_a_case_of_their_agent(office):
    office.desk("boss").name_developers(["dev", "dave"])
    after = office.edited()
    for who in ("dev", "dave"):
        after = office.desk(who).accept(FP, after.revision)
        assert after.state == "claimed"
    assert office.desk("bob").accept(FP, after.revision).state == "accepted"


def test_a_developer_does_not_take_himself_off_the_list(office):
    office.desk("dev").name_developers(["dev"])
    with pytest.raises(NotAllowed, match="somebody else takes him off"):
        office.desk("dev").name_developers([])


def test_a_case_of_low_risk_needs_one_approval_and_one_of_high_risk_two(office):
    office.desk("boss").name_developers(["dev"])
    after = office.edited()
    assert office.desk("bob").accept(FP, after.revision).state == "claimed"
    low = case(expect("find", args={"x": 1}), case_id="low", critical=False)
    claimed = office.desk("ann").edit(FP, after.revision + 1, low)
    assert office.desk("bob").accept(FP, claimed.revision).state == "accepted"


def test_a_case_of_a_critical_tool_is_of_high_risk_whatever_it_says_itself(office):
    content = office.corrected().model_copy(update={"critical": False})
    assert office.desk("ann").is_high_risk(content, office.desk("ann").candidate(FP))


def test_where_nobody_named_the_developers_two_people_approve(office):
    claimed = office.desk("ann").claim(FP, 0)
    low = case(expect("find", args={"x": 1}), case_id="low", critical=False)
    after = office.desk("ann").edit(FP, claimed.revision, low)
    after = office.desk("bob").accept(FP, after.revision)
    assert after.state == "claimed"
    assert office.desk("cleo").accept(FP, after.revision).state == "accepted"


def test_an_edit_takes_the_approvals_back(office):
    after = office.edited()
    after = office.desk("bob").accept(FP, after.revision)
    after = office.desk("ann").edit(FP, after.revision, office.corrected())
    assert not after.approvals


def test_what_was_sent_back_is_claimed_again_before_it_is_approved(office):
    after = office.edited()
    after = office.desk("bob").needs_work(FP, after.revision, "wrong currency")
    with pytest.raises(BadInput, match="wanted claimed to accept, it is needs_work"):
        office.desk("cleo").accept(FP, after.revision)
    after = office.desk("cleo").claim(FP, after.revision)
    assert office.desk("cleo").draft(FP).case == office.corrected()
    assert office.desk("cleo").release(FP, after.revision).state == "needs_work"


def test_suggestions_that_nobody_confirmed_are_not_approved(office):
    claimed = office.desk("ann").claim(FP, 0)
    with pytest.raises(BadInput, match=r"nobody has confirmed expected_calls\.0"):
        office.desk("bob").accept(FP, claimed.revision)


def test_a_case_that_expects_nothing_is_not_approved(office):
    claimed = office.desk("ann").claim(FP, 0)
    after = office.desk("ann").edit(FP, claimed.revision, case(case_id="empty"))
    with pytest.raises(BadInput, match="expects nothing"):
        office.desk("bob").accept(FP, after.revision)


def test_a_claim_that_is_left_for_a_day_can_be_taken_over(office):
    office.desk("ann").claim(FP, 0)
    office.clock.at += timedelta(hours=25)
    assert office.desk("bob").claim(FP, 1).holder == "bob"


def test_a_rejected_candidate_says_why_and_stays_rejected(office):
    with pytest.raises(BadInput, match="reason"):
        office.desk("ann").reject(FP, 0, " ")
    after = office.desk("ann").reject(FP, 0, "the user was joking")
    assert (after.state, after.reason) == ("rejected", "the user was joking")
    with pytest.raises(BadInput, match="it is rejected"):
        office.desk("bob").claim(FP, after.revision)


def test_a_candidate_whose_recording_is_gone_has_no_draft(office, tmp_path):
    office.traces = LocalArtifacts(tmp_path / "elsewhere")
    with pytest.raises(TraceMissing, match="expired, or erased"):
        office.desk("ann").draft(FP)


def test_a_double_click_on_publish_makes_one_version(office):
    office.accepted()
    planned = office.plan()
    rows = {office.publish(planned).version for _ in range(2)}
    assert rows == {"1.1.0"}
    assert len(registry.list_datasets(office.stored, "support")) == 2
    with pytest.raises(BadInput, match="no case is accepted"):
        office.plan()


def test_a_publisher_who_died_before_saying_so_is_made_up_for_without_another_version(office):
    office.accepted()
    dataset = office.plan().dataset
    registry.publish_dataset(dataset, office.stored, office.clock, author="pat")
    assert office.publish(office.plan()).version == "1.1.0"
    assert office.desk("ann").review(FP).published_in == "support@1.1.0"


def test_personal_data_drift_and_unknown_fields_block_and_near_duplicates_can_be_waived(office):
    office.accepted()
    planned = publication.plan(
        "support", [office.desk("pat")], office.stored, office.records, lambda _: {"iban": 1}
    )
    with pytest.raises(BadInput, match="may be somebody's iban"):
        office.publish(planned, waived=("personal_data",))
    content = office.desk("ann").draft(FP).case.model_dump(mode="json")
    for change, kind in (
        ({"turns": [{"user": f"I am <email:{'c' * 16}>"}]}, "personal_data"),
        ({"expected_calls": [expect("get_account_balance", args={"id": 5})]}, "mock_drift"),
        ({"expected_calls": [expect("get_account_balance", "write")]}, "schema"),
    ):
        blocked = _planned(office, {**content, **change})
        assert kind in {finding.kind for finding in blocked.blocking}


def _planned(office, content):
    """The plan of another candidate's case, and the candidate put away again."""
    fingerprint = f"{next(_numbers):064x}"
    office.mine(fingerprint, session_id=f"session-{fingerprint[-3:]}")
    ann, bob, cleo = (office.desk(who) for who in ("ann", "bob", "cleo"))
    made = type(ann.draft(FP).case).model_validate({**content, "case_id": fingerprint[-8:]})
    after = ann.edit(fingerprint, ann.claim(fingerprint, 0).revision, made)
    after = cleo.accept(fingerprint, bob.accept(fingerprint, after.revision).revision)
    planned = office.plan().publication
    ann.needs_work(fingerprint, after.revision, "tried")
    return planned


_numbers = itertools.count(1)


def test_a_near_duplicate_blocks_unless_it_is_waived(office):
    office.accepted()
    office.publish(office.plan())
    content = office.desk("ann").draft(FP).case.model_dump(mode="json")
    found = _planned(office, json.loads(json.dumps(content).replace("ACC-1001", "ACC-2002")))
    assert [(f.kind, f.waivable) for f in found.blocking] == [("near_duplicate", True)]


def test_the_queue_begins_with_what_is_bad_frequent_and_not_covered(office):
    office.mine("b" * 64, "session-2", severity=0.9)
    office.mine("c" * 64, "session-3", severity=0.5)
    found = review.queue("support", office.reviews)
    assert found[0].candidate.fingerprint == "b" * 64
    assert found[0].cluster == "balance, get_account_balance, outlier"
    alike = case(expect("get_account_balance"), task_type="balance")
    covered = review.queue("support", office.reviews, [alike])
    assert covered[0].value == pytest.approx(found[0].value / 2)


def test_the_bump_says_what_old_scores_are_worth():
    old = bank(case(expect("pay", "write"), case_id="a"), case(expect("find"), case_id="b"))
    labelled = bank(old.cases[0].model_copy(update={"smoke": True}), old.cases[1])
    for new, bump in (
        (bank(*old.cases, case(case_id="c")), "minor"),
        (bank(old.cases[0]), "major"),
        (bank(old.cases[0], case(expect("pay", "write"), case_id="b")), "major"),
        (labelled, "patch"),
    ):
        assert publication.suggest_bump(publication.datasets.diff(old, new))[0] == bump
    assert publication.next_version("1.4.2", "minor") == "1.5.0"
