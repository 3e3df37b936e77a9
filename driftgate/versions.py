"""The stored versions of agents, as the watch over production needs them."""

import threading

from driftgate import registry
from driftgate.errors import NotPublished
from driftgate.ports import Registry
from driftgate.schemas.manifests import AgentVersion, Online
from driftgate.schemas.online import UNKNOWN_VERSION


class Versions:
    """The stored versions of agents, each read once."""

    def __init__(self, stored: Registry) -> None:
        self._stored = stored
        self._found: dict[tuple[str, str], AgentVersion | None] = {}
        self._reading = threading.Lock()

    def find(self, agent: str, version: str) -> AgentVersion | None:
        """None if nobody published it: then nothing is known of its tools and rules."""
        with self._reading:
            if (agent, version) not in self._found:
                self._found[agent, version] = self._read(agent, version)
            return self._found[agent, version]

    def online(self, agent: str, version: str) -> Online:
        found = self.find(agent, version)
        return found.manifest.online if found else Online()

    def _read(self, agent: str, version: str) -> AgentVersion | None:
        if version == UNKNOWN_VERSION:
            return None
        try:
            return registry.load_agent(agent, version, self._stored)
        except NotPublished:
            return None
