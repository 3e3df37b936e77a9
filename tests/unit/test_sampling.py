"""Who is judged, with which probability, and what that says of everyone."""

import math
import random
from itertools import permutations
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate import sampling
from driftgate.intervals import wilson
from driftgate.sampling import Drawn, Spending, Traffic
from driftgate.schemas.sampling import (
    ALL_CONVERSATIONS,
    Rates,
    Sampled,
    SamplingPolicy,
    StratumRate,
)

SALT = "salt"
BALANCE = ("balance", frozenset({"get_balance"}))
REFUND = ("refund", frozenset({"refund", "get_balance"}))
FIVE_MINUTES = 300.0
NO_LIMIT = Spending(judgments=0, left_s=86400)

kinds = st.tuples(
    st.sampled_from(["balance", "refund", "other"]),
    st.frozensets(st.sampled_from(["get_balance", "refund", "search"])),
)
shares = st.floats(0, 1)
strata = st.sampled_from(
    [ALL_CONVERSATIONS, "task type balance", "task type refund", "tool refund", "tool search"]
)
rates = st.builds(
    Rates,
    agent=st.just("support"),
    base=shares,
    unseen=shares,
    budget=shares,
    feedback=shares,
    strata=st.dictionaries(
        strata,
        st.builds(
            StratumRate,
            rate=shares,
            cap=shares,
            why=st.sampled_from([None, "floor", "anomalous"]),
        ),
    ),
)


def renewed(policy=None, *windows, ratios=None, spending=NO_LIMIT, start=None):
    """Rates after some windows, each a mapping of kinds to sessions."""
    policy = policy or SamplingPolicy()
    found = start or sampling.first_rates("support", policy)
    first = 0 if found.window is None else found.window + 1
    for number, kinds_seen in enumerate(windows, first):
        traffic = Traffic(window=number, period_s=FIVE_MINUTES, kinds=kinds_seen)
        found = sampling.renew(found, policy, traffic, ratios or {}, spending)
    return found


def rate(found, stratum):
    return found.strata[stratum].rate


class TestTheDecision:
    def test_places_are_spread_evenly_over_0_to_1(self):
        places = [sampling.place(f"session-{n}", SALT) for n in range(2000)]
        for tenth in range(10):
            share = fmean(tenth / 10 <= place < (tenth + 1) / 10 for place in places)
            assert abs(share - 0.1) < 0.03
        assert max(places) < 1

    def test_another_salt_draws_other_sessions(self):
        ids = [f"session-{n}" for n in range(50)]
        assert [sampling.place(i, "a") for i in ids] != [sampling.place(i, "b") for i in ids]

    @given(st.text(), kinds, rates, st.booleans())
    def test_a_retry_decides_alike(self, session, kind, found, negative):
        once = sampling.decide(session, kind, found, SALT, negative=negative)
        assert sampling.decide(session, kind, found, SALT, negative=negative) == once

    @given(st.text(), kinds, rates, st.booleans())
    def test_a_session_is_judged_where_its_place_is_below_its_probability(
        self, session, kind, found, negative
    ):
        sampled = sampling.decide(session, kind, found, SALT, negative=negative)
        drawn = sampling.place(session, SALT)
        assert 0 <= sampled.probability <= 1
        assert sampled.judged == (drawn < sampled.probability)
        assert sampled.base == (drawn < sampling.probability(kind, found))
        assert sampled.judged == bool(sampled.reasons)

    @given(st.text(), kinds, rates)
    def test_feedback_that_was_known_and_feedback_that_came_later_end_alike_and_count_once(
        self, session, kind, found
    ):
        known = sampling.decide(session, kind, found, SALT, negative=True)
        before = sampling.decide(session, kind, found, SALT)
        later = sampling.upgrade(before, session, found, SALT)
        assert later == known
        assert sampling.upgrade(later, session, found, SALT) == known

    def test_negative_feedback_is_judged_with_certainty_and_then_weighs_1(self):
        found = Rates(agent="support", base=0.0, unseen=0.0)
        assert sampling.decide("s", BALANCE, found, SALT) == Sampled(
            judged=False, probability=0, base=False
        )
        assert sampling.decide("s", BALANCE, found, SALT, negative=True) == Sampled(
            judged=True,
            probability=1,
            base=False,
            negative=True,
            reasons=("negative feedback",),
        )

    def test_feedback_that_came_once_is_not_drawn_again_under_other_rates(self):
        scarce = Rates(agent="support", base=0.0, unseen=0.0, feedback=0.0)
        sampled = sampling.decide("s", BALANCE, scarce, SALT, negative=True)
        plenty = scarce.model_copy(update={"feedback": 1.0})
        assert not sampled.judged
        assert sampling.upgrade(sampled, "s", plenty, SALT) == sampled

    def test_every_reason_whose_rate_reaches_the_session_is_told(self):
        found = Rates(
            agent="support",
            base=1.0,
            strata={
                "task type refund": StratumRate(rate=1, why="floor"),
                "tool refund": StratumRate(rate=1, why="anomalous"),
                "tool get_balance": StratumRate(rate=1),
            },
        )
        sampled = sampling.decide("s", REFUND, found, SALT)
        assert sampled.reasons == ("base", "floor: task type refund", "anomalous: tool refund")

    def test_the_rarest_of_its_strata_decides_and_the_lowest_ceiling_limits(self):
        found = Rates(
            agent="support",
            base=0.1,
            strata={
                "task type refund": StratumRate(rate=0.4, why="floor"),
                "tool refund": StratumRate(rate=0.7, why="floor"),
                "tool get_balance": StratumRate(rate=0.1, cap=0.6),
            },
        )
        assert sampling.probability(REFUND, found) == 0.6
        assert sampling.probability(("refund", frozenset({"refund"})), found) == 0.7
        assert sampling.probability(("refund", frozenset()), found) == 0.4
        half = found.model_copy(update={"budget": 0.5})
        assert sampling.probability(REFUND, half) == 0.3


class TestTheRates:
    def test_twelve_an_hour_of_each_task_type_are_judged_over_the_traffic_seen(self):
        found = renewed(None, {BALANCE: 20, REFUND: 2})  # 240 and 24 an hour
        assert rate(found, "task type balance") == 0.1
        assert found.strata["task type balance"].why is None
        assert rate(found, "task type refund") == 0.5
        assert found.strata["task type refund"].why == "floor"

    def test_a_tool_has_a_floor_if_it_is_critical(self):
        policy = SamplingPolicy(critical_tools=("refund",))
        found = renewed(policy, {BALANCE: 20, REFUND: 2})
        assert rate(found, "tool refund") == 0.5
        assert rate(renewed(None, {BALANCE: 20, REFUND: 2}), "tool refund") == 0.1

    def test_a_task_type_that_is_new_is_below_its_floor(self):
        found = renewed(None, {BALANCE: 20})
        assert sampling.probability(("refund", frozenset()), found) == 1

    def test_a_critical_tool_without_traffic_is_below_its_floor(self):
        found = renewed(SamplingPolicy(critical_tools=("refund",)), {BALANCE: 20})
        assert sampling.probability(("balance", frozenset({"refund"})), found) == 1

    def test_task_types_made_up_by_the_hundred_are_not_all_judged(self):
        crowd = {(f"type-{n}", frozenset()): 1 for n in range(300)}
        found = renewed(None, crowd)
        assert sum(stratum.startswith("task type") for stratum in found.strata) == 100
        assert sampling.probability(("type-new", frozenset()), found) == 0.1

    def test_without_floors_what_is_new_has_the_base_rate(self):
        policy = SamplingPolicy(floor_per_hour=0)
        assert sampling.probability(BALANCE, sampling.first_rates("support", policy)) == 0.1
        assert sampling.probability(BALANCE, renewed(policy, {REFUND: 1})) == 0.1

    def test_traffic_is_that_of_about_an_hour(self):
        found = renewed(None, {BALANCE: 24}, *([{}] * 12))
        assert found.strata["task type balance"].per_hour == pytest.approx(288 * (11 / 12) ** 12)

    def test_what_looks_anomalous_is_judged_by_half_until_two_hours_after(self):
        busy = {BALANCE: 100, REFUND: 100}
        found = renewed(None, busy, ratios={"task type refund": 0.4, "task type balance": 0.39})
        assert rate(found, "task type refund") == 0.5
        assert found.strata["task type refund"].why == "anomalous"
        assert rate(found, "task type balance") == 0.1
        held = renewed(None, *([busy] * 23), start=found)
        assert rate(held, "task type refund") == 0.5
        assert rate(renewed(None, busy, start=held), "task type refund") == 0.1

    def test_while_it_looks_anomalous_the_rate_is_renewed(self):
        busy, ratios = {REFUND: 100}, {"task type refund": 0.9}
        found = renewed(None, *([busy] * 40), ratios=ratios)
        assert found.strata["task type refund"].until == 39 + 24

    def test_no_stratum_is_judged_more_often_than_its_ceiling(self):
        policy = SamplingPolicy(ceiling_per_hour=60)
        found = renewed(policy, {BALANCE: 100}, ratios={"task type balance": 1.2})  # 1,200 an hour
        assert sampling.probability(BALANCE, found) == pytest.approx(60 / 1200)
        assert found.notes[0].startswith("task type balance: 5.0% instead of 50.0% is judged")

    def test_a_window_that_is_not_newer_changes_nothing(self):
        policy = SamplingPolicy()
        found = renewed(policy, {BALANCE: 20}, {BALANCE: 10})
        for window in (0, 1):
            again = Traffic(window=window, period_s=FIVE_MINUTES, kinds={REFUND: 50})
            assert sampling.renew(found, policy, again, {}, NO_LIMIT) is found

    @settings(max_examples=40)
    @given(
        st.lists(st.dictionaries(kinds, st.integers(0, 500)), min_size=1, max_size=5),
        st.dictionaries(strata, st.floats(0, 3)),
        st.integers(0, 2000),
        st.floats(0, 86400),
        st.one_of(st.none(), st.integers(1, 1000)),
    )
    def test_whatever_comes_every_probability_is_one(self, windows, ratios, spent, left, limit):
        policy = SamplingPolicy(judgments_per_day=limit, critical_tools=("search",))
        spending = Spending(judgments=spent, left_s=left)
        found = renewed(policy, *windows, ratios=ratios, spending=spending)
        for window in windows:
            for kind in window:
                assert 0 <= sampling.probability(kind, found) <= 1
        assert (found.budget < 1) == any("all rates" in note for note in found.notes)

    @given(st.dictionaries(kinds, st.integers(0, 500)), st.randoms(use_true_random=False))
    def test_the_order_in_which_sessions_came_changes_no_bit(self, seen, noise):
        shuffled = list(seen.items())
        noise.shuffle(shuffled)
        policy = SamplingPolicy(judgments_per_day=300)
        assert renewed(policy, dict(shuffled)).model_dump() == renewed(policy, seen).model_dump()


class TestTheBudget:
    def of(self, limit, negative=0, spent=0, left_s=86400.0, sessions=100):
        policy = SamplingPolicy(judgments_per_day=limit, floor_per_hour=0)
        traffic = Traffic(0, FIVE_MINUTES, {BALANCE: sessions}, negative)
        first = sampling.first_rates("support", policy)
        return sampling.renew(first, policy, traffic, {}, Spending(spent, left_s))

    def test_that_is_not_reached_changes_nothing(self):
        assert (self.of(1440).budget, self.of(1440).notes) == (1, ())  # at most 120 an hour

    def test_lowers_all_rates_before_it_is_gone_and_says_so(self):
        found = self.of(720)  # 30 an hour on average, so at most 60; 120 are wanted
        assert found.budget == pytest.approx(0.5)
        assert found.notes == (
            "all rates are 50.0% of what is wanted, for the limit of 720 judgments a day",
        )
        assert sampling.probability(BALANCE, found) == pytest.approx(0.05)

    def test_spares_feedback_as_far_as_half_of_it_goes(self):
        found = self.of(1440, negative=5)  # at most 120 an hour; 60 have feedback, 120 are base
        assert (found.feedback, found.budget) == (1, pytest.approx(0.5))
        flood = self.of(1440, negative=20)  # 240 with feedback
        assert flood.feedback == pytest.approx(60 / 240)
        assert flood.budget == pytest.approx(0.5)
        assert flood.notes[1].startswith("25.0% of negative feedback is judged")

    def test_that_is_gone_stops_judging(self):
        found = self.of(360, negative=5, spent=400)
        assert (found.budget, found.feedback) == (0, 0)

    @pytest.mark.parametrize("limit", [500, 2000])
    def test_lasts_for_the_day_whatever_the_hour(self, limit):
        """100 sessions in five minutes: unlimited it would be 2,880 judgments."""
        policy = SamplingPolicy(judgments_per_day=limit, floor_per_hour=0)
        found, spent = sampling.first_rates("support", policy), 0.0
        for window in range(288):
            spent += 100 * sampling.probability(BALANCE, found)
            traffic = Traffic(window, FIVE_MINUTES, {BALANCE: 100})
            left = Spending(round(spent), (287 - window) * FIVE_MINUTES)
            found = sampling.renew(found, policy, traffic, {}, left)
        assert 0.97 * limit < spent <= limit + 10


class TestTheEstimate:
    def test_is_the_mean_where_all_were_drawn_alike(self):
        found = sampling.estimate([Drawn(score, 0.5) for score in (1, 1, 0, 1)])
        assert (found.mean, found.judged, found.missing) == (0.75, 4, 0)
        assert found.lower < 0.75 < found.upper

    def test_undoes_that_complaints_are_judged_more_often(self):
        """100 conversations, 10 complaints, all of them failed; every tenth of the others drawn."""
        drawn = [Drawn(0, 1)] * 10 + [Drawn(1, 0.1)] * 9
        assert sampling.estimate(drawn).mean == pytest.approx(90 / 100)
        assert fmean(one.score for one in drawn) == pytest.approx(9 / 19)

    def test_of_all_conversations_has_no_error(self):
        found = sampling.estimate([Drawn(score, 1) for score in (1, 1, 0)])
        assert found.lower == found.mean == found.upper

    def test_of_none_is_none_and_not_zero(self):
        assert sampling.estimate([]) is None
        assert sampling.estimate([Drawn(None, 0.5)]) is None

    def test_leaves_out_what_has_no_judgment_and_says_how_many(self):
        found = sampling.estimate([Drawn(1, 0.5), Drawn(None, 0.5)])
        assert (found.mean, found.judged, found.missing) == (1, 1, 1)

    def test_has_the_interval_of_as_many_sessions_as_would_give_its_error(self):
        """Two of four were drawn: 2 would be worth 2, and 4 all that there is to know."""
        found = sampling.estimate([Drawn(1, 0.5), Drawn(0, 0.5)])
        assert (found.lower, found.upper) == pytest.approx(wilson(0.5, 4))

    def test_that_none_of_twenty_failed_is_no_proof(self):
        found = sampling.estimate([Drawn(1, 0.1)] * 20)
        assert found.upper == 1
        assert 0.7 < found.lower < 0.9

    def test_the_order_changes_no_bit(self):
        drawn = [Drawn(0.3, 0.1), Drawn(1, 0.7), Drawn(0.9, 1), Drawn(0, 0.31)]
        found = {sampling.estimate(order).model_dump_json() for order in permutations(drawn)}
        assert len(found) == 1

    @pytest.mark.parametrize("drawn", [Drawn(1, 0), Drawn(1, 1.1), Drawn(1.5, 0.5), Drawn(1, -1)])
    def test_of_what_is_no_probability_or_score_is_refused(self, drawn):
        with pytest.raises(ValueError, match="wanted a probability in"):
            sampling.estimate([drawn])

    def test_is_unbiased_and_its_interval_holds_the_truth_though_rates_change_by_the_hour(self):
        noise = random.Random(8)
        misses, held, draws = [], 0, 400
        for _ in range(draws):
            every, drawn = [], []
            for hour in range(4):
                chance = (0.1, 0.5, 0.1, 0.3)[hour]
                for _ in range(300):
                    score = float(noise.random() < 0.9 - 0.05 * hour)
                    certain = noise.random() < (0.02 if score else 0.3)
                    every.append(score)
                    if certain or noise.random() < chance:
                        drawn.append(Drawn(score, 1 if certain else chance))
            found, truth = sampling.estimate(drawn), fmean(every)
            misses.append(found.mean - truth)
            held += found.lower <= truth <= found.upper
        assert abs(fmean(misses)) < 0.003
        assert 0.92 < held / draws < 0.98


def test_coverage_is_counted_over_all_conversations_and_over_those_with_feedback():
    sessions = [
        Sampled(judged=True, probability=1, base=False, negative=True),
        Sampled(judged=False, probability=0.1, base=False, negative=True),
        Sampled(judged=True, probability=0.1, base=True),
        *[Sampled(judged=False, probability=0.1, base=False)] * 5,
    ]
    found = sampling.coverage(sessions)
    assert (found.conversations, found.negative_feedback) == (2 / 8, 1 / 2)
    assert sampling.coverage([]).conversations is None
    assert sampling.coverage(sessions[2:]).negative_feedback is None


def test_a_record_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        Rates(agent="support", base=0.1, negative_per_hour=math.inf)
