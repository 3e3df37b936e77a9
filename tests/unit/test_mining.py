"""Which production failures are worth a look, and which the most."""

import pytest

from driftgate import mining
from driftgate.schemas.online import ClosedSession, SessionJudgment, Signal
from driftgate.schemas.reviews import Candidate


def closed(*kinds, escalated=False):
    return ClosedSession.model_construct(
        signals=tuple(Signal(kind=kind) for kind in kinds), escalated=escalated
    )


def judged(*failed):
    return SessionJudgment(session_id="s", fingerprint="0" * 64, value=0.0, failed=failed)


def found(**rest):
    return Candidate(
        fingerprint="a" * 64,
        agent="support",
        version="1.0.0",
        session_id="s1",
        task_type="balance",
        reasons=("loop: find",),
        found_at="2026-11-20",
        session_ids=("s1",),
        **rest,
    )


def test_signs_add_up_as_independent_ones_do_and_each_counts_once():
    """A loop alone is 0.4, with a bad judgment 1 - 0.6 * 0.3."""
    assert mining.severity(closed("loop", "loop"), None, False) == pytest.approx(0.4)
    assert mining.severity(closed("loop"), judged("resolved"), False) == pytest.approx(0.82)
    assert mining.severity(closed(), None, False) == 0


def test_a_complaint_makes_it_worse_and_so_does_a_handover():
    alone = mining.severity(closed("loop"), None, False)
    assert mining.severity(closed("loop"), None, True) > alone
    assert mining.severity(closed("loop", escalated=True), None, False) > alone


def test_of_a_window_the_worst_are_looked_at_and_not_more_than_somebody_can():
    found = {f"s{n}": 0.6 + n / 100 for n in range(9)} | {"well": 0.59}
    assert mining.worst(found) == ("s8", "s7", "s6", "s5", "s4")
    assert mining.worst({"well": 0.59}) == ()


def test_a_candidate_is_worth_more_if_it_is_frequent_and_less_if_it_is_covered():
    """Eight sessions are four times one's: 1 + log2(8)."""
    once = mining.expected_value(found(severity=0.5), 0)
    often = found(severity=0.5).model_copy(update={"session_ids": tuple(f"s{n}" for n in range(8))})
    assert once == 0.5
    assert mining.expected_value(often, 0) == 2
    assert mining.expected_value(often, 3) == 0.5


def test_a_session_that_is_met_twice_counts_once_and_the_worst_severity_stays():
    again = mining.together(found(severity=0.5), ["s1", "s2"], 0.9, most=100)
    assert (again.session_ids, again.severity) == (("s1", "s2"), 0.9)
    assert mining.together(again, ["s3", "s4"], 0.1, most=3).session_ids == ("s1", "s2", "s3")
