"""The judge that a plan names. What talks to a service is imported only where it is asked."""

from driftgate.judges.recorded import RecordedJudge
from driftgate.judges.rubric import RubricJudge
from driftgate.ports import Judge
from driftgate.schemas.judgments import JudgePlan


def judge_of(plan: JudgePlan) -> Judge:
    match plan.spec.backend:
        case "recorded":
            return RecordedJudge()
    return RubricJudge(plan.fingerprint)
