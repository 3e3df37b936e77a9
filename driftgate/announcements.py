"""What the account's event bus is told of a published run."""

from driftgate.schemas.events import (
    MOST_CASE_IDS,
    MOST_FAILED,
    Announcement,
    EvaluationCompleted,
    FailedCriterion,
    GateBlocked,
)
from driftgate.schemas.runs import RunRow, Verdict

REASON_CHARACTERS = 2000
_OF_THE_RUN = {"run_id", "environment", "agent", "version", "digest", "baseline", "dataset"}


def announced(verdict: Verdict, row: RunRow, verdict_key: str) -> tuple[Announcement, ...]:
    """EvaluationCompleted, and beside it GateBlocked if the outcome is BLOCK."""
    told = {
        **row.model_dump(include=_OF_THE_RUN),
        "effective": verdict.effective,
        "reason": verdict.reason[:REASON_CHARACTERS],
        "verdict_key": verdict_key,
    }
    completed = EvaluationCompleted.model_validate({**told, "outcome": verdict.outcome})
    events = [Announcement(detail_type="EvaluationCompleted", detail=completed)]
    if verdict.outcome == "BLOCK":
        failed = [criterion for criterion in verdict.criteria if criterion.ok is False]
        cases = verdict.broken or verdict.failing
        numbers = set(FailedCriterion.model_fields)
        blocked = {
            "failed": [criterion.model_dump(include=numbers) for criterion in failed[:MOST_FAILED]],
            "all_failed": len(failed),
            "case_ids": [case.case_id for case in cases[:MOST_CASE_IDS]],
            "all_cases": len(cases),
        }
        detail = GateBlocked.model_validate({**told, **blocked})
        events.append(Announcement(detail_type="GateBlocked", detail=detail))
    return tuple(events)
