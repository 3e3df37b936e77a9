"""PublishRun: the verdict kept for good, the run entered into the registry."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.runs import PublishRunRequest
from driftgate.settings import PublishRunSettings

logger = Logger()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, S3Artifacts]:
    settings = PublishRunSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return registry, S3Artifacts(s3, settings.runs_bucket), records


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PublishRunRequest.model_validate(event)
    result = offline.publish_run(request, *ports(), SystemClock())
    about = {"effective": result.effective, "refused_overrides": result.refused}
    logger.info("run published", extra={"verdict_key": result.verdict_key, **about})
    return result.model_dump(mode="json")
