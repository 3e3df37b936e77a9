"""SweepSessions: ends, by schedule, the sessions that nobody needs and nobody ended."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import sweeping
from driftgate.adapters.agentcore import AgentCoreAgents
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.stepfunctions import StepFunctionsExecutions
from driftgate.schemas.sweeping import SweepSessionsRequest
from driftgate.settings import SweepSessionsSettings

logger = Logger()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, AgentCoreAgents, StepFunctionsExecutions]:
    settings = SweepSessionsSettings.from_environment()
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings.records_bucket)
    return (
        DynamoRegistry(boto3.client("dynamodb"), settings.registry_table, records),
        S3Artifacts(s3, settings.runs_bucket),
        AgentCoreAgents(settings.sandbox),
        StepFunctionsExecutions(boto3.client("stepfunctions")),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = SweepSessionsRequest.model_validate(event)
    result = sweeping.sweep_sessions(request, *ports(), SystemClock())
    logger.info("sessions swept", extra=result.model_dump())
    return result.model_dump(mode="json")
