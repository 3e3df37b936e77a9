"""The command line as a stranger uses it: a process, its two streams and its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile(
    "driftgate", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("driftgate")

ROOT = Path(__file__).parents[1]
TELLER = ROOT / "tests" / "teller"


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """`driftgate` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def command(self, *words: object) -> list[str]:
        driftgate = "from driftgate.cli.main import main; main()"
        return [sys.executable, "-c", driftgate, "--home", str(self.home), *map(str, words)]

    def __call__(self, *words: object, **environment: str) -> Finished:
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200", **environment},
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def files(self) -> set[str]:
        return {p.relative_to(self.home).as_posix() for p in self.home.rglob("*") if p.is_file()}


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path / "home")


@pytest.fixture
def bank(cli):
    """A home in which the teller's dataset is published."""
    assert cli("dataset", "publish", TELLER / "dataset").code == 0
    return cli
