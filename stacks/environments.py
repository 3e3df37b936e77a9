"""The environments that there are. Their values are code, so that a change of one is reviewed."""

import math
import platform
import sys
from dataclasses import dataclass
from typing import Literal

from aws_cdk.aws_logs import RetentionDays

from driftgate.schemas.capacity import Quotas
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.online import Clockwork, Watch
from driftgate.schemas.policies import Mode

Architecture = Literal["x86_64", "arm64"]


_QUOTAS = Quotas()  # AgentCore's own in most regions


@dataclass(frozen=True, kw_only=True)
class AgentPipeline:
    """A deployment pipeline for one agent of a repository; docs/pipeline.md tells what it does."""

    connection_arn: str  # of a CodeConnections connection that has been authorised
    repository: str  # owner/name; it holds Driftgate's Makefile, as this one does
    branch: str = "main"
    agent: str  # its id
    manifest: str  # the path of its agent.yaml
    test_command: str
    deploy_command: str  # knows AGENT, VERSION, DIGEST; in version.json is what was judged
    deploy_actions: tuple[str, ...] = ()  # what the deploy command may do, on
    deploy_resources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CodeInS3:
    """An agent's code as AgentCore takes it without a container."""

    bucket: str
    prefix: str  # the key of the archive
    runtime: str = "PYTHON_3_13"
    entry_point: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SandboxAgent:
    """An agent with a place of its own to be evaluated in; docs/sandbox.md tells what it gets."""

    agent: str  # its id
    manifest: str  # the path of an agent.yaml: whose contracts the Gateway's targets have
    artifact: str | CodeInS3  # an image's URI, or code: the first version; others come by API
    models: tuple[str, ...] = ()  # ids or ARNs that it may invoke
    forbidden: tuple[str, ...] = ()  # ARNs of production that it must not touch, whoever lets it
    variables: tuple[tuple[str, str], ...] = ()  # more of its environment
    request_headers: tuple[str, ...] = ()  # x-amzn-bedrock-agentcore-runtime-custom-…, passed on
    interceptor: bool = True  # False: the Gateway's targets answer, with smaller schemas


@dataclass(frozen=True, kw_only=True)
class GateTries:
    """How the gate itself is tried, one agent a night; docs/decisions/0014 tells why.

    The budget is that of one night, whatever the looks: a run that is decided early takes less.
    """

    scheduled: bool = True  # False: only when somebody starts it
    max_trials: int = 600
    max_usd: float = 10.0  # held where the agent's latest trials say what one costs


@dataclass(frozen=True, kw_only=True)
class WatchedAgent:
    """An agent in production, and from where on somebody is told of it.

    Rates are shares of a window's sessions. One that is above its limit in `windows_above` of the
    last `windows` is an alarm, so that a window with two sessions is none by itself. A limit wants
    to be five times what is usual; what is nearer, the monitors find, which know what is usual.
    """

    name: str  # its id
    turn_limit_rate: float = 0.10  # ended at the turn limit
    unrecovered_error_rate: float = 0.10  # ended on a tool's error
    escalation_rate: float = 0.30  # handed over to a person
    judge_fault_rate: float = 0.20  # of those to be judged: the judge gave no answer
    windows: int = 12
    windows_above: int = 8
    silent_windows: int = 3  # without a published window: nobody is watching


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What differs between environments.

    Without an account and a region a stack goes to where the deployer's credentials are.
    """

    name: str
    account: str | None = None
    region: str | None = None
    retain_data: bool  # data survives its stack, and stacks can't be deleted unawares
    publisher_only: bool  # datasets come through PublishDataset or not at all
    lock_days: int  # in which no version of a record can be deleted
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"]
    gate_mode: Mode
    log_retention: RetentionDays
    run_case_concurrency: int | None  # reserved, so capped as well; None reserves nothing
    judge_case_concurrency: int | None  # the same of JudgeCase
    quotas: Quotas = _QUOTAS  # of AgentCore in the region, and how fast a run is to be
    judge: JudgeSpec  # who answers rubrics if a run does not say
    judges: tuple[str, ...] = ()  # ids or ARNs of other models and evaluators that a run may name
    python: str = "3.13"
    architecture: Architecture = "arm64"
    own_wheels: bool = False  # functions run on this machine, not on Lambda's Linux
    sandbox: str = ""  # the ARN before an agent's id, where stored code is served
    pipeline: AgentPipeline | None = None
    max_run_usd: float = math.inf  # that a run may spend; then no new trial starts
    gate_tries: GateTries = GateTries()
    sandbox_agents: tuple[SandboxAgent, ...] = ()
    sweeps: bool = True  # every minute, the sessions that a killed worker left; False: on demand
    watch: Watch  # how production is watched
    ticks: bool = True  # False: only when somebody starts a tick
    watched_agents: tuple[WatchedAgent, ...] = ()  # whose alarms and dashboards are there
    silent_hours: int | None = None  # without a batch of spans: an alarm; None: none is

    @property
    def quotas_of_a_run(self) -> Quotas:
        """With what is reserved for RunCase, if it is: PlanRun chooses no more than that."""
        if self.run_case_concurrency is None:
            return self.quotas
        return self.quotas.model_copy(update={"functions": self.run_case_concurrency})


# 200 cases in both arms, five times, at 35 s a trial, want 246 at a time to be through within a
# quarter of an hour. A second execution at the same time is throttled and waits. With the judges'
# it is 400 of an account's 1,000, of which 100 must stay unreserved: room for two environments.
# A new account has 10 in all, which is why where people try things out nothing is reserved.
_TRIALS = 300
_JUDGMENTS = 100  # at a time: a trial is judged in a fraction of the time that it takes

# A strong model, as a release waits for it; temperature 0. A run may name another one of `judges`.
# Its price is not written down here: where it is, a run tells its cost and can have a budget.
_MODEL = JudgeSpec(backend="converse", model="global.anthropic.claude-sonnet-4-6")

_ALL = (
    Environment(
        name="local",
        account="000000000000",
        region="us-east-1",
        retain_data=False,
        publisher_only=False,
        lock_days=1,
        lock_mode="GOVERNANCE",
        gate_mode="blocking",
        log_retention=RetentionDays.ONE_DAY,
        run_case_concurrency=None,
        judge_case_concurrency=None,
        quotas=Quotas(functions=20),  # each is a process of this machine
        judge=JudgeSpec(),
        judges=("standin.judge-v1:0", "Builtin.GoalSuccessRate", "Builtin.Helpfulness"),
        # The emulator runs functions on the interpreter of this machine, whatever they declare.
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        architecture="arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        own_wheels=True,
        sandbox="arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/",
        gate_tries=GateTries(scheduled=False),
        sweeps=False,
        # Seconds for minutes: what takes hours in production is to be seen in a demo.
        watch=Watch(
            clockwork=Clockwork(window_s=4, idle_s=2, grace_s=4),
            judge=JudgeSpec(backend="converse", model="standin.judge-v1:0"),
        ),
        ticks=False,
        watched_agents=(WatchedAgent(name="support"),),
    ),
    Environment(
        name="dev",
        retain_data=False,
        publisher_only=False,
        lock_days=1,
        lock_mode="GOVERNANCE",
        gate_mode="advisory",
        log_retention=RetentionDays.TWO_WEEKS,
        run_case_concurrency=None,
        judge_case_concurrency=None,
        judge=_MODEL,
        watch=Watch(judge=_MODEL),
    ),
    Environment(
        name="staging",
        retain_data=True,
        publisher_only=True,
        lock_days=30,
        lock_mode="GOVERNANCE",
        gate_mode="blocking",
        log_retention=RetentionDays.THREE_MONTHS,
        run_case_concurrency=_TRIALS,
        judge_case_concurrency=_JUDGMENTS,
        judge=_MODEL,
        watch=Watch(judge=_MODEL),
    ),
    Environment(
        name="prod",
        retain_data=True,
        publisher_only=True,
        lock_days=365,
        lock_mode="COMPLIANCE",
        gate_mode="blocking",
        log_retention=RetentionDays.ONE_YEAR,
        run_case_concurrency=_TRIALS,
        judge_case_concurrency=_JUDGMENTS,
        judge=_MODEL,
        watch=Watch(judge=_MODEL),
    ),
)
ENVIRONMENTS = {environment.name: environment for environment in _ALL}
