"""TakeLease: one execution at a time makes the trials of a run."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.stepfunctions import StepFunctionsExecutions
from driftgate.schemas.runs import TakeLeaseRequest
from driftgate.settings import TakeLeaseSettings

logger = Logger()


@cache
def ports() -> tuple[DynamoRegistry, StepFunctionsExecutions]:
    settings = TakeLeaseSettings.from_environment()
    records = S3Artifacts(boto3.client("s3"), settings.records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records)
    return registry, StepFunctionsExecutions(boto3.client("stepfunctions"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = TakeLeaseRequest.model_validate(event)
    result = offline.take_lease(request, *ports(), SystemClock())
    logger.info("lease taken", extra={"run_id": request.run_id, "taken": result.taken})
    return result.model_dump(mode="json")
