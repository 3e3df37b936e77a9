"""The gate: score cards in, verdict out. It reads nothing and writes nothing.

A rule decides on a sample of scores: `calibrated` by default, or `point`. Here stands what holds
for both: what is missing, what is not as it was frozen, new tools, modes, and the verdict itself.
"""

from collections.abc import Iterable, Mapping, Sequence

from driftgate import spending
from driftgate.datasets import count_by_tool
from driftgate.errors import BudgetSpent
from driftgate.gate import point
from driftgate.gate.judged import judge_fault, key_of, summary, unjudged
from driftgate.gate.limits import limits
from driftgate.gate.outcomes import case_outcomes, change, hit_hardest, named
from driftgate.gate.rulings import Ruling
from driftgate.gate.sample import Sample
from driftgate.gate.totals import totals
from driftgate.metrics import JUDGED, SUITES, decisive
from driftgate.schemas.cases import Case
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.judgments import CanaryReport
from driftgate.schemas.policies import Effective, Outcome, Policy
from driftgate.schemas.record import count
from driftgate.schemas.runs import (
    ArmSummary,
    Criterion,
    Fault,
    JudgeSummary,
    Look,
    MissingTrial,
    RunPlan,
    TrialKey,
    Verdict,
)
from driftgate.schemas.scores import ScoreCard

OF_SCORES = ("drop", "floor")  # criteria that scores decide


def decide(
    plan: RunPlan,
    policy: Policy,
    cases: Sequence[Case],
    cards: Iterable[ScoreCard],
    missing: Iterable[MissingTrial],
    *,
    look: int | None = None,
    by_tool: Mapping[str, int] | None = None,
    moved: str | None = None,
    canaries: CanaryReport | None = None,
) -> Verdict | None:
    """Decide a run on the score cards of its trials.

    Every look up to the given one is decided on what there is now, so that whoever has the cards
    comes to the same verdict, whenever each of them came.

    Args:
        plan: what was to be run.
        policy: the rule, its thresholds, and whether they block.
        cases: the plan's cases, in its order.
        cards: one per finished trial. One without a value of the primary metric counts as missing:
            whoever knows nearly nothing must not say PASS.
        missing: one per trial without a card; cards and missing together are all trials of `look`.
        look: up to which the trials were run, 1 or more; None: the last.
        by_tool: how many of the dataset's cases expect each tool; None: `cases` are all it has.
        moved: what is no longer as the plan froze it; the verdict is then INTEGRITY_FAIL.
        canaries: how the judge did on answers that are known; if it missed one, INTEGRITY_FAIL.

    Returns:
        A verdict without times or places, so that equal inputs give equal bytes; None when the
        next look is to tell.
    """
    made = list(cards)
    primary = SUITES[plan.suite].primary
    valueless = [card for card in made if not card.scores[primary].scored]
    lost = [*missing, *(_without_value(card, primary) for card in valueless)]
    known = [card for card in made if card.scores[primary].scored]
    tools = count_by_tool(cases) if by_tool is None else by_tool
    broken = moved or judge_fault(plan, canaries)
    looks: list[Look] = []
    for number in range(1, (look or len(plan.looks)) + 1):
        trials = plan.looks[number - 1]
        seen = [card for card in known if card.trial <= trials]
        unseen = [trial for trial in lost if trial.trial <= trials]
        beside = tuple(limits(plan, policy, tools, spending.compare(plan, seen)))
        lacking = unjudged(plan, seen)
        ruling = _ruling(plan, policy, cases, seen, unseen, lacking, number, beside, broken)
        if ruling.look:
            looks.append(ruling.look)
        if ruling.outcome:
            counted = [card for card in made if card.trial <= trials]
            judge = summary(plan, counted, canaries)
            return _verdict(plan, policy, cases, counted, unseen, trials, ruling, looks, judge)
    return None


def replay(bundle: Bundle) -> Verdict | None:
    """Decide on what was kept of a run: what DecideGate does, and whoever checks it later."""
    return decide(
        bundle.plan,
        bundle.policy,
        bundle.cases,
        bundle.cards,
        bundle.missing,
        look=bundle.look,
        by_tool=bundle.by_tool,
        moved=bundle.moved,
        canaries=bundle.canaries,
    )


def decided_on(verdict: Verdict, bundle: Bundle) -> Bundle:
    """The part of a bundle that a verdict rests on: no trial after the look that decided.

    A look may decide only when a later one has begun, as a score came late; whoever starts the run
    again comes to the same verdict with fewer cards, and must come to the same bundle.
    """
    look = bundle.plan.looks.index(verdict.trials) + 1
    cards = tuple(card for card in bundle.cards if card.trial <= verdict.trials)
    missing = tuple(trial for trial in bundle.missing if trial.trial <= verdict.trials)
    return bundle.model_copy(update={"look": look, "cards": cards, "missing": missing})


def missing_trial(key: TrialKey, faults: Sequence[Fault]) -> MissingTrial:
    last = f"{faults[-1].error}: {faults[-1].message}" if faults else "it was not run to its end"
    return MissingTrial(**key.model_dump(), attempts=len(faults), reason=last)


def _without_value(card: ScoreCard, primary: str) -> MissingTrial:
    return MissingTrial.model_validate(
        {
            "arm": card.arm,
            "trial": card.trial,
            "case_id": card.case_id,
            "attempts": 0,
            "reason": f"no value of {primary}: {card.scores[primary].reason}",
        }
    )


def _ruling(
    plan: RunPlan,
    policy: Policy,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    missing: Sequence[MissingTrial],
    lacking: Sequence[MissingTrial],
    look: int,
    beside: Sequence[Criterion],
    broken: str | None,
) -> Ruling:
    """The rule's answer, held against what is missing and what stands above every rule.

    `lacking` are the trials without the judgment that they should have.
    """
    observed = _by_rule(plan, policy, cases, Sample(cards), look, beside)
    if broken is not None:
        return observed._replace(outcome="INTEGRITY_FAIL", reason=broken)
    groups = {"trial": (missing, len(cards) + len(missing))}
    groups["judgment"] = (lacking, sum(plan.is_judged(key_of(card)) for card in cards))
    gone = " and ".join(_gone(lost, of, what) for what, (lost, of) in groups.items() if lost)
    if not gone:
        return observed
    measured = f"what was measured says {observed.outcome or 'CONTINUE'}: {observed.reason}"
    if any(trial.reason.startswith(f"{BudgetSpent.__name__}: ") for trial in missing):
        return observed._replace(outcome="INCONCLUSIVE", reason=f"{gone}; {measured}")
    for lost, planned in groups.values():
        if lost and len(lost) / planned > policy.max_missing:
            allowed = f"{len(lost) / planned:.1%} where {policy.max_missing:.1%} is allowed"
            reason = f"{gone}, {allowed}; {measured}"
            return observed._replace(outcome="INCONCLUSIVE", reason=reason)
    asked = {case.case_id: decisive(plan.suite, case) for case in cases}
    unknown = [(trial, metric) for trial in missing for metric in asked[trial.case_id]]
    unknown += [(trial, JUDGED) for trial in lacking]
    for against in ("candidate", "baseline"):  # the worst they could have been, for either arm
        imputed = [(trial, metric, float(trial.arm != against)) for trial, metric in unknown]
        worst = _by_rule(plan, policy, cases, Sample(cards, imputed), look, beside)
        if worst.outcome != observed.outcome:
            last = look == len(plan.looks)
            undecided: Outcome | None = "INCONCLUSIVE" if last else None
            reason = f"{gone}, and could change what was measured: {observed.reason}"
            return observed._replace(outcome=undecided, reason=reason)
    reason = f"{observed.reason}; {gone}, which can't change the verdict"
    return observed._replace(reason=reason)


def _by_rule(
    plan: RunPlan,
    policy: Policy,
    cases: Sequence[Case],
    sample: Sample,
    look: int,
    beside: Sequence[Criterion],
) -> Ruling:
    if policy.rule == "point":
        ruling = point.rule(plan, policy, cases, sample)
    else:
        from driftgate.gate import calibrated  # numpy, which only DecideGate's function has

        ruling = calibrated.rule(plan, policy, cases, sample, look)
    if ruling.outcome == "BLOCK":
        ruling = ruling._replace(
            reason=ruling.reason + hit_hardest(plan.suite, ruling.criteria, ruling.strata)
        )
    return _with_limits(ruling, beside)


def _with_limits(ruling: Ruling, beside: Sequence[Criterion]) -> Ruling:
    """Over a limit is a BLOCK, whatever the scores are; where nobody knows, there is no PASS."""
    criteria = (*ruling.criteria, *beside)
    passed = [str(criterion) for criterion in beside if criterion.ok is False]
    unknown = [str(criterion) for criterion in beside if criterion.ok is None]
    if passed:
        reasons = [ruling.reason, *passed] if ruling.outcome == "BLOCK" else passed
        return ruling._replace(outcome="BLOCK", reason="; also ".join(reasons), criteria=criteria)
    if unknown and ruling.outcome in ("PASS", "PASS_AT_MAX"):
        return ruling._replace(outcome="INCONCLUSIVE", reason=unknown[0], criteria=criteria)
    return ruling._replace(criteria=criteria)


def _gone(missing: Sequence[MissingTrial], planned: int, what: str) -> str:
    """How many are missing, of which arm, and why the first one is."""
    arms = sorted({trial.arm for trial in missing})
    whose = f", all of the {arms[0]}" if len(arms) == 1 else ""
    first = missing[0]
    why = first.reason.partition("\n")[0]  # what its program wrote last follows in the report
    return (
        f"{len(missing)} of {count(planned, what)} missing{whose} "
        f"(first {first.arm} {first.case_id}, trial {first.trial}: {why})"
    )


def _verdict(
    plan: RunPlan,
    policy: Policy,
    cases: Sequence[Case],
    made: Sequence[ScoreCard],
    missing: Sequence[MissingTrial],
    trials: int,
    ruling: Ruling,
    looks: Sequence[Look],
    judge: JudgeSummary | None,
) -> Verdict:
    assert ruling.outcome is not None
    cards = [card for card in made if card.scores[SUITES[plan.suite].primary].scored]
    spent = spending.compare(plan, cards)
    outcomes = case_outcomes(plan, cases, cards, Sample(cards))
    broken = tuple(outcome for outcome in outcomes if change(outcome) < 0)
    failing = tuple(o for o in outcomes if change(o) == 0 and o.candidate < 1)
    reason = ruling.reason
    if ruling.outcome == "BLOCK" and any(
        criterion.ok is False for criterion in ruling.criteria if criterion.kind in OF_SCORES
    ):
        reason += named(broken or failing)
    if len({agent.digest for agent in plan.arms.values()}) < len(plan.arms):
        reason = f"both arms are the same version; {reason}"
    if plan.baseline_run:
        reason += f"; the baseline's trials are those of run {plan.baseline_run}: what changed "
        reason += "around the agents since then can't be told from the candidate"
    if plan.is_partial:
        reason = f"on {len(cases)} of the dataset's {plan.dataset.count} cases: {reason}"
    return Verdict(
        run_id=plan.run_id,
        outcome=ruling.outcome,
        effective=_effective(ruling.outcome, policy),
        reason=reason,
        policy=policy,
        suite=plan.suite,
        harness=plan.harness,
        dataset=plan.dataset,
        cases=len(cases),
        trials=trials,
        planned_trials=plan.looks[-1],
        invocations=len(cases) * len(plan.arms_to_run) * trials,
        planned_invocations=len(cases) * len(plan.arms_to_run) * plan.looks[-1],
        scored=len(cards),
        seed=plan.seed,
        repeat=plan.repeat,
        baseline_run=plan.baseline_run,
        arms={
            arm: ArmSummary(
                agent=agent.manifest.agent,
                version=agent.manifest.version,
                digest=agent.digest,
                model=agent.manifest.model,
                description=agent.manifest.description,
            )
            for arm, agent in plan.arms.items()
        },
        criteria=ruling.criteria,
        spending=spent,
        remarks=tuple(spending.remarks(spent, cards)),
        strata=ruling.strata,
        looks=tuple(looks),
        hard_breaks=ruling.hard_breaks,
        broken=broken,
        fixed=tuple(outcome for outcome in outcomes if change(outcome) > 0),
        failing=failing,
        missing=tuple(missing),
        totals={arm: totals(card for card in made if card.arm == arm) for arm in plan.arms},
        judge=judge,
    )


def _effective(outcome: Outcome, policy: Policy) -> Effective:
    """What the outcome does here: modes that don't block let all pass but broken evidence."""
    if policy.mode == "blocking" or outcome not in ("BLOCK", "INCONCLUSIVE"):
        return outcome
    return "ADVISORY" if policy.mode == "advisory" else "OBSERVED"
