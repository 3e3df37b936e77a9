"""CalibrateMonitors: at what level the monitors of each agent alarm, anew each night."""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import CalibrateMonitorsRequest, Watch
from driftgate.settings import CalibrateMonitorsSettings

logger = Logger()


@cache
def settings() -> CalibrateMonitorsSettings:
    return CalibrateMonitorsSettings.from_environment()


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


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = CalibrateMonitorsRequest.model_validate(event)
    watch = Watch.model_validate_json(settings().watch)
    now = time.time()
    result = online.calibrate_monitors(
        request, settings().environment, now, watch.clockwork, *ports()
    )
    return result.model_dump(mode="json")
