"""The command that serves the stand-ins: what it needs when, and that no agent outlives it."""

import json
import os
import signal
import subprocess
import sys

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import ROOT
from tests.standins.conftest import ARN, REGION, free_port, instance, published, wait_until

# What is deployed, to the stand-ins: a registry in a directory, as soon as there is one.
SERVE = """
import os, types
from pathlib import Path
from driftgate.adapters import deployment
from driftgate.adapters.local import LocalRegistry
from local.standins import serve

def find(environment, clients):
    if not Path(os.environ["REGISTRY"]).exists():
        raise LookupError(f"nothing is deployed in {environment} yet")
    Path(os.environ["REGISTRY"], "found").touch(exist_ok=False)  # who asks twice is refused
    registry = LocalRegistry(Path(os.environ["REGISTRY"]))
    return types.SimpleNamespace(
        registry=registry,
        call_tool_function="call-tool",
        intercept_tools_function="intercept-tools",
    )

deployment.find = find
serve.main()
"""


@pytest.fixture
def command(tmp_path):
    """The command as a process, and its URL."""
    file, port = tmp_path / "instance.json", free_port()
    file.write_text(instance("http://127.0.0.1:9").model_dump_json())
    environment = {"REGISTRY": str(tmp_path / "registry"), "CLERK_PYTHON": sys.executable}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "--instance", str(file), "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield process, f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def healthy(url):
    try:
        return httpx2.get(f"{url}/standin/health").status_code == 200
    except httpx2.HTTPError:
        return False


def tell(url):
    client = boto3.client(
        "bedrock-agentcore",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    response = client.invoke_agent_runtime(
        agentRuntimeArn=ARN, qualifier="v1_0_0", payload=b'{"do": "tell"}'
    )
    return json.load(response["response"])


def test_it_serves_before_anything_is_deployed_and_finds_it_once_it_is(command, tmp_path):
    _, url = command
    wait_until(lambda: healthy(url))
    with pytest.raises(ClientError, match="nothing is deployed in local yet") as caught:
        tell(url)
    assert caught.value.response["Error"]["Code"] == "InternalServerException"

    published(tmp_path)
    assert tell(url)["version"] == "1.0.0"
    assert tell(url)["version"] == "1.0.0"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_no_agent_outlives_it(command, tmp_path, end):
    process, url = command
    published(tmp_path)
    wait_until(lambda: healthy(url))
    agent = tell(url)["pid"]
    assert runs(agent)

    os.killpg(process.pid, end)  # as `driftgate local stop` does
    process.wait(30)
    wait_until(lambda: not runs(agent))


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
