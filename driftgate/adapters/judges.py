"""The judge that a plan names. What talks to a service is imported only where it is asked."""

import secrets

from driftgate.judges.recorded import RecordedJudge
from driftgate.judges.rubric import RubricJudge
from driftgate.ports import Judge
from driftgate.schemas.judgments import JudgePlan


def judge_of(plan: JudgePlan) -> Judge:
    match plan.spec.backend:
        case "converse":
            from driftgate.adapters.bedrock import ConverseModel
            from driftgate.judges.asking import ModelJudge

            model = ConverseModel(plan.spec)
            return ModelJudge(plan.spec, plan.fingerprint, model, _nonce)
        case "evaluate":
            from driftgate.adapters.evaluators import Evaluator

            return Evaluator(plan.spec, plan.fingerprint)
        case "recorded":
            return RecordedJudge()
    return RubricJudge(plan.fingerprint)


def _nonce() -> str:
    return secrets.token_hex(8)
