"""What a run's judge is worth, and what it did not say."""

from collections.abc import Iterable, Sequence
from math import fsum

from driftgate.metrics import JUDGED, PRIMARY
from driftgate.schemas.judgments import CanaryAnswer, CanaryReport
from driftgate.schemas.runs import JudgeSummary, MissingTrial, RunPlan, TrialKey
from driftgate.schemas.scores import ScoreCard


def judge_fault(plan: RunPlan, canaries: CanaryReport | None) -> str | None:
    """Why the judge's answers are worth nothing, in a sentence; None if nothing speaks against it.

    Whoever takes one bad answer of twelve for good may do so with any other.
    """
    if plan.judge is None:
        return None
    if canaries is None or canaries.fingerprint != plan.judge.fingerprint:
        return "the judge was not tried on answers that are known"
    if not canaries.missed:
        return None
    first = canaries.missed[0]
    many = f"{len(canaries.missed)} of {len(canaries.answers)} known answers"
    return f"the judge is wrong about {many}, so its others prove nothing: {_told(first)}"


def unjudged(plan: RunPlan, cards: Iterable[ScoreCard]) -> list[MissingTrial]:
    """The trials that have scores but not the judge's."""
    return [
        MissingTrial(**key_of(card).model_dump(), attempts=0, reason=card.scores[JUDGED].reason)
        for card in cards
        if plan.is_judged(key_of(card)) and not card.scores[JUDGED].scored
    ]


def summary(
    plan: RunPlan, made: Sequence[ScoreCard], canaries: CanaryReport | None
) -> JudgeSummary | None:
    """Who judged these cards; None if nobody did.

    The cost is rounded to 1e-9, so that the order of the cards changes nothing.
    """
    if plan.judge is None:
        return None
    known = [card for card in made if card.scores[PRIMARY].scored]
    missing = unjudged(plan, known)
    trials = sum(plan.is_judged(key_of(card)) for card in known)
    took = [card.judging for card in made if card.judging]
    costs = [judging.cost_usd for judging in took] + ([canaries.cost_usd] if canaries else [])
    paid = [cost for cost in costs if cost is not None]
    return JudgeSummary(
        spec=plan.judge.spec,
        fingerprint=plan.judge.fingerprint,
        trials=trials,
        judged=trials - len(missing),
        cached=sum(judging.cached for judging in took),
        cost_usd=round(fsum(paid), 9) if len(paid) == len(costs) else None,
        missing=tuple(missing),
        canaries=len(canaries.answers) if canaries else 0,
        missed_canaries=canaries.missed if canaries else (),
    )


def key_of(card: ScoreCard) -> TrialKey:
    return TrialKey.model_validate({"arm": card.arm, "trial": card.trial, "case_id": card.case_id})


def _told(missed: CanaryAnswer) -> str:
    said = ", ".join(
        answer.answer + (f" ({answer.evidence!r})" if answer.evidence else "")
        for answer in missed.answers
    )
    kind = f"the {missed.kind} answer {missed.id}"
    return f"of {kind} it was asked {missed.question!r} and said {said or f'{missed.value:g}'}"
