"""What goes over HTTP, against real servers: agents that misbehave, and the mock tools."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from driftgate import registry
from driftgate.adapters.http_agents import HttpAgents
from driftgate.adapters.mcp_server import LocalTools
from driftgate.agentkit.repeats import Repeats
from driftgate.agentkit.serve import SESSION_HEADER, handler
from driftgate.errors import AgentUnavailable
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import Manifest
from tests.builders import case, contract, manifest

BODY = json.dumps({"answer": "yes"}).encode()


class Answers(BaseHTTPRequestHandler):
    """Answers 200 with the body, unless a subclass knows better."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer()

    def answer(self, status=200):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *values):
        pass


class Drips(Answers):
    """Sends a space now and then for two seconds, so that it is never silent, and then the body."""

    def answer(self):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(40):
                self.wfile.write(b" ")
                time.sleep(0.05)
            self.wfile.write(BODY)
        except OSError:
            pass  # nobody listens any more


class Overloaded(Answers):
    """Its error page happens to have the form of an answer."""

    def answer(self):
        super().answer(503)


@contextmanager
def session(answers, **changes):
    """A session with an agent that answers so, of a manifest with these changes."""
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), answers) as server,
        HttpAgents("http://127.0.0.1:1", lambda agent: b"", Path()) as agents,
    ):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        content = Manifest.model_validate(manifest(target={"kind": "http", "url": url}, **changes))
        yield agents.open(registry.seal_agent(content, (), {}, None), "s", seed=0)
        server.shutdown()


class TestAgents:
    def test_an_answer_is_read(self):
        with session(Answers) as agent:
            assert agent.say("well?", timeout_s=5).text == "yes"

    def test_an_agent_runs_once_for_a_repeated_request_and_again_for_a_turn_that_says_the_same(
        self,
    ):
        repeats, asked = Repeats(), []

        def answer(payload, context):
            run = lambda: asked.append(payload) or {"answer": f"run {len(asked)}"}  # noqa: E731
            return repeats.answer(context.session_id, payload, run)

        request = {"prompt": "{{turn}}", "turn": "{{turn_number}}"}
        invocation = {"request": request, "response": {"final_response": "/answer"}}
        with session(handler(answer), invocation=invocation) as agent:
            assert [agent.say("yes", timeout_s=5).text for _ in range(2)] == ["run 1", "run 2"]
            again = httpx2.post(agent._url, json=asked[0], headers={SESSION_HEADER: "s"})
        assert (again.json(), len(asked)) == ({"answer": "run 1"}, 2)

    def test_an_agent_that_is_never_silent_has_no_more_time_than_others(self):
        with session(Drips) as agent, pytest.raises(TimeoutError):
            agent.say("well?", timeout_s=0.2)

    def test_an_answer_with_another_status_is_none(self):
        with session(Overloaded) as agent, pytest.raises(AgentUnavailable, match="HTTP 503: "):
            agent.say("well?", timeout_s=5)


@pytest.fixture(scope="module")
def server():
    with LocalTools() as tools:
        yield tools


class TestTools:
    @pytest.fixture
    def tools(self, server):
        """The tool `t` for the session "a b", slow at its first call."""
        content = Manifest.model_validate(manifest())
        tool = ToolContract.model_validate(contract("t"))
        slow = {"tool": "t", "answers": [{"latency_ms": 300}]}
        agent = registry.seal_agent(content, [tool], {}, None)
        server.register("a b", agent, case(mocks=[slow]))
        return server

    def ask(self, tools, **headers):
        params = {"name": "t", "arguments": {}}
        answer = httpx2.post(
            tools.url,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            headers={"accept": "application/json, text/event-stream", **headers},
        )
        return answer.json()

    def test_a_slow_tool_lets_the_agent_wait(self, tools):
        started = time.monotonic()
        assert self.ask(tools, **{"x-driftgate-session": "a b"})["result"]
        assert time.monotonic() - started >= 0.3

    @pytest.mark.parametrize(
        "baggage", ["session.id=a%20b", "user=u1, session.id=a%20b;propagate, other=x"]
    )
    def test_the_session_may_stand_in_the_w3c_baggage(self, tools, baggage):
        assert self.ask(tools, baggage=baggage)["result"]
        assert [call.tool for call in tools.calls("a b", after=0)] == ["t"]

    @pytest.mark.parametrize("headers", [{}, {"baggage": "session.id=other"}])
    def test_a_call_of_no_session_is_refused_and_counted(self, tools, headers):
        before = tools.refused
        said = self.ask(tools, **headers)["error"]["message"]
        assert "send the session id in x-driftgate-session" in said
        assert tools.refused == before + 1
