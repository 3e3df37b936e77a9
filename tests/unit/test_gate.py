"""The point rule, on means worked out by hand."""

import pytest

from driftgate import evidence, gate, policies
from driftgate.errors import BadInput
from driftgate.metrics import GATE_METRICS, PRIMARY
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import Fault, MissingTrial, TrialKey
from driftgate.schemas.scores import Score
from tests.builders import card, case, expect, manifest, plan, version

RUBRIC = [{"id": "polite", "question": "Is the agent polite?"}]
CASES = [case(expect("pay"), case_id=f"c{n}", critical=n < 4, rubric=RUBRIC) for n in range(10)]
IDS = [c.case_id for c in CASES]
GOOD = {"task_success": 1.0, "tool_call_accuracy": 1.0}


def cards(arm, failed=(), trials=1, **other):
    return [
        card(i, arm, trial, **{**GOOD, **other, "task_success": float(i not in failed)})
        for i in IDS
        for trial in range(1, trials + 1)
    ]


def decide(*given, missing=(), arms=("baseline", "candidate"), trials=1, **policy):
    flat = [one for some in given for one in some]
    return gate.decide(
        plan(IDS, *arms, trials=trials), Policy(rule="point", **policy), CASES, flat, list(missing)
    )


def lost(arm, *case_ids):
    return [MissingTrial(arm=arm, trial=1, case_id=i, attempts=3, reason="gone") for i in case_ids]


def test_an_equal_candidate_passes():
    verdict = decide(cards("baseline"), cards("candidate"))
    assert (verdict.outcome, verdict.effective) == ("PASS", "PASS")


def test_a_drop_of_ten_points_blocks_and_names_the_case():
    verdict = decide(cards("baseline"), cards("candidate", failed=["c7"]))
    assert verdict.outcome == "BLOCK"
    assert verdict.reason.startswith(
        "task_success went from 100.0% to 90.0% over 10 cases: -10.0 points"
    )
    assert "failed cases: c7; c7: task_success of c7" in verdict.reason
    assert [flip.case_id for flip in verdict.broken] == ["c7"]


@pytest.mark.parametrize(("allowed", "outcome"), [(0.1, "BLOCK"), (0.11, "PASS")])
def test_the_drop_must_be_less_than_what_is_allowed(allowed, outcome):
    verdict = decide(cards("baseline"), cards("candidate", failed=["c7"]), max_drop=allowed)
    assert verdict.outcome == outcome


def test_where_no_drop_is_allowed_an_equal_candidate_passes():
    assert decide(cards("baseline"), cards("candidate"), max_drop=0).outcome == "PASS"
    verdict = decide(cards("baseline"), cards("candidate", failed=["c7"]), max_drop=0)
    assert (verdict.outcome, "no drop is allowed" in verdict.reason) == ("BLOCK", True)


def test_a_case_that_was_fixed_pays_for_one_that_broke_but_both_are_shown():
    verdict = decide(cards("baseline", failed=["c1"]), cards("candidate", failed=["c2"]))
    assert verdict.outcome == "PASS"
    assert [flip.case_id for flip in verdict.broken] == ["c2"]
    assert [flip.case_id for flip in verdict.fixed] == ["c1"]


def test_any_gate_metric_that_falls_blocks():
    verdict = decide(cards("baseline"), cards("candidate", tool_call_accuracy=0.94))
    assert verdict.outcome == "BLOCK"
    assert verdict.reason.startswith("tool_call_accuracy went from 100.0% to 94.0%")


@pytest.mark.parametrize("metric", GATE_METRICS)
def test_every_gate_metric_blocks_when_it_falls(metric):
    before, after = ({**dict.fromkeys(GATE_METRICS, 1.0), metric: v} for v in (1.0, 0.9))
    verdict = decide(
        [card(i, "baseline", **before) for i in IDS], [card(i, "candidate", **after) for i in IDS]
    )
    failed = {criterion.metric for criterion in verdict.criteria if not criterion.ok}
    assert (verdict.outcome, metric in failed) == ("BLOCK", True)


def test_every_gate_metric_is_shown_over_all_cases():
    values = {metric: n / 10 for n, metric in enumerate(GATE_METRICS)}
    verdict = decide([card(i, "candidate", **values) for i in IDS], arms=["candidate"])
    shown = {s.metric: s.candidate for s in verdict.strata if s.stratum == "all cases"}
    assert shown == pytest.approx(values)


def test_a_floor_may_just_be_reached():
    low = cards("candidate", tool_call_accuracy=0.95)
    same = [c.model_copy(update={"arm": "baseline"}) for c in low]
    assert decide(same, low, min_tool_call_accuracy=0.95).outcome == "PASS"


def test_a_floor_is_reached_where_only_the_floats_fall_short():
    """The mean of 0.4, 1 and 1 is 0.8, and 0.7999999999999999 in doubles."""
    three = [
        card(i, "candidate", task_success=1.0, tool_call_accuracy=value)
        for i, value in zip(IDS[4:], (0.4, 1.0, 1.0), strict=False)
    ]
    verdict = decide(three, arms=["candidate"], min_tool_call_accuracy=0.8)
    assert verdict.outcome == "BASELINE_CREATED"


def test_without_a_floor_of_its_own_task_success_is_told_but_is_no_threshold():
    low = cards("candidate", failed=IDS[1:])
    free = decide(low, arms=["candidate"])
    assert free.reason.startswith("nothing to compare with; task_success is 10.0% over 10 cases; ")
    assert {criterion.metric for criterion in free.criteria} == {"tool_call_accuracy"}
    held = decide(low, arms=["candidate"], min_task_success=0.1)
    assert held.criteria[0].label == "floor of task_success over all cases"
    assert held.reason.count("task_success is 10.0%") == 1
    wrong_tools = decide(cards("candidate", tool_call_accuracy=0.5), arms=["candidate"])
    assert wrong_tools.outcome == "BLOCK"


def test_the_reason_of_a_case_is_that_of_its_first_failed_trial():
    trials = [card("c0", "candidate", n, **{**GOOD, "task_success": 0.0}) for n in (1, 2, 3)]
    told = [
        c.model_copy(update={"scores": {**c.scores, PRIMARY: Score(value=0, reason=f"t{n}")}})
        for n, c in enumerate(trials, start=1)
    ]
    for given in (told, told[::-1]):
        verdict = gate.decide(
            plan(["c0"], "candidate", trials=3), Policy(rule="point"), CASES[:1], given, []
        )
        assert verdict.failing[0].reason == "t1"


def test_a_metric_is_compared_only_where_both_arms_have_a_value():
    base = cards("baseline", argument_fidelity=1.0)
    half = [
        card(i, "candidate", argument_fidelity=None if n else 1.0, **GOOD)
        for n, i in enumerate(IDS)
    ]
    verdict = decide(base, half)
    (fidelity,) = [c for c in verdict.criteria if c.metric == "argument_fidelity"]
    assert (fidelity.cases, fidelity.ok) == (1, True)


def test_critical_cases_have_a_higher_threshold():
    low = [
        card(i, "candidate", **{**GOOD, "tool_call_accuracy": 0.7 if i == "c0" else 1.0})
        for i in IDS
    ]
    same = [c.model_copy(update={"arm": "baseline"}) for c in low]
    verdict = decide(same, low)
    assert verdict.outcome == "BLOCK"
    assert verdict.reason.startswith("tool_call_accuracy on critical cases is 92.5% over 4 cases")


def test_trials_of_a_case_are_averaged_and_cases_weigh_the_same():
    candidate = cards("candidate", trials=2)[:-1] + [
        card("c9", "candidate", 2, **{**GOOD, "task_success": 0.0})
    ]
    verdict = decide(cards("baseline", trials=2), candidate, trials=2)
    assert verdict.criteria[0].candidate == pytest.approx(0.95)
    assert [flip.candidate for flip in verdict.broken] == [0.5]


def test_a_first_release_is_held_to_the_absolute_thresholds():
    assert decide(cards("candidate"), arms=["candidate"]).outcome == "BASELINE_CREATED"
    bad = cards("candidate", tool_call_accuracy=0.89)
    assert decide(bad, arms=["candidate"]).outcome == "BLOCK"


def test_without_any_value_nothing_is_said():
    empty = [card(i, "candidate", task_success=None, tool_call_accuracy=None) for i in IDS]
    assert decide(empty, arms=["candidate"]).outcome == "INCONCLUSIVE"
    twin = [c.model_copy(update={"arm": "baseline"}) for c in empty]
    assert decide(twin, empty).outcome == "INCONCLUSIVE"


def test_a_first_release_says_how_well_it_does_and_which_cases_fail():
    verdict = decide(cards("candidate", failed=IDS[1:]), arms=["candidate"])
    assert verdict.outcome == "BASELINE_CREATED"
    assert "task_success is 10.0% over 10 cases" in verdict.reason
    assert [outcome.case_id for outcome in verdict.failing] == IDS[1:]
    assert (
        decide(cards("candidate", failed=IDS[1:]), arms=["candidate"], min_task_success=0.5).outcome
        == "BLOCK"
    )


def test_a_case_that_fails_in_both_arms_is_failing_not_broken():
    verdict = decide(cards("baseline", failed=["c4"]), cards("candidate", failed=["c4"]))
    assert (verdict.outcome, verdict.broken, verdict.fixed) == ("PASS", (), ())
    assert [outcome.case_id for outcome in verdict.failing] == ["c4"]


def test_the_worst_change_comes_first_and_critical_cases_before_others():
    verdict = decide(cards("baseline"), cards("candidate", failed=["c9", "c2", "c1"]))
    assert [outcome.case_id for outcome in verdict.broken] == ["c1", "c2", "c9"]


def test_a_run_of_some_cases_says_so():
    part = plan(IDS[:2], "candidate", of=10)
    flat = cards("candidate")[:2]
    verdict = gate.decide(part, Policy(rule="point"), CASES[:2], flat, [])
    assert verdict.reason.startswith("on 2 of the dataset's 10 cases: nothing to compare with")


def test_two_arms_of_one_version_are_called_so():
    twins = plan(IDS, "baseline", "candidate")
    twins = twins.model_copy(update={"arms": dict.fromkeys(twins.arms, twins.arms["baseline"])})
    verdict = gate.decide(
        twins, Policy(rule="point"), CASES, [*cards("baseline"), *cards("candidate")], []
    )
    assert verdict.reason.startswith("both arms are the same version; all")


class TestMissing:
    def test_more_than_is_allowed_is_inconclusive_and_says_why(self):
        verdict = decide(cards("baseline"), cards("candidate")[1:], missing=lost("candidate", "c0"))
        assert verdict.outcome == "INCONCLUSIVE"
        assert verdict.reason.startswith(
            "1 of 20 trials missing, all of the candidate (first candidate c0, trial 1: gone), "
            "5.0% where 2.0% is allowed; what was measured says PASS: all"
        )

    def test_a_trial_without_a_value_is_missing_and_its_reason_is_said(self):
        values = {**GOOD, "task_success": None}
        unknown = [card(i, "candidate", **values) for i in IDS[:9]]
        verdict = decide(cards("baseline"), [*unknown, *cards("candidate")[9:]])
        assert (verdict.outcome, verdict.scored) == ("INCONCLUSIVE", 11)
        assert verdict.reason.startswith(
            "9 of 20 trials missing, all of the candidate (first candidate c0, trial 1: "
            "no value of task_success: task_success of c0), 45.0% where 2.0% is allowed"
        )

    def test_what_was_measured_is_said_even_if_it_does_not_count(self):
        verdict = decide(
            cards("baseline"),
            cards("candidate", failed=IDS)[1:],
            missing=lost("candidate", "c0"),
        )
        assert verdict.outcome == "INCONCLUSIVE"
        assert "what was measured says BLOCK: task_success went from" in verdict.reason

    def test_a_pass_that_the_missing_trial_could_have_turned_is_not_said(self):
        verdict = decide(
            cards("baseline"),
            cards("candidate")[1:],
            missing=lost("candidate", "c0"),
            max_missing=0.05,
        )
        assert verdict.outcome == "INCONCLUSIVE"
        assert "could change what was measured: all 4 thresholds hold" in verdict.reason

    def test_a_pass_that_stands_at_the_worst_is_said(self):
        verdict = decide(
            cards("baseline"),
            cards("candidate")[1:],
            missing=lost("candidate", "c0"),
            max_missing=0.05,
            max_drop=0.5,
            min_tool_call_accuracy=0.5,
            min_critical_tool_call_accuracy=0.5,
        )
        assert verdict.outcome == "PASS"
        assert verdict.reason.endswith("which can't change the verdict")

    def test_a_block_that_stands_at_the_best_is_said(self):
        failed = ["c5", "c6", "c7"]
        verdict = decide(
            cards("baseline"),
            cards("candidate", failed)[1:],
            missing=lost("candidate", "c0"),
            max_missing=0.05,
        )
        assert verdict.outcome == "BLOCK"

    def test_a_block_that_a_missing_baseline_trial_could_have_turned_is_not_said(self):
        """One of nine broke; had the baseline failed the missing one, it were no drop at all."""
        verdict = decide(
            cards("baseline")[1:],
            cards("candidate", failed=["c5"]),
            missing=lost("baseline", "c0"),
            max_missing=0.05,
            max_drop=0.105,
        )
        assert verdict.outcome == "INCONCLUSIVE"

    @pytest.mark.parametrize("metric", GATE_METRICS)
    def test_a_missing_trial_is_imputed_in_every_gate_metric(self, metric):
        """The others are 0 everywhere, so they can't fall."""
        values = {**dict.fromkeys(GATE_METRICS, 0.0), metric: 1.0}
        verdict = decide(
            [card(i, "baseline", **values) for i in IDS],
            [card(i, "candidate", **values) for i in IDS[1:]],
            missing=lost("candidate", "c0"),
            max_missing=0.05,
            min_tool_call_accuracy=0,
            min_critical_tool_call_accuracy=0,
        )
        assert verdict.outcome == "INCONCLUSIVE"
        assert "could change what was measured: all" in verdict.reason

    def test_the_last_fault_is_the_reason(self):
        key = TrialKey(arm="candidate", trial=1, case_id="c0")
        faults = [Fault(session_id=s, error="AgentUnavailable", message=f"no {s}") for s in "ab"]
        assert gate.missing_trial(key, faults).reason == "AgentUnavailable: no b"
        assert gate.missing_trial(key, []).reason == "it was not run to its end"


def test_broken_evidence_outweighs_everything():
    observing = Policy(rule="point", mode="observe")
    verdict = gate.decide(
        plan(IDS, "candidate"), observing, CASES, cards("candidate"), [], moved="it moved"
    )
    assert (verdict.outcome, verdict.effective, verdict.reason) == (
        "INTEGRITY_FAIL",
        "INTEGRITY_FAIL",
        "it moved",
    )


@pytest.mark.parametrize(
    ("name", "stricter", "looser"),
    [
        ("max_drop", 0.04, 0.06),
        ("max_missing", 0.01, 0.03),
        ("min_tool_call_accuracy", 0.91, 0.89),
        ("min_critical_tool_call_accuracy", 0.96, 0.94),
        ("min_cases_per_new_tool", 11, 0),
    ],
)
def test_a_manifest_may_tighten_a_threshold_and_not_loosen_it(name, stricter, looser):
    def with_manifest(value):
        return policies.tightened(
            Policy(rule="point"), Manifest.model_validate(manifest(policy={name: value}))
        )

    assert with_manifest(stricter) == Policy(rule="point", **{name: stricter})
    assert with_manifest(getattr(Policy(rule="point"), name)) == Policy(rule="point")
    with pytest.raises(BadInput, match=rf"policy.{name}: .* may only tighten it, got {looser}"):
        with_manifest(looser)


@pytest.mark.parametrize("name", ["max_latency_ratio", "max_cost_ratio"])
def test_a_manifest_may_set_a_limit_where_the_environment_has_none(name):
    strict = Manifest.model_validate(manifest(policy={name: 1.5}))
    assert policies.tightened(Policy(), strict) == Policy(**{name: 1.5})
    assert policies.tightened(Policy(**{name: 2.0}), strict) == Policy(**{name: 1.5})
    with pytest.raises(BadInput, match=rf"policy.{name}: .* may only tighten it, got 1.5"):
        policies.tightened(Policy(**{name: 1.2}), strict)


@pytest.mark.parametrize(("mode", "effective"), [("advisory", "ADVISORY"), ("observe", "OBSERVED")])
def test_a_mode_that_does_not_block_lets_a_block_through(mode, effective):
    verdict = decide(cards("baseline"), cards("candidate", failed=IDS), mode=mode)
    assert (verdict.outcome, verdict.effective) == ("BLOCK", effective)


def test_equal_inputs_give_equal_bytes_in_any_order():
    given = cards("baseline"), cards("candidate", failed=["c3", "c4"])
    one, other = decide(*given), decide(*[list(reversed(some)) for some in reversed(given)])
    assert evidence.to_bytes(one) == evidence.to_bytes(other)


def test_the_tool_that_lost_most_cases_is_named():
    many = [case(expect("balance"), case_id=f"c{n}") for n in range(6)]
    few = [case(expect("pay"), case_id=f"c{n}") for n in range(6, 10)]
    verdict = gate.decide(
        plan(IDS, "baseline", "candidate"),
        Policy(rule="point"),
        many + few,
        [*cards("baseline"), *cards("candidate", failed=["c0", "c1", "c9"])],
        [],
    )
    assert "hit hardest: tool balance, task_success from 100.0% to 66.7% over 6" in verdict.reason


def with_tools(calling, of, broken=(), fixed=()):
    """Decide a run of `of` cases, the first `calling` of which call pay, the others look up."""
    mixed = [case(expect("pay" if n < calling else "find"), case_id=f"c{n}") for n in range(of)]
    given = [
        card(one.case_id, arm, **{**GOOD, "task_success": float(one.case_id not in failed)})
        for one in mixed
        for arm, failed in (("baseline", fixed), ("candidate", broken))
    ]
    ids = [one.case_id for one in mixed]
    return gate.decide(plan(ids, "baseline", "candidate"), Policy(rule="point"), mixed, given, [])


def test_a_tool_that_broke_wholly_blocks_however_small_its_part_of_the_dataset_is():
    verdict = with_tools(10, of=210, broken=IDS)
    assert verdict.outcome == "BLOCK"
    assert verdict.reason.startswith(
        "task_success on tool pay went from 100.0% to 0.0% over 10 cases: "
        "-100.0 points, a drop of less than 30.0 is allowed"
    )


@pytest.mark.parametrize(
    ("calling", "broken", "fixed", "outcome"),
    [
        (10, IDS[:2], (), "PASS"),  # two of ten may be chance
        (10, IDS[:3], (), "BLOCK"),
        (10, IDS[:4], IDS[4:6], "PASS"),  # two more broke than were fixed
        (9, IDS[:9], (), "PASS"),  # too few to decide
        (100, IDS[:4], (), "PASS"),
        (100, IDS[:5], (), "BLOCK"),  # with many cases max_drop decides
    ],
)
def test_a_tool_with_ten_cases_blocks_when_it_lost_three_and_max_drop(
    calling, broken, fixed, outcome
):
    assert with_tools(calling, of=210, broken=broken, fixed=fixed).outcome == outcome


def test_of_two_tools_that_lost_as_many_cases_the_one_that_lost_more_of_its_own_is_named():
    """As a look at the balance comes before every payment."""
    looks = [case(expect("balance"), case_id=f"c{n}") for n in range(6)]
    pays = [case(expect("balance"), expect("pay"), case_id=f"c{n}") for n in range(6, 9)]
    other = [case(expect("rate"), case_id="c9")]
    verdict = gate.decide(
        plan(IDS, "baseline", "candidate"),
        Policy(rule="point"),
        looks + pays + other,
        [*cards("baseline"), *cards("candidate", failed=["c6", "c7"])],
        [],
    )
    assert "hit hardest: tool pay, task_success from 100.0% to 33.3% over 3" in verdict.reason


def test_no_tool_is_blamed_for_a_drop_of_another_metric():
    verdict = decide(
        cards("baseline"), cards("candidate", failed=["c9"], tool_call_accuracy=0.5), max_drop=0.2
    )
    assert verdict.reason.startswith("tool_call_accuracy went from")
    assert "hit hardest" not in verdict.reason


class TestNewTools:
    """The baseline has pay, the candidate has pay and refund; other tools are nobody's matter."""

    def decide(
        self, by_tool=None, before=("pay",), after=("pay", "refund"), failed=(), ids=IDS, **policy
    ):
        arms = {"baseline": version("1.0.0", *before), "candidate": version("2.0.0", *after)}
        made = plan(ids, *arms, of=len(IDS)).model_copy(update={"arms": arms})
        given = [
            c for c in (*cards("baseline"), *cards("candidate", failed)) if c.case_id in set(ids)
        ]
        cases = [c for c in CASES if c.case_id in set(ids)]
        return gate.decide(made, Policy(rule="point", **policy), cases, given, [], by_tool=by_tool)

    @pytest.mark.parametrize(
        ("cases", "said"), [(0, "0 cases of the dataset expect it"), (1, "1 case"), (9, "9 cases")]
    )
    def test_one_with_too_few_cases_blocks_and_is_named_with_its_number_and_the_bound(
        self, cases, said
    ):
        verdict = self.decide({"pay": 10, "refund": cases})
        assert verdict.outcome == "BLOCK"
        assert verdict.reason.startswith(f"tool refund is new and {said}")
        assert verdict.reason.endswith("wanted at least 10")

    def test_ten_cases_are_enough(self):
        verdict = self.decide({"pay": 10, "refund": 10})
        assert verdict.outcome == "PASS"
        (criterion,) = [c for c in verdict.criteria if c.kind == "coverage"]
        assert (criterion.stratum, criterion.cases, criterion.bound) == ("tool refund", 10, 10)

    def test_the_cases_of_the_run_are_counted_if_they_are_all(self):
        assert "tool refund is new and 0 cases" in self.decide().reason
        assert self.decide(after=("pay",), before=()).outcome == "PASS"  # all ten expect pay

    @pytest.mark.parametrize("after", [("pay",), ()])
    def test_a_tool_that_both_have_or_that_is_gone_needs_no_minimum(self, after):
        assert self.decide({"pay": 1}, after=after).outcome == "PASS"

    def test_a_part_of_the_dataset_is_judged_on_the_whole(self):
        assert self.decide({"refund": 10}, ids=IDS[:2]).outcome == "PASS"
        verdict = self.decide({"refund": 9}, ids=IDS[:2])
        assert verdict.reason == (
            "on 2 of the dataset's 10 cases: tool refund is new and 9 cases of the dataset "
            "expect it, wanted at least 10"
        )

    def test_the_bound_is_the_policys_and_zero_turns_it_off(self):
        assert self.decide({"refund": 10}, min_cases_per_new_tool=11).outcome == "BLOCK"
        assert self.decide({"refund": 3}, min_cases_per_new_tool=3).outcome == "PASS"
        assert self.decide({}, min_cases_per_new_tool=0).outcome == "PASS"

    def test_beside_a_drop_it_is_said_too(self):
        verdict = self.decide({"refund": 9}, failed=["c7"])
        assert verdict.reason.startswith("task_success went from 100.0% to 90.0% over 10 cases")
        assert (
            "; also tool refund is new and 9 cases of the dataset expect it, wanted at least 10"
            in verdict.reason
        )
        assert "failed cases: c7" in verdict.reason

    def test_a_case_that_failed_before_is_not_named_as_its_reason(self):
        arms = {"baseline": version("1.0.0"), "candidate": version("2.0.0", "refund")}
        made = plan(IDS, *arms).model_copy(update={"arms": arms})
        given = [*cards("baseline", failed=["c4"]), *cards("candidate", failed=["c4"])]
        verdict = gate.decide(made, Policy(rule="point"), CASES, given, [], by_tool={})
        assert (verdict.outcome, "c4" in verdict.reason) == ("BLOCK", False)

    def test_a_first_release_has_no_new_tools(self):
        arms = {"candidate": version("2.0.0", "pay", "refund")}
        made = plan(IDS, "candidate").model_copy(update={"arms": arms})
        verdict = gate.decide(made, Policy(rule="point"), CASES, cards("candidate"), [], by_tool={})
        assert verdict.outcome == "BASELINE_CREATED"

    def test_where_nobody_knows_what_tools_a_recorded_baseline_had_none_is_new(self):
        target = {"kind": "recorded", "traces": "t.jsonl"}
        recorded = version("1.0.0").model_copy(
            update={"manifest": Manifest.model_validate(manifest(target=target))}
        )
        arms = {"baseline": recorded, "candidate": version("2.0.0", "pay")}
        made = plan(IDS, *arms).model_copy(update={"arms": arms})
        given = [*cards("baseline"), *cards("candidate")]
        assert (
            gate.decide(made, Policy(rule="point"), CASES, given, [], by_tool={}).outcome == "PASS"
        )

    def test_missing_trials_can_not_change_it(self):
        arms = {"baseline": version("1.0.0"), "candidate": version("2.0.0", "refund")}
        made = plan(IDS, *arms).model_copy(update={"arms": arms})
        given = [*cards("baseline"), *cards("candidate")[1:]]
        verdict = gate.decide(
            made,
            Policy(rule="point", max_missing=0.05),
            CASES,
            given,
            lost("candidate", "c0"),
            by_tool={},
        )
        assert verdict.outcome == "BLOCK"
        assert verdict.reason.startswith("tool refund is new and 0 cases")
