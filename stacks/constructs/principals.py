"""Services that may act for us, and only for things of this account."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct


def service(scope: Construct, name: str) -> iam.IPrincipal:
    """A service, for things of this account."""
    return iam.ServicePrincipal(
        name, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )


def lambda_service(scope: Construct) -> iam.IPrincipal:
    """Lambda, for functions of this account.

    No aws:SourceArn: Lambda tries the role before there is a function, and a role belongs to one
    function anyway, as nobody may pass it to another account's.
    """
    return service(scope, "lambda.amazonaws.com")


def agentcore_service(scope: Construct, kind: str) -> iam.IPrincipal:
    """AgentCore, for things of one kind (runtime, gateway) of this account and region.

    By kind and not by name: ids are made by the service.
    """
    things = Stack.of(scope).format_arn(
        service="bedrock-agentcore", resource=kind, resource_name="*"
    )
    return iam.ServicePrincipal(
        "bedrock-agentcore.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
            "ArnLike": {"aws:SourceArn": things},
        },
    )


def states_service(scope: Construct) -> iam.IPrincipal:
    """Step Functions, for state machines of this account and region.

    By kind and not by name: the machine needs its role before it has an ARN.
    """
    machines = Stack.of(scope).format_arn(
        service="states",
        resource="stateMachine",
        resource_name="*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.ServicePrincipal(
        "states.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
            "ArnLike": {"aws:SourceArn": machines},
        },
    )
