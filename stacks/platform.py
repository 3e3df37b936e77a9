"""All stacks of one environment, as a CDK app."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from stacks.data import DataStack
from stacks.environments import ENVIRONMENTS
from stacks.evaluation import EvaluationStack
from stacks.monitoring import MonitoringStack
from stacks.online import OnlineStack
from stacks.pipeline import PipelineStack
from stacks.sandbox import SandboxStack

CDK_JSON = Path(__file__).parents[1] / "cdk.json"


def build(context: Mapping[str, Any] | None = None, outdir: str | None = None) -> cdk.App:
    """The stacks of the environment that the context names; dev, if it names none.

    `cdk` hands its context over by itself. Without it, that of cdk.json is read here, so that both
    give the same templates; CDK_CONTEXT_JSON and CDK_OUTDIR are heard either way.
    """
    own = json.loads(CDK_JSON.read_text())["context"]
    app = cdk.App(context={**own, **(context or {})}, outdir=outdir, analytics_reporting=False)
    name = app.node.try_get_context("environment") or "dev"
    if name not in ENVIRONMENTS:
        raise SystemExit(f"environment must be one of {', '.join(ENVIRONMENTS)}, got {name}")
    environment = ENVIRONMENTS[name]
    target = cdk.Environment(account=environment.account, region=environment.region)
    data = DataStack(app, f"Driftgate-{name}-Data", environment=environment, env=target)
    evaluation = EvaluationStack(
        app, f"Driftgate-{name}-Evaluation", environment=environment, data=data, env=target
    )
    online = OnlineStack(
        app, f"Driftgate-{name}-Online", environment=environment, data=data, env=target
    )
    MonitoringStack(
        app,
        f"Driftgate-{name}-Monitoring",
        environment=environment,
        data=data,
        evaluation=evaluation,
        online=online,
        env=target,
    )
    if environment.sandbox_agents:
        SandboxStack(
            app,
            f"Driftgate-{name}-Sandbox",
            environment=environment,
            call_tool=evaluation.call_tool,
            intercept_tools=evaluation.intercept_tools,
            env=target,
        )
    if environment.pipeline:
        pipeline = PipelineStack(
            app,
            f"Driftgate-{name}-Pipeline",
            environment=environment,
            agent=environment.pipeline,
            data=data,
            env=target,
        )
        pipeline.add_stack_dependency(evaluation)  # it imports by name, which CDK does not see
    return app
