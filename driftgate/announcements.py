"""What the account's event bus is told of a published run."""

from typing import Any

from driftgate.schemas.events import (
    MOST_CASE_IDS,
    MOST_FAILED,
    Announcement,
    EvaluationCompleted,
    FailedCriterion,
    GateBlocked,
    GateOverridden,
)
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.runs import RunRow, Verdict

REASON_CHARACTERS = 2000
_OF_THE_RUN = {
    "run_id",
    "environment",
    "agent",
    "version",
    "digest",
    "baseline",
    "suite",
    "dataset",
}


def announced(
    verdict: Verdict, row: RunRow, verdict_key: str, used: UsedOverride | None = None
) -> tuple[Announcement, ...]:
    """EvaluationCompleted; beside it GateBlocked if the outcome is BLOCK, and GateOverridden if an
    override was used.
    """
    of_the_run = {
        **row.model_dump(include=_OF_THE_RUN),
        "reason": verdict.reason[:REASON_CHARACTERS],
        "verdict_key": verdict_key,
    }
    told = {**of_the_run, "effective": row.effective}
    completed = EvaluationCompleted.model_validate(
        {**told, "outcome": verdict.outcome, "override_id": row.override_id}
    )
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
    if used:
        overridden = _overridden({**of_the_run, "outcome": verdict.outcome}, used)
        events.append(Announcement(detail_type="GateOverridden", detail=overridden))
    return tuple(events)


def _overridden(told: dict[str, Any], used: UsedOverride) -> GateOverridden:
    override, approval = used.override, used.approval
    return GateOverridden.model_validate(
        {
            **told,
            "override_id": override.override_id,
            "waives": override.waives[:MOST_FAILED],
            "all_waived": len(override.waives),
            "why": override.reason,
            "ticket": override.ticket,
            "requester": override.requester,
            "requested_at": override.requested_at,
            "approver": approval.approver,
            "approved_at": approval.approved_at,
            "expires_at": approval.expires_at,
            "execution": used.use.execution,
            "used_at": used.use.used_at,
        }
    )
