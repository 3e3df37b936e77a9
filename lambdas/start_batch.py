"""StartBatch: the jobs of a batch, as many as AgentCore takes now."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import batch
from driftgate.adapters.aws import S3Artifacts
from driftgate.adapters.batch_evaluations import AgentCoreBatches
from driftgate.schemas.batches import StartBatchRequest
from driftgate.settings import StartBatchSettings

logger = Logger()


@cache
def ports() -> tuple[S3Artifacts, AgentCoreBatches]:
    runs = S3Artifacts(boto3.client("s3"), StartBatchSettings.from_environment().runs_bucket)
    return runs, AgentCoreBatches(boto3.client("bedrock-agentcore"), boto3.client("logs"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = StartBatchRequest.model_validate(event)
    logger.append_keys(batch_id=request.batch_id)
    result = batch.start_batch(request, *ports())
    logger.info("batch started", extra=result.model_dump(mode="json"))
    return result.model_dump(mode="json")
