"""MineFailures: the sessions behind an alarm, or that went wrong by themselves, for somebody to
look at."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.adapters.clock import SystemClock
from driftgate.schemas.events import QualityRegressed, SessionsFlagged
from driftgate.settings import MineFailuresSettings

KINDS: dict[str, type[QualityRegressed] | type[SessionsFlagged]] = {
    kind.__name__: kind for kind in (QualityRegressed, SessionsFlagged)
}
logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def settings() -> MineFailuresSettings:
    return MineFailuresSettings.from_environment()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry, DynamoRegistry]:
    dynamodb = boto3.client("dynamodb")
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return (
        traces,
        sessions_table(dynamodb, settings().sessions_table, traces),
        DynamoRegistry(dynamodb, settings().reviews_table, traces),
    )


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    kind = KINDS[event["detail-type"]]
    found_by = kind.model_validate(event["detail"])
    logger.append_keys(agent=found_by.agent, event=event["detail-type"])
    result = online.mine_failures(found_by, SystemClock(), *ports())
    metrics.add_metric(name=names.CANDIDATES_FOUND, unit="Count", value=result.candidates)
    return result.model_dump(mode="json")
