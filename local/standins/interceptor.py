"""A Gateway's REQUEST interceptor: the function sees each request first, and may answer it."""

import json
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.standins.deployment import FindDeployment

VERSION = "1.0"
FAILED = -32603  # JSON-RPC: an internal error
CALLS_AT_ONCE = 256


class Intercepted:
    """An MCP server behind the deployed interceptor.

    Args:
        app: the server.
        client: of Lambda.
    """

    def __init__(self, app: ASGIApp, client: Any, find_deployment: FindDeployment) -> None:
        self._app = app
        self._lambda = client
        self._find = find_deployment
        self._threads = CapacityLimiter(CALLS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        raw = await request.body()
        try:
            body = json.loads(raw)
        except ValueError:  # a GET without a body, or what is no JSON: the server's own business
            await self._app(scope, _again(raw, receive), send)
            return
        work = partial(self._ask, _event(request, raw, body))
        try:
            said = await to_thread.run_sync(work, limiter=self._threads)
        except _Failed as error:
            of = body.get("id") if isinstance(body, dict) else None
            problem = {"code": FAILED, "message": f"the interceptor failed: {error}"}
            answer = {"jsonrpc": "2.0", "id": of, "error": problem}
            await JSONResponse(answer, 500)(scope, receive, send)
            return
        if "transformedGatewayResponse" in said:  # it wins, if there is a request beside it
            await _response(said["transformedGatewayResponse"])(scope, receive, send)
            return
        changed = json.dumps(said["transformedGatewayRequest"]["body"]).encode()
        headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
        length = (b"content-length", str(len(changed)).encode())
        await self._app({**scope, "headers": [*headers, length]}, _again(changed, receive), send)

    def _ask(self, event: dict[str, Any]) -> dict[str, Any]:
        """The part of the interceptor's output that is about MCP. Raises _Failed."""
        try:
            answer = self._lambda.invoke(
                FunctionName=self._find().intercept_tools_function,
                Payload=json.dumps(event, ensure_ascii=False).encode(errors="replace"),
            )
            output = json.loads(answer["Payload"].read())
        except (ClientError, BotoCoreError, ValueError) as error:
            raise _Failed(f"{type(error).__name__}: {error}") from error
        if "FunctionError" in answer:
            raise _Failed(output.get("errorMessage", output))
        if output.get("interceptorOutputVersion") != VERSION:
            raise _Failed(f"wanted interceptorOutputVersion {VERSION}, got {output}")
        mcp: dict[str, Any] = output.get("mcp", {})
        if not mcp.keys() & {"transformedGatewayResponse", "transformedGatewayRequest"}:
            raise _Failed(f"wanted a transformed request or response, got {output}")
        return mcp


class _Failed(Exception):
    """The interceptor gave no output that Gateway could apply."""


def _event(request: Request, raw: bytes, body: Any) -> dict[str, Any]:
    """What Gateway sends if it was told to pass the request's headers."""
    return {
        "interceptorInputVersion": VERSION,
        "mcp": {
            "rawGatewayRequest": {"body": raw.decode(errors="replace")},
            "gatewayRequest": {
                "path": "/mcp",  # of the Gateway's own address
                "httpMethod": request.method,
                "headers": dict(request.headers),
                "body": body,
            },
        },
    }


def _response(said: dict[str, Any]) -> Response:
    return JSONResponse(said["body"], said["statusCode"], said.get("headers"))


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, to be read once more; after it, what comes."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
