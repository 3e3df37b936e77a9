"""Agents with the AgentCore contract over HTTP, started here from their stored code or running."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import httpx2

from driftgate import invocation, names
from driftgate.adapters import files, supervisor
from driftgate.errors import AgentUnavailable, BadInput
from driftgate.ports import Reply
from driftgate.schemas.manifests import AgentVersion, HttpTarget, PythonTarget

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_START_TRIES = 20  # of one version in one run: an agent that dies on a case must not lose the rest


class HttpAgents:
    """The runtime of this machine. Servers live while the `with` block lasts.

    Args:
        tools_url: where the agents find their tools.
        code: gives an agent version's stored code.
        folder: where Driftgate was started; an agent's program is looked up from there.
    """

    def __init__(self, tools_url: str, code: Callable[[AgentVersion], bytes], folder: Path) -> None:
        self._tools_url = tools_url
        self._code = code
        self._folder = folder
        self._servers: dict[str, AgentServer] = {}
        self._lock = Lock()
        self._client = httpx2.Client(limits=httpx2.Limits(max_connections=None))

    def open(self, agent: AgentVersion, session_id: str, seed: int) -> "HttpSession":
        if _is_started_here(agent):
            server = self._server(agent)
            server.wait_until_ready(self._client)
            url, why = server.url, server.why
        else:
            target = agent.manifest.target
            if not isinstance(target, HttpTarget):
                raise BadInput(f"{agent.label}: target: kind {target.kind} does not run here")
            assert target.url is not None
            url, why = target.url.rstrip("/"), lambda: "its output is not seen from here"
        variables = {"session_id": session_id, "seed": seed, "tools_url": self._tools_url}
        return HttpSession(self._client, url, agent, variables, why)

    def end(self, agent: AgentVersion, session_id: str) -> None:
        """A server of this machine keeps no paid session open."""

    def _server(self, agent: AgentVersion) -> "AgentServer":
        """The version's server; one that has died is started once more."""
        with self._lock:
            server = self._servers.get(agent.digest)
            if server is None or server.is_gone():
                tries = server.tries + 1 if server else 1
                if server is not None:
                    server.stop()
                    if tries > _START_TRIES:
                        raise AgentUnavailable(
                            f"{agent.label} died {server.tries} times; {server.why()}"
                        )
                server = AgentServer(agent, self._code(agent), self._tools_url, self._folder, tries)
                self._servers[agent.digest] = server
            return server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers.values():
            server.stop()
        self._client.close()


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

    def say(self, turn: str, timeout_s: float) -> Reply:
        session_id = self._variables["session_id"]
        deadline = time.monotonic() + timeout_s
        try:
            with self._client.stream(
                "POST",
                self._url,
                json=invocation.fill(self._invocation.request, {**self._variables, "turn": turn}),
                headers={
                    "accept": "application/json, text/event-stream",
                    names.RUNTIME_SESSION_HEADER: session_id,
                    "baggage": f"session.id={session_id}",
                },
                timeout=timeout_s,
            ) as response:
                body = b""
                for chunk in response.iter_bytes():
                    body += chunk
                    if time.monotonic() > deadline:
                        raise TimeoutError
                text = body.decode(errors="replace")
        except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            raise TimeoutError from error
        except httpx2.HTTPError as error:
            broken = f"{self._url}: {type(error).__name__}: {error}; {self._why()}"
            raise AgentUnavailable(broken) from error
        if response.status_code != 200:
            status = f"HTTP {response.status_code}: {text[:300]}"
            raise AgentUnavailable(f"{self._url}: {status}; {self._why()}")
        return invocation.read_reply(
            self._invocation, response.headers.get("content-type", ""), text
        )


class AgentServer:
    """One agent version's process, run from its stored code in a folder of its own."""

    def __init__(
        self, agent: AgentVersion, code: bytes, tools_url: str, folder: Path, tries: int
    ) -> None:
        self.tries = tries
        self._agent = agent
        self._home = tempfile.mkdtemp(prefix="driftgate-agent-")  # removed by the supervisor
        files.unpack(code, Path(self._home))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the server
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        command, environment = _command(agent, {"port": str(port), "tools_url": tools_url}, folder)
        self._ready = False
        self._process = subprocess.Popen(  # noqa: S603  the manifest's own command
            [sys.executable, supervisor.__file__, self._home, *command],
            cwd=self._home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
        )

    def wait_until_ready(self, client: httpx2.Client) -> None:
        if self._ready:
            return
        target = self._agent.manifest.target
        assert isinstance(target, HttpTarget | PythonTarget)
        deadline = time.monotonic() + target.start_timeout_s
        while time.monotonic() < deadline:
            if self.is_gone():
                raise AgentUnavailable(f"{self._agent.label} did not start; {self.why()}")
            try:
                if client.get(f"{self.url}/ping", timeout=2).status_code == 200:
                    self._ready = True
                    return
            except httpx2.HTTPError:
                time.sleep(0.02)
        raise AgentUnavailable(
            f"{self._agent.label} did not answer GET /ping within {target.start_timeout_s:g} s; "
            f"{self.why()}"
        )

    def is_gone(self) -> bool:
        return self._process.poll() is not None

    def why(self) -> str:
        """The exit code, if it has ended, and the last lines it wrote."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()[-8:]
        wrote = "\n  ".join(["its last lines:", *lines]) if lines else "it wrote nothing"
        code = self._process.poll()
        return f"exit code {code}; {wrote}" if code is not None else wrote

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # tells the supervisor to end it and to clean up
        self._process.wait()


def _is_started_here(agent: AgentVersion) -> bool:
    target = agent.manifest.target
    return isinstance(target, PythonTarget) or (
        isinstance(target, HttpTarget) and target.command is not None
    )


def _command(
    agent: AgentVersion, variables: Mapping[str, str], folder: Path
) -> tuple[list[str], dict[str, str]]:
    """The words to run and the whole environment, templates and variables filled in."""
    target = agent.manifest.target
    if isinstance(target, PythonTarget):
        serve = [sys.executable, "-m", "driftgate.agentkit.serve"]
        words = [*serve, target.function, "--port", variables["port"]]
    else:
        assert isinstance(target, HttpTarget)
        assert target.command is not None
        words = [_expand(str(invocation.fill(word, variables)), agent) for word in target.command]
    if "/" in words[0] and (folder / words[0]).exists():
        words[0] = str(folder / words[0])
    own = {
        name: _expand(str(invocation.fill(value, variables)), agent)
        for name, value in target.environment.items()
    }
    return words, {**os.environ, names.TOOLS_URL_VARIABLE: variables["tools_url"], **own}


def _expand(text: str, agent: AgentVersion) -> str:
    """Fill in ${NAME} and ${NAME:-default} from the environment."""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        if name in os.environ:
            return os.environ[name]
        if default is None:
            raise BadInput(f"{agent.label}: target: the environment variable {name} is not set")
        return str(default)

    return _VARIABLE.sub(value, text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
