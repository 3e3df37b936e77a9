"""A state machine drawn in statemachines/*.asl.json, its placeholders checked at synth."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.findings import acknowledge_wildcard
from stacks.constructs.principals import states_service
from stacks.environments import Environment

FOLDER = Path(__file__).parents[2] / "statemachines"


class AslStateMachine(sfn.StateMachine):
    """The drawing goes into the template as text, and its role gets what the drawing needs."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        file: str,
        functions: Mapping[str, lambda_.IFunction],
        values: Mapping[str, str] | None = None,
        machines: Mapping[str, "AslStateMachine"] | None = None,
        environment: Environment,
    ) -> None:
        text = (FOLDER / file).read_text()
        placeholders = set(re.findall(r"\$\{(\w+)\}", text))
        values, machines = values or {}, machines or {}
        given = {*functions, *values, *machines}
        if placeholders != given:
            raise ValueError(f"{file} has {sorted(placeholders)}, the stack gives {sorted(given)}")
        stack = Stack.of(scope)
        super().__init__(
            scope,
            id,
            definition_body=sfn.DefinitionBody.from_string(text),
            definition_substitutions={
                **{name: function.function_arn for name, function in functions.items()},
                **{name: machine.state_machine_arn for name, machine in machines.items()},
                **values,
            },
            role=iam.Role(scope, f"{id}Role", assumed_by=states_service(scope)),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=logs.LogGroup(
                    scope,
                    f"{id}Logs",
                    # Under this prefix, log groups don't add up in a policy that has a limit.
                    log_group_name=f"/aws/vendedlogs/states/{stack.stack_name}-{id}",
                    retention=environment.log_retention,
                    removal_policy=RemovalPolicy.DESTROY,
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
        )
        acknowledge_wildcard(
            self.role, "*", "Log deliveries and X-Ray have no resources that a policy could name."
        )
        for function in functions.values():
            self._allow(["lambda:InvokeFunction"], [function.function_arn])
        for machine in machines.values():
            self._run_to_the_end(machine)
        tasks = list(_states(json.loads(text)))
        if any(state.get("Resource", "").endswith(":events:putEvents") for state in tasks):
            bus = stack.format_arn(service="events", resource="event-bus", resource_name="default")
            self._allow(["events:PutEvents"], [bus])
        if any(_is_distributed(state) for state in tasks):
            self._run_distributed_maps(scope, id)

    def _run_to_the_end(self, machine: "AslStateMachine") -> None:
        """Start another machine and wait for it, which Step Functions does by a rule of its own."""
        executions = machine._executions(machine, "")
        self._allow(["states:StartExecution"], [machine.state_machine_arn])
        self._allow(["states:DescribeExecution", "states:StopExecution"], [executions])
        reason = "The executions of this machine alone; they get their names when they start."
        acknowledge_wildcard(self.role, executions, reason)
        rule = Stack.of(self).format_arn(
            service="events",
            resource="rule",
            resource_name="StepFunctionsGetEventsForStepFunctionsExecutionRule",
        )
        self._allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule])

    def _run_distributed_maps(self, scope: Construct, id: str) -> None:
        """A distributed map starts its own machine for each item, and looks after what it started.

        In a policy of its own: the machine waits for its role's, and this one names the machine.
        """
        executions = [self._executions(scope, kind) for kind in ("", "/*")]
        look_after = ["DescribeExecution", "StopExecution", "RedriveExecution"]
        policy = iam.Policy(
            scope,
            f"{id}DistributedMap",
            statements=[
                iam.PolicyStatement(
                    actions=["states:StartExecution"], resources=[self.state_machine_arn]
                ),
                iam.PolicyStatement(
                    actions=[f"states:{action}" for action in look_after], resources=executions
                ),
            ],
        )
        policy.attach_to_role(self.role)
        for execution in executions:
            reason = "The executions of this machine alone; they get their names when they start."
            acknowledge_wildcard(policy, execution, reason)

    def let_find_executions(self, *functions: lambda_.Function) -> None:
        """Let functions describe this machine's executions.

        In a policy of its own, as the machine's role names functions that this one is for.
        """
        executions = self._executions(self, "")
        policy = iam.Policy(
            self,
            "FindExecutions",
            statements=[
                iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions])
            ],
            roles=[function.role for function in functions if function.role],
        )
        reason = "The executions of this machine alone; they get their names when they start."
        acknowledge_wildcard(policy, executions, reason)

    def _executions(self, scope: Construct, kind: str) -> str:
        """The ARNs of this machine's own executions, or ("/*") of its maps' children."""
        return Stack.of(scope).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.state_machine_name}{kind}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _allow(self, actions: list[str], resources: list[str]) -> None:
        self.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=resources))


def _states(machine: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for state in machine["States"].values():
        yield state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", [])]:
            if inner:
                yield from _states(inner)


def _is_distributed(state: Mapping[str, Any]) -> bool:
    processor = state.get("ItemProcessor", {})
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")
