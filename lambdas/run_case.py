"""RunCase: one attempt at one trial."""

import uuid
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, offline
from driftgate.adapters.agentcore import AgentCoreAgents
from driftgate.adapters.attempts import DynamoTools
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.runs import RunCaseRequest
from driftgate.settings import RunCaseSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry, AgentCoreAgents, DynamoTools]:
    settings = RunCaseSettings.from_environment()
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    records = S3Artifacts(s3, settings.records_bucket)
    return (
        S3Artifacts(s3, settings.runs_bucket),
        DynamoRegistry(dynamodb, settings.registry_table, records),
        AgentCoreAgents(settings.sandbox),
        DynamoTools(dynamodb, settings.attempts_table),
    )


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = RunCaseRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    result = offline.run_case(request, *ports(), SystemClock(), _id)
    metrics.add_metric(name=names.TRACES_STORED, unit="Count", value=int(result.stored))
    return result.model_dump(mode="json")


def _id() -> str:
    return uuid.uuid4().hex
