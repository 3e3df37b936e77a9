"""Endpoints of the evaluation sandbox: what they serve, and who has which for how long."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.record import Record, SchemaVersion

RuntimeArn = Annotated[str, Field(pattern=r"^arn:[\w-]+:bedrock-agentcore:\S+:runtime/\S+$")]
EndpointName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,47}$")]
Holder = Annotated[str, Field(pattern=r"^[\w./@:-]{1,100}$")]
Moment = str  # UTC, ISO 8601


class ContainerImage(Record):
    """By digest: what a tag names may change, and an endpoint is for one content."""

    kind: Literal["image"] = "image"
    uri: Annotated[str, Field(pattern=r"^\S+@sha256:[0-9a-f]{64}$")]


class StoredCode(Record):
    """An archive in S3, by its version for the same reason."""

    kind: Literal["code"] = "code"
    bucket: Annotated[str, Field(min_length=3)]
    prefix: Annotated[str, Field(min_length=1)]
    version_id: Annotated[str, Field(min_length=3)]
    runtime: str = "PYTHON_3_13"
    entry_point: Annotated[tuple[str, ...], Field(min_length=1)]


Artifact = Annotated[ContainerImage | StoredCode, Field(discriminator="kind")]


class RuntimeVersion(Record):
    """A version of a runtime as the control plane describes it."""

    version: str
    status: str
    reason: str | None = None  # of a failure
    definition: dict[str, JsonValue]  # all that decides what it does, in the service's own form


class Endpoint(Record):
    """An endpoint as the control plane describes it."""

    name: EndpointName
    status: str
    live_version: str | None  # None: of one that never was ready
    reason: str | None = None  # of a failure


class EndpointLease(Record):
    """Who needs an endpoint until when; it may have several holders."""

    endpoint: EndpointName
    holder: Holder
    expires_at: Moment


class EndpointPool(Record):
    """The registry's row of a runtime's endpoints: one, so that their number is decided at once."""

    schema_version: SchemaVersion = 1
    runtime_arn: RuntimeArn
    leases: tuple[EndpointLease, ...] = ()
    deleting: tuple[EndpointName, ...] = ()  # nobody may lease them before they are gone


class LeasedEndpoint(Record):
    """What a holder gets: the target of a manifest, and until when it is there."""

    runtime_arn: RuntimeArn
    qualifier: EndpointName
    runtime_version: str
    holder: Holder
    expires_at: Moment


class SweptEndpoints(Record):
    """What a sweep of a runtime came to."""

    runtime_arn: RuntimeArn
    deleted: tuple[EndpointName, ...]
    leased: tuple[EndpointLease, ...]
    unknown: tuple[EndpointName, ...]  # named as ours are, but in no lease: left alone
