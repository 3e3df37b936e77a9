"""Serve a Python function with the AgentCore contract: POST /invocations, GET /ping.

    python -m driftgate.agentkit.serve my_agent:answer --port 8080

The function is called as `answer(payload, context)` with the request's JSON and returns what
becomes the reply's JSON. `context.session_id` is the session, `context.tools` calls its tools.
"""

import argparse
import importlib
import json
import os
import sys
import traceback
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from driftgate.agentkit import tools

SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"


class ToolFailed(Exception):
    """The tool answered with an error; the text is what it said."""


@dataclass(frozen=True)
class Tools:
    """The tools of one session, over MCP."""

    url: str
    session_id: str

    def list(self) -> list[dict[str, Any]]:
        """Name, description and input schema of each tool."""
        tools: list[dict[str, Any]] = self._ask("tools/list", {})["tools"]
        return tools

    def call(self, name: str, **arguments: Any) -> str:
        """Call a tool and return the text it answers. Raises ToolFailed.

        A Gateway lists a tool as target___name; the name alone will do.
        """
        listed = self._listed.get(name, name)
        result = self._ask("tools/call", {"name": listed, "arguments": arguments})
        text = "".join(part.get("text", "") for part in result["content"])
        if result.get("isError") or _is_problem(text):
            raise ToolFailed(text)
        return text

    @cached_property
    def _listed(self) -> dict[str, str]:
        names = [tool["name"] for tool in self.list()]
        return {name.rpartition("___")[2]: name for name in names}

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(  # noqa: S310  the URL is the evaluation's own
            self.url,
            data=json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                "accept": "application/json, text/event-stream",
                **tools.headers(self.session_id),
            },
        )
        with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise ToolFailed(answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result


def _is_problem(text: str) -> bool:
    """A tool behind a Gateway can't flag an error; it answers {"error": ..., "message": ...}."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and value.keys() == {"error", "message"}


@dataclass(frozen=True)
class Context:
    session_id: str
    tools: Tools


def handler(function: Callable[[Any, Context], Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {"status": "Healthy"})

        def do_POST(self) -> None:
            session_id = self.headers.get(SESSION_HEADER, "")
            url = os.environ.get(tools.URL_VARIABLE, "")  # a function may do without tools
            context = Context(session_id, Tools(url, session_id))
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                self._answer(200, function(json.loads(body), context))
            except Exception as error:  # noqa: BLE001  whatever the agent raises is its answer
                traceback.print_exc()
                self._answer(500, {"error": f"{type(error).__name__}: {error}"})

        def _answer(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *values: Any) -> None:
            """No line per request."""

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a Python function as an agent.")
    parser.add_argument("function", help="module:function")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    module, _, name = arguments.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(function)).serve_forever()


if __name__ == "__main__":
    # The module that agents import, not this one: or they could not catch its ToolFailed.
    importlib.import_module("driftgate.agentkit.serve").main()
