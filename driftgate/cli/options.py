"""Options that several commands share, and what the home folder holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer

from driftgate import registry
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP, Laptop
from driftgate.errors import BadInput, NotPublished
from driftgate.ports import Artifacts, Registry
from driftgate.schemas.datasets import Dataset, DatasetVersion
from driftgate.schemas.manifests import AgentVersion, DatasetRef

if TYPE_CHECKING:
    from driftgate.adapters.deployment import Deployment

Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else there.")]
Environments = Literal["laptop", "local", "dev", "staging", "prod"]
Environment = Annotated[
    Environments,
    typer.Option(help="Where: laptop is the folder --home; the others are deployed."),
]


class Place(Protocol):
    """What is kept in an environment."""

    @property
    def environment(self) -> str: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def runs(self) -> Artifacts: ...
    @property
    def records(self) -> Artifacts: ...

    def publish_dataset(self, dataset: Dataset, author: str) -> DatasetVersion: ...


def place(context: typer.Context, environment: str) -> Place:
    """The environment that is meant. Raises BadInput if it is not deployed, or not started."""
    return Laptop(context.obj) if environment == LAPTOP else deployed(context, environment)


def deployed(context: typer.Context, environment: str) -> "Deployment":
    """A deployed environment; `local` is on the local AWS that was started from this home."""
    from driftgate.adapters import deployment  # a third of a second

    if environment != "local":
        return deployment.find(environment, deployment.account_client)
    from local import instances  # for development; not part of what is deployed

    instance = instances.Instances(context.obj).get(instances.DEFAULT)
    return deployment.find(environment, instance.client)


def publish_agent(path: Path, stored: Registry) -> AgentVersion:
    """Read an agent from its manifest and publish it; say where a pin is that leads nowhere."""
    version, code = files.read_agent(path)
    try:
        return registry.publish_agent(version, code, stored)
    except NotPublished as error:
        where = files.place(files.manifest_path(path), "datasets.regression")
        raise NotPublished(f"{where}: datasets.regression: {error}") from error


def is_path(text: str) -> bool:
    """Whether a file or folder is meant, and not name@version."""
    return Path(text).exists() or "/" in text or text.endswith((".yaml", ".yml"))


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
