"""Comparing models, against counting by hand, enumeration, and seeded simulation."""

from itertools import combinations
from statistics import fmean, variance

import numpy as np
import pytest

from driftgate import benchmark, intervals
from driftgate.errors import BadInput
from driftgate.schemas.benchmark import Protocol
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Ending
from driftgate.variance import components, shuffled_p
from tests.executions import row, rows


def simulated(seed: int, chances: dict[str, float], cases: int = 60, trials: int = 5):
    """Models whose trials are solved with a chance each, the same at every case."""
    rng = np.random.default_rng(seed)
    return [
        one
        for model, chance in chances.items()
        for one in rows(
            model,
            {f"c{n}": [float(v) for v in rng.random(trials) < chance] for n in range(cases)},
        )
    ]


class TestSuccess:
    def test_two_of_four_trials_solved_gives_one_pair_in_six(self):
        assert benchmark.pass_hat({"refund": [1, 1, 0, 0]})[1] == pytest.approx(1 / 6)

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_equals_the_share_of_k_subsets_that_all_succeed(self, k):
        trials = [1, 0, 1, 1, 0]
        by_enumeration = fmean(all(subset) for subset in combinations(trials, k))
        assert benchmark.pass_hat({"refund": trials})[k - 1] == pytest.approx(by_enumeration)

    def test_is_told_for_as_many_trials_as_every_case_has(self):
        assert len(benchmark.pass_hat({"a": [1, 1, 0], "b": [1, 0]})) == 2

    def test_cases_weigh_the_same_however_often_they_were_tried(self):
        assert benchmark.success({"a": [1] * 9, "b": [0]}).mean == pytest.approx(0.5)

    def test_trials_that_always_agree_are_worth_no_more_than_their_cases(self):
        values = {f"c{n}": [float(n < 6)] * 5 for n in range(10)}
        found = benchmark.success(values)
        assert (found.low, found.high) == pytest.approx(intervals.wilson(0.6, 10))

    def test_trials_of_cases_that_are_all_alike_are_worth_as_many_as_they_are(self):
        values = {f"c{n}": [1.0, 1.0, 1.0, 0.0] for n in range(10)}
        found = benchmark.success({**values, "c0": [1.0, 1.0, 0.0, 0.0], "c1": [1.0] * 4})
        assert (found.low, found.high) == pytest.approx(intervals.wilson(0.75, 40))

    def test_the_interval_holds_the_truth_in_nineteen_of_twenty_samples_of_cases(self):
        rng = np.random.default_rng(5)
        held, truth = 0, 0.8
        for _ in range(600):
            chances = rng.beta(4, 1, 40)  # of mean 0.8: cases are unequally hard
            values = {str(n): list(map(float, rng.random(3) < c)) for n, c in enumerate(chances)}
            found = benchmark.success(values)
            held += found.low <= truth <= found.high
        assert intervals.share_upper(held, 600) >= 0.95

    def test_a_trial_without_a_value_is_left_out_and_counted(self):
        found = benchmark.compare(rows("a", {"x": [1, None], "y": [0]}) + rows("b", {"x": [1]}))
        a = next(one for one in found.contenders if one.name == "a")
        assert (a.success.mean, a.unscored, a.success.missing) == (0.5, 1, 1)


class TestPairs:
    def test_p_is_the_share_of_signs_that_differ_as_much(self):
        """Six cases, all better: of 64 choices of signs two differ as much, one each way."""
        a = rows("a", {f"c{n}": [1] for n in range(6)})
        b = rows("b", {f"c{n}": [0] for n in range(6)})
        (pair,) = benchmark.compare(a + b).pairs
        assert pair.p == pytest.approx(2 / 64, abs=0.005)
        assert (pair.better, pair.worse, pair.difference) == ("a", "b", 1.0)
        assert (pair.wins, pair.losses, pair.effect) == (6, 0, None)

    def test_effect_is_the_difference_in_standard_deviations_of_the_cases(self):
        a = rows("a", {"w": [1], "x": [1], "y": [1], "z": [0]})
        b = rows("b", {"w": [0], "x": [0], "y": [1], "z": [0]})
        (pair,) = benchmark.compare(a + b).pairs
        assert pair.effect == pytest.approx(0.5 / variance([1, 1, 0, 0]) ** 0.5)

    def test_a_pair_is_compared_on_the_cases_of_both_alone(self):
        a = rows("a", {"x": [1], "y": [1]})
        b = rows("b", {"y": [1], "z": [0]})
        found = benchmark.compare(a + b)
        assert (found.pairs[0].cases, found.pairs[0].difference) == (1, 0.0)
        assert any("1 of 3 cases were tried by all" in note for note in found.notes)

    def test_of_models_that_are_alike_some_pair_looks_different_more_often_than_it_is_called_so(
        self,
    ):
        alike = dict.fromkeys("abcde", 0.7)
        found = [benchmark.compare(simulated(n, alike, 20, 2)).pairs for n in range(30)]
        looks = sum(min(pair.p for pair in pairs) <= 0.05 for pairs in found)
        called = sum(min(pair.adjusted_p for pair in pairs) <= 0.05 for pairs in found)
        assert all(pair.p <= pair.adjusted_p for pairs in found for pair in pairs)
        assert all(
            (pair.outcome == "signal") == (pair.adjusted_p <= 0.05)
            for pairs in found
            for pair in pairs
        )
        assert intervals.share_lower(called, 30) <= 0.05 < intervals.share_lower(looks, 30)

    def test_the_order_of_the_rows_changes_nothing(self):
        found = simulated(1, {"a": 0.8, "b": 0.6})
        assert benchmark.compare(found) == benchmark.compare(found[::-1])


class TestConclusions:
    def test_a_weak_model_is_a_signal_and_two_capable_ones_are_not(self):
        found = benchmark.compare(simulated(3, {"weak": 0.4, "good": 0.9, "noisy": 0.88}))
        outcomes = {frozenset((p.better, p.worse)): p.outcome for p in found.pairs}
        assert found.conclusion == "signal"
        assert outcomes[frozenset(("weak", "good"))] == "signal"
        assert outcomes[frozenset(("weak", "noisy"))] == "signal"
        assert outcomes[frozenset(("good", "noisy"))] != "signal"

    def test_cases_that_always_come_out_the_same_are_the_bottleneck(self):
        always = {f"c{n}": [1, 1, 1] for n in range(9)}
        found = benchmark.compare(
            rows("a", {**always, "x": [1, 0, 1]}) + rows("b", {**always, "x": [1, 1, 0]})
        )
        assert found.conclusion == "the data is the bottleneck"
        assert (found.discrimination.informative, found.discrimination.all_solved) == (1, 9)
        assert found.reason.startswith("9 of 10 cases came out the same in every trial")

    def test_many_cases_exclude_a_difference_that_matters(self):
        found = benchmark.compare(simulated(2, {"a": 0.7, "b": 0.7}, cases=600, trials=6))
        assert found.conclusion == "no difference that matters"

    def test_few_cases_are_buried_in_noise_and_it_is_said_how_many_would_settle_it(self):
        found = benchmark.compare(simulated(4, {"a": 0.7, "b": 0.65}, cases=20, trials=3))
        (pair,) = found.pairs
        assert found.conclusion == "buried in noise"
        assert f"{pair.cases_needed} such cases" in found.reason

    def test_so_many_cases_as_are_needed_do_settle_it(self):
        few = benchmark.compare(simulated(4, {"a": 0.7, "b": 0.68}, cases=40, trials=2))
        needed = few.pairs[0].cases_needed
        settled = sum(
            benchmark.compare(
                simulated(seed, {"a": 0.7, "b": 0.68}, cases=round(1.2 * needed), trials=2)
            ).conclusion
            != "buried in noise"
            for seed in range(2)
        )
        assert settled == 2

    def test_more_trials_do_not_settle_what_cases_make_uncertain(self):
        """Each trial of a case comes out the same, so trying again tells nothing new."""
        a = rows("a", {f"c{n}": [float(n % 2)] * 3 for n in range(20)})
        b = rows("b", {f"c{n}": [float(n % 3 == 0)] * 3 for n in range(20)})
        (pair,) = benchmark.compare(a + b).pairs
        assert (pair.outcome, pair.trials_needed) == ("buried in noise", None)
        assert pair.cases_needed > 20

    def test_a_model_alone_is_compared_with_nothing(self):
        assert benchmark.compare(rows("a", {"x": [1]})).conclusion == "nothing to compare"

    def test_why_a_model_is_worse_is_told_by_its_calls(self):
        cases = {f"c{n}": 1.0 for n in range(20)}
        good = [
            row("good", c, v, trial=n, tools=("list", "get", "pay"))
            for c, v in cases.items()
            for n in (1, 2)
        ]
        weak = [row("weak", c, 0.0, tools=("pay",)) for c in cases]
        (pair,) = benchmark.compare(good + weak).pairs
        assert pair.why[0] == "it makes 1.00 tool calls a trial, good 3.00"
        assert "in 0% of the trials, good in 100%" in pair.why[1]
        assert "it calls get in 0% of the trials, good in 100%" in pair.why


class TestVariance:
    def test_the_parts_are_those_of_a_table_by_hand(self):
        """Cell means 1 0.5 / 0.5 0, two trials each. Squares within: 2 cells of 0.5, over 4.
        Between models: 2 * (0.25**2 * 2) / 1 = 0.25, so are cases, and nothing is left over.
        """
        a, b = {"x": [1, 1], "y": [1, 0]}, {"x": [0, 1], "y": [0, 0]}
        found = components([a, b], ["x", "y"])
        assert found.within == pytest.approx(1 / 4)
        assert (found.models, found.cases) == pytest.approx((0.25 / 2, 0.25 / 2))
        assert found.interaction == 0

    def test_they_are_estimated_without_bias(self):
        rng = np.random.default_rng(11)
        estimates = []
        for _ in range(200):
            models, cases = rng.normal(0, 0.3, 8), rng.normal(0, 0.5, 12)
            both = rng.normal(0, 0.2, (8, 12))
            estimates.append(
                components(
                    [
                        {
                            str(c): list(models[m] + cases[c] + both[m, c] + rng.normal(0, 0.4, 3))
                            for c in range(12)
                        }
                        for m in range(8)
                    ],
                    [str(c) for c in range(12)],
                )
            )
        means = np.mean(np.array(estimates), axis=0)
        assert means == pytest.approx([0.09, 0.25, 0.04, 0.16], rel=0.15)

    def test_without_repeats_nobody_knows_how_trials_vary(self):
        found = components([{"x": [1], "y": [0]}, {"x": [0], "y": [0]}], ["x", "y"])
        assert found.within is None
        assert found.interaction is not None

    def test_it_is_said_when_trials_vary_as_much_as_models(self):
        noisy = benchmark.compare(simulated(1, {"a": 0.5, "b": 0.5}))
        assert noisy.variance.told.endswith(
            "trials of one model differ as much as models do, or more"
        )
        clear = benchmark.compare(
            rows("a", {f"c{n}": [1, 1] for n in range(5)})
            + rows("b", {f"c{n}": [0, 0] for n in range(5)})
        )
        assert clear.variance.told.endswith("models differ more than trials of one model do")

    def test_shuffled_p_is_the_share_of_all_ways_to_deal_trials_out(self):
        """Four trials 1 1 | 0 0: of the six ways to choose two, two are as far apart."""
        assert shuffled_p([{"x": [1, 1]}, {"x": [0, 0]}], ["x"], 0) == pytest.approx(
            2 / 6, abs=0.04
        )

    def test_models_that_are_better_at_other_cases_are_told_apart_by_the_cases(self):
        a = {f"c{n}": [float(n % 2)] * 4 for n in range(10)}
        b = {f"c{n}": [float(n % 2 == 0)] * 4 for n in range(10)}
        assert shuffled_p([a, b], sorted(a), 0) < 0.01


class TestMeasures:
    def test_what_a_trial_does_not_say_is_missing_and_not_zero(self):
        a = [
            row("a", "x", cost_usd=0.02),
            row("a", "y", cost_missing="the price of a is not known"),
        ]
        found = benchmark.compare([*a, *rows("b", {"x": [1], "y": [1]})])
        (cost, tokens) = (
            found.contenders[0].measures[name] for name in ("cost_usd", "input_tokens")
        )
        assert (cost.mean, cost.cases, cost.missing, tokens) == (0.02, 1, 1, None)
        assert "of 3 of 4 trials the cost is missing" in " ".join(found.notes)

    def test_cost_per_solved_case_counts_what_failures_cost_too(self):
        a = [row("a", "x", 1.0, cost_usd=0.1), row("a", "y", 0.0, cost_usd=0.3)]
        b = [row("b", "x", 0.0, cost_usd=0.1)]
        found = {c.name: c.cost_per_solved_usd for c in benchmark.compare(a + b).contenders}
        assert found == {"a": pytest.approx(0.4), "b": None}

    def test_the_frontier_holds_what_nothing_beats_at_its_price(self):
        def model(name, value, usd):
            return [row(name, f"c{n}", float(n < value), cost_usd=usd) for n in range(10)]

        every = model("best", 9, 3.0) + model("cheap", 5, 1.0) + model("poor", 4, 2.0)
        found = benchmark.compare([*every, *rows("unknown", {"c0": [1]})])
        by_name = {one.name: (one.on_frontier, one.dominated_by) for one in found.contenders}
        assert by_name["best"] == by_name["cheap"] == (True, None)
        assert by_name["poor"] == (False, "cheap")
        assert by_name["unknown"] == (None, None)

    def test_the_cheapest_is_one_that_is_not_shown_to_be_worse(self):
        usd = {"weak": 0.1, "good": 3.0, "noisy": 1.0}
        made = [
            one.model_copy(update={"cost_usd": usd[one.model]})
            for one in simulated(3, {"weak": 0.4, "good": 0.9, "noisy": 0.88})
        ]
        assert benchmark.compare(made).cheapest == "noisy"


class TestProtocol:
    def kept(self, *made, **protocol):
        return benchmark.compare(list(made), protocol=Protocol(**protocol)).contenders[0].protocol

    def test_a_drill_down_counts_when_it_comes_after_an_overview(self):
        kept = self.kept(
            row("a", "w", tools=("list_accounts", "get_account")),
            row("a", "x", tools=("get_account", "list_accounts")),
            row("a", "y", tools=("list_accounts",)),
            row("a", "z", tools=("list_cards", "list_accounts", "other", "get_card")),
            overview=("list_*",),
            drill_down=("get_*",),
        )
        assert kept.drilled_down == 0.5

    def test_the_smallest_number_of_calls_is_held_against_every_trial(self):
        kept = self.kept(row("a", "x", tools=("x", "x")), row("a", "y"), min_calls=2)
        assert (kept.enough_calls, kept.drilled_down) == (0.5, None)

    def test_a_trial_is_truncated_by_its_stop_reason_where_it_tells_one(self):
        kept = self.kept(
            row("a", "w", stop_reason="max_tokens"),
            row("a", "x", stop_reason="end_turn"),
            row("a", "y", ending=Ending(kind="limit", detail="max_steps")),
            row("a", "z"),
        )
        assert (kept.truncated, kept.at_limit) == (0.5, 0.25)

    def test_who_tells_no_stop_reason_is_not_said_to_be_whole(self):
        assert self.kept(row("a", "x")).truncated is None


class TestRefusals:
    def test_nothing_to_compare_is_bad_input(self):
        with pytest.raises(BadInput, match="the ledger has none that fit"):
            benchmark.compare([])

    def test_rows_of_two_datasets_are_not_comparable(self):
        with pytest.raises(BadInput, match=r"one dataset, got bank@1\.0\.0 and bank@2\.0\.0"):
            benchmark.compare([row("a", "x"), row("b", "x", dataset="bank@2.0.0")])

    def test_rows_scored_by_other_metrics_are_not_comparable(self):
        with pytest.raises(BadInput, match="one harness, got new and test"):
            benchmark.compare([row("a", "x"), row("b", "x", harness="new")])

    def test_a_metric_that_no_row_has_is_bad_input(self):
        with pytest.raises(BadInput, match="no execution has a value of speed; there is task_s"):
            benchmark.compare([row("a", "x")], metric="speed")

    def test_a_model_without_a_value_is_named_as_not_compared(self):
        found = benchmark.compare([row("a", "x"), row("b", "x", None), row("c", "x", 0.0)])
        assert [one.name for one in found.contenders] == ["a", "c"]
        assert "without any value of task_success, so not compared: b" in found.notes

    def test_rows_of_an_unknown_model_are_called_so(self):
        found = benchmark.compare([row(None, "x"), row("b", "x", 0.0)])
        assert [one.name for one in found.contenders] == ["unknown", "b"]


def test_scores_that_are_lower_are_a_reason():
    low = {"scores": {"sequence_correctness": 0.2}}
    high = {"scores": {"sequence_correctness": 1.0}}
    good = rows("good", {f"c{n}": [1] for n in range(12)}, **high)
    weak = rows("weak", {f"c{n}": [0] for n in range(12)}, **low)
    (pair,) = benchmark.compare(good + weak).pairs
    assert pair.why == ("its sequence_correctness is 0.20, good's 1.00",)
    assert isinstance(good[0].scores["task_success"], Score)
