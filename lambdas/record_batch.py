"""RecordBatch: a batch that was read, entered into the registry."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import batch
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.schemas.batches import RecordBatchRequest
from driftgate.settings import RecordBatchSettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    settings = RecordBatchSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return S3Artifacts(s3, settings.runs_bucket), registry


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = RecordBatchRequest.model_validate(event)
    result = batch.record_batch(request, *ports())
    logger.info("batch recorded", extra=result.model_dump(mode="json"))
    return result.model_dump(mode="json")
