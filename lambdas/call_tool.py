"""CallTool: a Gateway's Lambda target that answers for every tool, from the mock world.

The event is the tool's arguments alone; who calls which tool is in the client context.
"""

import time
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from driftgate import canonical
from driftgate.settings import CallToolSettings
from mock_tools.dynamodb import DynamoStore
from mock_tools.engine import Engine
from mock_tools.sessions import session_id

logger = Logger()


@cache
def engine() -> Engine:
    table = CallToolSettings.from_environment().attempts_table
    return Engine(DynamoStore(boto3.client("dynamodb"), table))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Raises UnknownSession: a call that belongs to no attempt is refused, and logged nowhere."""
    custom = context.client_context.custom
    tool = custom["bedrockAgentCoreToolName"].partition("___")[2]
    session = session_id(custom.get("bedrockAgentCorePropagatedHeaders", {}))
    logger.append_keys(session_id=session, tool=tool)
    answer = engine().call(session, canonical.storable(tool), canonical.storable(event))
    time.sleep(answer.delay_s)
    return answer.value
