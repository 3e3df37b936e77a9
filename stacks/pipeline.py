"""An example of a whole pipeline: from a commit to the version in production, through the gate.

Source -> Test -> Publish (the candidate, to this environment) -> QualityGate -> Approve ->
Production (deploys the digest of the verdict, then makes it the baseline).
"""

from collections.abc import Sequence
from typing import Any

from aws_cdk import ArnFormat, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs import grants
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.principals import service
from stacks.constructs.quality_gate_stage import QualityGateStage
from stacks.data import DataStack
from stacks.environments import AgentPipeline, Environment

# What CodePipeline's documentation asks for. CDK's own grants say s3:GetObject* and the like.
READ = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketLocation", "s3:GetBucketVersioning")
WRITE = ("s3:PutObject",)
INSTALL = "make .venvs/product/ready"
DRIFTGATE = ".venvs/product/bin/driftgate"


class PipelineStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        agent: AgentPipeline,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self._environment = environment
        self._agent = agent
        self._data = data
        self._source = codepipeline.Artifact("Source")
        pipeline = codepipeline.Pipeline(
            self,
            "Pipeline",
            pipeline_type=codepipeline.PipelineType.V2,
            role=iam.Role(
                self, "PipelineRole", assumed_by=service(self, "codepipeline.amazonaws.com")
            ),
            # A newer commit overtakes one that waits; two are never in one stage.
            execution_mode=codepipeline.ExecutionMode.SUPERSEDED,
            artifact_bucket=Artifacts(self, "Artifacts"),
        )
        pipeline.add_stage(stage_name="Source", actions=[self._check_out(pipeline)])
        test = self._build("Test", [agent.test_command])
        pipeline.add_stage(stage_name="Test", actions=[self._run(test)])
        publish = self._run(self._publish())
        pipeline.add_stage(stage_name="Publish", actions=[publish])
        gate = QualityGateStage(
            self,
            "QualityGate",
            pipeline=pipeline,
            environment=environment.name,
            agent=agent.agent,
            version=publish.variable("VERSION"),
            digest=publish.variable("DIGEST"),
        )
        approve = actions.ManualApprovalAction(
            action_name="Approve",
            additional_information=(
                f"{agent.agent} {gate.version}, digest {gate.digest}: {gate.outcome} "
                f"({gate.effective}), run {gate.run_id}"
            ),
        )
        pipeline.add_stage(stage_name="Approve", actions=[approve])
        pipeline.add_stage(
            stage_name="Production",
            actions=[
                self._run(self._deploy(), 1, VERSION=gate.version, DIGEST=gate.digest),
                self._run(self._promote(), 2, VERSION=gate.version, DIGEST=gate.digest),
            ],
        )
        self._accept_findings(pipeline)

    def _check_out(
        self, pipeline: codepipeline.Pipeline
    ) -> actions.CodeStarConnectionsSourceAction:
        owner, _, name = self._agent.repository.partition("/")
        role = iam.Role(self, "SourceRole", assumed_by=iam.ArnPrincipal(pipeline.role.role_arn))
        # CDK asks for the right under the service's former name, which older connections have.
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["codeconnections:UseConnection"], resources=[self._agent.connection_arn]
            )
        )
        return actions.CodeStarConnectionsSourceAction(
            action_name="CheckOut",
            connection_arn=self._agent.connection_arn,
            owner=owner,
            repo=name,
            branch=self._agent.branch,
            output=self._source,
            role=role,
        )

    def _publish(self) -> codebuild.PipelineProject:
        """Store the candidate where it is evaluated; a version that is another fails here."""
        to = f"--environment {self._environment.name}"
        project = self._build(
            "Publish",
            [
                f"{DRIFTGATE} agent publish {self._agent.manifest} {to} --json > published.json",
                "VERSION=$(jq --exit-status --raw-output .version published.json)",
                "DIGEST=$(jq --exit-status --raw-output .digest published.json)",
                "export VERSION DIGEST",
            ],
            exported=["VERSION", "DIGEST"],
        )
        role = self._use_driftgate(project)
        grants.put_rows(role, self._data.registry, "agent")
        grants.put_objects(role, self._data.records, "agents/*")
        return project

    def _deploy(self) -> codebuild.PipelineProject:
        project = self._build(
            "Deploy",
            [
                f"{DRIFTGATE} agent show {self._judged()} --json > version.json",
                self._agent.deploy_command,
            ],
        )
        role = self._use_driftgate(project)
        if self._agent.deploy_actions:
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=list(self._agent.deploy_actions),
                    resources=list(self._agent.deploy_resources),
                )
            )
        return project

    def _promote(self) -> codebuild.PipelineProject:
        project = self._build("PromoteBaseline", [f"{DRIFTGATE} agent promote {self._judged()}"])
        grants.put_rows(self._use_driftgate(project), self._data.registry, "baseline")
        return project

    def _judged(self) -> str:
        """The version that the verdict is on; both commands refuse another digest."""
        return f'"$AGENT@$VERSION" --digest "$DIGEST" --environment {self._environment.name}'

    def _build(
        self, name: str, commands: Sequence[str], exported: Sequence[str] = ()
    ) -> codebuild.PipelineProject:
        role = iam.Role(self, f"{name}Role", assumed_by=service(self, "codebuild.amazonaws.com"))
        project = codebuild.PipelineProject(
            self,
            name,
            role=role,
            build_spec=codebuild.BuildSpec.from_object(
                {
                    "version": 0.2,
                    "env": {
                        "shell": "bash",
                        **({"exported-variables": list(exported)} if exported else {}),
                    },
                    "phases": {
                        "install": {
                            "runtime-versions": {"python": self._environment.python},
                            "commands": [INSTALL],
                        },
                        "build": {
                            "on-failure": "ABORT",
                            "commands": ["set -euo pipefail", *commands],
                        },
                    },
                }
            ),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5
            ),
            environment_variables={
                "AGENT": codebuild.BuildEnvironmentVariable(value=self._agent.agent)
            },
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(
                    log_group=logs.LogGroup(
                        self,
                        f"{name}Logs",
                        retention=self._environment.log_retention,
                        removal_policy=RemovalPolicy.DESTROY,
                    )
                )
            ),
            grant_report_group_permissions=False,
            timeout=Duration.hours(1),
        )
        acknowledge(project, "CB4", "What it puts out lies in the artifacts, which S3 encrypts.")
        log_group = self.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/codebuild/{project.project_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        acknowledge_wildcard(role, log_group, "The streams of one log group, as CDK grants them.")
        return project

    def _run(
        self, project: codebuild.PipelineProject, order: int = 1, **variables: str
    ) -> actions.CodeBuildAction:
        return actions.CodeBuildAction(
            action_name=project.node.id,
            run_order=order,
            project=project,
            input=self._source,
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value)
                for name, value in variables.items()
            }
            or None,
        )

    def _use_driftgate(self, project: codebuild.PipelineProject) -> iam.IRole:
        """What every command needs: to find the environment, and to read its registry."""
        assert project.role is not None
        stacks = [
            self.format_arn(
                service="cloudformation",
                resource="stack",
                resource_name=f"Driftgate-{self._environment.name}-{stack}/*",
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            )
            for stack in ("Data", "Evaluation")
        ]
        project.role.add_to_principal_policy(
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=stacks)
        )
        for stack in stacks:
            acknowledge_wildcard(
                project.role, stack, "A stack's ARN ends with an id that nobody knows."
            )
        grants.read_rows(project.role, self._data.registry)
        return project.role

    def _accept_findings(self, pipeline: codepipeline.Pipeline) -> None:
        """What CDK's own actions ask for, and only they."""
        name = f"Driftgate-{self._environment.name}-Evaluation"
        machine = self.split_arn(
            Fn.import_value(f"{name}-OfflineEvalArn"), ArnFormat.COLON_RESOURCE_NAME
        )
        executions = self.format_arn(
            partition=machine.partition,
            region=machine.region,
            account=machine.account,
            service="states",
            resource="execution",
            resource_name=f"{machine.resource_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        gate = pipeline.node.find_child("QualityGate").node
        evaluate, decide = gate.find_child("Evaluate"), gate.find_child("Decide")
        acknowledge_wildcard(evaluate, executions, "CodePipeline names executions when it runs.")
        versions = Fn.import_value(f"{name}-AnswerPipelineArn") + ":*"
        acknowledge_wildcard(decide, versions, "The versions of this function alone.")
        acknowledge_wildcard(decide, "*", "CodePipeline lists functions; nothing narrower will do.")


class Artifacts(s3.Bucket):
    """Source code on its way between actions: nothing that must last, and no secrets."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(30))],
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(self, "S1", "Nobody would read a log of who read source code in between.")

    def grant_read(self, identity: iam.IGrantable, objects_key_pattern: Any = None) -> iam.Grant:
        return self._grant(identity, READ)

    def grant_read_write(
        self, identity: iam.IGrantable, objects_key_pattern: Any = None
    ) -> iam.Grant:
        return self._grant(identity, (*READ, *WRITE))

    def _grant(self, identity: iam.IGrantable, rights: Sequence[str]) -> iam.Grant:
        objects, role = self.arn_for_objects("*"), identity.grant_principal
        assert isinstance(role, iam.Role)
        acknowledge_wildcard(role, objects, "CodePipeline names artifacts when it runs.")
        return iam.Grant.add_to_principal(
            grantee=identity, actions=list(rights), resource_arns=[self.bucket_arn, objects]
        )
