"""Options that several commands share, and what the home folder holds."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import registry
from driftgate.adapters import files
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import BadInput, NotPublished
from driftgate.ports import Registry
from driftgate.schemas.manifests import AgentVersion, DatasetRef

Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else there.")]
Environment = Annotated[str, typer.Option(help="Whose baseline is meant.")]


def local_registry(context: typer.Context) -> LocalRegistry:
    return LocalRegistry(context.obj / "registry")


def local_runs(context: typer.Context) -> LocalArtifacts:
    return LocalArtifacts(context.obj)


def local_records(context: typer.Context) -> LocalArtifacts:
    return LocalArtifacts(context.obj / "records")


def publish_agent(path: Path, stored: Registry) -> AgentVersion:
    """Read an agent from its manifest and publish it; say where a pin is that leads nowhere."""
    version, code = files.read_agent(path)
    try:
        return registry.publish_agent(version, code, stored)
    except NotPublished as error:
        where = files.place(files.manifest_path(path), "datasets.regression")
        raise NotPublished(f"{where}: datasets.regression: {error}") from error


def name_and_version(text: str, what: str) -> tuple[str, str]:
    name, at, version = text.partition("@")
    if not at:
        raise BadInput(f"{what}: wanted name@version, as in support@1.0.0, got {text!r}")
    return name, version


def dataset_ref(text: str) -> DatasetRef:
    name, version = name_and_version(text, "dataset")
    try:
        return DatasetRef(name=name, version=version)
    except ValueError as error:
        raise BadInput(
            f"dataset: wanted name@version, as in support@1.0.0, got {text!r}"
        ) from error
