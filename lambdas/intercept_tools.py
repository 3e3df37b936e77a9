"""InterceptTools: a Gateway's REQUEST interceptor that answers for every tool, from the mock world.

It sees the request with its headers, and what it answers never reaches a target.
"""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import canonical
from driftgate.settings import InterceptToolsSettings
from mock_tools.dynamodb import DynamoStore
from mock_tools.engine import Engine
from mock_tools.interception import intercept

logger = Logger()


@cache
def engine() -> Engine:
    table = InterceptToolsSettings.from_environment().attempts_table
    return Engine(DynamoStore(boto3.client("dynamodb"), table))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    output, delay_s = intercept(canonical.storable(event), engine())
    time.sleep(delay_s)
    return output
