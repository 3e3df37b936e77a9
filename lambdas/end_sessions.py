"""EndSessions: what a trial left open that is given up."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.agentcore import AgentCoreAgents
from driftgate.adapters.aws import S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.runs import EndSessionsRequest
from driftgate.settings import EndSessionsSettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, AgentCoreAgents]:
    settings = EndSessionsSettings.from_environment()
    runs = S3Artifacts(boto3.client("s3"), settings.runs_bucket)
    return runs, AgentCoreAgents(settings.sandbox)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = EndSessionsRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    return offline.end_sessions(request, *ports(), SystemClock()).model_dump(mode="json")
