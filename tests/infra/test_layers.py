"""Layers are filled from locks, for the machine that functions run on."""

import dataclasses
import re
from pathlib import Path

import pytest

from stacks.constructs import layers
from stacks.constructs.layers import LockedPackages
from stacks.environments import ENVIRONMENTS

LOCKS = Path(__file__).parents[2] / "locks"
PROD = ENVIRONMENTS["prod"]


def pins(lock: str) -> dict[str, str]:
    lines = re.findall(r"^([a-z0-9-]+)==(\S+)(.*)$", (LOCKS / f"{lock}.txt").read_text(), re.M)
    return {name: version for name, version, _ in lines}


@pytest.mark.parametrize("lock", ["layer-core", "layer-boto3", "layer-redaction"])
def test_functions_run_the_versions_that_are_tested(lock):
    assert pins(lock).items() <= pins("product").items()


@pytest.mark.parametrize("lock", ["layer-core", "layer-boto3", "layer-redaction"])
def test_a_layer_is_the_same_for_every_interpreter(lock):
    """pip would judge a condition by the Python it runs on, and not by the one it installs for."""
    assert " ; " not in (LOCKS / f"{lock}.txt").read_text()


def test_boto3_is_in_the_layer_of_its_own_alone():
    assert {"boto3", "botocore"} <= pins("layer-boto3").keys()
    assert not {"boto3", "botocore"} & pins("layer-core").keys()


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "layer.txt"
    file.write_text("pydantic==2.14.3\n")
    return file


def test_its_key_changes_with_all_that_decides_its_content(lock):
    key = LockedPackages(lock, PROD).key
    others = [
        dataclasses.replace(PROD, architecture="x86_64"),
        dataclasses.replace(PROD, python="3.12"),
        dataclasses.replace(PROD, own_wheels=True),
    ]
    keys = {key, *(LockedPackages(lock, other).key for other in others)}
    assert len(keys) == 4
    assert LockedPackages(lock, ENVIRONMENTS["staging"]).key == key

    lock.write_text("pydantic==2.14.4\n")
    assert LockedPackages(lock, PROD).key not in keys


def test_what_was_installed_once_is_not_installed_again(lock, tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(layers.subprocess, "run", None)  # pip would be called with it
    packages = LockedPackages(lock, PROD)
    kept = tmp_path / "cache" / packages.key / "pydantic"
    kept.mkdir(parents=True)
    (kept / "__init__.py").write_text("VERSION = 1\n")

    assert packages.try_bundle(str(tmp_path / "out"))
    assert (tmp_path / "out/python/pydantic/__init__.py").read_text() == "VERSION = 1\n"


def test_an_installation_that_fails_leaves_nothing_to_be_taken_for_whole(
    lock, tmp_path, monkeypatch
):
    monkeypatch.setattr(layers, "CACHE", tmp_path / "cache")
    lock.write_text("there-is-no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")

    with pytest.raises(layers.subprocess.CalledProcessError):
        LockedPackages(lock, PROD).try_bundle(str(tmp_path / "out"))
    assert list((tmp_path / "cache").iterdir()) == []
