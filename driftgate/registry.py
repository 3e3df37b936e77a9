"""The registry: immutable versions of datasets and agents, and the pointers to baselines.

Keys: dataset/{name}/{version} · agent/{agent}/{version} · baseline/{agent}/{environment} ·
validated/{dataset}/{version}/{agent}/{version}/{run_id} · run/{run_id} · head/{agent} ·
override/{id}, override-approval/{id}, override-use/{id} · lease/{run_id} ·
drill/{agent}/{environment}/{kind}/{run_id} · batch/{batch_id} ·
endpoints/{runtime}. Blobs lie under their sha256 and are written before the row that names them: a
reader never meets half a version.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from driftgate import canonical, datasets
from driftgate.errors import (
    AlreadyPublished,
    BadInput,
    IntegrityFailed,
    NotPublished,
    PointerMoved,
)
from driftgate.ports import Clock, Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import (
    Dataset,
    DatasetCheck,
    DatasetHeader,
    DatasetVersion,
)
from driftgate.schemas.manifests import AgentVersion, DatasetRef, Manifest, Suite
from driftgate.schemas.record import Record, explain
from driftgate.schemas.runs import BaselinePointer, RunRow

AnyRecord = TypeVar("AnyRecord", bound=Record)


def publish_dataset(
    dataset: Dataset, registry: Registry, clock: Clock, *, author: str, draft: bool = False
) -> DatasetVersion:
    """Store a version for good. The same content again is no change.

    Raises:
        AlreadyPublished: the version exists with other content, or grown from another parent; the
            message has both hashes.
        NotPublished: the parent that the dataset names is not published.
        IntegrityFailed: what is stored under the content's hash is something else.
    """
    header = dataset.header
    parent = ""
    if header.parent:
        parent = load_dataset_row(
            DatasetRef(name=header.name, version=header.parent), registry
        ).chain_sha256
    ref = DatasetRef(name=header.name, version=header.version)
    sha256 = registry.put_blob("datasets", datasets.to_bytes(header, dataset.cases))
    _load_blob(ref, sha256, registry)  # no row may name what can't be read back
    row = DatasetVersion(
        name=header.name,
        version=header.version,
        description=header.description,
        sha256=sha256,
        created_at=clock.now(),
        author=author,
        owner=header.owner,
        changelog=header.changelog,
        parent=header.parent,
        draft=draft,
        chain_sha256=_chain_sha256(parent, sha256, ref),
        **datasets.counts(dataset.cases).model_dump(),
    )
    if registry.put_new(_dataset_key(ref), row.model_dump(mode="json")):
        return row
    stored = load_dataset_row(ref, registry)
    check_same(stored, row)
    return stored


def check_same(stored: DatasetVersion, other: DatasetVersion) -> None:
    """Raises AlreadyPublished, with both hashes, if a version is to be two different things."""
    ref = DatasetRef(name=stored.name, version=stored.version)
    if stored.sha256 != other.sha256:
        raise AlreadyPublished(
            f"dataset {ref} exists with sha256 {stored.sha256}, "
            f"this one has {other.sha256}; give it a new version"
        )
    if stored.chain_sha256 != other.chain_sha256:
        raise AlreadyPublished(
            f"dataset {ref} exists with this content, but its parent is {stored.parent} and its "
            f"chain hash {stored.chain_sha256}, this one's parent is {other.parent} and its "
            f"chain hash {other.chain_sha256}; give it a new version"
        )


def find_dataset_row(ref: DatasetRef, registry: Registry) -> DatasetVersion | None:
    """The row of a version, if it is published. Raises IntegrityFailed if the row is damaged."""
    key = _dataset_key(ref)
    content = registry.row(key)
    if content is None:
        return None
    row = read_row(DatasetVersion, key, content)
    if (row.name, row.version) != (ref.name, ref.version):
        raise IntegrityFailed(
            f"the stored row {key} is damaged: it is that of {row.name}@{row.version}"
        )
    return row


def load_dataset_row(ref: DatasetRef, registry: Registry) -> DatasetVersion:
    """A version's row, after checking that its hashes follow from its parents'."""
    row = _published_row(ref, registry)
    for fault in _chain_faults(row, registry):
        raise IntegrityFailed(fault)
    return row


def load_cases(version: DatasetVersion, registry: Registry) -> tuple[Case, ...]:
    """The cases of a published version, after checking that they are what was published.

    Raises:
        IntegrityFailed: the blob is gone or no longer has the published hash.
    """
    return _load_content(version, registry)[1]


def load_dataset(version: DatasetVersion, registry: Registry) -> Dataset:
    """A published version as it was before it was published. Raises as `load_cases` does."""
    about, cases = _load_content(version, registry)
    said = version.model_dump(include={"version", "description", "owner", "changelog", "parent"})
    try:
        dataset = datasets.build(DatasetHeader.model_validate({**about, **said}), cases)
    except ValidationError as error:
        raise IntegrityFailed(
            f"dataset {version.name}@{version.version}: {explain(error)}"
        ) from error
    if dataset.sha256 != version.sha256:
        raise IntegrityFailed(
            f"dataset {version.name}@{version.version} was published with sha256 "
            f"{version.sha256}, written again it has {dataset.sha256}"
        )
    return dataset


def check_dataset(ref: DatasetRef, registry: Registry) -> DatasetCheck:
    """Hold a published version against its content and its parents, and say every fault.

    Raises:
        NotPublished: there is no such version.
    """
    try:
        row = _published_row(ref, registry)
    except IntegrityFailed as error:
        return DatasetCheck(dataset=str(ref), sha256=None, faults=(str(error),))
    faults = (*_content_faults(row, registry), *_chain_faults(row, registry))
    return DatasetCheck(dataset=str(ref), sha256=row.sha256, faults=faults)


def check_datasets(registry: Registry) -> list[DatasetCheck]:
    """Check every version; one whose row is damaged does not hide the others."""
    checks = []
    for key in registry.keys("dataset/"):
        name, _, version = key.removeprefix("dataset/").partition("/")
        try:
            ref = DatasetRef(name=name, version=version)
        except ValidationError as error:
            fault = f"the stored row {key} is damaged: {explain(error)}"
            checks.append(DatasetCheck(dataset=f"{name}@{version}", sha256=None, faults=(fault,)))
        else:
            checks.append(check_dataset(ref, registry))
    return checks


def validations(ref: DatasetRef, registry: Registry) -> list[RunRow]:
    """The runs that went over every case of a version, in the order in which they ended."""
    rows = registry.rows(f"validated/{ref.name}/{ref.version}/")
    runs = [read_row(RunRow, "validated/…", row) for row in rows]
    return sorted(runs, key=lambda run: (run.finished_at, run.run_id))


def list_datasets(registry: Registry, name: str | None = None) -> list[DatasetVersion]:
    rows = registry.rows(f"dataset/{name}/" if name else "dataset/")
    return sorted((read_row(DatasetVersion, "dataset/…", row) for row in rows), key=_by_version)


def seal_agent(
    manifest: Manifest,
    contracts: Iterable[ToolContract],
    prompts: dict[str, str],
    code_sha256: str | None,
) -> AgentVersion:
    """Put an agent version together and compute its digest over all of it."""
    ordered = tuple(sorted(contracts, key=lambda contract: contract.tool))
    content = {
        "manifest": manifest.model_dump(mode="json", exclude_defaults=True),
        "contracts": [
            contract.model_dump(mode="json", exclude_defaults=True) for contract in ordered
        ],
        "prompts": prompts,
        "code_sha256": code_sha256,
    }
    return AgentVersion(
        manifest=manifest,
        contracts=ordered,
        prompts=prompts,
        code_sha256=code_sha256,
        digest=canonical.sha256(canonical.dump(content)),
    )


def publish_agent(
    version: AgentVersion,
    code: bytes | None,
    registry: Registry,
    suites: Collection[Suite] | None = None,
) -> AgentVersion:
    """Store an agent version and its code for good. The same version again is no change.

    Args:
        version: to store.
        code: what its `code_sha256` is of.
        registry: where to.
        suites: whose datasets must be there already; None: of all that the manifest pins.

    Raises:
        AlreadyPublished: the version exists with another digest, the message has both; or a
            contract has the name and version of another one.
        NotPublished: a dataset that the manifest pins is not published.
    """
    for suite, pin in version.manifest.datasets.items():
        if suites is not None and suite not in suites:
            continue
        try:
            load_dataset_row(pin, registry)
        except NotPublished as error:
            raise NotPublished(f"datasets.{suite}: {error}") from error
    manifest = version.manifest
    if registry.row(_agent_key(manifest.agent, manifest.version)) is None:
        _check_contracts(version, list_agents(registry, manifest.agent))
    if code is not None:
        registry.put_blob("agents", code)
    if not registry.put_new(
        _agent_key(manifest.agent, manifest.version), version.model_dump(mode="json")
    ):
        stored = load_agent(manifest.agent, manifest.version, registry)
        if stored.digest != version.digest:
            raise AlreadyPublished(
                f"agent {version.label} exists with digest {stored.digest}, "
                f"this one has {version.digest}; give it a new version"
            )
    return version


def load_agent(agent: str, version: str, registry: Registry) -> AgentVersion:
    """A stored agent version, after checking that it still has its digest."""
    row = registry.row(_agent_key(agent, version))
    if row is None:
        known = [stored.manifest.version for stored in list_agents(registry, agent)]
        raise NotPublished(
            f"agent {agent} {version} is not published in {registry.where}; {_known(known)}"
        )
    stored = read_row(AgentVersion, _agent_key(agent, version), row)
    again = seal_agent(stored.manifest, stored.contracts, stored.prompts, stored.code_sha256)
    if again.digest != stored.digest:
        raise IntegrityFailed(
            f"agent {stored.label} was published with digest {stored.digest}, "
            f"its stored content has {again.digest}"
        )
    return stored


def load_code(version: AgentVersion, registry: Registry) -> bytes:
    assert version.code_sha256 is not None
    data = registry.blob("agents", version.code_sha256)
    if data is None or canonical.sha256(data) != version.code_sha256:
        raise IntegrityFailed(
            f"the code of agent {version.label} was published with sha256 {version.code_sha256}, "
            f"its stored content has {canonical.sha256(data) if data is not None else 'nothing'}"
        )
    return data


def list_agents(registry: Registry, agent: str | None = None) -> list[AgentVersion]:
    rows = registry.rows(f"agent/{agent}/" if agent else "agent/")
    versions = [read_row(AgentVersion, "agent/…", row) for row in rows]
    return sorted(versions, key=lambda version: _by_version(version.manifest))


def baseline(agent: str, environment: str, registry: Registry) -> BaselinePointer | None:
    key = _baseline_key(agent, environment)
    row = registry.row(key)
    return read_row(BaselinePointer, key, row) if row else None


def agents_with_baseline(environment: str, registry: Registry) -> list[str]:
    """Their names, sorted."""
    keys = (key.split("/") for key in registry.keys("baseline/"))
    return sorted(agent for _, agent, place in keys if place == environment)


def is_finished(run_id: str, registry: Registry) -> bool:
    return registry.row(f"run/{run_id}") is not None


def load_run(run_id: str, registry: Registry) -> RunRow:
    key = f"run/{run_id}"
    row = registry.row(key)
    if row is None:
        raise IntegrityFailed(f"the row {key} of a finished run is gone")
    return read_row(RunRow, key, row)


def list_runs(registry: Registry, agent: str | None = None) -> list[RunRow]:
    """The finished runs, the latest first."""
    rows = [read_row(RunRow, "run/…", row) for row in registry.rows("run/")]
    own = [row for row in rows if agent in (None, row.agent)]
    return sorted(own, key=lambda row: (row.finished_at, row.run_id), reverse=True)


def pinned(agent: AgentVersion, suite: Suite) -> DatasetRef:
    """The dataset that a version is held to. Raises BadInput if it pins none for this suite."""
    pins = agent.manifest.datasets
    if suite not in pins:
        got = ", ".join(f"{name}: {ref}" for name, ref in pins.items())
        raise BadInput(
            f"agent {agent.label}: wanted `{suite}: name@1.0.0` among the datasets of its "
            f"manifest, got {{{got}}}"
        )
    return pins[suite]


def last_run(agent: str, version: str, suite: Suite, registry: Registry) -> RunRow | None:
    """The latest run of a suite with this version as candidate."""
    own = (r for r in list_runs(registry, agent) if (r.version, r.suite) == (version, suite))
    return next(own, None)


def promote(
    agent: str, version: str, environment: str, registry: Registry, clock: Clock
) -> BaselinePointer:
    """Point an environment's baseline at a stored version, unless it was moved meanwhile."""
    stored = load_agent(agent, version, registry)
    key = _baseline_key(agent, environment)
    before = registry.row(key)
    pointer = BaselinePointer(
        agent=agent,
        environment=environment,
        version=version,
        digest=stored.digest,
        moved_at=clock.now(),
    )
    if not registry.replace(key, pointer.model_dump(mode="json"), expected=before):
        raise PointerMoved(
            f"the baseline of {agent} in {environment} was moved by somebody else; look again"
        )
    return pointer


def record_run(row: RunRow, registry: Registry) -> None:
    """Keep the run's row; a run that was completed later has a later outcome."""
    key = f"run/{row.run_id}"
    before, now = registry.row(key), row.model_dump(mode="json")
    if before is None or {**before, "finished_at": row.finished_at} != now:
        registry.replace(key, now, expected=before)


def record_validation(dataset: DatasetRef, row: RunRow, registry: Registry) -> None:
    """Append that every case of a published dataset was run by this agent version."""
    registry.put_new(
        f"validated/{dataset.name}/{dataset.version}/{row.agent}/{row.version}/{row.run_id}",
        row.model_dump(mode="json"),
    )


def _load_content(
    version: DatasetVersion, registry: Registry
) -> tuple[dict[str, Any], tuple[Case, ...]]:
    ref = DatasetRef(name=version.name, version=version.version)
    try:
        about, cases = datasets.from_bytes(_load_blob(ref, version.sha256, registry))
    except ValueError as error:
        raise IntegrityFailed(f"the stored content of dataset {ref}: {error}") from error
    if about.get("name") != version.name:
        raise IntegrityFailed(
            f"the stored content of dataset {ref} is that of a dataset {about.get('name')}"
        )
    return about, cases


def _load_blob(ref: DatasetRef, sha256: str, registry: Registry) -> bytes:
    data = registry.blob("datasets", sha256)
    found = canonical.sha256(data) if data is not None else "nothing"
    if data is None or found != sha256:
        raise IntegrityFailed(
            f"dataset {ref} was published with sha256 {sha256}, its stored content has {found}"
        )
    return data


def _content_faults(row: DatasetVersion, registry: Registry) -> Iterator[str]:
    try:
        found = datasets.counts(load_cases(row, registry)).model_dump()
    except IntegrityFailed as error:
        yield str(error)
        return
    said = row.model_dump(include=set(found))
    for field in found:
        if found[field] != said[field]:
            yield (
                f"dataset {row.name}@{row.version}: {field} is {found[field]} in its content, "
                f"its row says {said[field]}"
            )


def _published_row(ref: DatasetRef, registry: Registry) -> DatasetVersion:
    row = find_dataset_row(ref, registry)
    if row is None:
        known = [version.version for version in list_datasets(registry, ref.name)]
        raise NotPublished(f"dataset {ref} is not published in {registry.where}; {_known(known)}")
    return row


def _chain_faults(row: DatasetVersion, registry: Registry) -> Iterator[str]:
    label = f"dataset {row.name}@{row.version}"
    chain = [row]
    while parent := chain[-1].parent:
        if parent in {version.version for version in chain}:
            yield f"{label}: its parents go in a circle, {parent} is met again"
            return
        try:
            found = find_dataset_row(DatasetRef(name=row.name, version=parent), registry)
        except IntegrityFailed as error:
            yield f"{label}: its parents can't be followed: {error}"
            return
        if found is None:
            yield f"{label}: its parents can't be followed: {row.name}@{parent} is not published"
            return
        chain.append(found)
    sha256 = ""
    for version in reversed(chain):
        ref = DatasetRef(name=version.name, version=version.version)
        sha256 = _chain_sha256(sha256, version.sha256, ref)
    if sha256 != row.chain_sha256:
        yield f"{label}: its chain hash is {row.chain_sha256}, from its parents follows {sha256}"


def _chain_sha256(parent: str, sha256: str, ref: DatasetRef) -> str:
    """Of the parent's chain hash ("" if there is no parent), the content and the version."""
    return canonical.sha256(f"{parent}|{sha256}|{ref.name}|{ref.version}".encode())


def _check_contracts(version: AgentVersion, others: Iterable[AgentVersion]) -> None:
    """A contract's version says what it holds; two contents under one version are refused."""
    known = {(c.tool, c.version): (c, other) for other in others for c in other.contracts}
    for contract in version.contracts:
        same, other = known.get((contract.tool, contract.version), (contract, version))
        if same != contract:
            raise AlreadyPublished(
                f"agent {version.label}: the contract {contract.tool} {contract.version} differs "
                f"from that of {other.label}; give it a new version"
            )


def read_row(kind: type[AnyRecord], key: str, row: dict[str, Any]) -> AnyRecord:
    """A row as a record. Raises IntegrityFailed if it is not one."""
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        raise IntegrityFailed(f"the stored row {key} is damaged: {explain(error)}") from error


def _known(versions: list[str]) -> str:
    return f"there are {', '.join(versions)}" if versions else "there is no version of it"


def _by_version(record: DatasetVersion | Manifest) -> tuple[str, list[int]]:
    name = record.name if isinstance(record, DatasetVersion) else record.agent
    return name, [int(part) for part in record.version.split(".")]


def _dataset_key(ref: DatasetRef) -> str:
    return f"dataset/{ref.name}/{ref.version}"


def _agent_key(agent: str, version: str) -> str:
    return f"agent/{agent}/{version}"


def _baseline_key(agent: str, environment: str) -> str:
    return f"baseline/{agent}/{environment}"
