"""Options that several commands share, and what they mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import typer
from pydantic import ValidationError

from driftgate import registry, selection
from driftgate.adapters import files
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.errors import BadInput, CaseUnfit, NotPublished
from driftgate.ports import Artifacts, ErasableArtifacts, ErasableRegistry, Ledger, Registry
from driftgate.schemas.datasets import Dataset, DatasetVersion
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.manifests import AgentVersion, DatasetRef, Suite
from driftgate.schemas.policies import Mode, Rule
from driftgate.schemas.record import explain

if TYPE_CHECKING:
    from driftgate.adapters.deployment import Clients, Deployment
    from driftgate.adapters.watching import Watching

WHICH, RESULT = "Which cases", "Where, and what comes out"
Json = Annotated[
    bool,
    typer.Option("--json", help="Write JSON to stdout, and nothing else there."),
]
Environments = Literal["laptop", "local", "dev", "staging", "prod"]
Environment = Annotated[
    Environments,
    typer.Option(
        metavar="NAME",
        help="laptop (the folder --home), local, dev, staging or prod; the others are deployed.",
    ),
]
OfSuite = Annotated[
    Suite,
    typer.Option(
        metavar="SUITE",
        help="regression; or adversarial: attacks and broken tools, by criteria of their own.",
        rich_help_panel="What to compare",
    ),
]
Cases = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="Only this case; may be repeated.", rich_help_panel=WHICH),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="FIELD=PATTERN",
        help="Only cases that fit; if repeated, all must hold. "
        f"Fields: {', '.join(selection.FIELDS)}.",
        rich_help_panel=WHICH,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Only the first N, in the dataset's order.", rich_help_panel=WHICH
    ),
]
Output = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="For the report; default: below --home.")
]
Concurrency = Annotated[
    int,
    typer.Option(min=1, max=256, metavar="N", help="Trials at a time.", rich_help_panel="How"),
]
GateMode = Annotated[
    Mode | None,
    typer.Option(
        metavar="MODE",
        help="blocking; or advisory or observe, in which a bad verdict does not fail the command.",
    ),
]

GateRule = Annotated[
    Rule | None,
    typer.Option(
        metavar="RULE",
        help="calibrated; or point, which compares means: for a handful of cases.",
    ),
]


JudgedBy = Annotated[
    str,
    typer.Option(
        metavar="JUDGE",
        help="Who answers rubrics: rubric, converse:MODEL, evaluate:EVALUATOR, "
        "recorded:FINGERPRINT or a judge.yaml; default: the environment's.",
        rich_help_panel="How",
    ),
]


def examples(*commands: str) -> str:
    """The end of a command's help; empty lines, as the help joins others."""
    title = "Examples:" if len(commands) > 1 else "Example:"
    return "\n\n".join((title, *(f"$ driftgate {command}" for command in commands)))


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
    @property
    def ledger(self) -> Ledger: ...

    def caller(self) -> str: ...

    def publish_dataset(self, dataset: Dataset, author: str) -> DatasetVersion: ...


class Reviewing(Protocol):
    """Where the reviews of an environment are, and what they are of."""

    @property
    def registry(self) -> Registry: ...
    @property
    def reviews(self) -> ErasableRegistry: ...
    @property
    def watched(self) -> ErasableRegistry: ...
    @property
    def traces(self) -> ErasableArtifacts: ...


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


def clients(context: typer.Context, environment: str) -> "Clients":
    """What makes boto3's clients for an environment's account; for the laptop, the caller's."""
    if environment != "local":
        from driftgate.adapters import deployment

        return deployment.account_client
    from local import instances

    client: Clients = instances.Instances(context.obj).get(instances.DEFAULT).client
    return client


def watching(context: typer.Context, environment: str) -> "Watching":
    """What is known of production in an environment. Raises BadInput for the laptop."""
    from driftgate.adapters.watching import Watching

    if environment == "laptop":
        raise BadInput("--environment: production is watched where it is deployed, got laptop")
    return Watching(deployed(context, environment), clients(context, environment))


def reviewing(context: typer.Context, environment: str) -> Reviewing:
    return Laptop(context.obj) if environment == LAPTOP else watching(context, environment)


def given(context: typer.Context) -> set[str]:
    """The parameters that stand in the command, whatever their values."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def publish_agent(
    path: Path, stored: Registry, suites: tuple[Suite, ...] | None = None
) -> AgentVersion:
    """Read an agent from its manifest and publish it; say where a pin is that leads nowhere."""
    version, code = files.read_agent(path)
    try:
        return registry.publish_agent(version, code, stored, suites)
    except NotPublished as error:
        where = files.place(files.manifest_path(path), str(error).partition(":")[0])
        raise NotPublished(f"{where}: {error}") from error


def version(text: str, stored: Registry) -> AgentVersion:
    """The agent version that is meant: a stored one, or one in a file."""
    if not is_path(text):
        return registry.load_agent(*name_and_version(text, "agent"), stored)
    return files.read_agent(Path(text))[0]


def arm(text: str, suite: Suite, stored: Registry) -> AgentVersion:
    """The agent version that is run; one in a file is published, or a draft of this run.

    A draft needs the dataset of the run's suite alone.
    """
    if not is_path(text):
        return version(text, stored)
    return publish_agent(Path(text), stored, (suite,) if isinstance(stored, Drafts) else None)


def dataset(text: str, stored: Registry) -> DatasetRef:
    """The dataset that is meant; one in a folder becomes a draft of a run here."""
    if not is_path(text):
        return dataset_ref(text)
    if not isinstance(stored, Drafts):
        raise BadInput(f"dataset: wanted name@version, got {text!r}; publish it first")
    read = files.read_dataset(Path(text))
    registry.publish_dataset(read, stored, SystemClock(), author="", draft=True)
    return DatasetRef(name=read.header.name, version=read.header.version)


def chosen(
    pin: DatasetRef,
    stored: Registry,
    case_ids: Sequence[str] | None,
    filters: Sequence[str] | None,
    limit: int | None,
) -> tuple[str, ...] | None:
    """The ids of the cases that are meant; None if it is all of them."""
    if not case_ids and not filters and limit is None:
        return None
    cases = registry.load_cases(registry.load_dataset_row(pin, stored), stored)
    some = selection.choose(
        cases, str(pin), case_ids=case_ids or (), filters=filters or (), limit=limit
    )
    return tuple(case.case_id for case in some)


@contextmanager
def case_placed(dataset: str) -> Iterator[None]:
    """Say of a case that does not fit on which line of its dataset's folder it stands."""
    try:
        yield
    except CaseUnfit as error:
        if not dataset or not is_path(dataset):
            raise
        line = files.line_of_case(Path(dataset), error.case_id)
        raise BadInput(f"{line}: {error.reason}") from error


def judge(text: str) -> JudgeSpec | None:
    """The judge that is meant; None: the environment's."""
    if not text:
        return None
    if text.endswith((".yaml", ".yml")):
        return files.read_judge(Path(text))
    backend, _, model = text.partition(":")
    try:
        return JudgeSpec.model_validate({"backend": backend, "model": model or None})
    except ValidationError as error:
        raise BadInput(f"--judge: {explain(error)}") from error


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


def read_dataset(text: str, stored: Registry) -> Dataset:
    """The dataset of a folder, or a published one by name@version."""
    if is_path(text):
        return files.read_dataset(Path(text))
    return registry.load_dataset(registry.load_dataset_row(dataset_ref(text), stored), stored)
