"""Where agents are evaluated on AgentCore: for each a Gateway with mock tools, and a runtime."""

from itertools import groupby
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_bedrockagentcore as agentcore
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from driftgate import names
from driftgate.adapters import files
from driftgate.gateway_tools import TargetTool, target_tools
from stacks.constructs import grants
from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.layers import ROOT
from stacks.constructs.principals import agentcore_service
from stacks.environments import CodeInS3, Environment, SandboxAgent

# A session costs memory until it ends. Ours are stopped after a case; this ends what is forgotten.
IDLE_S, LIFETIME_S = 60, 900
NAME_LIMIT = 48  # of a Gateway's and of a runtime's name
PROPAGATED = ["x-driftgate-session", "baggage"]  # by which a target's function knows the attempt


class SandboxStack(Stack):
    """It names no production resource but to deny it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        call_tool: lambda_.IFunction,
        intercept_tools: lambda_.IFunction,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        for agent in environment.sandbox_agents:
            made = AgentSandbox(
                self,
                _camel(agent.agent),
                environment=environment.name,
                agent=agent,
                call_tool=call_tool,
                intercept_tools=intercept_tools,
            )
            arn = made.runtime.attr_agent_runtime_arn
            CfnOutput(self, f"{_camel(agent.agent)}RuntimeArn", value=arn)


class AgentSandbox(Construct):
    """One agent's Gateway and runtime."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: str,
        agent: SandboxAgent,
        call_tool: lambda_.IFunction,
        intercept_tools: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, id)
        self._agent = agent
        name = f"driftgate-{environment}-{agent.agent}"
        if len(name) > NAME_LIMIT:
            raise ValueError(
                f"sandbox agent {agent.agent}: {name}: wanted at most {NAME_LIMIT} "
                f"characters, got {len(name)}"
            )
        self._gateway = self._new_gateway(name.replace("_", "-"), call_tool, intercept_tools)
        self.runtime = self._new_runtime(name.replace("-", "_"))

    def _new_gateway(
        self, name: str, call_tool: lambda_.IFunction, intercept_tools: lambda_.IFunction
    ) -> agentcore.CfnGateway:
        role = iam.Role(self, "GatewayRole", assumed_by=agentcore_service(self, "gateway"))
        # Its targets' function and its interceptor, which are mocks: a tool of production it can't
        # reach, whatever a target may be made to say.
        functions = [call_tool.function_arn, intercept_tools.function_arn]
        role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=functions)
        )
        gateway = agentcore.CfnGateway(
            self,
            "Gateway",
            name=name,
            role_arn=role.role_arn,
            protocol_type="MCP",
            authorizer_type="AWS_IAM",
            exception_level="DEBUG",
            interceptor_configurations=(
                [_request_interceptor(intercept_tools)] if self._agent.interceptor else None
            ),
        )
        gateway.node.add_dependency(role)  # with its policy, which is tried when targets are made
        contracts = files.read_agent(ROOT / self._agent.manifest)[0].contracts
        tools = sorted(target_tools(contracts))
        for target, of_target in groupby(tools, key=lambda tool: tool.target):
            agentcore.CfnGatewayTarget(
                self,
                f"Target{_camel(target)}",
                name=target,
                gateway_identifier=gateway.attr_gateway_identifier,
                target_configuration=_lambda_target(call_tool, list(of_target)),
                credential_provider_configurations=[
                    agentcore.CfnGatewayTarget.CredentialProviderConfigurationProperty(
                        credential_provider_type="GATEWAY_IAM_ROLE"
                    )
                ],
                metadata_configuration=agentcore.CfnGatewayTarget.MetadataConfigurationProperty(
                    allowed_request_headers=PROPAGATED
                ),
            )
        return gateway

    def _new_runtime(self, name: str) -> agentcore.CfnRuntime:
        role = iam.Role(self, "RuntimeRole", assumed_by=agentcore_service(self, "runtime"))
        self._let_work(role, name)
        self._forbid(role)
        url = self._gateway.attr_gateway_url
        headers = list(self._agent.request_headers)
        runtime = agentcore.CfnRuntime(
            self,
            "Runtime",
            agent_runtime_name=name,
            role_arn=role.role_arn,
            agent_runtime_artifact=_artifact(self._agent.artifact),
            network_configuration=agentcore.CfnRuntime.NetworkConfigurationProperty(
                network_mode="PUBLIC"
            ),
            protocol_configuration="HTTP",
            lifecycle_configuration=agentcore.CfnRuntime.LifecycleConfigurationProperty(
                idle_runtime_session_timeout=IDLE_S, max_lifetime=LIFETIME_S
            ),
            environment_variables={
                **dict(self._agent.variables),
                "GATEWAY_URL": url,
                names.TOOLS_URL_VARIABLE: url,
                names.EVALUATION_VARIABLE: "1",
            },
            request_header_configuration=(
                agentcore.CfnRuntime.RequestHeaderConfigurationProperty(
                    request_header_allowlist=headers
                )
                if headers
                else None
            ),
        )
        runtime.node.add_dependency(role)
        return runtime

    def _let_work(self, role: iam.Role, name: str) -> None:
        """Call the mock tools and its models, be started, and tell what it does."""
        stack = Stack.of(self)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["bedrock-agentcore:InvokeGateway"],
                resources=[self._gateway.attr_gateway_arn],
            )
        )
        grants.invoke_models(role, *self._agent.models)
        group = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group"
        group += f":/aws/bedrock-agentcore/runtimes/{name}-*"
        logs = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
        role.add_to_policy(
            iam.PolicyStatement(actions=[f"logs:{one}" for one in logs], resources=[group])
        )
        acknowledge_wildcard(role, group, "The service makes a log group for each endpoint.")
        anywhere = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        if isinstance(self._agent.artifact, str) and ".dkr.ecr." in self._agent.artifact:
            anywhere.append("ecr:GetAuthorizationToken")
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                    resources=[_repository(stack, self._agent.artifact)],
                )
            )
        role.add_to_policy(iam.PolicyStatement(actions=anywhere, resources=["*"]))
        acknowledge_wildcard(role, "*", "X-Ray and ECR's token are given to anybody or nobody.")

    def _forbid(self, role: iam.Role) -> None:
        """Deny production: a resource's own policy, or a right given later, must not open it."""
        parts = [f"{arn}{rest}" for arn in self._agent.forbidden for rest in ("", "/*", ":*")]
        if parts:
            role.add_to_policy(
                iam.PolicyStatement(
                    sid="Production", effect=iam.Effect.DENY, actions=["*"], resources=parts
                )
            )
        # An attempt that remembers another one, or a customer, is no evidence.
        memories = f"arn:{Stack.of(self).partition}:bedrock-agentcore:*:*:memory/*"
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Memory",
                effect=iam.Effect.DENY,
                actions=["bedrock-agentcore:*"],
                resources=[memories],
            )
        )


def _request_interceptor(
    function: lambda_.IFunction,
) -> agentcore.CfnGateway.GatewayInterceptorConfigurationProperty:
    return agentcore.CfnGateway.GatewayInterceptorConfigurationProperty(
        interception_points=["REQUEST"],
        interceptor=agentcore.CfnGateway.InterceptorConfigurationProperty(
            lambda_=agentcore.CfnGateway.LambdaInterceptorConfigurationProperty(
                arn=function.function_arn
            )
        ),
        input_configuration=agentcore.CfnGateway.InterceptorInputConfigurationProperty(
            pass_request_headers=True  # or it knows no attempt
        ),
    )


def _lambda_target(
    function: lambda_.IFunction, tools: list[TargetTool]
) -> agentcore.CfnGatewayTarget.TargetConfigurationProperty:
    target = agentcore.CfnGatewayTarget
    definitions = [
        target.ToolDefinitionProperty(
            name=tool.name,
            description=tool.description,
            input_schema=_schema(tool.input_schema),
        )
        for tool in tools
    ]
    return target.TargetConfigurationProperty(
        mcp=target.McpTargetConfigurationProperty(
            lambda_=target.McpLambdaTargetConfigurationProperty(
                lambda_arn=function.function_arn,
                tool_schema=target.ToolSchemaProperty(inline_payload=definitions),
            )
        )
    )


def _schema(schema: dict[str, Any]) -> agentcore.CfnGatewayTarget.SchemaDefinitionProperty:
    properties = schema.get("properties", {})
    return agentcore.CfnGatewayTarget.SchemaDefinitionProperty(
        type=schema["type"],
        description=schema.get("description"),
        required=schema.get("required"),
        items=_schema(schema["items"]) if "items" in schema else None,
        properties={name: _schema(inner) for name, inner in properties.items()} or None,
    )


def _artifact(of: str | CodeInS3) -> agentcore.CfnRuntime.AgentRuntimeArtifactProperty:
    runtime = agentcore.CfnRuntime
    if isinstance(of, str):
        container = runtime.ContainerConfigurationProperty(container_uri=of)
        return runtime.AgentRuntimeArtifactProperty(container_configuration=container)
    code = runtime.CodeConfigurationProperty(
        code=runtime.CodeProperty(
            s3=runtime.S3LocationProperty(bucket=of.bucket, prefix=of.prefix)
        ),
        entry_point=list(of.entry_point),
        runtime=of.runtime,
    )
    return runtime.AgentRuntimeArtifactProperty(code_configuration=code)


def _repository(stack: Stack, uri: str) -> str:
    """The ARN of the repository of 123456789012.dkr.ecr.eu-central-1.amazonaws.com/name:tag."""
    host, _, path = uri.partition("/")
    account, _, _, region, *_ = host.split(".")
    name = path.partition("@")[0].partition(":")[0]
    return f"arn:{stack.partition}:ecr:{region}:{account}:repository/{name}"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-"))
