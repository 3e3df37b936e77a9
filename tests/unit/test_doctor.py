"""The doctor, on clients whose answers botocore holds against the services' models."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from driftgate.adapters.doctor import ACTIONS, Agent, Doctor

AGENT = Agent("support-a1B2c3D4e5", "production")
OWN = "/aws/bedrock-agentcore/runtimes/support-a1B2c3D4e5-production"
ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/support-a1B2c3D4e5"
WHEN = "2026-11-20T00:00:00Z"
ROLE = "arn:aws:iam::123456789012:role/ci"


def runtime(idle=60):
    return {
        "agentRuntimeArn": ARN,
        "agentRuntimeName": "support",
        "agentRuntimeId": AGENT.runtime_id,
        "agentRuntimeVersion": "3",
        "createdAt": WHEN,
        "lastUpdatedAt": WHEN,
        "roleArn": ROLE,
        "networkConfiguration": {"networkMode": "PUBLIC"},
        "status": "READY",
        "lifecycleConfiguration": {"idleRuntimeSessionTimeout": idle, "maxLifetime": 900},
    }


def endpoint(status="READY"):
    return {
        "liveVersion": "3",
        "agentRuntimeEndpointArn": f"{ARN}/runtime-endpoint/production",
        "agentRuntimeArn": ARN,
        "status": status,
        "createdAt": WHEN,
        "lastUpdatedAt": WHEN,
        "name": "production",
        "id": "production",
    }


def allowed(*denied):
    results = [
        {"EvalActionName": a, "EvalDecision": "implicitDeny" if a in denied else "allowed"}
        for a in ACTIONS["batch"]
    ]
    return {"EvaluationResults": results}


def sessions(rate=25.0, active=2500.0):
    """AgentCore's quotas; None is one that is not listed."""
    told = {
        "Rate of new Runtime session creation": rate,
        "Active Session Workloads per Account": active,
        "Total Agents per Account": 1000.0,
    }
    return {"Quotas": [{"QuotaName": n, "Value": v} for n, v in told.items() if v is not None]}


def account(**changes):
    """What a healthy account answers, in order, by service and operation; or what is changed."""
    answers = {
        "sts get_caller_identity": [{"Arn": "arn:aws:sts::123456789012:assumed-role/ci/me"}],
        "iam simulate_principal_policy": [allowed()],
        "lambda get_account_settings": [{"AccountLimit": {"ConcurrentExecutions": 1000}}],
        "service-quotas list_service_quotas": [sessions()],
        "bedrock-agentcore-control get_agent_runtime": [runtime()],
        "bedrock-agentcore-control get_agent_runtime_endpoint": [endpoint()],
        "xray get_trace_segment_destination": [
            {"Destination": "CloudWatchLogs", "Status": "ACTIVE"}
        ],
        "logs describe_log_groups": [
            {"logGroups": [{"logGroupName": OWN}]},
            {"logGroups": [{"logGroupName": "aws/spans"}]},
        ],
        "logs filter_log_events": [{"events": []}, {"events": [{"message": "a span"}]}],
    }
    return {**answers, **changes}


def examine(answers, purpose="batch", region="us-east-1", agent_python=None):
    clients = {}
    with ExitStack() as stack:
        for name, given in answers.items():
            service, operation = name.split()
            if service not in clients:
                keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
                client = boto3.client(service, region_name="us-east-1", **keys)
                clients[service] = client, stack.enter_context(Stubber(client))
            for answer in given:
                if isinstance(answer, str):
                    clients[service][1].add_client_error(operation, answer, "no")
                else:
                    clients[service][1].add_response(operation, answer)
        doctor = Doctor(lambda service: clients[service][0], region)
        return {f.name: f for f in doctor.examine(purpose, AGENT, agent_python, hours=24)}


def problems(found):
    return {name for name, finding in found.items() if finding.standing == "problem"}


def test_a_healthy_account_has_no_problem_and_no_fix_but_of_what_is_no_problem():
    found = examine(account())
    assert problems(found) == set()
    assert all(bool(f.fix) == (f.standing != "ok") for f in found.values())
    assert {"Python", "boto3", "credentials", "runtime", "log groups", "Transaction Search"} < set(
        found
    )


def test_five_planted_problems_are_named_with_their_fixes():
    found = examine(
        account(
            **{
                "iam simulate_principal_policy": [allowed("logs:StartQuery")],
                "bedrock-agentcore-control get_agent_runtime_endpoint": [endpoint("CREATE_FAILED")],
                "xray get_trace_segment_destination": [{"Destination": "XRay", "Status": "ACTIVE"}],
                "logs describe_log_groups": [
                    {"logGroups": [{"logGroupName": f"{OWN}-other"}]},
                    {"logGroups": [{"logGroupName": "aws/spans"}]},
                ],
                "logs filter_log_events": [{"events": []}],
            }
        )
    )
    wanted = {
        "permission logs:StartQuery": f"allow logs:StartQuery to {ROLE}",
        "runtime": "READY",
        "Transaction Search": "update-trace-segment-destination --destination CloudWatchLogs",
        "log groups": "observability on",
        "sessions with telemetry": "invoke the agent",
    }
    assert problems(found) == set(wanted)
    for name, fix in wanted.items():
        assert fix in found[name].fix
    assert OWN in found["log groups"].found


def test_without_credentials_or_a_region_nothing_else_is_asked():
    class NoSts:
        def get_caller_identity(self):
            raise NoCredentialsError

    doctor = Doctor({"sts": NoSts()}.__getitem__, region=None)
    found = {f.name: f for f in doctor.examine("online", AGENT, None, hours=1)}
    assert problems(found) == {"region", "credentials"}
    assert list(found)[-1] == "credentials"


@pytest.mark.parametrize(
    "name",
    ["iam simulate_principal_policy", "lambda get_account_settings"]
    + ["xray get_trace_segment_destination", "logs describe_log_groups"],
)
def test_what_nobody_may_look_at_is_a_warning_that_says_what_to_allow(name):
    found = examine(account(**{name: ["AccessDeniedException"]}))
    assert problems(found) == set()
    assert any("allow " in f.fix and f.standing == "warning" for f in found.values())


def test_a_runtime_that_is_not_there_is_a_problem():
    name = "bedrock-agentcore-control get_agent_runtime"
    found = examine(account(**{name: ["ResourceNotFoundException"]}))
    assert problems(found) == {"runtime"}


def test_a_long_idle_timeout_is_a_warning():
    name = "bedrock-agentcore-control get_agent_runtime"
    assert examine(account(**{name: [runtime(idle=900)]}))["idle timeout"].standing == "warning"


def test_for_offline_no_telemetry_is_looked_at():
    found = examine(account(), purpose="offline")
    assert not {"log groups", "Transaction Search", "agentcore"} & set(found)


RATE, ACTIVE = "Rate of new Runtime session creation", "Active Session Workloads per Account"


@pytest.mark.parametrize(
    ("quotas", "name", "standing", "said"),
    [
        (sessions(), RATE, "ok", ""),
        (sessions(), ACTIVE, "ok", ""),
        (sessions(active=5000.0), ACTIVE, "ok", ""),
        (sessions(rate=5.0), RATE, "warning", "say new_sessions_per_s=5 in the environment's"),
        (sessions(active=500.0), ACTIVE, "warning", f"Amazon Bedrock AgentCore, {ACTIVE}"),
        (sessions(active=0.0), ACTIVE, "problem", "ask for more"),
        (sessions(rate=None), RATE, "warning", "say new_sessions_per_s in"),
    ],
)  # fmt: skip
def test_fewer_sessions_than_a_run_is_planned_with_are_told_and_none_is_a_problem(
    quotas, name, standing, said
):
    found = examine(account(**{"service-quotas list_service_quotas": [quotas]}), "offline")
    assert (found[name].standing, said in found[name].fix) == (standing, True)


def test_quotas_that_nobody_may_look_at_are_a_warning():
    denied = {"service-quotas list_service_quotas": ["AccessDeniedException"]}
    found = examine(account(**denied), "offline")
    assert "allow servicequotas:ListServiceQuotas" in found["session quotas"].fix


@pytest.mark.parametrize(("number", "standing"), [(10, "warning"), (499, "warning"), (500, "ok")])
def test_an_account_with_few_functions_is_warned(number, standing):
    name = "lambda get_account_settings"
    limits = {"AccountLimit": {"ConcurrentExecutions": number}}
    assert examine(account(**{name: [limits]}))["concurrent functions"].standing == standing


@pytest.fixture
def environment(tmp_path):
    """An agent's environment with these packages, as its interpreter tells."""

    def make(**versions):
        for name, version in versions.items():
            folder = tmp_path / f"{name}-{version}.dist-info"
            folder.mkdir()
            name = name.replace("_", "-")
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
        program = tmp_path / "python"
        program.write_text(
            f"#!/bin/sh\nshift\nexec {sys.executable} -S -c "
            f"\"import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] "
            f"+ ['{tmp_path}']; $1\"\n"
        )
        program.chmod(0o755)
        return program

    return make


@pytest.mark.parametrize(
    ("versions", "standing", "said"),
    [
        ({"strands_agents": "1.62.0"}, "ok", "strands-agents 1.62.0"),
        (
            {"langgraph": "1.0", "opentelemetry_instrumentation_langchain": "0.55.0"},
            "ok",
            "opentelemetry-instrumentation-langchain 0.55.0",
        ),
        (
            {"langgraph": "1.0", "openinference_instrumentation_langchain": "0.1.9"},
            "problem",
            "langgraph with openinference-instrumentation-langchain 0.1.9",
        ),
        ({"langgraph": "1.0"}, "problem", "no instrumentor"),
        (
            {
                "langgraph": "1.0",
                "opentelemetry_instrumentation_langchain": "0.62.4",
                "openinference_instrumentation_langchain": "0.1.80",
            },
            "warning",
            "each step is written twice",
        ),
        ({"crewai": "1.0"}, "warning", "neither"),
    ],
)
def test_the_agents_framework_must_write_spans_that_can_be_read(
    environment, versions, standing, said
):
    found = examine(account(), agent_python=environment(**versions))
    assert (found["framework"].standing, said in found["framework"].found) == (standing, True)
    assert found["telemetry distro"].standing == "problem"


def test_an_interpreter_that_is_not_there_is_a_problem(tmp_path):
    found = examine(account(), agent_python=tmp_path / "none")
    assert problems(found) == {"agent's environment"}


def test_the_command_ends_with_3_if_something_required_is_missing(tmp_path):
    nothing = {"PATH": "", "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    program = Path(sys.executable).with_name("driftgate")
    done = subprocess.run(
        [program, "doctor", "--json"], env=nothing, cwd=tmp_path, capture_output=True, text=True
    )
    found = {one["name"]: one["standing"] for one in json.loads(done.stdout)}
    assert (done.returncode, found["credentials"], found["region"]) == (3, "problem", "problem")
    assert "-> set AWS_DEFAULT_REGION" in done.stderr
