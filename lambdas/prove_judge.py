"""ProveJudge: the judge is asked what is known before it is asked what is not."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.judges import judge_of
from driftgate.schemas.runs import ProveJudgeRequest
from driftgate.settings import ProveJudgeSettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    settings = ProveJudgeSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return S3Artifacts(s3, settings.runs_bucket), registry


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = ProveJudgeRequest.model_validate(event)
    logger.append_keys(run_id=request.run_id)
    result = offline.prove_judge(request, *ports(), judge_of)
    logger.info("judge tried", extra=result.model_dump())
    return result.model_dump(mode="json")
