"""SampleSessions: which sessions of a window are judged."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import SampleSessionsRequest, Watch
from driftgate.settings import SampleSessionsSettings

logger = Logger()


@cache
def settings() -> SampleSessionsSettings:
    return SampleSessionsSettings.from_environment()


@cache
def stored() -> DynamoRegistry:
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return sessions_table(boto3.client("dynamodb"), settings().sessions_table, traces)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = SampleSessionsRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    return online.sample_sessions(request, watch, stored()).model_dump(mode="json")
