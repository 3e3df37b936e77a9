"""The evaluation sandbox, in an environment that wants one for the sample agent."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from driftgate import names
from driftgate.adapters import files
from stacks.environments import ENVIRONMENTS, CodeInS3, SandboxAgent
from stacks.platform import build
from tests.infra.conftest import NO_BUNDLING
from tests.infra.reading import Synthesized, flat, listed

MANIFEST = "agents/support/versions/1.0.0.yaml"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/accounts"
HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/bank/support:1.0.0"
REPOSITORY = "eu-central-1:123456789012:repository/bank/support"
SUPPORT = SandboxAgent(
    agent="support",
    manifest=MANIFEST,
    artifact=IMAGE,
    models=("global.anthropic.claude-sonnet-4-6",),
    forbidden=(TABLE,),
    request_headers=(HEADER,),
)
DESK = SandboxAgent(
    agent="front-desk",
    manifest=MANIFEST,
    artifact=CodeInS3(bucket="code", prefix="desk/1.zip", entry_point=("desk.py",)),
    interceptor=False,
)


@pytest.fixture(scope="module")
def staging(tmp_path_factory):
    """The staging environment with two sandboxes, accepted by cdk-nag."""
    folder = tmp_path_factory.mktemp("sandbox")
    with pytest.MonkeyPatch.context() as patch:
        wanted = dataclasses.replace(ENVIRONMENTS["staging"], sandbox_agents=(SUPPORT, DESK))
        patch.setitem(ENVIRONMENTS, "staging", wanted)
        app = build({**NO_BUNDLING, "environment": "staging"}, outdir=str(folder))
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        app.synth()
    return Synthesized(folder, "staging")


def properties(staging, kind, agent="Support"):
    """Those of an agent's one resource of a kind."""
    found = staging.resources("Sandbox", f"AWS::BedrockAgentCore::{kind}").items()
    (only,) = (r["Properties"] for id, r in found if id.startswith(agent))
    return only


def statements(staging, role, agent="Support"):
    """Those of the policies of an agent's role."""
    return [
        statement
        for id, policy in staging.resources("Sandbox", "AWS::IAM::Policy").items()
        if id.startswith(f"{agent}{role}")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def rights(staging, role, effect, agent="Support"):
    return {
        (action, flat(resource))
        for statement in statements(staging, role, agent)
        if statement["Effect"] == effect
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_an_environment_without_sandbox_agents_has_no_stack_for_them(prod):
    assert not list(prod.folder.glob("*Sandbox*"))


def test_a_name_that_is_too_long_for_the_service_is_told_at_synth(monkeypatch, tmp_path):
    long = dataclasses.replace(DESK, agent="a" * 31)
    wanted = dataclasses.replace(ENVIRONMENTS["staging"], sandbox_agents=(long,))
    monkeypatch.setitem(ENVIRONMENTS, "staging", wanted)

    with pytest.raises(ValueError, match="wanted at most 48 characters, got 49"):
        build({**NO_BUNDLING, "environment": "staging"}, outdir=str(tmp_path))


def test_cfn_lint_finds_nothing(staging):
    template = staging.folder / "Driftgate-staging-Sandbox.template.json"
    command = [Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", "W3005", "--"]
    done = subprocess.run(
        [*command, str(template)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_runtime_may_not_touch_production_nor_any_memory(staging):
    denied = rights(staging, "RuntimeRole", "Deny")

    assert denied == {
        *(("*", f"{TABLE}{rest}") for rest in ("", "/*", ":*")),
        ("bedrock-agentcore:*", "arn:AWS::Partition:bedrock-agentcore:*:*:memory/*"),
    }
    assert all(
        "Condition" not in statement
        for statement in statements(staging, "RuntimeRole")
        if statement["Effect"] == "Deny"
    )
    assert rights(staging, "RuntimeRole", "Deny", "FrontDesk") == {
        ("bedrock-agentcore:*", "arn:AWS::Partition:bedrock-agentcore:*:*:memory/*")
    }


def test_a_runtime_may_call_its_gateway_and_its_models_be_started_and_tell(staging):
    group = "AWS::AccountId:log-group:/aws/bedrock-agentcore/runtimes/driftgate_staging_support-*"
    allowed = rights(staging, "RuntimeRole", "Allow")
    model = "anthropic.claude-sonnet-4-6"
    assert allowed == {
        ("bedrock-agentcore:InvokeGateway", _id(staging, "Gateway")),
        *(
            (f"bedrock:{action}", f"arn:AWS::Partition:bedrock:{where}")
            for action in ("InvokeModel", "InvokeModelWithResponseStream")
            for where in (
                f"AWS::Region:AWS::AccountId:inference-profile/global.{model}",
                f"*::foundation-model/{model}",
            )
        ),
        *(
            (f"logs:{action}", f"arn:AWS::Partition:logs:AWS::Region:{group}")
            for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams")
        ),
        ("logs:PutLogEvents", f"arn:AWS::Partition:logs:AWS::Region:{group}"),
        *(("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")),
        ("ecr:GetAuthorizationToken", "*"),
        *(
            (
                f"ecr:{action}",
                "arn:AWS::Partition:ecr:eu-central-1:123456789012:repository/bank/support",
            )
            for action in ("BatchGetImage", "GetDownloadUrlForLayer")
        ),
    }


def test_a_gateway_may_invoke_the_two_mocks_and_nothing_else(staging):
    for agent in ("Support", "FrontDesk"):
        allowed = rights(staging, "GatewayRole", "Allow", agent)
        assert {action for action, _ in allowed} == {"lambda:InvokeFunction"}
        assert sorted(r.rpartition("Functions")[2][:8] for _, r in allowed) == [
            "CallTool",
            "Intercep",
        ]


def test_the_service_takes_a_role_for_things_of_this_account_and_of_its_kind_alone(staging):
    roles = staging.resources("Sandbox", "AWS::IAM::Role")
    kinds = {}
    for id, role in roles.items():
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        condition = statement["Condition"]
        assert flat(condition["StringEquals"]["aws:SourceAccount"]) == "AWS::AccountId"
        kinds[id] = flat(condition["ArnLike"]["aws:SourceArn"]).rpartition(":")[2]
    assert {id.partition("Role")[0]: kind for id, kind in kinds.items()} == {
        "SupportGateway": "gateway/*",
        "SupportRuntime": "runtime/*",
        "FrontDeskGateway": "gateway/*",
        "FrontDeskRuntime": "runtime/*",
    }


@pytest.mark.parametrize("agent", ["Support", "FrontDesk"])
def test_a_forgotten_session_ends_after_a_minute_and_any_after_a_quarter_of_an_hour(staging, agent):
    assert properties(staging, "Runtime", agent)["LifecycleConfiguration"] == {
        "IdleRuntimeSessionTimeout": 60,
        "MaxLifetime": 900,
    }


def test_an_agent_is_told_where_its_tools_are_and_that_it_is_evaluated(staging):
    runtime = properties(staging, "Runtime")
    variables = {key: flat(value) for key, value in runtime["EnvironmentVariables"].items()}

    gateway = _id(staging, "Gateway")
    assert variables == {
        "GATEWAY_URL": gateway,
        names.TOOLS_URL_VARIABLE: gateway,
        names.EVALUATION_VARIABLE: "1",
    }
    assert runtime["RequestHeaderConfiguration"] == {"RequestHeaderAllowlist": [HEADER]}
    assert "RequestHeaderConfiguration" not in properties(staging, "Runtime", "FrontDesk")


def test_an_image_or_code_is_what_a_runtime_starts_with(staging):
    assert properties(staging, "Runtime")["AgentRuntimeArtifact"] == {
        "ContainerConfiguration": {"ContainerUri": IMAGE}
    }
    assert properties(staging, "Runtime", "FrontDesk")["AgentRuntimeArtifact"] == {
        "CodeConfiguration": {
            "Code": {"S3": {"Bucket": "code", "Prefix": "desk/1.zip"}},
            "EntryPoint": ["desk.py"],
            "Runtime": "PYTHON_3_13",
        }
    }


def test_a_gateways_interceptor_gets_the_headers_and_who_asks_must_sign(staging):
    gateway = properties(staging, "Gateway")

    assert (gateway["ProtocolType"], gateway["AuthorizerType"]) == ("MCP", "AWS_IAM")
    (interceptor,) = gateway["InterceptorConfigurations"]
    assert interceptor["InterceptionPoints"] == ["REQUEST"]
    assert interceptor["InputConfiguration"] == {"PassRequestHeaders": True}
    assert "InterceptTools" in json.dumps(interceptor["Interceptor"])
    assert "InterceptorConfigurations" not in properties(staging, "Gateway", "FrontDesk")


def test_a_target_has_the_tools_of_the_manifests_contracts(staging):
    target = properties(staging, "GatewayTarget")
    version, _ = files.read_agent(Path(MANIFEST))
    function = target["TargetConfiguration"]["Mcp"]["Lambda"]
    tools = {tool["Name"]: tool for tool in function["ToolSchema"]["InlinePayload"]}

    assert target["Name"] == "mock"
    assert target["MetadataConfiguration"] == {
        "AllowedRequestHeaders": ["x-driftgate-session", "baggage"]
    }
    assert "CallTool" in json.dumps(function["LambdaArn"])
    assert tools.keys() == {contract.tool for contract in version.contracts}
    for contract in version.contracts:
        schema = tools[contract.tool]["InputSchema"]
        assert set(schema.get("Properties", {})) == set(contract.input_schema["properties"])
        assert set(schema.get("Required", [])) == set(contract.input_schema.get("required", []))


def _id(staging, kind):
    """The logical id of the support agent's resource of a kind."""
    found = staging.resources("Sandbox", f"AWS::BedrockAgentCore::{kind}")
    (only,) = (id for id in found if id.startswith("Support"))
    return only
