"""SampleSessions: which sessions of a window are judged."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import SampleSessionsRequest, Watch
from driftgate.settings import SampleSessionsSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def settings() -> SampleSessionsSettings:
    return SampleSessionsSettings.from_environment()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return traces, sessions_table(boto3.client("dynamodb"), settings().sessions_table, traces)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = SampleSessionsRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    result = online.sample_sessions(request, watch, *ports())
    metrics.add_metric(name=names.SESSIONS_LEFT_OUT, unit="Count", value=result.left_out)
    return result.model_dump(mode="json")
