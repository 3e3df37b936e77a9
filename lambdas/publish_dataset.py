"""PublishDataset: an uploaded dataset checked and made a version. It alone may write them."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import curation
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.datasets import PublishDatasetRequest
from driftgate.settings import PublishDatasetSettings

logger = Logger()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts]:
    settings = PublishDatasetSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return registry, S3Artifacts(s3, settings.runs_bucket)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PublishDatasetRequest.model_validate(event)
    logger.append_keys(dataset=f"{request.header.name}@{request.header.version}")
    result = curation.publish_dataset(request, *ports(), SystemClock())
    logger.info("dataset published", extra={"sha256": result.version.sha256})
    return result.model_dump(mode="json")
