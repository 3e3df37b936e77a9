"""PublishWindow: what a window came to, and what is told of it."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import PublishWindowRequest, Watch
from driftgate.settings import PublishWindowSettings

logger = Logger()


@cache
def settings() -> PublishWindowSettings:
    return PublishWindowSettings.from_environment()


@cache
def stored() -> DynamoRegistry:
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return sessions_table(boto3.client("dynamodb"), settings().sessions_table, traces)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = PublishWindowRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    result = online.publish_window(request, settings().environment, watch, stored())
    for level in result.levels:
        with single_metric(
            name=level.name,
            unit=MetricUnit(level.unit),
            value=level.value,
            namespace=names.METRIC_NAMESPACE,
        ) as metric:
            for name, value in level.dimensions.items():
                metric.add_dimension(name=name, value=value)
    return result.model_dump(mode="json", exclude={"levels"})
