"""Shell completion, in a real bash that has read what --show-completion writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TELLER

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from tests.conftest import Cli

    bank = Cli(tmp_path_factory.mktemp("bank") / "home")
    assert bank("dataset", "publish", TELLER / "dataset").code == 0
    assert bank("agent", "publish", TELLER).code == 0
    run = bank("run", "--agent", "teller@1.0.0", "--limit", "1", "--json").json
    return bank.home, run["run_id"]


def offered(home, *words):
    """What bash offers for the last of these words."""
    typed = " ".join(f"'{word}'" for word in words)
    script = (
        'eval "$(driftgate --show-completion)"\n'
        f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}\n"
        "$(complete -p driftgate | sed 's/.*-F \\([^ ]*\\) .*/\\1/') driftgate\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DRIFTGATE_HOME": str(home)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_names_are_offered_from_the_home_folder(home):
    home, run_id = home
    for words, wanted in [
        (("run", "--ag"), ["--agent"]),
        (("run", "--agent", "tell"), ["teller@1.0.0"]),
        (("run", "--environment", "st"), ["staging"]),
        (("run", "--dataset", "ba"), ["bank@1.0.0"]),
        (("run", "--resume", "r-"), [run_id]),
        (("report", "r-"), [run_id]),
        (("agent", "promote", ""), ["teller@1.0.0"]),
        (("dataset", "show", ""), ["bank@1.0.0"]),
        (("dataset", "show", "x"), []),
    ]:
        assert offered(home, "driftgate", *words) == wanted, words


def test_a_completion_loads_nothing_that_only_a_run_needs(home):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", BIN / "driftgate"],
        env={
            **os.environ,
            "DRIFTGATE_HOME": str(home[0]),
            "_DRIFTGATE_COMPLETE": "complete_bash",
            "COMP_WORDS": "driftgate report r-",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == home[1]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "driftgate.cli.completion" in loaded
    assert not loaded & {"boto3", "httpx2", "jinja2", "mcp", "uvicorn", "local"}
