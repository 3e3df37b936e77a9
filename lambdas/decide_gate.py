"""DecideGate: what is there is counted against the plan, and decided on."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.runtime_control import AgentCoreEndpoints
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import DecideGateRequest
from driftgate.settings import DecideGateSettings

logger = Logger()


@cache
def settings() -> DecideGateSettings:
    return DecideGateSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, AgentCoreEndpoints]:
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings().records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records)
    return registry, S3Artifacts(s3, settings().runs_bucket), AgentCoreEndpoints()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    policy = Policy(mode=settings().gate_mode)
    request = DecideGateRequest.model_validate({**event, "policy": policy})
    result = offline.decide_gate(request, *ports())
    logger.info("gate decided", extra={"run_id": request.run_id, "outcome": result.outcome})
    return result.model_dump(mode="json")
