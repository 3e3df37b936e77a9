"""A new agent, as somebody meets Driftgate: what init prints is run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from driftgate.cli import init
from tests.conftest import ROOT

BIN = Path(sys.executable).parent  # where the driftgate command is


def shell(script, folder):
    """Run commands as typed; return the exit code and what was to be read."""
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_printed_commands_give_a_baseline_and_block_an_agent_that_breaks(tmp_path):
    code, said = shell("driftgate init shop", tmp_path)
    assert code == 0
    enter, first, *promote, again = re.findall("^  (.+)$", said, re.MULTILINE)
    code, said = shell(f"{enter} && {first}", tmp_path)
    assert (code, "BASELINE_CREATED: " in said) == (0, True), said
    shop = tmp_path / "shop"
    code, said = shell(" && ".join(promote), shop)
    assert (code, "the baseline of shop in laptop is 1.0.0" in said) == (0, True), said

    code, said = shell(again, shop)
    assert (code, "PASS: both arms are the same version" in said) == (0, True), said
    agent, manifest = shop / "agent.py", shop / "agent.yaml"
    assert "/ 100 " in agent.read_text()
    agent.write_text(agent.read_text().replace("/ 100 ", "/ 1 "))
    code, said = shell(again, shop)
    assert (code, "give it a new version" in said) == (2, True), said
    manifest.write_text(manifest.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    code, said = shell(again, shop)
    assert (code, "\nBLOCK: task_success went from 100.0% to 33.3%" in said) == (1, True), said
    assert "total-of-an-order (critical): in the reply to turn 1: wanted 1,249.50 EUR" in said


class TestTheJob:
    """The steps of the workflow that are shell, in a repository with a base and a pull request."""

    @pytest.fixture
    def job(self, tmp_path):
        assert (
            shell("driftgate init .base --name shop && driftgate init . --name shop", tmp_path)[0]
            == 0
        )
        workflow = yaml.safe_load((tmp_path / ".github/workflows/driftgate.yml").read_text())
        steps = {step.get("name"): step for step in workflow["jobs"]["gate"]["steps"]}
        return tmp_path, workflow, steps

    def evaluate(self, folder, steps):
        (folder / "summary.md").unlink(missing_ok=True)
        files = f"export GITHUB_STEP_SUMMARY={folder}/summary.md GITHUB_OUTPUT={folder}/outputs\n"
        code, said = shell(f"{files}set -e\n{steps['Evaluate']['run']}", folder)
        return code, said, (folder / "summary.md").read_text()

    def test_passes_an_equal_agent_and_blocks_a_broken_one(self, job):
        folder, _, steps = job
        code, said, summary = self.evaluate(folder, steps)
        assert (code, summary.startswith("# ✅ PASS")) == (0, True), said
        agent, manifest = folder / "agent.py", folder / "agent.yaml"
        agent.write_text(agent.read_text().replace("/ 100 ", "/ 1 "))
        manifest.write_text(manifest.read_text().replace("version: 1.0.0", "version: 1.1.0"))
        code, said, summary = self.evaluate(folder, steps)
        assert (code, summary.startswith("# ❌ BLOCK")) == (1, True), said

    def test_where_the_base_has_no_agent_yet_it_is_a_first_release(self, job):
        folder, _, steps = job
        (folder / ".base" / "agent.yaml").unlink()
        code, said, summary = self.evaluate(folder, steps)
        assert (code, summary.startswith("# ✅ BASELINE_CREATED")) == (0, True), said

    def test_pins_what_it_uses_and_may_only_read(self, job):
        _, workflow, steps = job
        assert workflow["permissions"] == {"contents": "read"}
        used = [step["uses"] for step in workflow["jobs"]["gate"]["steps"] if "uses" in step]
        assert len(used) == 5
        assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used)
        assert steps["Check out Driftgate"]["with"]["ref"] == "${{ vars.DRIFTGATE_COMMIT }}"
        code, said = shell(steps["Say what is not set"]["run"], ROOT)
        assert (code != 0, "set the variable DRIFTGATE_REPOSITORY" in said) == (True, True)


@pytest.mark.parametrize("there", init.OWN)
def test_what_is_there_is_named_and_nothing_is_written(cli, tmp_path, there):
    folder = tmp_path / "mine"
    (folder / there).parent.mkdir(parents=True)
    (folder / there).write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = cli("init", folder)
    assert (done.code, done.err) == (
        2,
        f"error: {folder / there} is there already; init writes over nothing\n",
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_write_that_fails_leaves_nothing_behind(cli, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / ".github").write_text("a file where a folder should be")
    done = cli("init", folder)
    assert (done.code, "nothing was written" in done.err) == (2, True)
    assert [path.name for path in folder.rglob("*")] == [".github"]


def test_an_ignore_file_that_is_there_stays_as_it_is(cli, tmp_path):
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    done = cli("init", tmp_path, "--json")
    assert (done.code, done.json["agent"]) == (0, re.sub(r"[^a-z0-9]+", "-", tmp_path.name))
    assert f"note: add .driftgate/ and report/ to {tmp_path / '.gitignore'}" in done.err
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n"


def test_a_name_that_can_not_be_one_is_refused(cli, tmp_path):
    done = cli("init", tmp_path / "x", "--name", "My Agent")
    assert (done.code, "--name: wanted small letters" in done.err) == (2, True)
    assert not (tmp_path / "x").exists()


class TestOfAnAgentThatThereIs:
    """What init writes from a server's tools is followed in test_connect_your_agent.py."""

    @pytest.mark.parametrize(
        ("words", "fault"),
        [
            (("http://127.0.0.1:9/mcp",), "http://127.0.0.1:9/mcp: wanted an MCP server's tools"),
            (("http://x", "--header", "secret"), "--header: wanted 'NAME: VALUE', got 'secret'"),
        ],
    )
    def test_what_can_not_be_asked_is_told_and_nothing_is_written(
        self, cli, tmp_path, words, fault
    ):
        done = cli("init", tmp_path / "mine", "--from-mcp", *words)
        assert (done.code, fault in done.err) == (2, True), done.err
        assert not (tmp_path / "mine").exists()
