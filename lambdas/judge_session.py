"""JudgeSession: one session of production put before the judge."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.adapters.judges import judge_of
from driftgate.schemas.online import JudgeSessionRequest, Watch
from driftgate.settings import JudgeSessionSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def settings() -> JudgeSessionSettings:
    return JudgeSessionSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, DynamoRegistry]:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    records = S3Artifacts(s3, settings().records_bucket)
    traces = S3Artifacts(s3, settings().traces_bucket)
    return (
        DynamoRegistry(dynamodb, settings().registry_table, records),
        traces,
        sessions_table(dynamodb, settings().sessions_table, traces),
    )


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = JudgeSessionRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    result = online.judge_session(request, watch, *ports(), judge_of)
    metrics.add_metric(name=names.JUDGMENTS_MADE, unit="Count", value=result.judged)
    metrics.add_metric(name=names.JUDGE_FAULTS, unit="Count", value=result.faults)
    return result.model_dump(mode="json")
