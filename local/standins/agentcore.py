"""AgentCore's data plane over agents of this machine: InvokeAgentRuntime, StopRuntimeSession.

A runtime stands for an agent of the registry, and its endpoint `v1_2_0` for the published version
1.2.0, as endpoint names take no dots. Versions have no other parts than these three numbers. A
runtime that was made by the control plane serves the published version whose stored code it is of.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from driftgate import registry
from driftgate.adapters.agent_servers import AgentServer, AgentServers, starts_here
from driftgate.errors import AgentUnavailable, BadInput, NotPublished
from driftgate.schemas.manifests import AgentVersion
from local.instances import Instance
from local.standins.deployment import FindDeployment
from local.standins.disturbance import Disturbance
from local.standins.runtimes import Runtimes
from local.standins.sessions import SessionKey, Sessions, SessionStopped
from local.standins.wire import ServiceError, operation

INVOCATION_LIMIT_S = 900  # AgentCore's for requests that are not streamed
TRACING = ("traceId", "traceParent", "traceState", "baggage")
_QUALIFIER = re.compile(r"v(\d+)_(\d+)_(\d+)")
T = TypeVar("T")


class AgentCore:
    """The two operations, and the agents' processes, which live until `stop`.

    Args:
        tools_url: says where an agent version finds its tools.
        folder: where the program that starts an agent is looked up.
        runtimes: those of the control plane.
    """

    def __init__(
        self,
        instance: Instance,
        find_deployment: FindDeployment,
        tools_url: Callable[[AgentVersion], str],
        folder: Path,
        runtimes: Runtimes,
    ) -> None:
        region, account = instance.region, instance.account
        self._prefix = f"arn:aws:bedrock-agentcore:{region}:{account}:runtime/"
        self._find = find_deployment
        self._runtimes = runtimes
        self._servers = AgentServers(self._code, tools_url, folder)
        self._sessions = Sessions()
        throttled = {"throttled": ("ThrottlingException", "Rate exceeded")}
        self._stops = Disturbance("/standin/stops", throttled, ())
        self._threads = CapacityLimiter(256)
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(INVOCATION_LIMIT_S, connect=5),
            # no connection is kept: an agent that closes an idle one must not fail an invocation
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def routes(self) -> list[Route]:
        return [
            Route(operation("InvokeAgentRuntime").route, self.invoke, methods=["POST"]),
            Route(operation("StopRuntimeSession").route, self.stop_session, methods=["POST"]),
            Route("/standin/sessions", self.list_sessions),
            *self._stops.routes(),
        ]

    async def invoke(self, request: Request) -> ASGIApp:
        invoke = operation("InvokeAgentRuntime")
        asked = invoke.read(request, await request.body())
        asked.setdefault("runtimeSessionId", str(uuid4()))
        given_back = {name: asked[name] for name in TRACING if name in asked}
        answered = {"runtimeSessionId": asked["runtimeSessionId"], **given_back}
        headers = invoke.answer_headers(answered)
        agent = await self._in_thread(partial(self._agent, asked))

        async def relay(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                with self._sessions.invocation(_key(asked)):
                    await self._relay(agent, asked, headers, send)
            except SessionStopped as error:
                raise ServiceError(
                    "RuntimeClientError", "The session was stopped during the invocation."
                ) from error

        return relay

    async def stop_session(self, request: Request) -> Response:
        stop = operation("StopRuntimeSession")
        asked = stop.read(request, await request.body())
        key = _key(asked)
        await self._stops.next()
        if not self._sessions.stop(key):
            raise ServiceError(
                "ResourceNotFoundException",
                f"There is no open session {key.session_id} at {key.qualifier} "
                f"of {key.runtime_arn}.",
            )
        headers = stop.answer_headers({"runtimeSessionId": key.session_id})
        return JSONResponse({}, headers=headers)

    async def list_sessions(self, _: Request) -> Response:
        return JSONResponse({"sessions": self._sessions.listed()})

    async def stop(self) -> None:
        await self._client.aclose()
        await to_thread.run_sync(self._servers.stop)

    async def _relay(
        self, agent: AgentVersion, asked: dict[str, Any], headers: dict[str, str], send: Send
    ) -> None:
        """Pass the request on to the agent, and the agent's answer on as it comes.

        A failure before the answer has begun is an error response; later the connection breaks.
        """
        server = await self._in_thread(partial(self._ready, agent))
        sent = operation("InvokeAgentRuntime").sent_headers(asked)
        try:
            async with self._client.stream(
                "POST",
                f"{server.url}/invocations",
                content=asked["payload"],
                headers={"accept-encoding": "identity", **sent},
            ) as answer:
                if answer.status_code != 200:
                    said = (await answer.aread()).decode(errors="replace")[:1000]
                    raise _failed(f"Received error ({answer.status_code}): {said}", server)
                kind = answer.headers.get("content-type", "application/octet-stream")
                await send(
                    {
                        "type": "http.response.start",
                        "status": 200,
                        "headers": [
                            (name.lower().encode(), value.encode("latin-1"))
                            for name, value in {**headers, "content-type": kind}.items()
                        ],
                    }
                )
                async for chunk in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx2.HTTPError as error:
            raise _failed(f"{type(error).__name__}: {error}", server) from error
        await send({"type": "http.response.body", "body": b""})

    def _agent(self, asked: dict[str, Any]) -> AgentVersion:
        """The published version that an endpoint of a runtime stands for."""
        arn, qualifier = asked["agentRuntimeArn"], asked.get("qualifier", "DEFAULT")
        definition = self._runtimes.served(arn, qualifier)
        if definition is not None:
            return self._of_code(definition, f"endpoint {qualifier} of {arn}")
        name, version = arn.removeprefix(self._prefix), _QUALIFIER.fullmatch(qualifier)
        if name == arn:
            raise _unknown(f"No runtime {arn}: the runtimes here are {self._prefix}<agent>.")
        if version is None:
            raise _unknown(
                f"No endpoint {qualifier}: a version is named, v1_0_0 for the published 1.0.0."
            )
        try:
            agent = registry.load_agent(name, ".".join(version.groups()), self._find().registry)
        except NotPublished as error:
            raise _unknown(f"No endpoint {qualifier} of {arn}: {error}") from error
        if not starts_here(agent) or agent.code_sha256 is None:
            raise _unknown(f"No endpoint {qualifier} of {arn}: it has no stored code to start.")
        return agent

    def _of_code(self, definition: dict[str, Any], what: str) -> AgentVersion:
        """The first published version that has the code of a runtime's version."""
        code = definition["agentRuntimeArtifact"].get("codeConfiguration", {}).get("code", {})
        sha256 = code.get("s3", {}).get("prefix", "").removeprefix("agents/")
        for agent in registry.list_agents(self._find().registry):
            if agent.code_sha256 == sha256 and starts_here(agent):
                return agent
        raise _unknown(f"No code for {what}: wanted that of a published version, agents/<sha256>.")

    def _ready(self, agent: AgentVersion) -> AgentServer:
        try:
            return self._servers.ready(agent)
        except (AgentUnavailable, BadInput) as error:
            raise ServiceError("RuntimeClientError", str(error)) from error

    def _code(self, agent: AgentVersion) -> bytes:
        return registry.load_code(agent, self._find().registry)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do what blocks, so that it neither holds up others nor a stop of its session."""
        return await to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)


def _key(asked: dict[str, Any]) -> SessionKey:
    qualifier = asked.get("qualifier", "DEFAULT")
    return SessionKey(asked["agentRuntimeArn"], qualifier, asked["runtimeSessionId"])


def _unknown(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def _failed(message: str, server: AgentServer) -> ServiceError:
    return ServiceError("RuntimeClientError", f"{message}; {server.why()}")
