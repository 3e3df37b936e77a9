"""Findings of cdk-nag that we accept, each on its own resource and with its reason."""

import json
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions-{rule}", reason=reason))


def acknowledge_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Accept a `*` in a resource of a policy. The rule wants each named, not the rule as such."""
    flat = _flat(Stack.of(construct).resolve(resource))
    acknowledge(construct, f"IAM5[Resource::{flat}]", reason)


def _flat(resource: Any) -> str:
    """An ARN as cdk-nag writes it: references in angle brackets, an import by its name."""
    if isinstance(resource, str):
        return resource
    ((kind, value),) = resource.items()
    if kind == "Fn::Join":
        return str(value[0]).join(_flat(part) for part in value[1])
    if kind == "Ref":
        return f"<{value}>"
    if kind == "Fn::GetAtt":
        return f"<{'.'.join(value)}>"
    if kind == "Fn::ImportValue":
        return str(value)
    return json.dumps(resource, separators=(",", ":"))
