"""The gate: score cards in, verdict out. It reads nothing and writes nothing.

The point rule compares means. It states no error rate: its PASS says that the thresholds hold on
these trials, and no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from driftgate import spending
from driftgate.datasets import count_by_tool, expected_tools
from driftgate.metrics import GATE_METRICS, PRIMARY
from driftgate.schemas.cases import Case
from driftgate.schemas.policies import Effective, Outcome, Policy
from driftgate.schemas.record import count
from driftgate.schemas.runs import (
    ALL_CASES,
    ArmSummary,
    CaseOutcome,
    Criterion,
    Fault,
    MissingTrial,
    RunPlan,
    Spending,
    Stratum,
    TrialKey,
    Verdict,
)
from driftgate.schemas.scores import ScoreCard

Means = Mapping[tuple[str, str, str], float]  # (metric, arm, case id) -> mean over its trials
CRITICAL_CASES = "critical cases"
FEW_CASES = 3  # a part of the dataset smaller than this is not named as hit hardest
OF_SCORES = ("drop", "floor")  # criteria that scores decide: missing trials could change them
TOOL_CASES = 10  # a tool with fewer cases does not decide by itself
TOOL_LOSS = 3  # cases that a tool must have lost to block by itself: fewer are chance too often


def decide(
    plan: RunPlan,
    policy: Policy,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    missing: Sequence[MissingTrial],
    *,
    by_tool: Mapping[str, int] | None = None,
    moved: str | None = None,
) -> Verdict:
    """Decide a run on the score cards of its trials.

    Args:
        plan: what was to be run.
        policy: the thresholds, and whether they block.
        cases: the plan's cases, in its order.
        cards: one per finished trial. One without a value of the primary metric counts as missing:
            whoever knows nearly nothing must not say PASS.
        missing: one per trial without a card; cards and missing together are the whole plan.
        by_tool: how many of the dataset's cases expect each tool; None: `cases` are all it has.
        moved: what is no longer as the plan froze it; the verdict is then INTEGRITY_FAIL.

    Returns:
        A verdict without times or places, so that equal inputs give equal bytes.
    """
    missing = [*missing, *(_without_value(card) for card in cards if not _has_value(card))]
    cards = [card for card in cards if _has_value(card)]
    means = _means(cards)
    coverage = _coverage(plan, policy, count_by_tool(cases) if by_tool is None else by_tool)
    spent = spending.compare(plan, cards)
    criteria = (*_criteria(plan, policy, cases, means), *coverage, *_ratios(plan, policy, spent))
    strata = _strata(plan, cases, means)
    outcomes = _case_outcomes(plan, cases, cards, means)
    broken = tuple(o for o in outcomes if _change(o) < 0)
    fixed = tuple(o for o in outcomes if _change(o) > 0)
    failing = tuple(o for o in outcomes if _change(o) == 0 and o.candidate < 1)
    outcome, reason = _outcome(plan, policy, cases, cards, missing, criteria, moved)
    if outcome == "BLOCK" and any(c.ok is False and c.kind in OF_SCORES for c in criteria):
        reason += _hit_hardest(criteria, strata) + _named(broken or failing)
    if plan.is_partial:
        reason = f"on {len(cases)} of the dataset's {plan.dataset.count} cases: {reason}"
    return Verdict(
        run_id=plan.run_id,
        outcome=outcome,
        effective=_effective(outcome, policy),
        reason=reason,
        policy=policy,
        harness=plan.harness,
        dataset=plan.dataset,
        cases=len(cases),
        trials=plan.trials,
        scored=len(cards),
        seed=plan.seed,
        repeat=plan.repeat,
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
        criteria=criteria,
        spending=spent,
        remarks=tuple(spending.remarks(spent, cards)),
        strata=strata,
        broken=broken,
        fixed=fixed,
        failing=failing,
        missing=tuple(missing),
    )


def missing_trial(key: TrialKey, faults: Sequence[Fault]) -> MissingTrial:
    last = f"{faults[-1].error}: {faults[-1].message}" if faults else "it was not run to its end"
    return MissingTrial(**key.model_dump(), attempts=len(faults), reason=last)


def _has_value(card: ScoreCard) -> bool:
    return card.scores[PRIMARY].scored


def _without_value(card: ScoreCard) -> MissingTrial:
    return MissingTrial.model_validate(
        {
            "arm": card.arm,
            "trial": card.trial,
            "case_id": card.case_id,
            "attempts": 0,
            "reason": f"no value of {PRIMARY}: {card.scores[PRIMARY].reason}",
        }
    )


def _outcome(
    plan: RunPlan,
    policy: Policy,
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
    gone = _gone(missing, planned)
    if len(missing) / planned > policy.max_missing:
        return "INCONCLUSIVE", (
            f"{gone}, {len(missing) / planned:.1%} where {policy.max_missing:.1%} is allowed; "
            f"what was measured says {observed}: {reason}"
        )
    for against in ("candidate", "baseline"):  # the worst they could have been, for either arm
        imputed = {trial: float(trial.arm != against) for trial in missing}
        worst = _criteria(plan, policy, cases, _means(cards, imputed))
        others = [criterion for criterion in criteria if criterion.kind not in OF_SCORES]
        if _point_rule(plan, [*worst, *others])[0] != observed:
            return "INCONCLUSIVE", f"{gone}, and could change what was measured: {reason}"
    return observed, f"{reason}; {gone}, which can't change the verdict"


def _gone(missing: Sequence[MissingTrial], planned: int) -> str:
    """How many trials are missing, of which arm, and why the first one is."""
    arms = sorted({trial.arm for trial in missing})
    whose = f", all of the {arms[0]}" if len(arms) == 1 else ""
    first = missing[0]
    why = first.reason.partition("\n")[0]  # what its program wrote last follows in the report
    return (
        f"{len(missing)} of {count(planned, 'trial')} missing{whose} "
        f"(first {first.arm} {first.case_id}, trial {first.trial}: {why})"
    )


def _point_rule(plan: RunPlan, criteria: Sequence[Criterion]) -> tuple[Outcome, str]:
    failed = [criterion for criterion in criteria if criterion.ok is False]
    if failed:
        also = [c.brief for c in failed[1:]]
        return "BLOCK", f"{failed[0]}{'; also ' if also else ''}{', '.join(also)}"
    decided = [criterion for criterion in criteria if criterion.ok]
    primary = next(criterion for criterion in criteria if criterion.metric == PRIMARY)
    unknown = [c for c in criteria if c is primary or c.kind == "ratio" if not c.ok]
    if unknown:
        return "INCONCLUSIVE", str(unknown[0])
    if "baseline" not in plan.arms:
        held = "; ".join(str(criterion) for criterion in decided)
        return "BASELINE_CREATED", f"nothing to compare with; {held}"
    same = len({agent.digest for agent in plan.arms.values()}) == 1
    twins = "both arms are the same version; " if same else ""
    return "PASS", f"{twins}all {len(decided)} thresholds hold; {primary}"


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
    return {place: fmean(sorted(found)) for place, found in values.items()}


def _criteria(
    plan: RunPlan, policy: Policy, cases: Sequence[Case], means: Means
) -> tuple[Criterion, ...]:
    everything = [case.case_id for case in cases]
    critical = [case.case_id for case in cases if case.critical]
    drops = GATE_METRICS if "baseline" in plan.arms else ()
    tools = _tools(cases, means) if "baseline" in plan.arms else {}
    floors = (
        (PRIMARY, ALL_CASES, everything, policy.min_task_success),
        ("tool_call_accuracy", ALL_CASES, everything, policy.min_tool_call_accuracy),
        ("tool_call_accuracy", CRITICAL_CASES, critical, policy.min_critical_tool_call_accuracy),
    )
    return (
        *(_drop(metric, ALL_CASES, everything, means, policy.max_drop) for metric in drops),
        *(
            _drop(PRIMARY, tool, ids, means, max(policy.max_drop, TOOL_LOSS / len(ids)))
            for tool, ids in tools.items()
        ),
        *(_floor(*floor[:3], means, floor[3]) for floor in floors),
    )


def _coverage(plan: RunPlan, policy: Policy, by_tool: Mapping[str, int]) -> list[Criterion]:
    """Hold the dataset to a minimum of cases for each tool that only the candidate has.

    For a first release none is new; nor where nobody knows what tools a recorded baseline had.
    """
    baseline, bound = plan.arms.get("baseline"), policy.min_cases_per_new_tool
    if not bound or baseline is None or (baseline.is_recorded and not baseline.contracts):
        return []
    known = {contract.tool for contract in baseline.contracts}
    now = {contract.tool for contract in plan.arms["candidate"].contracts}
    return [
        Criterion(
            metric="cases",
            stratum=f"tool {tool}",
            kind="coverage",
            cases=by_tool.get(tool, 0),
            candidate=None,
            bound=bound,
            ok=by_tool.get(tool, 0) >= bound,
        )
        for tool in sorted(now - known)
    ]


def _ratios(plan: RunPlan, policy: Policy, spent: Sequence[Spending]) -> list[Criterion]:
    """Hold what a trial takes to the baseline's, where the policy sets a limit."""
    bounds = {"latency_s": policy.max_latency_ratio, "cost_usd": policy.max_cost_ratio}
    return [
        Criterion(
            metric=row.quantity,
            stratum=ALL_CASES,
            kind="ratio",
            cases=row.cases,
            candidate=None,
            ratio=row.ratio,
            bound=bound,
            ok=None if row.ratio is None else round(row.ratio, 9) <= bound,
        )
        for row in spent
        if "baseline" in plan.arms
        if (bound := bounds.get(row.quantity)) is not None
    ]


def _tools(cases: Sequence[Case], means: Means) -> dict[str, list[str]]:
    """The tools that decide by themselves, and their cases that are compared: enough, not all."""
    compared = [case for case in cases if _paired(PRIMARY, [case.case_id], means)]
    found: dict[str, list[str]] = {}
    for case in compared:
        for tool in expected_tools(case):
            found.setdefault(f"tool {tool}", []).append(case.case_id)
    return {t: ids for t, ids in sorted(found.items()) if TOOL_CASES <= len(ids) < len(compared)}


def _paired(metric: str, case_ids: Sequence[str], means: Means) -> list[str]:
    arms = ("baseline", "candidate")
    return [i for i in case_ids if all((metric, arm, i) in means for arm in arms)]


def _drop(
    metric: str, stratum: str, case_ids: Sequence[str], means: Means, bound: float
) -> Criterion:
    """Compare the arms over the cases that have a value in both."""
    arms = ("baseline", "candidate")
    paired = _paired(metric, case_ids, means)
    baseline, candidate = (_mean(metric, arm, paired, means) for arm in arms)
    ok = None
    if baseline is not None and candidate is not None:
        lost = round(baseline - candidate, 9)
        ok = lost < bound or lost <= 0
    return Criterion(
        metric=metric,
        stratum=stratum,
        kind="drop",
        cases=len(paired),
        baseline=baseline,
        candidate=candidate,
        bound=bound,
        ok=ok,
    )


def _floor(
    metric: str, stratum: str, case_ids: Sequence[str], means: Means, bound: float
) -> Criterion:
    """Hold the candidate to a minimum; what the baseline has is shown beside it."""
    candidate = _mean(metric, "candidate", case_ids, means)
    return Criterion(
        metric=metric,
        stratum=stratum,
        kind="floor",
        cases=sum((metric, "candidate", i) in means for i in case_ids),
        baseline=_mean(metric, "baseline", case_ids, means),
        candidate=candidate,
        bound=bound,
        ok=None if candidate is None else round(candidate, 9) >= bound,
    )


def _mean(metric: str, arm: str, case_ids: Iterable[str], means: Means) -> float | None:
    """The mean over those cases that have a value; every case weighs the same."""
    known = [means[metric, arm, i] for i in case_ids if (metric, arm, i) in means]
    return fmean(known) if known else None


def _strata(plan: RunPlan, cases: Sequence[Case], means: Means) -> tuple[Stratum, ...]:
    """Every metric over all cases, and the primary one over each part of them."""
    parts: dict[str, list[str]] = {}
    for case in cases:
        tools = [f"tool {tool}" for tool in expected_tools(case)]
        critical = [CRITICAL_CASES] if case.critical else []
        for part in (f"task type {case.task_type}", *critical, *tools):
            parts.setdefault(part, []).append(case.case_id)
    rows = [(metric, ALL_CASES, [case.case_id for case in cases]) for metric in GATE_METRICS]
    rows += [(PRIMARY, part, ids) for part, ids in sorted(parts.items())]
    return tuple(
        Stratum(
            metric=metric,
            stratum=part,
            cases=len(known),
            baseline=_mean(metric, "baseline", known, means),
            candidate=_mean(metric, "candidate", known, means),
        )
        for metric, part, ids in rows
        for known in [[i for i in ids if all((metric, arm, i) in means for arm in plan.arms)]]
    )


def _case_outcomes(
    plan: RunPlan, cases: Sequence[Case], cards: Sequence[ScoreCard], means: Means
) -> list[CaseOutcome]:
    """How each case went that was not always solved by every arm; the worst change first."""
    reasons = {
        (card.arm, card.case_id): card.scores[PRIMARY].reason
        for card in sorted(cards, key=lambda card: -card.trial)  # the first failed trial stays
        if card.scores[PRIMARY].value not in (None, 1)
    }
    outcomes = []
    for case in cases:
        solved = {arm: means.get((PRIMARY, arm, case.case_id)) for arm in plan.arms}
        baseline, candidate = solved.get("baseline"), solved["candidate"]
        if candidate is None or (candidate == 1 and baseline in (None, 1)):
            continue
        worse = "baseline" if baseline is not None and baseline < candidate else "candidate"
        outcomes.append(
            CaseOutcome(
                case_id=case.case_id,
                task_type=case.task_type,
                critical=case.critical,
                tools=expected_tools(case),
                baseline=baseline,
                candidate=candidate,
                reason=reasons[worse, case.case_id],
            )
        )
    return sorted(outcomes, key=lambda o: (_change(o), not o.critical, o.case_id))


def _change(outcome: CaseOutcome) -> float:
    return 0 if outcome.baseline is None else outcome.candidate - outcome.baseline


def _hit_hardest(criteria: Sequence[Criterion], strata: Sequence[Stratum]) -> str:
    """The tool whose cases account for most of a drop of the primary metric.

    Of two that lost as many, as one is used before the other, the one that lost more of its cases.
    """
    whole = next(c for c in criteria if c.metric == PRIMARY)
    if whole.kind != "drop" or whole.ok is not False:
        return ""
    lost = [
        (stratum.baseline - stratum.candidate, stratum)
        for stratum in strata
        if stratum.stratum.startswith("tool ")
        and FEW_CASES <= stratum.cases < whole.cases
        and stratum.baseline is not None
        and stratum.candidate is not None
    ]
    share, worst = max(lost, key=lambda p: (round(p[0] * p[1].cases, 9), p[0]), default=(0, None))
    if worst is None or share <= 0:
        return ""
    return (
        f"; hit hardest: {worst.stratum}, {worst.metric} from {worst.baseline:.1%} "
        f"to {worst.candidate:.1%} over {worst.cases} cases"
    )


def _named(outcomes: Sequence[CaseOutcome]) -> str:
    if not outcomes:
        return ""
    names = ", ".join(outcome.case_id for outcome in outcomes[:5])
    more = ", …" if len(outcomes) > 5 else ""
    first = outcomes[0]
    return f"; failed cases: {names}{more}; {first.case_id}: {first.reason}"
