"""The mock tools and the kit as wheels: what an agent's container gets."""

import subprocess
import sys
import zipfile
from pathlib import Path

from driftgate import __version__

ROOT = Path(__file__).parents[2]
ASK = """
import sys
sys.path[:0] = sys.argv[1:]
from mock_tools.attempts import MemoryStore, UnknownSession
from mock_tools.engine import Engine
try:
    Engine(MemoryStore()).call("nobody", "pay", {})
except UnknownSession as error:
    print(error)
"""
USE = """
import sys
sys.path[:0] = sys.argv[1:]
from driftgate.agentkit import repeats, replies, serve, tools
print(tools.headers("s-1"))
"""


def say(script, folder):
    """What a Python prints that has the wheels, and nothing else."""
    for wheel in (ROOT / "build" / "wheels").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    command = [sys.executable, "-I", "-S", "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout


def test_they_have_all_of_their_packages_and_need_nothing_else(tmp_path):
    subprocess.run(["/usr/bin/env", "make", "-C", ROOT, "-s", "wheel"], check=True)
    assert say(ASK, tmp_path) == "no attempt is registered for session 'nobody'\n"
    assert say(USE, tmp_path) == "{'x-driftgate-session': 's-1'}\n"
    assert (
        ROOT / "build" / "wheels" / f"driftgate_agentkit-{__version__}-py3-none-any.whl"
    ).exists()
