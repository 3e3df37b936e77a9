"""Agents with the AgentCore contract over HTTP, started here from their stored code or running."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from driftgate import invocation, names
from driftgate.adapters.agent_servers import AgentServers, starts_here
from driftgate.errors import AgentUnavailable, BadInput
from driftgate.ports import Reply
from driftgate.schemas.manifests import AgentVersion, HttpTarget

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MAX_STARTS = 20  # of one version in one run: an agent that dies on a case must not lose the rest


class HttpAgents:
    """The runtime of this machine. Servers live while the `with` block lasts.

    Args:
        tools_url: where the agents find their tools.
        code: gives an agent version's stored code.
        folder: where Driftgate was started; an agent's program is looked up from there.
    """

    def __init__(self, tools_url: str, code: Callable[[AgentVersion], bytes], folder: Path) -> None:
        self._tools_url = tools_url
        self._servers = AgentServers(code, lambda _: tools_url, folder, _MAX_STARTS)
        self._client = httpx2.Client(
            limits=httpx2.Limits(max_connections=None),
            mounts={f"all://{host}": None for host in _LOOPBACK},  # no proxy of the environment's
        )

    def open(self, agent: AgentVersion, session_id: str, seed: int) -> "HttpSession":
        if starts_here(agent):
            server = self._servers.ready(agent)
            url, why = server.url, server.why
        else:
            target = agent.manifest.target
            if not isinstance(target, HttpTarget):
                raise BadInput(f"{agent.label}: target: kind {target.kind} does not run here")
            assert target.url is not None
            url, why = target.url.rstrip("/"), lambda: "its output is not seen from here"
        variables = {
            "session_id": session_id,
            "seed": seed,
            "tools_url": self._tools_url,
            "model": agent.manifest.model,
        }
        return HttpSession(self._client, url, agent, variables, why)

    def end(self, agent: AgentVersion, session_id: str) -> None:
        """A server of this machine keeps no paid session open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()
        self._servers.stop()


class HttpSession:
    """One session with an agent's server."""

    def __init__(
        self,
        client: httpx2.Client,
        url: str,
        agent: AgentVersion,
        variables: Mapping[str, Any],
        why: Callable[[], str],
    ) -> None:
        self._client = client
        self._url = f"{url}/invocations"
        self._invocation = agent.manifest.invocation
        self._variables = variables
        self._why = why
        self._turns = 0

    def say(self, turn: str, timeout_s: float) -> Reply:
        self._turns += 1
        said = {**self._variables, "turn": turn, "turn_number": self._turns}
        session_id = self._variables["session_id"]
        deadline = time.monotonic() + timeout_s
        try:
            with self._client.stream(
                "POST",
                self._url,
                json=invocation.fill(self._invocation.request, said),
                headers={
                    "accept": "application/json, text/event-stream",
                    names.RUNTIME_SESSION_HEADER: session_id,
                    "baggage": f"session.id={session_id}",
                },
                timeout=timeout_s,
            ) as response:
                chunks = response.iter_bytes()
                text = invocation.read_body(chunks, lambda: time.monotonic() > deadline)
        except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            raise TimeoutError from error
        except httpx2.HTTPError as error:
            if self._client.is_closed:  # the evaluation ends here: no fault of anybody
                raise
            broken = f"{self._url}: {type(error).__name__}: {error}; {self._why()}"
            raise AgentUnavailable(broken) from error
        if response.status_code != 200:
            status = f"HTTP {response.status_code}: {text[:300]}"
            raise AgentUnavailable(f"{self._url}: {status}; {self._why()}")
        return invocation.read_reply(
            self._invocation, response.headers.get("content-type", ""), text
        )
