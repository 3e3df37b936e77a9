"""JudgeCase: one trial's conversation put before the judge."""

import uuid
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.judges import judge_of
from driftgate.schemas.runs import JudgeCaseRequest
from driftgate.settings import JudgeCaseSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    settings = JudgeCaseSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return S3Artifacts(s3, settings.runs_bucket), registry


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = JudgeCaseRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    result = offline.judge_case(request, *ports(), judge_of, _id)
    metrics.add_metric(name=names.JUDGMENTS_MADE, unit="Count", value=result.judgments)
    metrics.add_metric(name=names.JUDGE_FAULTS, unit="Count", value=result.faults)
    return result.model_dump(mode="json")


def _id() -> str:
    return uuid.uuid4().hex
