"""Functions with the house's defaults, all from one source asset."""

import re
from collections.abc import Sequence

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from driftgate.settings import Settings
from stacks.constructs import grants
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.layers import ROOT, LockedLayer, architecture, python_runtime
from stacks.constructs.principals import lambda_service
from stacks.environments import Environment

# Whatever a function can't need is left out: a change to the command line deploys nothing.
_SOURCE = (
    *("*", "!driftgate", "!driftgate/**", "!lambdas", "!lambdas/*.py"),
    *("driftgate/cli", "driftgate/report", "driftgate/agentkit", "__pycache__"),
)


class FunctionFactory(Construct):
    """`factory("ScoreCase", settings)` deploys lambdas/score_case.py: traced, with its own role,
    its own log group, and a queue for events that nobody waits for and that failed."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._key = key
        self._source = lambda_.Code.from_asset(
            str(ROOT), exclude=list(_SOURCE), ignore_mode=IgnoreMode.GIT
        )
        self._layers = [
            LockedLayer(self, "Core", lock="core", environment=environment),
            lambda_.LayerVersion(
                self,
                "MockTools",
                code=lambda_.Code.from_asset(
                    str(ROOT / "lambdas" / "mock_tools"),
                    exclude=["*", "!python", "!python/mock_tools", "!python/mock_tools/*.py"],
                    ignore_mode=IgnoreMode.GIT,
                ),
                description="Driftgate: mock_tools",
            ),
        ]
        self.failed = sqs.Queue(
            self,
            "Failed",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def __call__(
        self,
        name: str,
        settings: Settings,
        *,
        timeout: Duration,
        memory_mb: int = 512,
        layers: Sequence[lambda_.ILayerVersion] = (),
        role: iam.IRole | None = None,
        reserved_concurrency: int | None = None,
        traced: bool = True,
    ) -> lambda_.Function:
        module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        role = role or iam.Role(self, f"{name}Role", assumed_by=lambda_service(self))
        log_group = logs.LogGroup(
            self,
            f"{name}Logs",
            retention=self._environment.log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        grants.write_logs(role, log_group)
        grants.use_key(role, self._key, "sqs", "kms:Decrypt", "kms:GenerateDataKey")
        function = lambda_.Function(
            self,
            name,
            code=self._source,
            layers=[*self._layers, *layers],
            handler=f"lambdas.{module}.handler",
            runtime=python_runtime(self._environment),
            architecture=architecture(self._environment),
            role=role,
            timeout=timeout,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            tracing=lambda_.Tracing.ACTIVE if traced else lambda_.Tracing.DISABLED,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
            dead_letter_queue=self.failed,
            environment={**settings.to_environment(), "POWERTOOLS_SERVICE_NAME": module},
        )
        if traced:
            acknowledge_wildcard(role, "*", "X-Ray takes segments from anybody or nobody.")
        acknowledge(
            function,
            "L1",
            "The newest Python is whatever this CDK knows; ours is one that the wheels of all "
            "dependencies and the tests are for, and changes when they do.",
        )
        return function
