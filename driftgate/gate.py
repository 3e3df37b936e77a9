"""The gate: score cards in, verdict out. It reads nothing and writes nothing.

The point rule compares means. It states no error rate: its PASS says that the thresholds hold on
these trials, and no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from driftgate.datasets import expected_tools
from driftgate.metrics import GATE_METRICS, PRIMARY
from driftgate.schemas.cases import Case
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import (
    Arm,
    ArmSummary,
    Criterion,
    Effective,
    Fault,
    Flip,
    MissingTrial,
    Outcome,
    RunPlan,
    Stratum,
    TrialKey,
    Verdict,
)
from driftgate.schemas.scores import ScoreCard

Means = Mapping[tuple[str, str, str], float]  # (metric, arm, case id) -> mean over its trials
ALL, CRITICAL = "all cases", "critical cases"


def decide(
    plan: RunPlan,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    missing: Sequence[MissingTrial],
    *,
    moved: str | None = None,
) -> Verdict:
    """Decide a run on the score cards of its trials.

    Args:
        plan: what was to be run, and the policy.
        cases: the plan's cases, in its order.
        cards: one per finished trial.
        missing: one per trial without a card; cards and missing together are the whole plan.
        moved: what is no longer as the plan froze it; the verdict is then INTEGRITY_FAIL.

    Returns:
        A verdict without times or places, so that equal inputs give equal bytes.
    """
    means = _means(cards)
    criteria = _criteria(plan, cases, means)
    strata = _strata(plan, cases, means)
    broken = _flips(plan, cases, cards, means, worse="candidate", better="baseline")
    fixed = _flips(plan, cases, cards, means, worse="baseline", better="candidate")
    outcome, reason = _outcome(plan, cases, cards, missing, criteria, moved)
    if outcome == "BLOCK":
        reason += _hit_hardest(strata) + _first_broken(broken)
    return Verdict(
        run_id=plan.run_id,
        outcome=outcome,
        effective=_effective(outcome, plan.policy),
        reason=reason,
        policy=plan.policy,
        harness=plan.harness,
        dataset=plan.dataset,
        cases=len(cases),
        trials=plan.trials,
        scored=len(cards),
        seed=plan.seed,
        arms={
            arm: ArmSummary(
                agent=agent.manifest.agent,
                version=agent.manifest.version,
                digest=agent.digest,
                model=agent.manifest.model,
            )
            for arm, agent in plan.arms.items()
        },
        criteria=criteria,
        strata=strata,
        broken=broken,
        fixed=fixed,
        missing=tuple(missing),
    )


def missing_trial(key: TrialKey, faults: Sequence[Fault]) -> MissingTrial:
    last = f"{faults[-1].error}: {faults[-1].message}" if faults else "it was never run"
    return MissingTrial(**key.model_dump(), attempts=len(faults), reason=last)


def _outcome(
    plan: RunPlan,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    missing: Sequence[MissingTrial],
    criteria: Sequence[Criterion],
    moved: str | None,
) -> tuple[Outcome, str]:
    if moved is not None:
        return "INTEGRITY_FAIL", moved
    observed, reason = _point_rule(plan, criteria)
    if not missing:
        return observed, reason
    planned = len(cards) + len(missing)
    first = missing[0]
    where = f"first {first.arm} {first.case_id}, trial {first.trial}: {first.reason}"
    if len(missing) / planned > plan.policy.max_missing:
        allowed = f"{plan.policy.max_missing:.1%} is allowed"
        share = f"{len(missing)} of {planned} trials are missing, {len(missing) / planned:.1%}"
        return "INCONCLUSIVE", f"{share} where {allowed}; {where}"
    for against in ("candidate", "baseline"):  # the worst they could have been, for either arm
        imputed = {key: float(key.arm != against) for key in missing}
        if _point_rule(plan, _criteria(plan, cases, _means(cards, imputed)))[0] != observed:
            open_trials = f"the {len(missing)} missing trials could change that"
            return "INCONCLUSIVE", f"{observed} so far, but {open_trials}; {where}"
    return observed, reason


def _point_rule(plan: RunPlan, criteria: Sequence[Criterion]) -> tuple[Outcome, str]:
    failed = [criterion for criterion in criteria if criterion.ok is False]
    if failed:
        others = ", ".join(f"{c.metric} ({c.stratum})" for c in failed[1:])
        return "BLOCK", f"{failed[0]}" + (f"; also {others}" if others else "")
    decided = [criterion for criterion in criteria if criterion.ok]
    if "baseline" not in plan.arms:
        if not decided:
            return "INCONCLUSIVE", "no case has a value for any absolute threshold"
        holds = "; ".join(str(criterion) for criterion in decided)
        return "BASELINE_CREATED", f"first release, nothing to compare with; {holds}"
    primary = next(criterion for criterion in criteria if criterion.metric == PRIMARY)
    if not primary.ok:
        return "INCONCLUSIVE", str(primary)
    return "PASS", f"all {len(decided)} thresholds hold; {primary}"


def _effective(outcome: Outcome, policy: Policy) -> Effective:
    """What the outcome does here: modes that don't block let all pass but broken evidence."""
    if policy.mode == "blocking" or outcome not in ("BLOCK", "INCONCLUSIVE"):
        return outcome
    return "ADVISORY" if policy.mode == "advisory" else "OBSERVED"


def _means(
    cards: Iterable[ScoreCard], imputed: Mapping[MissingTrial, float] | None = None
) -> Means:
    """Each case's mean over its trials, per metric and arm; a trial without a value is left out."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for card in cards:
        for metric, score in card.scores.items():
            if score.value is not None:
                values.setdefault((metric, card.arm, card.case_id), []).append(score.value)
    for trial, value in (imputed or {}).items():
        for metric in GATE_METRICS:
            values.setdefault((metric, trial.arm, trial.case_id), []).append(value)
    return {place: fmean(found) for place, found in values.items()}


def _criteria(plan: RunPlan, cases: Sequence[Case], means: Means) -> tuple[Criterion, ...]:
    policy = plan.policy
    everything = [case.case_id for case in cases]
    critical = [case.case_id for case in cases if case.critical]
    drops = (
        _drop(metric, everything, means, policy.max_drop)
        for metric in (GATE_METRICS if "baseline" in plan.arms else ())
    )
    return (
        *drops,
        _absolute("tool_call_accuracy", ALL, everything, means, policy.min_tool_call_accuracy),
        _absolute(
            "tool_call_accuracy", CRITICAL, critical, means, policy.min_critical_tool_call_accuracy
        ),
    )


def _drop(metric: str, case_ids: Sequence[str], means: Means, bound: float) -> Criterion:
    count, baseline, candidate = _compared(metric, case_ids, means, ("baseline", "candidate"))
    ok = None
    if baseline is not None and candidate is not None:
        ok = round(baseline - candidate, 9) < bound
    return Criterion(
        metric=metric,
        stratum=ALL,
        kind="drop",
        cases=count,
        baseline=baseline,
        candidate=candidate,
        bound=bound,
        ok=ok,
    )


def _absolute(
    metric: str, stratum: str, case_ids: Sequence[str], means: Means, bound: float
) -> Criterion:
    count, _, candidate = _compared(metric, case_ids, means, ("candidate",))
    return Criterion(
        metric=metric,
        stratum=stratum,
        kind="absolute",
        cases=count,
        candidate=candidate,
        bound=bound,
        ok=None if candidate is None else round(candidate, 9) >= bound,
    )


def _compared(
    metric: str, case_ids: Sequence[str], means: Means, arms: Sequence[str]
) -> tuple[int, float | None, float | None]:
    """The mean of each arm over the cases that have a value in all of them, and their number."""
    both = [i for i in case_ids if all((metric, arm, i) in means for arm in arms)]

    def mean(arm: str) -> float | None:
        return fmean(means[metric, arm, i] for i in both) if both and arm in arms else None

    return len(both), mean("baseline"), mean("candidate")


def _strata(plan: RunPlan, cases: Sequence[Case], means: Means) -> tuple[Stratum, ...]:
    """Every metric over all cases, and the primary one over each part of them."""
    parts: dict[str, list[str]] = {}
    for case in cases:
        tools = [f"tool {tool}" for tool in expected_tools(case)]
        for part in (f"task type {case.task_type}", *([CRITICAL] if case.critical else []), *tools):
            parts.setdefault(part, []).append(case.case_id)
    everything = [case.case_id for case in cases]
    rows = [(metric, ALL, everything) for metric in GATE_METRICS]
    rows += [(PRIMARY, part, ids) for part, ids in sorted(parts.items())]
    arms: Sequence[Arm] = sorted(plan.arms)
    found = []
    for metric, part, ids in rows:
        count, baseline, candidate = _compared(metric, ids, means, arms)
        found.append(
            Stratum(
                metric=metric, stratum=part, cases=count, baseline=baseline, candidate=candidate
            )
        )
    return tuple(found)


def _flips(
    plan: RunPlan,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    means: Means,
    *,
    worse: Arm,
    better: Arm,
) -> tuple[Flip, ...]:
    """Cases that one arm solves in at least half of the trials more often than the other."""
    if "baseline" not in plan.arms:
        return ()
    reasons = {
        (card.arm, card.case_id): card.scores[PRIMARY].reason
        for card in sorted(cards, key=lambda card: -card.trial)  # the first failed trial stays
        if card.scores[PRIMARY].value == 0
    }
    flips = []
    for case in cases:
        places = {arm: (PRIMARY, arm, case.case_id) for arm in (worse, better)}
        if not all(place in means for place in places.values()):
            continue
        if means[places[better]] - means[places[worse]] >= 0.5:
            flips.append(
                Flip(
                    case_id=case.case_id,
                    task_type=case.task_type,
                    critical=case.critical,
                    tools=expected_tools(case),
                    baseline=means[PRIMARY, "baseline", case.case_id],
                    candidate=means[PRIMARY, "candidate", case.case_id],
                    reason=reasons[worse, case.case_id],
                )
            )
    return tuple(flips)


def _hit_hardest(strata: Sequence[Stratum]) -> str:
    lost = [
        (stratum.cases * (stratum.baseline - stratum.candidate), stratum)
        for stratum in strata
        if stratum.stratum.startswith("tool ")
        and stratum.baseline is not None
        and stratum.candidate is not None
    ]
    cases, worst = max(lost, key=lambda pair: pair[0], default=(0, None))
    if worst is None or cases <= 0:
        return ""
    return (
        f"; hit hardest: {worst.stratum}, {worst.metric} from {worst.baseline:.1%} "
        f"to {worst.candidate:.1%} over {worst.cases} cases"
    )


def _first_broken(broken: Sequence[Flip]) -> str:
    if not broken:
        return ""
    names = ", ".join(flip.case_id for flip in broken[:5]) + (", ..." if len(broken) > 5 else "")
    return f"; broken: {names}; {broken[0].case_id}: {broken[0].reason}"
