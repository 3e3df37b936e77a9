"""IngestSpans: what a batch of a log group holds of each watched session.

It is not traced itself: its spans would come back to it.
"""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, online, sessions
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.adapters.log_batches import messages
from driftgate.schemas.online import Deployment, Watch
from driftgate.settings import IngestSpansSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)
LOOK_AGAIN_S = 60  # for endpoints that were registered meanwhile


@cache
def settings() -> IngestSpansSettings:
    return IngestSpansSettings.from_environment()


@cache
def ports() -> tuple[S3Artifacts, DynamoRegistry]:
    s3, dynamodb = boto3.client("s3"), boto3.client("dynamodb")
    traces = S3Artifacts(s3, settings().traces_bucket)
    return traces, sessions_table(dynamodb, settings().sessions_table, traces)


@cache
def deployments(minute: int) -> dict[str, Deployment]:
    records = S3Artifacts(boto3.client("s3"), settings().records_bucket)
    registry = DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records)
    return sessions.deployments(settings().environment, registry)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    watch = Watch.model_validate_json(settings().watch)
    now = time.time()
    known = deployments(int(now // LOOK_AGAIN_S))
    result = online.ingest_spans(messages(event), now, watch.clockwork, known, *ports())
    metrics.add_metric(name=names.SPANS_INGESTED, unit="Count", value=result.records)
    metrics.add_metric(name=names.SPANS_LATE, unit="Count", value=result.late)
    metrics.add_metric(name=names.SPANS_DROPPED, unit="Count", value=sum(result.dropped.values()))
    metrics.add_metric(name=names.SPANS_UNREADABLE, unit="Count", value=result.unreadable)
    return result.model_dump(mode="json")
