"""What the arms took, on numbers worked out by hand."""

import pytest

from driftgate import gate, spending
from driftgate.schemas.policies import Policy
from driftgate.schemas.scores import Efficiency
from tests.builders import card, case, expect, plan

IDS = [f"c{n}" for n in range(10)]
CASES = [case(expect("pay"), case_id=i) for i in IDS]
TOOK = {"latency_s": 0.2, "input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01}


def cards(arm, case_ids=IDS, trial=1, **took):
    took = {"steps": 1, "unnecessary_calls": 0, **TOOK, **took}
    right = {"task_success": 1.0, "tool_call_accuracy": 1.0}
    return [
        card(i, arm, trial, **right).model_copy(update={"efficiency": Efficiency(**took)})
        for i in case_ids
    ]


def decide(*given, **policy):
    flat = [card for arm in given for card in arm]
    return gate.decide(
        plan(IDS, "baseline", "candidate"), Policy(rule="point", **policy), CASES, flat, []
    )


def row(verdict, quantity):
    return next(row for row in verdict.spending if row.quantity == quantity)


def test_a_candidate_that_takes_as_much_gets_no_remark():
    assert decide(cards("baseline"), cards("candidate")).remarks == ()


def test_a_pass_says_how_much_slower_and_dearer_it_is():
    after = cards("candidate", latency_s=0.5, cost_usd=0.023, input_tokens=150, output_tokens=70)
    verdict = decide(cards("baseline"), after)
    assert verdict.outcome == "PASS"
    assert verdict.remarks == (
        "slower: 2.5 times the latency, 0.50 s instead of 0.20",
        "dearer: 2.3 times the cost, 0.0230 USD instead of 0.0100 "
        "(1.5 times the input tokens, 7.0 times the output tokens)",
    )


def test_a_block_says_so_too():
    bad = [
        c.model_copy(
            update={
                "scores": {
                    **c.scores,
                    "task_success": c.scores["task_success"].model_copy(update={"value": 0.0}),
                }
            }
        )
        for c in cards("candidate", cost_usd=0.02)
    ]
    verdict = decide(cards("baseline"), bad)
    assert (verdict.outcome, len(verdict.remarks)) == ("BLOCK", 1)


@pytest.mark.parametrize(("cost", "remarks"), [(0.0124, 0), (0.0125, 1)])
def test_a_quarter_more_is_worth_a_remark(cost, remarks):
    assert len(decide(cards("baseline"), cards("candidate", cost_usd=cost)).remarks) == remarks


@pytest.mark.parametrize(("slow", "remarks"), [(7, 0), (8, 1)])
def test_a_few_stalled_trials_do_not_make_a_candidate_slower(slow, remarks):
    after = [
        *cards("candidate", IDS[:slow], latency_s=9.0),
        *cards("candidate", IDS[slow:], latency_s=0.1),
    ]
    assert len(decide(cards("baseline"), after).remarks) == remarks


def test_what_an_agent_does_not_report_is_missing_not_nothing():
    silent = {"cost_usd": None, "input_tokens": None}
    verdict = decide(cards("baseline", **silent), cards("candidate"))
    cost = row(verdict, "cost_usd")
    assert (cost.cases, cost.baseline, cost.candidate, cost.ratio) == (0, None, None, None)
    assert verdict.remarks == ()


def test_where_the_cost_is_unknown_tokens_are_told():
    silent = cards("baseline", cost_usd=None)
    verdict = decide(silent, cards("candidate", input_tokens=130))
    assert verdict.remarks == (
        "more tokens: 1.3 times the input tokens, 1.0 times the output tokens",
    )


def test_only_cases_that_say_it_in_both_arms_are_compared():
    before = [
        *cards("baseline", IDS[:4], cost_usd=0.01),
        *cards("baseline", IDS[4:], cost_usd=None),
    ]
    after = [
        *cards("candidate", IDS[:2], cost_usd=0.03),
        *cards("candidate", IDS[2:4]),
        *cards("candidate", IDS[4:], cost_usd=9.0),
    ]
    cost = row(decide(before, after), "cost_usd")
    assert (cost.cases, cost.higher) == (4, 2)
    assert (cost.baseline, cost.candidate) == pytest.approx((0.01, 0.02))


def test_cases_weigh_the_same_however_many_of_their_trials_say_it():
    made = plan(IDS[:2], "candidate", trials=2)
    told = [
        *cards("candidate", ["c0"], cost_usd=1.0),
        *cards("candidate", ["c0"], 2, cost_usd=3.0),
        *cards("candidate", ["c1"], cost_usd=4.0),
        *cards("candidate", ["c1"], 2, cost_usd=None),
    ]
    cost = next(row for row in spending.compare(made, told) if row.quantity == "cost_usd")
    assert (cost.baseline, cost.candidate) == (None, pytest.approx(3.0))


def test_unnecessary_calls_are_told_with_their_tools():
    idle = {"unnecessary_calls": 3, "unnecessary_tools": ("find", "find", "list")}
    verdict = decide(cards("baseline"), cards("candidate", **idle))
    assert verdict.remarks == (
        "more unnecessary calls: 3.00 a case instead of 0.00 (find 20 times, list 10 times)",
    )


def test_of_tokens_that_are_not_reported_nothing_is_said():
    silent = {"input_tokens": None, "cost_usd": 0.02}
    verdict = decide(cards("baseline"), cards("candidate", **silent))
    assert verdict.remarks == (
        "dearer: 2.0 times the cost, 0.0200 USD instead of 0.0100 (1.0 times the output tokens)",
    )


class TestLimits:
    def test_there_is_none_unless_the_policy_sets_one(self):
        assert decide(cards("baseline"), cards("candidate", latency_s=99.0)).outcome == "PASS"

    @pytest.mark.parametrize(
        ("policy", "took", "reason"),
        [
            ("max_latency_ratio", "latency_s", "latency_s is 1.60 times"),
            ("max_cost_ratio", "cost_usd", "cost_usd is 1.60 times"),
        ],
    )
    def test_more_than_the_limit_blocks(self, policy, took, reason):
        after = cards("candidate", **{took: 1.6 * TOOK[took]})
        assert decide(cards("baseline"), after, **{policy: 1.6}).outcome == "PASS"
        verdict = decide(cards("baseline"), after, **{policy: 1.5})
        assert verdict.outcome == "BLOCK"
        assert verdict.reason == (
            f"{reason} the baseline's over 10 cases, wanted at most 1.50 times"
        )

    def test_a_limit_on_what_is_not_reported_is_inconclusive(self):
        silent = cards("candidate", cost_usd=None)
        verdict = decide(cards("baseline"), silent, max_cost_ratio=2.0)
        assert verdict.outcome == "INCONCLUSIVE"
        assert verdict.reason.startswith("cost_usd can't be compared over 0 cases")
        assert verdict.effective == "INCONCLUSIVE"

    def test_scores_that_fall_come_first_and_the_limit_is_named_with_its_numbers(self):
        bad = [
            c.model_copy(
                update={
                    "scores": {m: s.model_copy(update={"value": 0.5}) for m, s in c.scores.items()}
                }
            )
            for c in cards("candidate", latency_s=0.4)
        ]
        verdict = decide(cards("baseline"), bad, max_latency_ratio=1.5)
        assert verdict.reason.startswith("task_success went from 100.0% to 50.0%")
        assert "latency_s is 2.00 times the baseline's over 10 cases" in verdict.reason


def test_seconds_of_an_earlier_run_are_not_compared_and_a_limit_on_them_is_not_proven():
    stored = plan(IDS, "baseline", "candidate").model_copy(
        update={"baseline_run": "r-00000000000000000000"}
    )
    after = [*cards("baseline"), *cards("candidate", latency_s=0.5, cost_usd=0.02)]
    seconds, _, _, cost, *_ = spending.compare(stored, after)
    assert (seconds.baseline, seconds.candidate, seconds.ratio) == (None, 0.5, None)
    assert cost.ratio == 2
    verdict = gate.decide(stored, Policy(rule="point", max_latency_ratio=3), CASES, after, [])
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.reason.startswith("latency_s can't be compared")
    assert [remark.partition(":")[0] for remark in verdict.remarks] == ["dearer"]
