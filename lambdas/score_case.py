"""ScoreCase: every metric applied to one stored trace."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import names, offline
from driftgate.adapters.aws import S3Artifacts
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.dynamo_ledger import DynamoLedger
from driftgate.schemas.runs import ScoreCaseRequest
from driftgate.settings import ScoreCaseSettings

logger = Logger()
metrics = Metrics(namespace=names.METRIC_NAMESPACE)


@cache
def runs() -> S3Artifacts:
    return S3Artifacts(boto3.client("s3"), ScoreCaseSettings.from_environment().runs_bucket)


@cache
def ledger() -> DynamoLedger:
    return DynamoLedger(boto3.client("dynamodb"), ScoreCaseSettings.from_environment().ledger_table)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = ScoreCaseRequest.model_validate(event)
    logger.append_keys(**request.model_dump())
    result = offline.score_case(request, runs(), ledger(), SystemClock())
    metrics.add_metric(name=names.SCORES_COMPUTED, unit="Count", value=result.scored)
    return result.model_dump(mode="json")
