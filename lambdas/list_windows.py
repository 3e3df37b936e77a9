"""ListWindows: the windows of each watched agent that are over."""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import ListWindowsRequest, Watch
from driftgate.settings import ListWindowsSettings

logger = Logger()


@cache
def settings() -> ListWindowsSettings:
    return ListWindowsSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, DynamoRegistry]:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    records = S3Artifacts(s3, settings().records_bucket)
    traces = S3Artifacts(s3, settings().traces_bucket)
    return (
        DynamoRegistry(dynamodb, settings().registry_table, records),
        sessions_table(dynamodb, settings().sessions_table, traces),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = ListWindowsRequest.model_validate(event)
    watch = Watch.model_validate_json(settings().watch)
    now = time.time()
    result = online.list_windows(request, settings().environment, now, watch.clockwork, *ports())
    return result.model_dump(mode="json")
