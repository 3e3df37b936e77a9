"""Sessions on AgentCore, whose data plane is one that answers when it is told to."""

import threading
import time

import pytest

from driftgate import registry
from driftgate.adapters import agentcore
from driftgate.schemas.manifests import Manifest
from tests.builders import manifest

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/teller"


class Silent:
    """A data plane that does not answer before it is let go."""

    def __init__(self):
        self.go = threading.Event()

    def invoke_agent_runtime(self, **words):
        self.go.wait(10)
        raise AssertionError("nobody waits for this any more")


def test_an_agent_that_falls_silent_is_waited_for_no_longer_than_its_case_has_left(monkeypatch):
    """Whatever the client's own timeout is: the turns before have used some of the case's time."""
    silent = Silent()
    monkeypatch.setattr(agentcore, "_client", lambda read_timeout_s: silent)
    target = {"kind": "agentcore", "runtime_arn": ARN, "qualifier": "v1"}
    content = Manifest.model_validate(manifest(target=target))
    agent = registry.seal_agent(content, (), {}, None)
    session = agentcore.AgentCoreAgents("").open(agent, "s" * 33, seed=0)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        session.say("again", timeout_s=0.05)
    assert time.monotonic() - begun < 5
    silent.go.set()
