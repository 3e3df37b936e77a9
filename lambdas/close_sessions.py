"""CloseSessions: what is known of each session that is idle in a window, folded once."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.adapters.entity_finders import finder_of
from driftgate.redaction import Redactor
from driftgate.schemas.online import CloseSessionsRequest, Watch
from driftgate.settings import CloseSessionsSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def settings() -> CloseSessionsSettings:
    return CloseSessionsSettings.from_environment()


@cache
def redactor() -> Redactor:
    """With the environment's key, read once: what is stored is the same in every container."""
    secrets = boto3.client("secretsmanager")
    key = secrets.get_secret_value(SecretId=settings().pseudonyms_secret)["SecretString"]
    watch = Watch.model_validate_json(settings().watch)
    return Redactor(watch.redaction, key.encode(), finder_of(watch.finder))


@cache
def ports() -> tuple[DynamoRegistry, S3Artifacts, DynamoRegistry]:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    records = S3Artifacts(s3, settings().records_bucket)
    traces = S3Artifacts(s3, settings().traces_bucket)
    return (
        DynamoRegistry(dynamodb, settings().registry_table, records),
        traces,
        sessions_table(dynamodb, settings().sessions_table, traces),
    )


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = CloseSessionsRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    watch = Watch.model_validate_json(settings().watch)
    result = online.close_sessions(
        request, settings().environment, watch.clockwork, *ports(), redactor()
    )
    metrics.add_metric(name=names.SESSIONS_CLOSED, unit="Count", value=result.closed)
    metrics.add_metric(name=names.SESSIONS_UNREADABLE, unit="Count", value=result.faults)
    metrics.add_metric(name=names.SPANS_UNKNOWN, unit="Count", value=result.unknown_spans)
    return result.model_dump(mode="json")
