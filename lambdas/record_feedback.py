"""RecordFeedback: what a user thought of a session, as an event tells it."""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import online
from driftgate.adapters.aws import DynamoRegistry, S3Artifacts, sessions_table
from driftgate.schemas.online import Feedback, Watch
from driftgate.settings import RecordFeedbackSettings

logger = Logger()
ASKED = ("agent", "session_id", "verdict", "at", "source")


@cache
def settings() -> RecordFeedbackSettings:
    return RecordFeedbackSettings.from_environment()


@cache
def stored() -> DynamoRegistry:
    traces = S3Artifacts(boto3.client("s3"), settings().traces_bucket)
    return sessions_table(boto3.client("dynamodb"), settings().sessions_table, traces)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    told = {name: event["detail"].get(name) for name in ASKED if name in event["detail"]}
    feedback = Feedback.model_validate(told)  # applications may say more; that is not for us
    watch = Watch.model_validate_json(settings().watch)
    return online.record_feedback(feedback, time.time(), watch.clockwork, stored()).model_dump(
        mode="json"
    )
