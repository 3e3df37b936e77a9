"""PlanRun: versions resolved to digests, and frozen."""

import math
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import offline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.quotas import with_functions
from driftgate.adapters.runtime_control import AgentCoreEndpoints
from driftgate.schemas.capacity import Quotas
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.runs import PlanRunRequest
from driftgate.settings import PlanRunSettings

logger = Logger()


@cache
def settings() -> PlanRunSettings:
    return PlanRunSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, AgentCoreEndpoints]:
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings().records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records)
    return registry, S3Artifacts(s3, settings().runs_bucket), AgentCoreEndpoints()


def quotas() -> Quotas:
    """Looked up for each run: an account may be given more."""
    return with_functions(Quotas.model_validate_json(settings().quotas), boto3.client("lambda"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PlanRunRequest.model_validate(event)
    if request.judge is None:
        judge = JudgeSpec.model_validate_json(settings().judge)
        request = request.model_copy(update={"judge": judge})
    if math.isfinite(most := min(settings().max_run_usd, request.max_usd or math.inf)):
        request = request.model_copy(update={"max_usd": most})
    result = offline.plan_run(request, *ports(), quotas())
    chosen = {"concurrency": result.concurrency, "warning": result.warning}
    logger.info("run planned", extra={"run_id": result.run_id, **chosen})
    return result.model_dump(mode="json")
