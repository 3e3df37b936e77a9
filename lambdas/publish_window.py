"""PublishWindow: what a window came to, and what is told of it."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DefaultBus, DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import Level, PublishWindowRequest, Watch
from driftgate.settings import PublishWindowSettings

logger = Logger()


@cache
def settings() -> PublishWindowSettings:
    return PublishWindowSettings.from_environment()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return traces, sessions_table(boto3.client("dynamodb"), settings().sessions_table, traces)


@cache
def bus() -> DefaultBus:
    return DefaultBus(boto3.client("events"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PublishWindowRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    result = online.publish_window(request, settings().environment, watch, *ports(), bus())
    tell(result.levels)
    return result.model_dump(mode="json", exclude={"levels"})


def tell(levels: Iterable[Level]) -> None:
    """A line for each set of dimensions, and without the function's own: alarms name exactly these.

    A line holds a hundred metrics; of one set of dimensions there are a dozen.
    """
    lines: dict[tuple[tuple[str, str], ...], list[Level]] = {}
    for level in levels:
        lines.setdefault(tuple(sorted(level.dimensions.items())), []).append(level)
    for dimensions, together in lines.items():
        metrics = EphemeralMetrics(namespace=names.METRIC_NAMESPACE, service="")
        for name, value in dimensions:
            metrics.add_dimension(name=name, value=value)
        for level in together:
            metrics.add_metric(name=level.name, unit=level.unit, value=level.value)
        metrics.flush_metrics()
