"""What must be there before an account's agents can be evaluated, looked at one by one.

Nothing is changed. What nobody may look at is a warning, not a problem: it may well be there.
"""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from driftgate.schemas.capacity import Quotas
from driftgate.schemas.doctor import Finding, Purpose, Standing

PYTHON = (3, 10)  # the least that AgentCore's SDK runs on
TESTED_BOTO3 = (1, 44)
SERVICES = {  # the operation by which a client is told to be too old, for each purpose
    "offline": ("bedrock-agentcore", "StopRuntimeSession"),
    "online": ("bedrock-agentcore", "Evaluate"),
    "batch": ("bedrock-agentcore", "StartBatchEvaluation"),
}
ACTIONS: dict[Purpose, tuple[str, ...]] = {
    "offline": (
        "states:StartExecution",
        "states:DescribeExecution",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "s3:GetObject",
        "s3:PutObject",
    ),
    "online": (
        "logs:DescribeLogGroups",
        "logs:DescribeSubscriptionFilters",
        "logs:PutSubscriptionFilter",
        "logs:FilterLogEvents",
    ),
    "batch": (
        "bedrock-agentcore:StartBatchEvaluation",
        "bedrock-agentcore:GetBatchEvaluation",
        "bedrock-agentcore:ListBatchEvaluations",
        "bedrock-agentcore:StopBatchEvaluation",
        "bedrock-agentcore:DeleteBatchEvaluation",
        "logs:GetLogEvents",
        "logs:FilterLogEvents",
        "logs:StartQuery",
        "logs:GetQueryResults",
    ),
}
INSTRUMENTORS = {  # of LangGraph: one of these, or AgentCore can't read its spans
    "opentelemetry-instrumentation-langchain": (0, 55, 0),
    "openinference-instrumentation-langchain": (0, 1, 62),
}
DISTRO = "aws-opentelemetry-distro"
SPANS = "aws/spans"
SHORTEST_IDLE_S = 60
CONCURRENT_FUNCTIONS = 500  # that staging and prod reserve, and what must stay unreserved
SESSION_QUOTAS = {  # AgentCore's names of them, and ours in the environment's `quotas`
    "Rate of new Runtime session creation": "new_sessions_per_s",
    "Active Session Workloads per Account": "active_sessions",
}
_LIST = (
    "import importlib.metadata as m, json; "
    "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))"
)


class Agent(NamedTuple):
    """The agent that is looked at."""

    runtime_id: str
    endpoint: str


class Doctor:
    """Looks at this machine and at one account.

    Args:
        client: gives boto3's client of a service.
        region: that clients are made for; None if nothing says.
    """

    def __init__(self, client: Callable[[str], Any], region: str | None) -> None:
        self._client = client
        self._region = region

    @classmethod
    def here(cls) -> Self:
        """For the account whose credentials boto3 finds."""
        session = boto3.Session()
        return cls(session.client, session.region_name)

    def examine(
        self,
        purpose: Purpose,
        agent: Agent | None,
        agent_python: Path | None,
        hours: int,
    ) -> Iterator[Finding]:
        """Look at everything that the purpose needs.

        Args:
            agent: its runtime and telemetry are looked at too.
            agent_python: the interpreter of the agent's own environment.
            hours: back to which sessions with telemetry are looked for.
        """
        yield _python()
        yield _boto3(purpose)
        if agent_python is not None:
            yield from _frameworks(agent_python)
        yield self._aws_region()
        identity, finding = self._identity()
        yield finding
        if identity is None:
            return  # nothing in the account can be asked
        yield from self._permissions(identity, ACTIONS[purpose])
        yield self._functions()
        if purpose == "offline":
            yield from self._session_quotas()
        if agent is not None:
            yield from self._runtime(agent)
        if purpose != "offline":
            yield self._transaction_search()
            if agent is not None:
                yield from self._telemetry(agent, hours)
            yield _agentcore_cli()

    def _aws_region(self) -> Finding:
        if self._region:
            return Finding(name="region", standing="ok", found=self._region)
        fix = "set AWS_DEFAULT_REGION, or a region in the profile"
        return Finding(name="region", standing="problem", found="none", fix=fix)

    def _identity(self) -> tuple[str | None, Finding]:
        try:
            arn = str(self._client("sts").get_caller_identity()["Arn"])
        except (ClientError, BotoCoreError) as error:
            fix = "sign in: aws sso login, or set AWS_PROFILE"
            found = str(error)
            return None, Finding(name="credentials", standing="problem", found=found, fix=fix)
        return arn, Finding(name="credentials", standing="ok", found=arn)

    def _permissions(self, identity: str, actions: tuple[str, ...]) -> Iterator[Finding]:
        """Ask IAM what it would say. Of an assumed role it knows the role alone, not a session's
        policy, nor what a resource or the organisation denies.
        """
        try:
            answer = self._client("iam").simulate_principal_policy(
                PolicySourceArn=_principal(identity), ActionNames=list(actions)
            )
        except (ClientError, BotoCoreError) as error:
            found = f"can't be simulated: {error}"
            fix = f"allow iam:SimulatePrincipalPolicy, or check: {', '.join(actions)}"
            yield Finding(name="permissions", standing="warning", found=found, fix=fix)
            return
        for result in answer["EvaluationResults"]:
            name, decision = result["EvalActionName"], result["EvalDecision"]
            allowed = decision == "allowed"
            yield Finding(
                name=f"permission {name}",
                standing="ok" if allowed else "problem",
                found=decision,
                fix="" if allowed else f"allow {name} to {_principal(identity)}",
            )

    def _functions(self) -> Finding:
        name = "concurrent functions"
        try:
            limits = self._client("lambda").get_account_settings()["AccountLimit"]
        except (ClientError, BotoCoreError) as error:
            return _unseen(name, error, "allow lambda:GetAccountSettings")
        number = limits["ConcurrentExecutions"]
        if number < CONCURRENT_FUNCTIONS:
            fix = (
                "ask for more in Service Quotas: Lambda, concurrent executions; or reserve less, "
                "then a run of 200 cases takes longer than a quarter of an hour"
            )
            found = f"{number} in the account, wanted {CONCURRENT_FUNCTIONS}"
            return Finding(name=name, standing="warning", found=found, fix=fix)
        return Finding(name=name, standing="ok", found=f"{number} in the account")

    def _session_quotas(self) -> Iterator[Finding]:
        """PlanRun believes the environment's `quotas`: an account that has less is throttled."""
        try:
            pages = self._client("service-quotas").get_paginator("list_service_quotas")
            listed = [
                quota
                for page in pages.paginate(ServiceCode="bedrock-agentcore")
                for quota in page["Quotas"]
            ]
        except (ClientError, BotoCoreError) as error:
            yield _unseen("session quotas", error, "allow servicequotas:ListServiceQuotas")
            return
        values = {quota["QuotaName"].lower(): quota["Value"] for quota in listed}
        for name, ours in SESSION_QUOTAS.items():
            yield _session_quota(name, ours, values.get(name.lower()))

    def _runtime(self, agent: Agent) -> Iterator[Finding]:
        control = self._client("bedrock-agentcore-control")
        id, endpoint = agent
        try:
            runtime = control.get_agent_runtime(agentRuntimeId=id)
            found = control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName=endpoint)
        except (ClientError, BotoCoreError) as error:
            fix = "check --runtime and --endpoint, and allow bedrock-agentcore:GetAgentRuntime*"
            yield Finding(name="runtime", standing="problem", found=str(error), fix=fix)
            return
        state = f"{runtime['status']}, endpoint {endpoint} {found['status']}"
        version = f", version {found.get('liveVersion', 'unknown')}"
        ready = runtime["status"] == found["status"] == "READY"
        yield Finding(
            name="runtime",
            standing="ok" if ready else "problem",
            found=state + version,
            fix="" if ready else "wait until both are READY, or see their failureReason",
        )
        idle = runtime.get("lifecycleConfiguration", {}).get("idleRuntimeSessionTimeout", 900)
        long = idle > SHORTEST_IDLE_S
        yield Finding(
            name="idle timeout",
            standing="warning" if long else "ok",
            found=f"{idle} s, for which a session's memory is paid after its last answer",
            fix="stop sessions, or shorten it; see driftgate cost estimate" if long else "",
        )

    def _transaction_search(self) -> Finding:
        name = "Transaction Search"
        try:
            answer = self._client("xray").get_trace_segment_destination()
        except (ClientError, BotoCoreError) as error:
            return _unseen(name, error, "allow xray:GetTraceSegmentDestination")
        found = f"{answer.get('Destination')}, {answer.get('Status')}"
        if (answer.get("Destination"), answer.get("Status")) == ("CloudWatchLogs", "ACTIVE"):
            return Finding(name=name, standing="ok", found=found)
        fix = "enable it: aws xray update-trace-segment-destination --destination CloudWatchLogs"
        return Finding(name=name, standing="problem", found=found, fix=fix)

    def _telemetry(self, agent: Agent, hours: int) -> Iterator[Finding]:
        own = f"/aws/bedrock-agentcore/runtimes/{agent.runtime_id}-{agent.endpoint}"
        logs, missing = self._client("logs"), []
        try:
            for group in (own, SPANS):
                found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
                if not any(one["logGroupName"] == group for one in found):
                    missing.append(group)
            begin = int((time.time() - hours * 3600) * 1000)
            there = [group for group in (own, SPANS) if group not in missing]
            seen = [
                logs.filter_log_events(
                    logGroupName=group, filterPattern='"session.id"', startTime=begin, limit=1
                )["events"]
                for group in there
            ]
        except (ClientError, BotoCoreError) as error:
            fix = "allow logs:DescribeLogGroups and logs:FilterLogEvents"
            yield _unseen("log groups", error, fix)
            return
        yield Finding(
            name="log groups",
            standing="problem" if missing else "ok",
            found=f"not there: {', '.join(missing)}" if missing else f"{own}, {SPANS}",
            fix="invoke the agent once, with observability on (the distro is its entry point)"
            if missing
            else "",
        )
        told = any(seen)
        yield Finding(
            name="sessions with telemetry",
            standing="ok" if told else "problem",
            found=f"{'some' if told else 'none'} in the last {hours} hours",
            fix="" if told else "invoke the agent, wait five minutes; then check its instrumentor",
        )


def _session_quota(name: str, ours: str, value: float | None) -> Finding:
    wanted = getattr(Quotas(), ours)
    more = f"ask for more in Service Quotas: Amazon Bedrock AgentCore, {name}"
    if value is None:
        found, fix = "not listed", f"look it up, and say {ours} in the environment's `quotas`"
        return Finding(name=name, standing="warning", found=found, fix=fix)
    if value <= 0:
        return Finding(name=name, standing="problem", found=f"{value:g}: no session", fix=more)
    if value < wanted:
        fix = f"say {ours}={value:g} in the environment's `quotas`, or {more}"
        return Finding(name=name, standing="warning", found=f"{value:g} of {wanted:g}", fix=fix)
    return Finding(name=name, standing="ok", found=f"{value:g}")


def _python() -> Finding:
    found = _dotted(sys.version_info[:3])
    if sys.version_info >= PYTHON:
        return Finding(name="Python", standing="ok", found=found)
    fix = f"install Python {_dotted(PYTHON)} or newer"
    return Finding(name="Python", standing="problem", found=found, fix=fix)


def _boto3(purpose: Purpose) -> Finding:
    service, operation = SERVICES[purpose]
    version = importlib.metadata.version("boto3")
    try:
        known = botocore.session.Session().get_service_model(service).operation_names
    except BotoCoreError:
        known = []
    if operation in known:
        return Finding(name="boto3", standing="ok", found=version)
    found = f"{version}, which does not know {service} {operation}"
    fix = f"install boto3 {_dotted(TESTED_BOTO3)} or newer"
    return Finding(name="boto3", standing="problem", found=found, fix=fix)


def _frameworks(python: Path) -> Iterator[Finding]:
    """What the agent's own environment has, as its interpreter tells."""
    try:
        command = [str(python), "-c", _LIST]
        done = subprocess.run(  # noqa: S603  the interpreter that was named
            command, capture_output=True, text=True, timeout=60, check=True
        )
        there: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        fix = "give --agent-python the interpreter of the agent's environment"
        yield Finding(name="agent's environment", standing="problem", found=str(error), fix=fix)
        return
    if "strands-agents" in there:
        found = f"strands-agents {there['strands-agents']}, which writes spans itself"
        yield Finding(name="framework", standing="ok", found=found)
    elif "langgraph" in there or "langchain" in there:
        yield _instrumentor(there)
    else:
        yield Finding(
            name="framework",
            standing="warning",
            found="neither strands-agents nor langgraph",
            fix="it must write spans with gen_ai.* attributes and session.id itself",
        )
    distro = there.get(DISTRO)
    yield Finding(
        name="telemetry distro",
        standing="ok" if distro else "problem",
        found=f"{DISTRO} {distro}" if distro else "none",
        fix="" if distro else f"add {DISTRO}, and start with opentelemetry-instrument",
    )


def _instrumentor(there: dict[str, str]) -> Finding:
    if there.keys() >= INSTRUMENTORS.keys():
        found = f"{' and '.join(INSTRUMENTORS)}: each step is written twice"
        return Finding(name="framework", standing="warning", found=found, fix="uninstall one")
    names = " or ".join(f"{name} {_dotted(least)}" for name, least in INSTRUMENTORS.items())
    for name, least in INSTRUMENTORS.items():
        if name in there and _numbers(there[name]) >= least:
            return Finding(name="framework", standing="ok", found=f"{name} {there[name]}")
    old = [f"{name} {there[name]}" for name in INSTRUMENTORS if name in there]
    found = f"langgraph with {', '.join(old) or 'no instrumentor'}"
    return Finding(name="framework", standing="problem", found=found, fix=f"add {names} or newer")


def _agentcore_cli() -> Finding:
    program = shutil.which("agentcore")
    if program is None:
        return Finding(
            name="agentcore",
            standing="warning",
            found="not installed; Driftgate does without",
            fix="npm install -g @aws/agentcore, if you want it",
        )
    done = subprocess.run(  # noqa: S603  the program that is on the path
        [program, "--version"], capture_output=True, text=True, check=False
    )
    ok = done.returncode == 0
    return Finding(
        name="agentcore",
        standing="ok" if ok else "warning",
        found=(done.stdout or done.stderr).strip() or f"exit code {done.returncode}",
        fix="" if ok else "install it again",
    )


def _unseen(name: str, error: Exception, fix: str) -> Finding:
    standing: Standing = "warning"
    return Finding(name=name, standing=standing, found=f"can't be looked at: {error}", fix=fix)


def _principal(identity: str) -> str:
    """The role of an assumed role's session, as IAM wants it; else the identity itself."""
    found = re.fullmatch(r"(arn:[\w-]+):sts::(\d+):assumed-role/(.+)/[^/]+", identity)
    return f"{found[1]}:iam::{found[2]}:role/{found[3]}" if found else identity


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
