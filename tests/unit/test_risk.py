"""What is expected of a session of its kind, against models that are known."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate import monitor, risk
from driftgate.risk import Outcomes
from driftgate.schemas.monitoring import Window

BALANCE = ("balance", frozenset({"get_balance"}))
REFUND = ("refund", frozenset({"get_balance", "refund"}))
SEARCH = ("balance", frozenset({"search"}))

kinds = st.tuples(
    st.sampled_from(["balance", "refund", "other"]),
    st.frozensets(st.sampled_from(["get_balance", "refund", "search"]), max_size=2),
)


def outcomes(number, failed):
    return Outcomes(judged=number, failed=failed, sessions=10 * number)


def test_a_version_has_a_model_of_its_own_from_500_judged_sessions():
    assert risk.learn("1.0.0", {BALANCE: outcomes(499, 40)}) is None
    assert risk.learn("1.0.0", {BALANCE: outcomes(500, 40)}).failed.sessions == 500


def test_each_stratum_is_expected_to_fail_as_often_as_it_did():
    history = {BALANCE: outcomes(4000, 200), REFUND: outcomes(1000, 300), SEARCH: outcomes(800, 80)}
    model = risk.learn("1.0.0", history).failed
    for stratum in ("task type balance", "task type refund", "tool search", "tool refund"):
        inside = [kind for kind in history if stratum in risk.strata_of(*kind)]
        seen = sum(history[kind].failed for kind in inside)
        wanted = sum(history[kind].judged * risk.expected(model, kind) for kind in inside)
        assert wanted == pytest.approx(seen, rel=0.03)


def test_a_tool_of_one_task_type_alone_is_not_blamed_twice():
    history = {BALANCE: outcomes(4000, 200), REFUND: outcomes(4000, 800)}
    model = risk.learn("1.0.0", history).failed
    assert risk.expected(model, REFUND) == pytest.approx(0.2, rel=0.02)
    assert risk.expected(model, BALANCE) == pytest.approx(0.05, rel=0.02)


def test_what_was_seldom_seen_is_expected_to_be_as_others_are():
    history = {BALANCE: outcomes(4000, 400), SEARCH: outcomes(2, 2)}
    model = risk.learn("1.0.0", history).failed
    assert 0.1 < risk.expected(model, SEARCH) < 0.3
    assert risk.expected(model, ("new", frozenset({"new"}))) == pytest.approx(0.1, rel=0.02)


@settings(max_examples=40)
@given(st.dictionaries(kinds, st.tuples(st.integers(0, 500), st.floats(0, 1)), min_size=1))
def test_whatever_was_seen_every_expectation_is_a_probability(seen):
    history = {kind: outcomes(n, round(n * share)) for kind, (n, share) in seen.items()}
    history[BALANCE] = outcomes(600, 30)
    model = risk.learn("1.0.0", history)
    for kind in history:
        assert 0 < risk.expected(model.failed, kind) <= risk.MOST


def test_counts_stand_with_all_strata_of_a_session():
    model = risk.learn("1.0.0", {BALANCE: outcomes(4000, 200), REFUND: outcomes(4000, 800)})
    found = risk.tally(
        {
            BALANCE: Outcomes(judged=2, failed=1, sessions=20, flagged=3),
            REFUND: Outcomes(judged=1, sessions=9, negative=1),
        },
        model,
    )
    assert set(found) == {
        *("all conversations", "task type balance", "task type refund"),
        *("tool get_balance", "tool refund"),
    }
    every = found["all conversations"]
    assert (every.judged, every.failed, every.sessions) == (3, 1, 29)
    assert (every.flagged, every.negative) == (3, 1)
    assert every.expected_failed == pytest.approx(2 * 0.05 + 0.2, rel=0.02)
    assert found["tool refund"].sessions == 9


@given(
    st.dictionaries(kinds, st.builds(Outcomes, *[st.integers(0, 90)] * 5), min_size=2),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30)
def test_the_order_in_which_sessions_came_changes_no_bit(seen, noise):
    shuffled = list(seen.items())
    noise.shuffle(shuffled)
    history = {kind: outcomes(600 + n, 50 + 7 * n) for n, kind in enumerate(seen)}
    model = risk.learn("1.0.0", history)
    again = risk.learn("1.0.0", {kind: history[kind] for kind, _ in shuffled})
    assert again.model_dump_json() == model.model_dump_json()
    assert risk.tally(dict(shuffled), model) == risk.tally(seen, model)


def test_that_a_hard_task_is_judged_more_often_is_no_regression():
    """Its rate rises from 10 % to 90 %, so among the judged the share that fails trebles."""
    model = risk.learn("1.0.0", {BALANCE: outcomes(9000, 450), REFUND: outcomes(1000, 300)})
    noise = random.Random(8)
    adjusted = plain = monitor.begin("support", "1.0.0", "all conversations")
    for window in range(60):
        judged = {BALANCE: 7, REFUND: 7}
        failed = {
            kind: sum(noise.random() < share for _ in range(judged[kind]))
            for kind, share in ((BALANCE, 0.05), (REFUND, 0.3))
        }
        seen = {kind: outcomes(judged[kind], failed[kind]) for kind in judged}
        counts = risk.tally(seen, model)["all conversations"]
        unadjusted = counts.model_copy(update={"expected_failed": counts.judged * 0.075})
        adjusted = monitor.update(adjusted, Window(id=window, counts=counts))
        plain = monitor.update(plain, Window(id=window, counts=unadjusted))
    assert plain.excursions["judge_small"].level > 10
    assert all(one.level < 4 for one in adjusted.excursions.values())
