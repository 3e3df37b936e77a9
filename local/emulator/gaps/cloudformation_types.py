"""The emulator's CloudFormation fails on types it does not know; those listed here have stand-ins
of their own or no effect locally, so a stack with them deploys, and nothing is created."""

import logging
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import provisioners

NOTHING_CREATED = (
    "AWS::BedrockAgentCore::Gateway",
    "AWS::BedrockAgentCore::GatewayTarget",
    "AWS::BedrockAgentCore::Runtime",
    "AWS::BedrockAgentCore::RuntimeEndpoint",
)
log = logging.getLogger("driftgate.emulator")


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    assert set(handlers["AWS::SQS::Queue"]) >= {"create", "delete"}, "the handlers have changed"
    for kind in NOTHING_CREATED:
        assert kind not in handlers, f"the emulator now knows {kind}"
        handlers[kind] = {"create": creates(kind), "update": update, "delete": delete}


def creates(kind: str) -> Callable[..., tuple[str, dict[str, str]]]:
    def create(logical_id: str, properties: Any, stack: str) -> tuple[str, dict[str, str]]:
        log.warning("%s %s in %s: NOTHING WAS CREATED", kind, logical_id, stack)
        return f"{stack}-{logical_id}", attributes(f"{stack}-{logical_id}")

    return create


def update(physical_id: str, *_: Any) -> tuple[str, dict[str, str]]:
    return physical_id, attributes(physical_id)


def delete(physical_id: str, *_: Any) -> None:
    pass


def attributes(physical_id: str) -> dict[str, str]:
    arn = f"arn:aws:bedrock-agentcore:{get_region()}:{get_account_id()}:nothing/{physical_id}"
    names = ("GatewayArn", "AgentRuntimeArn", "AgentRuntimeEndpointArn")
    identifiers = ("GatewayIdentifier", "AgentRuntimeId", "TargetId", "AgentRuntimeVersion")
    return {**dict.fromkeys(names, arn), **dict.fromkeys(identifiers, physical_id)}
