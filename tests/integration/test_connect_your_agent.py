"""docs/connect-your-agent.md, followed by somebody with an agent of each framework."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import venv
import zipfile

import httpx2
import pytest
import typer
import yaml

from driftgate import names
from driftgate.cli.main import app
from driftgate.schemas.manifests import Manifest
from tests.conftest import ROOT
from tests.integration.test_init import shell

SHOP = ROOT / "tests" / "shop"
PAGE = (ROOT / "docs" / "connect-your-agent.md").read_text()
BLOCKS = re.findall(r"^```(\w+ ?\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LOCKED = {"strands": "agent", "langgraph": "langgraph"}  # the environment of each framework
MARK = "=== block"
NOBODY = {
    "AWS_ACCESS_KEY_ID": "",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


def blocks(kind):
    return [text for name, text in BLOCKS if name == kind]


def steps():
    """What is typed, with the lines that are promised of it."""
    found = []
    for name, text in BLOCKS:
        if name == "sh laptop":
            found.append((text, []))
        elif name == "text":
            found[-1][1].extend(text.splitlines())
    return found


def first_verdict():
    """The number of steps up to there."""
    told = ["BASELINE_CREATED" in "".join(promised) for _, promised in steps()]
    return told.index(True) + 1


@pytest.fixture(scope="module")
def gateway():
    """Where the shop's real tools are served."""
    port = free_port()
    served = subprocess.Popen(
        [sys.executable, SHOP / "service.py", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        served.kill()
        served.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """The kit's wheel, built from a copy, as building writes beside the source."""
    folder = tmp_path_factory.mktemp("kit")
    source = shutil.copytree(ROOT / "driftgate" / "agentkit", folder / "agentkit")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    (wheel,) = folder.glob("driftgate_agentkit-*.whl")
    return wheel


@pytest.fixture
def repository(tmp_path, kit):
    def make(framework):
        """What its author has: the code, and an environment with its framework and the kit."""
        folder = shutil.copytree(SHOP / framework, tmp_path / "shop")
        shutil.copy(SHOP / "policy.py", folder)
        venv.create(folder / ".venv", symlinks=True)
        (own,) = folder.glob(".venv/lib/python*/site-packages")
        (locked,) = ROOT.glob(f".venvs/{LOCKED[framework]}/lib/python*/site-packages")
        (own / "framework.pth").write_text(f"{locked}\n")
        zipfile.ZipFile(kit).extractall(own)
        return folder

    return make


@pytest.mark.parametrize(
    ("framework", "number"),
    [("langgraph", None), ("strands", first_verdict())],  # after that nothing knows the framework
)
def test_every_block_says_the_lines_below_it(repository, gateway, framework, number):
    """The cases' orders are none of the real service's: who asked that would find nothing."""
    folder, followed = repository(framework), steps()[:number]
    script = "".join(f"echo '{MARK}'\n{typed}" for typed, _ in followed)
    code, said = shell(f"set -e\nexport GATEWAY_URL={gateway}\n{script}", folder)
    assert code == 0, said
    for (_, promised), told in zip(followed, said.split(f"{MARK}\n")[1:], strict=True):
        for line in promised:
            assert line in told

    traces = [
        json.loads(path.read_text()) for path in folder.glob(".driftgate/runs/*/traces/*/*/*.json")
    ]
    assert {trace["case_id"] for trace in traces} == {
        "total-of-an-order",
        "no-such-order",
        "refund",
    }
    assert {(trace["model"], trace["stop_reason"]) for trace in traces} == {
        ("scripted", "end_turn")
    }
    assert all(trace["usage"]["input_tokens"] > 0 for trace in traces)


def test_a_repeated_request_does_not_run_the_agent_again(repository, gateway):
    """If it did, its memory would have the turn twice, and its model would read more."""
    folder, port = repository("langgraph"), free_port()
    environment = {**os.environ, "GATEWAY_URL": gateway, "PORT": str(port)}
    command = [folder / ".venv" / "bin" / "python", "server.py"]
    agent = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        url = f"http://127.0.0.1:{port}"
        assert httpx2.get(f"{url}/ping").json()["status"] == "Healthy"
        first, again, second = (
            httpx2.post(
                f"{url}/invocations",
                json={"prompt": "What does order O-1001 cost?", "turn": turn},
                headers={names.RUNTIME_SESSION_HEADER: "a-session-of-thirty-three-characters"},
                timeout=60,
            ).json()
            for turn in (1, 1, 2)
        )
    finally:
        agent.kill()
        agent.wait()
    assert first["result"] == second["result"] == "Order O-1001 costs 1249.50 EUR."
    assert again == first
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


@pytest.mark.parametrize("framework", LOCKED)
def test_the_agent_that_is_shown_is_the_one_that_is_run(framework):
    assert blocks(f"python {framework}") == [(SHOP / framework / "server.py").read_text()]


def test_what_is_typed_in_aws_can_be_typed():
    commands = re.findall("^driftgate (.+)$", "".join(blocks("sh aws")), re.MULTILINE)
    assert len(commands) == 7
    for typed in commands:
        command, words = typer.main.get_command(app), shlex.split(typed)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)  # raises if an option is not known


def test_the_target_in_aws_is_one():
    starter = ROOT / "driftgate" / "cli" / "starter" / "server.yaml"
    (target,) = map(yaml.safe_load, blocks("yaml agentcore"))
    manifest = Manifest.model_validate({**yaml.safe_load(starter.read_text()), **target})
    assert manifest.target.qualifier == "v1_0_0"


def test_the_doctor_finds_that_the_agents_spans_can_be_read(cli, repository):
    """Without credentials too: it says nothing of the account then, and ends with 3."""
    python = repository("langgraph") / ".venv" / "bin" / "python"
    done = cli("doctor", "--agent-python", python, "--json", **NOBODY)
    found = {one["name"]: (one["standing"], one["found"]) for one in done.json}
    assert (done.code, found["credentials"][0]) == (3, "problem")
    standing, said = found["framework"]
    assert (standing, said) == ("ok", "opentelemetry-instrumentation-langchain 0.62.4")
    assert found["telemetry distro"][0] == "ok"
