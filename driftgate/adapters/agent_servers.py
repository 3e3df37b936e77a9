"""The servers of agent versions: processes of this machine, run from the versions' stored code."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock

import httpx2

from driftgate import canonical, invocation, names
from driftgate.adapters import files, supervisor
from driftgate.errors import AgentUnavailable, BadInput
from driftgate.schemas.manifests import AgentVersion, HttpTarget, PythonTarget

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class AgentServers:
    """One server for each agent version, started when it is first asked for.

    Args:
        code: gives an agent version's stored code.
        tools_url: says where an agent version finds its tools.
        folder: where Driftgate was started; an agent's program is looked up from there.
        max_starts: of one version; a server that has died more often is not started again.
    """

    def __init__(
        self,
        code: Callable[[AgentVersion], bytes],
        tools_url: Callable[[AgentVersion], str],
        folder: Path,
        max_starts: int | None = None,
    ) -> None:
        self._code = code
        self._tools_url = tools_url
        self._folder = folder
        self._max_starts = max_starts
        self._servers: dict[str, AgentServer] = {}
        self._lock = Lock()
        self._client = httpx2.Client(trust_env=False)  # a proxy knows no port of this machine

    def ready(self, agent: AgentVersion) -> "AgentServer":
        """The version's server, as soon as it answers. Raises AgentUnavailable."""
        server = self._server(agent)
        server.wait_until_ready(self._client)
        return server

    def _server(self, agent: AgentVersion) -> "AgentServer":
        """The version's server; one that has died is started once more."""
        with self._lock:
            server = self._servers.get(agent.digest)
            if server is None or server.is_gone():
                tries = server.tries + 1 if server else 1
                if server is not None:
                    server.stop()
                    if self._max_starts is not None and tries > self._max_starts:
                        raise AgentUnavailable(
                            f"{agent.label} died {server.tries} times; {server.why()}"
                        )
                url = self._tools_url(agent)
                server = AgentServer(agent, self._code(agent), url, self._folder, tries)
                self._servers[agent.digest] = server
            return server

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()
        self._client.close()


class AgentServer:
    """One agent version's process, run from its stored code in a folder of its own."""

    def __init__(
        self, agent: AgentVersion, code: bytes, tools_url: str, folder: Path, tries: int
    ) -> None:
        self.tries = tries
        self._agent = agent
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        filled = {"port": str(port), "tools_url": tools_url, "model": agent.manifest.model}
        command, environment = _command(agent, filled, folder)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed when nobody can ask why any more
        weakref.finalize(self, self._log.close)
        self._home = tempfile.mkdtemp(prefix="driftgate-agent-")  # removed by the supervisor
        files.unpack(code, Path(self._home))
        self._ready = False
        self._process = subprocess.Popen(  # noqa: S603  the manifest's own command
            [sys.executable, supervisor.__file__, self._home, *command],
            cwd=self._home,
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,  # what ends our group must not end it before its agent
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
        # the agent writes through the same open file: reading must not move where it writes
        written = os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0)
        lines = written.decode(errors="replace").strip().splitlines()[-8:]
        wrote = "\n  ".join(["its last lines:", *lines]) if lines else "it wrote nothing"
        code = self._process.poll()
        return f"exit code {code}; {wrote}" if code is not None else wrote

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # tells the supervisor to end it and to clean up
        self._process.wait()


def starts_here(agent: AgentVersion) -> bool:
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
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    direct = ",".join(filter(None, (no_proxy, "127.0.0.1,localhost")))  # the tools are here
    given = {
        "no_proxy": direct,
        "NO_PROXY": direct,
        names.TOOLS_URL_VARIABLE: variables["tools_url"],
    }
    return words, {**os.environ, **given, **own}


def variables_sha256(agents: Iterable[AgentVersion]) -> str | None:
    """A hash of what the ${VARIABLES} of these manifests are filled with; None if there is none.

    The values themselves may be secrets, and are not kept.
    """
    filled = [
        [text, _expand(text, agent)]
        for agent in agents
        if isinstance(target := agent.manifest.target, HttpTarget | PythonTarget)
        for text in (*(getattr(target, "command", None) or ()), *target.environment.values())
        if _VARIABLE.search(text)
    ]
    return canonical.sha256(canonical.dump(canonical.storable(filled))) if filled else None


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
