"""ChooseDrill: with which agent the gate is tried, and how much of its dataset."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, try_gate
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.schemas.drills import Budget, ChooseDrillRequest
from driftgate.settings import ChooseDrillSettings

logger = Logger()


@cache
def settings() -> ChooseDrillSettings:
    return ChooseDrillSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts]:
    records = S3Artifacts(boto3.client("s3"), settings().records_bucket)
    dynamodb = boto3.client("dynamodb")
    return DynamoRegistry(dynamodb, settings().registry_table, records), records


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = ChooseDrillRequest.model_validate(event)
    budget = Budget(trials=settings().max_trials, usd=settings().max_usd)
    result = try_gate.choose_drill(request, settings().environment, budget, *ports())
    about = {"run_id": result.run_id, "reason": result.reason, "passed_over": result.passed_over}
    logger.info("drill chosen", extra={"kind": request.kind, **about})
    if result.run is None:
        metrics = EphemeralMetrics(namespace=names.METRIC_NAMESPACE, service="")
        metrics.add_dimension(name="agent", value=names.ALL_AGENTS)
        metrics.add_dimension(name="monitor", value=names.gate_monitor(settings().environment))
        metrics.add_metric(name=names.TRY_ENDED, unit="Count", value=1)
        metrics.flush_metrics()
    return result.model_dump(mode="json")
