"""One attempt at a trial in a process of its own, as RunCase makes it, to be killed."""

import sys
import uuid
from pathlib import Path

from driftgate import offline
from driftgate.adapters.agentcore import AgentCoreAgents
from driftgate.adapters.local import LocalArtifacts, LocalRegistry, SystemClock
from driftgate.schemas.runs import RunCaseRequest


class NoTools:
    """Tools that nobody calls."""

    def register(self, session_id, agent, case):
        pass

    def calls(self, session_id, after):
        return []


def attempt(runs: Path, sandbox: str, request: str) -> None:
    offline.run_case(
        RunCaseRequest.model_validate_json(request),
        LocalArtifacts(runs),
        LocalRegistry(runs / "registry"),
        AgentCoreAgents(sandbox),
        NoTools(),
        SystemClock(),
        lambda: uuid.uuid4().hex,
    )


if __name__ == "__main__":
    attempt(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
