"""Layers filled by pip from a lock, at synth and without Docker."""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, ILocalBundling
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.environments import Environment

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "layers"
# Lambda's Linux has glibc 2.34. pip takes the newest of these that a package has a wheel for.
_MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


class LockedLayer(lambda_.LayerVersion):
    """The packages of locks/layer-<name>.txt: hashed wheels for the environment's functions."""

    def __init__(self, scope: Construct, id: str, *, lock: str, environment: Environment) -> None:
        packages = LockedPackages(ROOT / "locks" / f"layer-{lock}.txt", environment)
        runtime = python_runtime(environment)
        super().__init__(
            scope,
            id,
            code=lambda_.Code.from_asset(
                str(ROOT / "locks"),
                # What goes in decides, so nothing need be installed to know the hash.
                asset_hash_type=AssetHashType.CUSTOM,
                asset_hash=packages.key,
                bundling=BundlingOptions(image=runtime.bundling_image, local=packages),
            ),
            compatible_runtimes=[runtime],
            compatible_architectures=[architecture(environment)],
            description=f"Driftgate: {lock}",
        )


@jsii.implements(ILocalBundling)
class LockedPackages:
    """A folder of installed packages, kept under the hash of all that decides its content."""

    def __init__(self, lock: Path, environment: Environment) -> None:
        self._lock = lock
        self._target = [] if environment.own_wheels else _lambda_target(environment)
        interpreter = self._target or [str(sys.implementation.cache_tag), sysconfig.get_platform()]
        made_from = "\n".join([*interpreter, lock.read_text()])
        self.key = hashlib.sha256(made_from.encode()).hexdigest()

    def try_bundle(self, output_dir: str, *_image: Any, **_options: Any) -> bool:
        kept = CACHE / self.key
        if not kept.exists():
            self._install(kept)
        shutil.copytree(kept, Path(output_dir) / "python", copy_function=shutil.copyfile)
        return True

    def _install(self, kept: Path) -> None:
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            folder = Path(scratch) / "python"
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
            install = ["install", "--no-deps", "--no-compile", "--only-binary=:all:"]
            lock = ["--require-hashes", "--requirement", str(self._lock), "--target", str(folder)]
            subprocess.run([*pip, *install, *self._target, *lock], check=True)  # noqa: S603
            # Commands have this machine's paths in them, and a function runs none.
            shutil.rmtree(folder / "bin", ignore_errors=True)
            if not kept.exists():  # another synth may have been faster
                folder.rename(kept)


def _lambda_target(environment: Environment) -> list[str]:
    """For which interpreter pip is to choose wheels, whatever machine this is."""
    machine = _MACHINE[environment.architecture]
    platforms = [f"--platform={manylinux}_{machine}" for manylinux in _MANYLINUX]
    return [*platforms, f"--python-version={environment.python}", "--implementation=cp"]


def python_runtime(environment: Environment) -> lambda_.Runtime:
    return lambda_.Runtime(f"python{environment.python}", lambda_.RuntimeFamily.PYTHON)


def architecture(environment: Environment) -> lambda_.Architecture:
    if environment.architecture == "arm64":
        return lambda_.Architecture.ARM_64
    return lambda_.Architecture.X86_64
