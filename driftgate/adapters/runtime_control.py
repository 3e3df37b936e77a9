"""Runtimes and their endpoints, over AgentCore's control plane: all that knows these requests."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import JsonValue

from driftgate import canonical
from driftgate.adapters.batch_evaluations import named_error
from driftgate.errors import BadInput, Throttled
from driftgate.schemas.endpoints import Artifact, ContainerImage, Endpoint, RuntimeVersion

# What an update replaces as a whole: left out, it would be reset. All that both operations know.
DEFINITION = (
    *("agentRuntimeArtifact", "roleArn", "networkConfiguration", "description"),
    *("authorizerConfiguration", "requestHeaderConfiguration", "protocolConfiguration"),
    *("lifecycleConfiguration", "hooksConfiguration", "metadataConfiguration"),
    *("environmentVariables", "filesystemConfigurations", "capacityProviderConfiguration"),
    *("platformVersion", "allowedPorts", "resourceConfigurations"),
)


class AgentCoreControl:
    """The runtimes of one account.

    Args:
        control: boto3's client of bedrock-agentcore-control.
    """

    def __init__(self, control: Any) -> None:
        self._control = control
        self._errors = control.exceptions

    def describe(self, runtime_arn: str, version: str | None = None) -> RuntimeVersion:
        asked = {"agentRuntimeId": _id(runtime_arn)}
        if version is not None:
            asked["agentRuntimeVersion"] = version
        try:
            found = self._called("get_agent_runtime", **asked)
        except self._errors.ResourceNotFoundException as error:
            raise BadInput(f"there is no runtime {runtime_arn}: {error}") from error
        return RuntimeVersion(
            version=found["agentRuntimeVersion"],
            status=found["status"],
            reason=found.get("failureReason"),
            definition={name: found[name] for name in DEFINITION if name in found},
        )

    def with_artifact(
        self, definition: dict[str, JsonValue], artifact: Artifact
    ) -> dict[str, JsonValue]:
        return {**definition, "agentRuntimeArtifact": _artifact(artifact)}

    def update(self, runtime_arn: str, definition: dict[str, JsonValue]) -> str:
        try:
            made = self._called(
                "update_agent_runtime",
                agentRuntimeId=_id(runtime_arn),
                clientToken=canonical.sha256(canonical.dump(definition)),
                **definition,
            )
        except self._errors.ConflictException as error:
            raise Throttled(str(error)) from error
        return str(made["agentRuntimeVersion"])

    def endpoint_names(self, runtime_arn: str) -> list[str]:
        names: list[str] = []
        asked = {"agentRuntimeId": _id(runtime_arn)}
        while True:
            answer = self._called("list_agent_runtime_endpoints", **asked)
            names += [one["name"] for one in answer["runtimeEndpoints"]]
            if not answer.get("nextToken"):
                return names
            asked["nextToken"] = answer["nextToken"]

    def endpoint(self, runtime_arn: str, name: str) -> Endpoint | None:
        try:
            found = self._called(
                "get_agent_runtime_endpoint", agentRuntimeId=_id(runtime_arn), endpointName=name
            )
        except self._errors.ResourceNotFoundException:
            return None
        return Endpoint(
            name=found["name"],
            status=found["status"],
            live_version=found.get("liveVersion"),
            reason=found.get("failureReason"),
        )

    def create_endpoint(self, runtime_arn: str, name: str, version: str) -> None:
        try:
            self._called(
                "create_agent_runtime_endpoint",
                agentRuntimeId=_id(runtime_arn),
                name=name,
                agentRuntimeVersion=version,
                description="Driftgate: for evaluation, deleted when no lease is left",
            )
        except self._errors.ConflictException:
            return  # another holder was faster; what it serves is looked at in any case

    def delete_endpoint(self, runtime_arn: str, name: str) -> None:
        try:
            self._called(
                "delete_agent_runtime_endpoint", agentRuntimeId=_id(runtime_arn), endpointName=name
            )
        except (self._errors.ResourceNotFoundException, self._errors.ConflictException):
            return  # gone, or going

    def _called(self, operation: str, **asked: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._control, operation)(**asked)
        except (self._errors.ResourceNotFoundException, self._errors.ConflictException):
            raise
        except (ClientError, BotoCoreError) as error:
            raise named_error(error) from error
        return answer


class AgentCoreEndpoints:
    """Endpoints to look at, with a client that is made when the first is looked at."""

    def endpoint(self, runtime_arn: str, name: str) -> Endpoint | None:
        return AgentCoreControl(_client()).endpoint(runtime_arn, name)


@cache
def _client() -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": 4}
    config = Config(connect_timeout=5, read_timeout=15, retries=retries)
    return boto3.client("bedrock-agentcore-control", config=config)


def _id(runtime_arn: str) -> str:
    return runtime_arn.rpartition("/")[2]


def _artifact(artifact: Artifact) -> dict[str, JsonValue]:
    if isinstance(artifact, ContainerImage):
        return {"containerConfiguration": {"containerUri": artifact.uri}}
    s3: dict[str, JsonValue] = {
        "bucket": artifact.bucket,
        "prefix": artifact.prefix,
        "versionId": artifact.version_id,
    }
    return {
        "codeConfiguration": {
            "code": {"s3": s3},
            "runtime": artifact.runtime,
            "entryPoint": list(artifact.entry_point),
        }
    }
