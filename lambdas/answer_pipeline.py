"""AnswerPipeline: a pipeline's gate action goes on, or fails with the verdict's reason.

The event holds credentials, so neither it nor anything made from all of it is logged.
"""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import pipelines
from driftgate.adapters import codepipeline
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.codepipeline import CodePipelineJobs
from driftgate.adapters.stepfunctions import StepFunctionsExecutions
from driftgate.settings import AnswerPipelineSettings

logger = Logger()


@cache
def settings() -> AnswerPipelineSettings:
    return AnswerPipelineSettings.from_environment()


@cache
def ports() -> tuple[StepFunctionsExecutions, DynamoRegistry, S3Artifacts, CodePipelineJobs]:
    records = S3Artifacts(boto3.client("s3"), settings().records_bucket)
    return (
        StepFunctionsExecutions(boto3.client("stepfunctions")),
        DynamoRegistry(boto3.client("dynamodb"), settings().registry_table, records),
        records,
        CodePipelineJobs(boto3.client("codepipeline")),
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    job = codepipeline.job(event)
    result = pipelines.answer_pipeline(job, settings().environment, *ports())
    logger.info(
        "pipeline answered", extra={"job_id": job.job_id, **result.model_dump(exclude={"message"})}
    )
    return result.model_dump(mode="json")
