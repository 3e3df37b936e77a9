"""The mock tools as a wheel: what an agent's container gets."""

import subprocess
import sys
from pathlib import Path

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


def test_it_has_all_of_the_package_and_needs_nothing_else(tmp_path):
    subprocess.run(["/usr/bin/env", "make", "-C", ROOT, "-s", "wheel"], check=True)
    wheels = [str(path) for path in (ROOT / "build" / "wheels").glob("*.whl")]
    command = [sys.executable, "-I", "-S", "-c", ASK, *wheels]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert said == "no attempt is registered for session 'nobody'\n"
