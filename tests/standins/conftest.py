"""The stand-ins, served, over a registry with clerks and a Lambda endpoint with their tools."""

import asyncio
import base64
import json
import os
import shutil
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from driftgate import attempts, registry
from driftgate.adapters import files
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalRegistry
from local.instances import Instance
from local.standins.app import make_app
from mock_tools.attempts import MemoryStore, UnknownSession
from mock_tools.engine import Engine
from mock_tools.interception import intercept
from tests.builders import case
from tests.conftest import TELLER

CLERK = Path(__file__).parent / "clerk"
ACCOUNT, REGION = "123456789012", "eu-central-1"
ARN = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:runtime/clerk"
VERSIONS = ("1.0.0", "2.0.0", "broken")  # what the clerks call themselves
WORLD = {"accounts": {"A1": {"balance": {"value": 12.5, "unit": "EUR"}}}}


def instance(endpoint_url: str) -> Instance:
    """An emulator instance of which there is only this endpoint."""
    return Instance(
        name="standins",
        port=int(endpoint_url.rpartition(":")[2]),
        endpoint_url=endpoint_url,
        region=REGION,
        account=ACCOUNT,
        auth=False,
        started_at="2026-01-01T00:00:00+00:00",
    )


@dataclass(frozen=True)
class Deployed:
    registry: LocalRegistry
    call_tool_function: str = "call-tool"
    intercept_tools_function: str = "intercept-tools"


@dataclass
class LambdaEndpoint:
    """Lambda's Invoke with the mock tools' engine behind it, and what each call carried.

    Functions of other names than CallTool's are the interceptor.
    """

    engine: Engine
    calls: list[dict[str, Any]] = field(default_factory=list)
    intercepted: list[dict[str, Any]] = field(default_factory=list)
    hold: threading.Event | None = None  # an invocation waits for it
    broken: Any = None  # what the interceptor returns instead of its output

    def app(self) -> Starlette:
        path = "/2015-03-31/functions/{name}/invocations"
        return Starlette(routes=[Route(path, self.invoke, methods=["POST"])])

    async def invoke(self, request):
        if request.path_params["name"] == "intercept-tools":
            return await self.intercept(await request.json())
        context = json.loads(base64.b64decode(request.headers["x-amz-client-context"]))
        name, event = request.path_params["name"], await request.json()
        self.calls.append({"function": name, "event": event, "context": context})
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 30)
        custom = context["custom"]
        tool = custom["bedrockAgentCoreToolName"].removeprefix("mock___")
        session = custom["bedrockAgentCorePropagatedHeaders"].get("x-driftgate-session", "")
        if tool == "page":
            return Response(b"<html>")
        if tool == "say":
            return JSONResponse(event["what"])
        try:
            return JSONResponse(self.engine.call(session, tool, event).value)
        except UnknownSession as error:
            raised = {"errorMessage": str(error), "errorType": "UnknownSession", "stackTrace": []}
            return JSONResponse(raised, headers={"x-amz-function-error": "Unhandled"})

    async def intercept(self, event):
        self.intercepted.append(event)
        if self.broken is not None:
            return self.broken
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 30)
        return JSONResponse(intercept(event, self.engine)[0])


@contextmanager
def served(make):
    """Serve what `make` returns for its URL, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(make(url), log_level="critical", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def published(root: Path) -> LocalRegistry:
    """A registry with every version of the clerk: 1.0.0, 2.0.0, and 3.0.0, which does not start."""
    store = LocalRegistry(root / "registry")
    dataset = files.read_dataset(TELLER / "dataset")
    registry.publish_dataset(dataset, store, SystemClock(), author="tests")
    for number, name in enumerate(VERSIONS, start=1):
        folder = root / name
        shutil.copytree(CLERK, folder)
        text = (folder / "agent.yaml").read_text()
        text = text.replace("version: 1.0.0", f"version: {number}.0.0")
        (folder / "agent.yaml").write_text(text.replace("CLERK: 1.0.0", f"CLERK: {name}"))
        registry.publish_agent(*files.read_agent(folder), store)
    return store


@dataclass(frozen=True)
class Standins:
    url: str
    registry: LocalRegistry
    endpoint: LambdaEndpoint
    store: MemoryStore

    def client(self, **config: Any) -> Any:
        """boto3's client of the data plane, with made-up keys."""
        return boto3.client(
            "bedrock-agentcore",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="session")
def standins(tmp_path_factory):
    store = MemoryStore()
    endpoint = LambdaEndpoint(Engine(store))
    deployed = Deployed(published(tmp_path_factory.mktemp("published")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "CLERK_PYTHON", sys.executable)
        with served(lambda _: endpoint.app()) as lambda_url:
            app = partial(make_app, instance(lambda_url), lambda: deployed)
            with served(app) as url:
                yield Standins(url, deployed.registry, endpoint, store)


@pytest.fixture
def attempt(standins):
    """A session for which tools are registered."""
    session_id = f"attempt-{time.monotonic_ns():030}"
    agent = registry.load_agent("clerk", "1.0.0", standins.registry)
    standins.store.open(session_id, attempts.script(agent, case(world=WORLD)))
    return session_id
