"""ListBaselines: which agents are in production, and meet the adversarial suite now."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import attack_baselines
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.attack_baselines import ListBaselinesRequest
from driftgate.settings import ListBaselinesSettings

logger = Logger()


@cache
def settings() -> ListBaselinesSettings:
    return ListBaselinesSettings.from_environment()


@cache
def stored() -> DynamoRegistry:
    records = S3Artifacts(boto3.client("s3"), settings().records_bucket)
    return DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = ListBaselinesRequest.model_validate(event)
    clock, environment = SystemClock(), settings().environment
    result = attack_baselines.list_baselines(request, environment, stored(), clock)
    told = {"agents": [run.agent for run in result.runs], "passed_over": result.passed_over}
    logger.info("baselines listed", extra=told)
    return result.model_dump(mode="json")
