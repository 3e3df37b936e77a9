"""More than fifty verdicts come out byte for byte as they were, in a process of its own."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from driftgate import canonical
from tests.conftest import ROOT
from tests.golden.make import FOLDER, INDEX

FILES = sorted(FOLDER.glob("*.jsonl.gz"))
NAMES = [path.name.removesuffix(".jsonl.gz") for path in FILES]


@pytest.fixture(scope="module")
def replayed():
    """Another hash seed and locale than ours: neither may matter."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.replay"],
        env={**os.environ, "PYTHONHASHSEED": "4711", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_verdict_follows_from_its_bundle(replayed, name):
    told = "\n".join(replayed[name][:20])
    assert not replayed[name], f"CONTRIBUTING.md says when `make golden` is allowed.\n{told}"


def test_there_are_fifty_of_every_outcome():
    outcomes = Counter(entry["outcome"] for entry in json.loads(INDEX.read_text()).values())
    assert outcomes.total() == len(NAMES) >= 50
    assert outcomes.keys() == {
        *("PASS", "PASS_AT_MAX", "BLOCK", "INCONCLUSIVE", "INTEGRITY_FAIL", "BASELINE_CREATED"),
    }
    assert min(outcomes.values()) >= 2


def test_the_index_tells_what_the_files_hold():
    """It is what people read in a review, so it must not lag behind."""
    index = json.loads(INDEX.read_text())
    assert list(index) == NAMES
    for name, path in zip(NAMES, FILES, strict=True):
        inputs, verdict = gzip.decompress(path.read_bytes()).splitlines()
        told = json.loads(verdict)
        assert index[name] == {
            **{field: told[field] for field in ("outcome", "effective", "trials", "reason")},
            "verdict_sha256": canonical.sha256(verdict),
            "bundle_sha256": canonical.sha256(inputs),
        }


def test_they_take_less_than_a_megabyte():
    assert sum(path.stat().st_size for path in (*FILES, INDEX)) < 1_000_000
