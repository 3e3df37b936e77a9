"""What a role needs for AgentCore's batch evaluation, which runs under the role of its caller.

There is no role of the service: what the caller may not read, a job can't read either.
"""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.findings import acknowledge_wildcard

OPERATIONS = ("Start", "Get", "List", "Stop", "Delete")
READ_LOGS = ("GetLogEvents", "FilterLogEvents", "StartQuery", "GetQueryResults")
INVOKE_MODELS = ("InvokeModel", "InvokeModelWithResponseStream")
LOG_GROUPS = ("/aws/bedrock-agentcore/runtimes/*", "/aws/bedrock-agentcore/evaluations/*")


class BatchEvaluationAccess(Construct):
    """A policy on roles; each right is a statement of its own.

    Args:
        operations: those on batch evaluations; none for who only looks for telemetry.
        custom_evaluators: jobs may have evaluators of one's own, whose models the caller invokes.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        roles: Sequence[iam.IRole],
        operations: Sequence[str] = OPERATIONS,
        custom_evaluators: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self._policy = iam.Policy(self, "Policy", roles=list(roles))
        partition = Stack.of(self).partition
        if operations:
            self._allow(
                [f"bedrock-agentcore:{operation}" for operation in map(_named, operations)],
                [f"arn:{partition}:bedrock-agentcore:*:*:batch-evaluate/*"],
                "Jobs get their ids when they are started.",
            )
        self._allow(
            [f"logs:{action}" for action in READ_LOGS],
            [f"arn:{partition}:logs:*:*:log-group:{group}" for group in LOG_GROUPS],
            "Agents and evaluations have log groups under these names, made at run time.",
        )
        if custom_evaluators:
            self._allow(
                [f"bedrock:{action}" for action in INVOKE_MODELS],
                [
                    f"arn:{partition}:bedrock:*::foundation-model/*",
                    f"arn:{partition}:bedrock:*:*:inference-profile/*",
                ],
                "Which model judges is said by the evaluator.",
            )

    def grant_read_spans(self) -> None:
        """Read the log group in which the spans of all of an account's services come together."""
        spans = f"arn:{Stack.of(self).partition}:logs:*:*:log-group:aws/spans"
        actions = [f"logs:{action}" for action in READ_LOGS]
        self._allow(actions, [spans, f"{spans}:*"], "The log group and its streams.")

    def _allow(self, actions: list[str], resources: list[str], why: str) -> None:
        self._policy.add_statements(iam.PolicyStatement(actions=actions, resources=resources))
        for resource in resources:
            acknowledge_wildcard(self._policy, resource, why)


def _named(operation: str) -> str:
    plural = "s" if operation == "List" else ""
    return f"{operation}BatchEvaluation{plural}"
