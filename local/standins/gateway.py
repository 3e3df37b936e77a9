"""The Gateway's MCP face: an agent version's tools, each call an invocation of the mock function.

Each agent version has two gateways of its own: one whose REQUEST interceptor answers for the tools
(local.standins.interceptor), and one with a Lambda target for each that its contracts name.
"""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from uuid import uuid4

import mcp_types
from anyio import CapacityLimiter, to_thread
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from driftgate import canonical, registry
from driftgate.errors import NotPublished
from driftgate.gateway_tools import target_tools
from driftgate.schemas.manifests import AgentVersion
from local.instances import Instance
from local.standins.deployment import FindDeployment
from local.standins.interceptor import Intercepted
from mock_tools.sessions import SESSION_HEADER

PATH = "/gateways/{agent}/{version}/mcp"
TARGET_PATH = "/gateways/{agent}/{version}/lambda-target/mcp"
PROPAGATED = (SESSION_HEADER, "baggage")
CALLS_AT_ONCE = 256
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=900,
    max_pool_connections=CALLS_AT_ONCE,
    retries={"total_max_attempts": 1},  # a tool that acts must not act twice
)
T = TypeVar("T")


class Gateway:
    """Lists tools from the registry, and calls the mock function with Gateway's Lambda contract."""

    def __init__(self, instance: Instance, find_deployment: FindDeployment) -> None:
        self._find = find_deployment
        self._lambda = instance.client("lambda", config=_CONFIG)
        self._threads = CapacityLimiter(CALLS_AT_ONCE)
        self._server: Server[Any] = Server(
            "driftgate-gateway", on_list_tools=self._list_tools, on_call_tool=self._call_tool
        )

    def routes(self) -> list[BaseRoute]:
        """Both variants, over one MCP server: an interceptor leaves it the rest of the protocol."""
        targets = self._server.streamable_http_app(
            streamable_http_path=TARGET_PATH, json_response=True, stateless_http=True
        ).routes
        (target,) = (route for route in targets if isinstance(route, Route))
        return [target, Route(PATH, Intercepted(target.app, self._lambda, self._find))]

    def run(self) -> AbstractAsyncContextManager[None]:
        return self._server.session_manager.run()

    async def _list_tools(
        self,
        context: ServerRequestContext[Any, Request],
        params: mcp_types.PaginatedRequestParams | None,
    ) -> mcp_types.ListToolsResult:
        agent, version = _gateway(context)
        return mcp_types.ListToolsResult(
            tools=await self._in_thread(lambda: self._tools(agent, version))
        )

    async def _call_tool(
        self, context: ServerRequestContext[Any, Request], params: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        if "___" not in params.name:  # it would not know which target is meant
            raise MCPError(mcp_types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        custom = _client_context(context, params.name)
        text, is_error = await self._in_thread(lambda: self._invoke(params.arguments or {}, custom))
        return mcp_types.CallToolResult(
            content=[mcp_types.TextContent(type="text", text=text)], is_error=is_error
        )

    def _tools(self, agent: str, version: str) -> list[mcp_types.Tool]:
        try:
            return listed(registry.load_agent(agent, version, self._find().registry))
        except (NotPublished, ValueError) as error:
            raise MCPError(mcp_types.INVALID_REQUEST, str(error)) from error

    def _invoke(self, arguments: dict[str, Any], custom: dict[str, Any]) -> tuple[str, bool]:
        """The text that the agent gets, and whether it is an error."""
        try:
            answer = self._lambda.invoke(
                FunctionName=self._find().call_tool_function,
                Payload=json.dumps(arguments),
                ClientContext=base64.b64encode(json.dumps({"custom": custom}).encode()).decode(),
            )
            value = canonical.storable(json.loads(answer["Payload"].read() or b"null"))
        except (ClientError, BotoCoreError, ValueError) as error:
            return f"{type(error).__name__}: {error}", True
        if "FunctionError" in answer and isinstance(value, dict):
            value = value.get("errorMessage", value)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return text, "FunctionError" in answer

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._threads)


def listed(agent: AgentVersion) -> list[mcp_types.Tool]:
    """The version's tools as Gateway lists those of a Lambda target.

    Raises:
        ValueError: a Lambda target can't have such a tool.
    """
    return [
        mcp_types.Tool(
            name=tool.listed_as, description=tool.description, input_schema=tool.input_schema
        )
        for tool in target_tools(agent.contracts)
    ]


def _gateway(context: ServerRequestContext[Any, Request]) -> tuple[str, str]:
    assert context.request is not None
    return context.request.path_params["agent"], context.request.path_params["version"]


def _client_context(context: ServerRequestContext[Any, Request], tool: str) -> dict[str, Any]:
    assert context.request is not None
    headers = context.request.headers
    return {
        "bedrockAgentCoreToolName": tool,
        "bedrockAgentCoreTargetId": tool.partition("___")[0],
        "bedrockAgentCoreGatewayId": "-".join(_gateway(context)),
        "bedrockAgentCoreMcpMessageId": str(context.request_id),
        "bedrockAgentCoreAwsRequestId": str(uuid4()),
        "bedrockAgentCoreMessageVersion": "1.0",
        "bedrockAgentCorePropagatedHeaders": {
            name: headers[name] for name in PROPAGATED if name in headers
        },
    }
