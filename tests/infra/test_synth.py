"""Synthesis: the same everywhere, without an account, and reviewed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from stacks.environments import ENVIRONMENTS
from stacks.platform import build
from tests.infra.conftest import NO_BUNDLING
from tests.infra.reading import STACKS

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def run(folder: Path, environment: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`python app.py`, with as little of this machine around it as Python and Node can bear."""
    context = json.dumps({**NO_BUNDLING, "environment": environment})
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            "HOME": os.environ.get("HOME", str(folder)),  # where CDK is kept unpacked
            "PATH": "",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": context,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_synth_needs_no_credentials_and_comes_out_the_same(prod, tmp_path):
    done = run(tmp_path, "prod")

    assert done.returncode == 0, done.stderr
    again = files(tmp_path)
    assert len(again) > 10
    assert again == files(prod.folder)


def test_an_environment_that_there_is_not_is_told_with_those_that_there_are(tmp_path):
    done = run(tmp_path, "production")

    assert done.returncode == 1
    assert done.stderr.strip() == (
        "environment must be one of local, dev, staging, prod, got production"
    )


def test_functions_bring_the_code_they_run_and_no_more(prod):
    (source,) = [
        folder for folder in prod.folder.glob("asset.*") if (folder / "driftgate").exists()
    ]
    names = {file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()}

    assert {"driftgate/offline.py", "driftgate/settings.py", "driftgate/py.typed"} <= names
    assert all(name.split("/")[0] in ("driftgate", "lambdas") for name in names)
    left_out = ("cli/", "report/", "agentkit/", "__pycache__/", "mock_tools/")
    assert not [name for name in names if any(part in name for part in left_out)]


def test_the_layer_of_the_mock_tools_has_the_package_and_no_more(prod):
    (layer,) = [folder for folder in prod.folder.glob("asset.*") if (folder / "python").exists()]
    names = {file.relative_to(layer).as_posix() for file in layer.rglob("*") if file.is_file()}

    assert "python/mock_tools/engine.py" in names
    assert all(re.fullmatch(r"python/mock_tools/\w+\.py", name) for name in names)


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_cdk_nag_finds_nothing_that_is_not_accounted_for(environment, tmp_path):
    app = build({**NO_BUNDLING, "environment": environment}, outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    app.synth()


def test_cdk_nag_is_looking(tmp_path):
    app = build({**NO_BUNDLING, "environment": "prod"}, outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Careless"), "Open")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    with pytest.raises(RuntimeError, match="does not require requests to use SSL"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = {
        violation["ruleName"]: {c["constructPath"] for c in violation["violatingConstructs"]}
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
    }
    assert found["AwsSolutions-S10"] == {"Careless/Open/Resource"}


@pytest.mark.parametrize("environment", ["prod", "local"])
def test_cfn_lint_finds_nothing(synthesized, environment):
    templates = sorted(map(str, synthesized(environment).folder.glob("*.template.json")))
    # W3005: CDK writes down that a function needs its role, which their references say already.
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [cfn_lint, "--ignore-checks", "W3005", "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert len(templates) == len(STACKS)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
