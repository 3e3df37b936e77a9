"""The calibrated rule, on samples whose answer can be told by eye."""

import pytest

from driftgate import evidence, gate
from driftgate.gate import calibrated
from driftgate.metrics import PRIMARY
from driftgate.schemas.policies import SEQUENTIAL_LOOKS, Policy
from driftgate.schemas.runs import MissingTrial, PlanRunRequest, Verdict
from tests.builders import card, case, expect, plan

IDS = [f"c{n:03}" for n in range(120)]
RARE = IDS[:20]  # the cases of the tool `find`
CASES = [
    case(expect("find" if i in RARE else "pay"), case_id=i, critical=i in RARE[:3]) for i in IDS
]


def cards(arm, trials, failed=lambda case_id, trial: False, ids=IDS, **other):
    """Cards of which those fail that `failed` tells."""
    return [
        card(i, arm, t, tool_call_accuracy=1.0, **other, task_success=float(not failed(i, t)))
        for i in ids
        for t in range(1, trials + 1)
    ]


def decide(baseline, candidate, *, look, missing=(), looks=SEQUENTIAL_LOOKS, cases=CASES, **policy):
    made = plan([c.case_id for c in cases], "baseline", "candidate")
    return gate.decide(
        made.model_copy(update={"looks": looks}),
        Policy(**policy),
        cases,
        baseline + candidate,
        missing,
        look=look,
    )


def verdict(*given, **options) -> Verdict:
    found = decide(*given, **options)
    assert found is not None
    return found


def row(found, stratum, metric=PRIMARY):
    return next(s for s in found.strata if (s.metric, s.stratum) == (metric, stratum))


def lost(arm, *trials):
    return [MissingTrial(arm=arm, trial=t, case_id=i, attempts=3, reason="gone") for i, t in trials]


class TestPass:
    def test_equal_arms_pass_at_the_first_look(self):
        found = verdict(cards("baseline", 2), cards("candidate", 2), look=1)
        assert (found.outcome, found.trials, found.planned_trials) == ("PASS", 2, 5)
        assert "the drop may be 1.6, wanted below 5.0" in found.reason

    def test_in_twenty_cases_nothing_can_be_excluded(self):
        few, ids = CASES[:20], IDS[:20]
        given = cards("baseline", 5, ids=ids), cards("candidate", 5, ids=ids)
        assert decide(*given, look=1, cases=few) is None
        assert verdict(*given, look=3, cases=few).outcome == "INCONCLUSIVE"

    def test_a_doubtful_stratum_is_looked_at_again(self):
        """Three of a tool's twenty cases fail once: no proof, but too much for an early PASS."""
        failed = lambda i, t: i in RARE[:3] and t == 1  # noqa: E731
        given = cards("baseline", 2), cards("candidate", 2, failed)
        assert 0.012 < min(s.adjusted_p for s in verdict(*given, look=1, looks=(2,)).strata) <= 0.3
        assert decide(*given, look=1) is None

    def test_what_was_doubtful_and_is_borne_out_by_no_later_trial_passes(self):
        failed = lambda i, t: i in RARE[:3] and t == 1  # noqa: E731
        late = lambda i, t: i in RARE[:3] and t == 4  # noqa: E731
        found = verdict(cards("baseline", 5, late), cards("candidate", 5, failed), look=3)
        assert (found.outcome, found.trials) == ("PASS_AT_MAX", 5)
        assert [look.outcome for look in found.looks] == ["CONTINUE", "CONTINUE", "PASS_AT_MAX"]

    def test_a_fixed_number_of_trials_has_one_look_with_the_whole_error(self):
        found = verdict(cards("baseline", 1), cards("candidate", 1), look=1, looks=(1,))
        assert (found.outcome, found.looks[0].alpha) == ("PASS", 0.05)

    def test_more_gains_than_losses_are_no_drop(self):
        worse = lambda i, t: i in IDS[60:70]  # noqa: E731
        better = lambda i, t: i in IDS[70:85]  # noqa: E731
        found = verdict(cards("baseline", 5, better), cards("candidate", 5, worse), look=3)
        assert found.outcome in ("PASS", "PASS_AT_MAX")
        assert len(found.broken) == 10
        assert len(found.fixed) == 15


class TestLooks:
    @pytest.mark.parametrize(
        ("looks", "spent"), [((2, 3, 5), 0.012), ((2, 3), 0.012), ((2,), 0.05)]
    )
    def test_a_plan_that_ends_early_spends_no_more_at_its_first_look(self, looks, spent):
        made = plan(IDS, "baseline", "candidate").model_copy(update={"looks": looks})
        assert calibrated.boundary_of(made, 1).alpha == spent

    def test_the_parts_of_two_looks_are_those_of_the_first_two_of_three(self):
        made = plan(IDS, "baseline", "candidate").model_copy(update={"looks": (2, 3)})
        assert [calibrated.boundary_of(made, look) for look in (1, 2)] == [
            calibrated.SEQUENTIAL[0],
            calibrated.SEQUENTIAL[1],
        ]

    @pytest.mark.parametrize("looks", [(1, 2), (3, 5), (2, 3, 4), (2, 3, 5, 8), (5, 3, 2), ()])
    def test_others_are_refused_as_nobody_knows_what_they_may_spend(self, looks):
        with pytest.raises(ValueError, match="looks"):
            PlanRunRequest(agent="a", version="1.0.0", environment="dev", looks=looks)


class TestBlock:
    def test_a_tool_whose_cases_broke_blocks_though_the_whole_fell_little(self):
        broken = lambda i, t: i in RARE[:9]  # noqa: E731
        found = verdict(cards("baseline", 2), cards("candidate", 2, broken), look=1)
        assert (found.outcome, found.trials) == ("BLOCK", 2)
        fell = {criterion.stratum for criterion in found.criteria if criterion.ok is False}
        assert "tool find" in fell
        assert "more than chance gives (adjusted p 0.0" in found.reason
        assert found.broken[0].case_id == "c000"

    def test_another_gate_metric_can_block_while_every_task_is_solved(self):
        tidy = cards("baseline", 2, call_precision=1.0)
        untidy = cards("candidate", 2, call_precision=0.8)
        found = verdict(tidy, untidy, look=1)
        assert found.outcome == "BLOCK"
        assert found.reason.startswith("call_precision went from 100.0% to 80.0% over 120 cases")

    def test_the_first_look_that_decides_stands_whatever_came_later(self):
        """So a verdict made at once and one recomputed from all that was stored are the same."""
        broken = lambda i, t: i in RARE and t < 3  # noqa: E731
        early = verdict(cards("baseline", 2), cards("candidate", 2, broken), look=1)
        late = verdict(cards("baseline", 5), cards("candidate", 5, broken), look=3)
        assert evidence.to_bytes(early) == evidence.to_bytes(late)

    def test_the_order_of_cards_does_not_matter(self):
        broken = lambda i, t: hash((i, t)) % 7 == 0  # noqa: E731
        given = cards("baseline", 5), cards("candidate", 5, broken)
        backwards = [list(reversed(some)) for some in given]
        assert evidence.to_bytes(verdict(*given, look=3)) == evidence.to_bytes(
            verdict(*backwards, look=3)
        )


class TestWhatAStratumTells:
    found = verdict(cards("baseline", 2), cards("candidate", 2, lambda i, t: i in RARE[:9]), look=1)

    def test_its_cases_means_and_drop(self):
        tool = row(self.found, "tool find")
        assert (tool.cases, tool.baseline, tool.candidate, tool.drop) == (20, 1, 0.55, 0.45)

    def test_an_interval_around_the_drop(self):
        tool = row(self.found, "tool find")
        assert 0.1 < tool.low < 0.45 < tool.high < 0.8

    def test_p_is_that_of_nine_signs_that_all_agree(self):
        assert row(self.found, "tool find").p == pytest.approx(2**-9, abs=0.002)

    def test_the_detectable_drop_is_larger_where_there_are_fewer_cases(self):
        assert row(self.found, "tool find").detectable > row(self.found, "all cases").detectable

    def test_the_family_is_the_primary_metric_in_every_part_and_the_others_over_all(self):
        names = [s.stratum for s in self.found.strata if s.metric == PRIMARY]
        assert names == [
            "all cases",
            "critical cases",
            "task type refunds",
            "tool find",
            "tool pay",
        ]


class TestMissing:
    def test_a_few_that_can_change_nothing_are_told_of(self):
        found = verdict(
            cards("baseline", 2),
            cards("candidate", 2)[1:],
            look=1,
            missing=lost("candidate", ("c000", 1)),
        )
        assert found.outcome == "PASS"
        assert "which can't change the verdict" in found.reason

    def test_more_than_allowed_are_inconclusive_at_once(self):
        gone = [(i, 1) for i in IDS[:12]]
        kept = [c for c in cards("candidate", 2) if (c.case_id, c.trial) not in gone]
        found = verdict(cards("baseline", 2), kept, look=1, missing=lost("candidate", *gone))
        assert (found.outcome, found.trials) == ("INCONCLUSIVE", 2)

    def test_those_that_could_change_an_early_look_leave_it_to_the_next(self):
        failed = lambda i, t: i in RARE[:2] and t == 1  # noqa: E731
        gone = [(i, 2) for i in RARE[3:7]]
        kept = [c for c in cards("candidate", 2, failed) if (c.case_id, c.trial) not in gone]
        given = cards("baseline", 2), kept
        assert decide(*given, look=1, missing=lost("candidate", *gone)) is None

    def test_trials_of_a_later_look_are_not_missing_now(self):
        found = decide(cards("baseline", 2), cards("candidate", 2), look=1)
        assert found is not None
        assert found.missing == ()


class TestHardBreaks:
    given = cards("baseline", 5), cards("candidate", 5, lambda i, t: i == "c000")

    def test_one_critical_case_is_shown_and_does_not_block_by_default(self):
        found = verdict(*self.given, look=3)
        assert found.outcome in ("PASS", "PASS_AT_MAX")
        assert found.hard_breaks == ("c000",)

    def test_by_policy_it_blocks_after_five_trials_of_each_arm(self):
        assert decide(*self.given, look=2, hard_breaks="block") is None
        found = verdict(*self.given, look=3, hard_breaks="block")
        assert found.outcome == "BLOCK"
        assert "critical case c000 passed in all 5 trials of the baseline" in found.reason

    def test_one_that_once_passed_is_none(self):
        once = cards("candidate", 5, lambda i, t: i == "c000" and t != 4)
        assert verdict(self.given[0], once, look=3, hard_breaks="block").hard_breaks == ()

    def test_a_case_that_is_not_critical_is_none(self):
        other = cards("candidate", 5, lambda i, t: i == "c100")
        assert verdict(self.given[0], other, look=3).hard_breaks == ()


class TestFloors:
    """Of 120 trials 95 % are 114; Wilson's one-sided bounds are 0.907 and 0.974."""

    def floor(self, failed, bound):
        trials = [
            card(i, "candidate", 1, task_success=1.0, tool_call_accuracy=float(n < 120 - failed))
            for n, i in enumerate(IDS)
        ]
        found = gate.decide(
            plan(IDS, "candidate"), Policy(min_tool_call_accuracy=bound), CASES, trials, []
        )
        assert found is not None
        return found, found.criteria[0]

    @pytest.mark.parametrize(
        ("bound", "ok", "outcome"),
        [
            (0.90, True, "BASELINE_CREATED"),
            (0.96, None, "BASELINE_CREATED"),
            (0.98, False, "BLOCK"),
        ],
    )
    def test_a_target_is_certified_unproven_or_missed(self, bound, ok, outcome):
        found, criterion = self.floor(6, bound)
        assert (criterion.ok, found.outcome) == (ok, outcome)

    def test_what_is_not_proven_is_said(self):
        found, _ = self.floor(6, 0.96)
        assert "wanted at least 96.0%, not proven" in found.reason


def test_a_first_release_has_one_look():
    made = plan(IDS, "candidate")
    found = gate.decide(made, Policy(), CASES, cards("candidate", 1), [])
    assert found is not None
    assert (found.outcome, found.looks) == ("BASELINE_CREATED", ())


def test_scores_are_counted_in_thousandths_so_that_their_sums_are_exact():
    assert calibrated._in_units([0.1, 0.2, 1 / 3], 6000) == (100 + 200 + 333) * 2
