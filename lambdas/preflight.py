"""Preflight: each agent is asked once before hundreds of trials."""

import uuid
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.agentcore import AgentCoreAgents
from driftgate.adapters.attempts import DynamoTools
from driftgate.adapters.aws import S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.runs import PreflightRequest
from driftgate.settings import PreflightSettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, AgentCoreAgents, DynamoTools]:
    settings = PreflightSettings.from_environment()
    return (
        S3Artifacts(boto3.client("s3"), settings.runs_bucket),
        AgentCoreAgents(settings.sandbox),
        DynamoTools(boto3.client("dynamodb"), settings.attempts_table),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PreflightRequest.model_validate(event)
    logger.append_keys(run_id=request.run_id)
    return offline.preflight(request, *ports(), SystemClock(), _id).model_dump(mode="json")


def _id() -> str:
    return uuid.uuid4().hex
