"""How single cases went, and which part of a dataset a drop hit hardest."""

from collections.abc import Sequence

from driftgate.datasets import expected_tools
from driftgate.gate.sample import Sample
from driftgate.metrics import SUITES
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import Suite
from driftgate.schemas.runs import CaseOutcome, Criterion, RunPlan, Stratum
from driftgate.schemas.scores import ScoreCard

FEW_CASES = 3  # a part of the dataset smaller than this is not named as hit hardest


def case_outcomes(
    plan: RunPlan, cases: Sequence[Case], cards: Sequence[ScoreCard], sample: Sample
) -> list[CaseOutcome]:
    """How each case went that was not always solved by every arm; the worst change first."""
    primary = SUITES[plan.suite].primary
    reasons = {
        (card.arm, card.case_id): card.scores[primary].reason
        for card in sorted(cards, key=lambda card: -card.trial)  # the first failed trial stays
        if card.scores[primary].value not in (None, 1)
    }
    outcomes = []
    for case in cases:
        solved = {arm: sample.case_mean(primary, arm, case.case_id) for arm in plan.arms}
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
    return sorted(outcomes, key=lambda o: (change(o), not o.critical, o.case_id))


def change(outcome: CaseOutcome) -> float:
    return 0 if outcome.baseline is None else outcome.candidate - outcome.baseline


def hit_hardest(suite: Suite, criteria: Sequence[Criterion], strata: Sequence[Stratum]) -> str:
    """The tool whose cases account for most of a drop of the primary metric; under attack, the
    task type, which is the family of attacks.

    Of two that lost as many, as one is used before the other, the one that lost more of its cases.
    """
    kind = "tool " if suite == "regression" else "task type "
    whole = criteria[0] if criteria else None
    if whole is None or whole.kind != "drop" or whole.ok is not False:
        return ""
    lost = [
        (stratum.baseline - stratum.candidate, stratum)
        for stratum in strata
        if stratum.stratum.startswith(kind)
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


def named(outcomes: Sequence[CaseOutcome]) -> str:
    if not outcomes:
        return ""
    names = ", ".join(outcome.case_id for outcome in outcomes[:5])
    more = ", …" if len(outcomes) > 5 else ""
    first = outcomes[0]
    return f"; failed cases: {names}{more}; {first.case_id}: {first.reason}"
