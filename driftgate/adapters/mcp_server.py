"""The mock tools of this machine: an MCP server over the engine, on the loopback address."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import mcp_types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request

from driftgate import attempts, canonical
from driftgate.errors import InfrastructureFailed
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.traces import ToolCall
from mock_tools.attempts import MemoryStore, UnknownSession
from mock_tools.engine import Engine
from mock_tools.sessions import SESSION_HEADER, session_id


class LocalTools:
    """Mock tools as a port, served to agents over MCP while the `with` block lasts.

    Attempts live in this process and end with it: a run that is taken up again makes new ones.
    """

    def __init__(self) -> None:
        self.refused = 0  # calls that carried no session id of an attempt
        self._store = MemoryStore()
        self._engine = Engine(self._store)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), log_level="critical", lifespan="on")
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/mcp"

    def register(self, session_id: str, agent: AgentVersion, case: Case) -> None:
        self._store.open(session_id, attempts.script(agent, case))

    def calls(self, session_id: str, after: int) -> Sequence[ToolCall]:
        return attempts.calls(self._store.calls(session_id, after))

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(500):
            if self._server.started:
                return self
            self._thread.join(0.01)
        raise InfrastructureFailed("the tool server did not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(5)

    def _app(self) -> Starlette:
        async def list_tools(
            context: ServerRequestContext[Any, Request],
            params: mcp_types.PaginatedRequestParams | None,
        ) -> mcp_types.ListToolsResult:
            with self._known_session():
                tools = self._engine.tools(session_id(_headers(context.request)))
            return mcp_types.ListToolsResult(
                tools=[
                    mcp_types.Tool(
                        name=tool["tool"],
                        description=tool["description"],
                        input_schema=tool["input_schema"],
                    )
                    for tool in tools
                ]
            )

        async def call_tool(
            context: ServerRequestContext[Any, Request], params: mcp_types.CallToolRequestParams
        ) -> mcp_types.CallToolResult:
            try:
                arguments = canonical.storable(params.arguments or {})
            except ValueError as error:
                raise MCPError(mcp_types.INVALID_PARAMS, str(error)) from error
            with self._known_session():
                tool = canonical.storable(params.name)
                answer = self._engine.call(session_id(_headers(context.request)), tool, arguments)
            await asyncio.sleep(answer.delay_s)
            return mcp_types.CallToolResult(
                content=[mcp_types.TextContent(type="text", text=answer.text)],
                is_error=answer.is_error,
            )

        server = Server("driftgate-mock-tools", on_list_tools=list_tools, on_call_tool=call_tool)
        return server.streamable_http_app(json_response=True, stateless_http=True)

    @contextmanager
    def _known_session(self) -> Iterator[None]:
        try:
            yield
        except UnknownSession as error:
            self.refused += 1
            raise MCPError(
                mcp_types.INVALID_REQUEST, f"{error}; send the session id in {SESSION_HEADER}"
            ) from error


def _headers(request: Request | None) -> Mapping[str, str]:
    return request.headers if request is not None else {}
