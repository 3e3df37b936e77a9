"""What a run took, counted by hand, and what is made of it in a verdict."""

from driftgate import gate
from driftgate.gate.totals import totals
from driftgate.schemas.runs import Total
from driftgate.schemas.scores import Efficiency
from tests.builders import bundle, card, case, expect, plan


def took(arm="candidate", trial=1, **spent):
    made = card("a", arm, trial, task_success=1.0, tool_call_accuracy=1.0)
    return made.model_copy(
        update={"efficiency": Efficiency(**{"steps": 2, "unnecessary_calls": 0, **spent})}
    )


def test_what_trials_report_is_summed_with_the_number_that_do():
    found = totals([took(cost_usd=0.1, latency_s=1.5), took(cost_usd=0.2), took()])
    assert found.trials == 3
    assert found.cost_usd == Total(value=0.3, trials=2)
    assert found.latency_s == Total(value=1.5, trials=1)
    assert found.steps == Total(value=6, trials=3)


def test_what_no_trial_reports_is_missing_not_zero():
    assert totals([took(), took()]).input_tokens is None
    assert totals([]).steps is None


def test_the_order_of_the_cards_changes_no_bit():
    cards = [took(cost_usd=value) for value in (0.1, 1e9, 0.2, 0.7, 1e-7)]
    assert totals(cards) == totals(cards[::-1])


def test_a_verdict_counts_the_trials_up_to_the_look_that_decided_and_those_of_all_looks():
    cases = [case(expect("pay"), case_id="a")]
    made = plan(["a"], "baseline", "candidate").model_copy(update={"looks": (2, 5)})
    cards = [took(arm, t, latency_s=1.0) for arm in ("baseline", "candidate") for t in (1, 2, 3)]
    point = {"rule": "point", "min_critical_tool_call_accuracy": 0.0}
    verdict = gate.replay(bundle(made, cases, cards, look=1, **point))
    assert (verdict.outcome, verdict.invocations, verdict.planned_invocations) == ("PASS", 4, 10)
    assert {arm: spent.trials for arm, spent in verdict.totals.items()} == {
        "baseline": 2,
        "candidate": 2,
    }


def test_a_trial_without_a_value_of_the_primary_metric_was_paid_for_all_the_same():
    cases = [case(expect("pay"), case_id="a")]
    lost = took(cost_usd=1.0)
    nothing = lost.scores["task_success"].model_copy(update={"value": None})
    lost = lost.model_copy(update={"scores": {**lost.scores, "task_success": nothing}})
    verdict = gate.replay(bundle(plan(["a"], "candidate"), cases, [lost], rule="point"))
    assert (verdict.outcome, verdict.scored) == ("INCONCLUSIVE", 0)
    assert verdict.totals["candidate"].cost_usd == Total(value=1.0, trials=1)
