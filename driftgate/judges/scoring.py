"""A trial's judgments as its score of `response_quality`."""

from collections.abc import Sequence
from statistics import fmean

from driftgate.metrics import JUDGED, JUDGED_VERSION
from driftgate.schemas.judgments import JudgePlan, Judging, Judgment, TrialJudgments
from driftgate.schemas.record import count
from driftgate.schemas.scores import Score, ScoreCard


def response_quality(judgments: Sequence[Judgment]) -> Score:
    """The share of the rubric's questions that a judge answers well, the mean over its repeats.

    Of an AgentCore evaluator, its own value. Each answer has its evidence in the conversation.

    No value: the case has no rubric; or one of the repeats has no answer that can be used.
    """
    value = round(fmean(sorted(judgment.value for judgment in judgments)), 9)
    times = "" if len(judgments) == 1 else f", judged {len(judgments)} times"
    worst = min(judgments, key=lambda judgment: judgment.value)
    told = [
        f"{a.item}: {a.answer}" + f" ({a.evidence!r})" * bool(a.evidence) for a in worst.answers
    ]
    said = "; ".join(told) or worst.explanation or f"{worst.model} says {worst.value:g}"
    return Score(
        value=value, reason=f"{value:.0%} of the questions are answered well{times}; {said}"
    )


def with_quality(
    card: ScoreCard, plan: JudgePlan, found: TrialJudgments | None, last: str | None
) -> ScoreCard:
    """The card with this score; `last` says why an attempt to judge the trial failed."""
    if card.case_id not in plan.case_ids:
        score = Score(value=None, reason="the case has no rubric that this judge can answer")
    elif found is None:
        score = Score(value=None, reason=f"not judged: {last or 'it was not asked to its end'}")
    elif found.fingerprint != plan.fingerprint:
        score = Score(value=None, reason=f"judged by another judge, {found.fingerprint[:12]}")
    elif found.faults:
        first, repeats = found.faults[0], len(found.judgments) + len(found.faults)
        without = f"{count(len(found.faults), 'answer')} of {repeats} can't be used"
        score = Score(value=None, reason=f"not judged: {without}; {first}")
    else:
        score = response_quality(found.judgments)
    return card.model_copy(
        update={
            "scores": {**card.scores, JUDGED: score},
            "metric_versions": {**card.metric_versions, JUDGED: JUDGED_VERSION},
            "judging": _judging(found) if found else None,
        }
    )


def _judging(found: TrialJudgments) -> Judging:
    made = found.judgments
    costs = [judgment.cost_usd for judgment in made]
    known = [cost for cost in costs if cost is not None]
    return Judging(
        fingerprint=found.fingerprint,
        answers=len(made),
        cached=found.cached,
        input_tokens=_total([judgment.input_tokens for judgment in made]),
        output_tokens=_total([judgment.output_tokens for judgment in made]),
        cost_usd=round(sum(known), 9) if len(known) == len(costs) else None,
    )


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
