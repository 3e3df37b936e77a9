"""The command line as a stranger uses it: a process, its two streams and its exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from driftgate.adapters.local import LocalRegistry
from driftgate.ports import Registry

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile(
    "driftgate", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("driftgate")

# A shell starts what it puts in the background deaf to interrupts, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

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


@dataclass(frozen=True)
class Stored:
    """A registry, and what only somebody with access to its bucket can do to its blobs."""

    registry: Registry
    overwrite: Callable[[str, bytes], object]  # key of a blob, its new content
    remove: Callable[[str], object]


@pytest.fixture
def local_stored(tmp_path):
    root = tmp_path / "registry"

    def overwrite(key: str, data: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)

    return Stored(LocalRegistry(root), overwrite, lambda key: (root / key).unlink())


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path / "home")


@pytest.fixture
def bank(cli):
    """A home in which the teller's dataset is published."""
    assert cli("dataset", "publish", TELLER / "dataset").code == 0
    return cli
