"""RecordDrill: what a try of the gate came to, in the registry and as metrics."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, try_gate
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.drills import Measured, RecordDrillRequest
from driftgate.settings import RecordDrillSettings

logger = Logger()


@cache
def settings() -> RecordDrillSettings:
    return RecordDrillSettings.from_environment()


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts]:
    s3 = boto3.client("s3")
    records = S3Artifacts(s3, settings().records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records)
    return registry, S3Artifacts(s3, settings().runs_bucket)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = RecordDrillRequest.model_validate(event)
    environment = settings().environment
    result = try_gate.record_drill(request, environment, *ports(), SystemClock())
    for measured in result.measured:
        emit(measured, environment)
    about = {"outcome": result.row.outcome, "passed": result.row.passed}
    logger.info("drill recorded", extra={"run_id": request.run_id, **about})
    return result.row.model_dump(mode="json")


def emit(measured: Measured, environment: str) -> None:
    """A line of its own for each agent, without the function's dimension: alarms name these two."""
    metrics = EphemeralMetrics(namespace=names.METRIC_NAMESPACE, service="")
    metrics.add_dimension(name="agent", value=measured.agent)
    metrics.add_dimension(name="monitor", value=names.gate_monitor(environment))
    for name, value in measured.values.items():
        unit = "None" if name.startswith(names.FALSE_BLOCK_RATE) else "Count"
        metrics.add_metric(name=name, unit=unit, value=value)
    metrics.flush_metrics()
