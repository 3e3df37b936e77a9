"""What a judge looked at, and what it did not."""

from driftgate.schemas.record import count
from driftgate.schemas.runs import RunPlan

UNJUDGED = (
    "How well answers are worded was not judged{}; only facts that a case names were checked."
)


def not_judged(plan: RunPlan) -> str | None:
    """In how many cases nobody looked at the wording; None if a judge did in all."""
    judged = plan.judge.case_ids if plan.judge else ()
    rest = len(plan.case_ids) - len(judged)
    if not judged:
        return UNJUDGED.format("")
    return UNJUDGED.format(f" in {count(rest, 'case')}") if rest else None
