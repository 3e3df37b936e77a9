"""The example pipeline, in an environment that wants one."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from cdk_nag import AwsSolutionsChecks

from stacks.constructs.quality_gate_stage import QualityGateStage
from stacks.environments import ENVIRONMENTS, AgentPipeline
from stacks.platform import build
from tests.infra.conftest import NO_BUNDLING
from tests.infra.reading import Synthesized, flat, listed

AGENT = AgentPipeline(
    connection_arn="arn:aws:codeconnections:us-east-1:123456789012:connection/11111111-2222",
    repository="owner/name",
    agent="support",
    manifest="agents/support/versions/1.0.0.yaml",
    test_command="make check synth",
    deploy_command="./deploy.sh",
    deploy_actions=("bedrock-agentcore:UpdateAgentRuntimeEndpoint",),
    deploy_resources=("arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/support",),
)


@pytest.fixture(scope="module")
def staging(tmp_path_factory):
    """The staging environment with a pipeline, accepted by cdk-nag."""
    folder = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        wanted = dataclasses.replace(ENVIRONMENTS["staging"], pipeline=AGENT)
        patch.setitem(ENVIRONMENTS, "staging", wanted)
        app = build({**NO_BUNDLING, "environment": "staging"}, outdir=str(folder))
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        app.synth()
    return Synthesized(folder, "staging")


@pytest.fixture(scope="module")
def stages(staging):
    """Name of a stage -> its actions, in the order in which they run."""
    (pipeline,) = staging.resources("Pipeline", "AWS::CodePipeline::Pipeline").values()
    assert pipeline["Properties"]["PipelineType"] == "V2"
    return {
        stage["Name"]: sorted(stage["Actions"], key=lambda action: action["RunOrder"])
        for stage in pipeline["Properties"]["Stages"]
    }


def variables(action):
    pairs = json.loads(action["Configuration"]["EnvironmentVariables"])
    return {pair["name"]: pair["value"] for pair in pairs}


def rights(staging, name):
    """(action, resource) that a build project's role has, but for logs and artifacts."""
    found = set()
    for policy in staging.resources("Pipeline", "AWS::IAM::Policy").values():
        if any(flat(role).startswith(f"{name}Role") for role in policy["Properties"]["Roles"]):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                for action in listed(statement["Action"]):
                    found |= {(action, flat(r)) for r in listed(statement["Resource"])}
    return {(a, r) for a, r in found if a.split(":")[0] in ("dynamodb", "s3", "bedrock-agentcore")
            and not r.startswith("Artifacts")}  # fmt: skip


def test_no_environment_has_a_pipeline_before_somebody_asks_for_one():
    assert not [name for name, environment in ENVIRONMENTS.items() if environment.pipeline]


def test_nothing_reaches_production_but_through_the_gate_and_a_person(stages):
    assert list(stages) == ["Source", "Test", "Publish", "QualityGate", "Approve", "Production"]
    assert [action["Name"] for action in stages["QualityGate"]] == ["Evaluate", "Decide"]
    assert [action["Name"] for action in stages["Production"]] == ["Deploy", "PromoteBaseline"]
    assert stages["QualityGate"][0]["RunOrder"] < stages["QualityGate"][1]["RunOrder"]
    assert stages["Production"][0]["RunOrder"] < stages["Production"][1]["RunOrder"]
    (approve,) = stages["Approve"]
    assert approve["ActionTypeId"]["Category"] == "Approval"


def test_the_gate_evaluates_what_was_published_and_asks_for_the_verdict_of_its_own_execution(
    stages,
):
    evaluate, decide = (action["Configuration"] for action in stages["QualityGate"])
    (publish,) = stages["Publish"]
    published = f"#{{{publish['Namespace']}."
    assert json.loads(evaluate["Input"]) == {
        "agent": "support", "version": f"{published}VERSION}}", "environment": "staging",
        "suite": "regression",
    }  # fmt: skip
    own = f"#{{{stages['QualityGate'][0]['Namespace']}.ExecutionArn}}"
    assert json.loads(decide["UserParameters"]) == {
        "execution": own, "agent": "support",
        "version": f"{published}VERSION}}", "digest": f"{published}DIGEST}}",
        "suite": "regression",
    }  # fmt: skip
    assert len(decide["UserParameters"]) < 1000  # more is no value of an action's configuration


def test_production_deploys_and_promotes_what_the_verdict_names_and_nothing_else(stages, staging):
    decided = stages["QualityGate"][1]["Namespace"]
    wanted = {"VERSION": f"#{{{decided}.Version}}", "DIGEST": f"#{{{decided}.Digest}}"}
    assert [variables(action) for action in stages["Production"]] == [wanted, wanted]
    judged = '"$AGENT@$VERSION" --digest "$DIGEST" --environment staging'
    assert any(f"agent show {judged}" in command for command in commands(staging, "Deploy"))
    assert any(f"promote {judged}" in command for command in commands(staging, "PromoteBaseline"))


def commands(staging, name):
    (spec,) = [
        json.loads(project["Properties"]["Source"]["BuildSpec"])
        for id, project in staging.resources("Pipeline", "AWS::CodeBuild::Project").items()
        if id.startswith(name)
    ]
    build = spec["phases"]["build"]
    assert (build["on-failure"], build["commands"][0]) == ("ABORT", "set -euo pipefail")
    return build["commands"]


def test_each_build_may_write_what_is_its_own(staging):
    read = {("dynamodb:GetItem", "Registry4DB9CCA5"), ("dynamodb:Query", "Registry4DB9CCA5")}
    put_row = ("dynamodb:PutItem", "Registry4DB9CCA5")
    assert rights(staging, "Test") == set()
    assert rights(staging, "Publish") == {
        *read, put_row, ("s3:PutObject", "Records091F6ECA/agents/*")
    }  # fmt: skip
    assert rights(staging, "Deploy") == {
        *read, (AGENT.deploy_actions[0], AGENT.deploy_resources[0])
    }  # fmt: skip
    assert rights(staging, "PromoteBaseline") == {*read, put_row}
    keys = [
        statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
        for policy in staging.resources("Pipeline", "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "dynamodb:PutItem" in listed(statement["Action"])
    ]
    assert sorted(keys) == [["agent"], ["baseline"]]


def test_no_policy_of_the_pipeline_names_actions_with_a_wildcard(staging):
    for id, policy in staging.resources("Pipeline", "AWS::IAM::Policy").items():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert not [a for a in listed(statement["Action"]) if "*" in a], id


def test_services_act_for_things_of_this_account_alone(staging):
    for id, role in staging.resources("Pipeline", "AWS::IAM::Role").items():
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            if "Service" in statement["Principal"]:
                assert "aws:SourceAccount" in statement["Condition"]["StringEquals"], id


def test_the_stage_imports_what_the_environment_exports(staging):
    template = staging.folder / "Driftgate-staging-Evaluation.template.json"
    outputs = json.loads(template.read_text())["Outputs"].values()
    exported = {output["Export"]["Name"] for output in outputs if "Export" in output}
    imported = (staging.folder / "Driftgate-staging-Pipeline.template.json").read_text()
    for name in ("OfflineEvalArn", "AnswerPipelineArn"):
        full = f"Driftgate-staging-Evaluation-{name}"
        assert full in exported
        assert full in imported


def test_the_example_of_the_docs_is_a_stage():
    text = (Path(__file__).parents[2] / "docs" / "pipeline.md").read_text()
    example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    stack = cdk.Stack(cdk.App(), "Team")
    pipeline = codepipeline.Pipeline(stack, "Pipeline")
    publish = actions.CodeBuildAction(
        action_name="Publish",
        input=codepipeline.Artifact("Source"),
        project=codebuild.PipelineProject(stack, "Publish"),
    )
    names = {"self": stack, "pipeline": pipeline, "publish": publish}
    exec(example, {**names, "QualityGateStage": QualityGateStage})  # noqa: S102  it is ours
    assert len(example.splitlines()) <= 10
    assert [stage.stage_name for stage in pipeline.stages] == ["QualityGate"]


def test_cfn_lint_finds_nothing(staging):
    template = staging.folder / "Driftgate-staging-Pipeline.template.json"
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [cfn_lint, "--ignore-checks", "W3005", "--", str(template)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
