"""FindTelemetry: whether every session of a batch has left its telemetry."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import batch
from driftgate.adapters.aws import S3Artifacts
from driftgate.adapters.batch_evaluations import LogsTelemetry
from driftgate.schemas.batches import FindTelemetryRequest
from driftgate.settings import FindTelemetrySettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, LogsTelemetry]:
    settings = FindTelemetrySettings.from_environment()
    runs = S3Artifacts(boto3.client("s3"), settings.runs_bucket)
    return runs, LogsTelemetry(boto3.client("logs"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = FindTelemetryRequest.model_validate(event)
    logger.append_keys(batch_id=request.batch_id)
    return batch.find_telemetry(request, *ports()).model_dump(mode="json")
