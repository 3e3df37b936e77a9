"""The registry: immutable versions of datasets and agents, and the pointers to baselines.

Keys: dataset/{name}/{version} · agent/{agent}/{version} · baseline/{agent}/{environment} ·
validated/{dataset}/{version}/{agent}/{version}/{run_id} · run/{run_id}. Blobs lie under their
sha256 and are written before the row that names them: a reader never meets half a version.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from driftgate import canonical, datasets
from driftgate.errors import AlreadyPublished, IntegrityFailed, NotPublished, PointerMoved
from driftgate.ports import Clock, Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.datasets import Dataset, DatasetVersion
from driftgate.schemas.manifests import AgentVersion, DatasetRef, Manifest
from driftgate.schemas.record import Record, explain
from driftgate.schemas.runs import BaselinePointer, RunRow

AnyRecord = TypeVar("AnyRecord", bound=Record)


def publish_dataset(
    dataset: Dataset, registry: Registry, clock: Clock, *, author: str, draft: bool = False
) -> DatasetVersion:
    """Store a version for good. The same content again is no change.

    Raises:
        AlreadyPublished: the version exists with other content; the message has both hashes.
        NotPublished: the parent that the dataset names is not published.
    """
    header = dataset.header
    parent = ""
    if header.parent:
        parent = load_dataset_row(
            DatasetRef(name=header.name, version=header.parent), registry
        ).chain_sha256
    sha256 = registry.put_blob("datasets", datasets.to_bytes(header, dataset.cases))
    row = DatasetVersion(
        name=header.name,
        version=header.version,
        sha256=sha256,
        created_at=clock.now(),
        author=author,
        owner=header.owner,
        changelog=header.changelog,
        parent=header.parent,
        count=len(dataset.cases),
        critical=sum(case.critical for case in dataset.cases),
        by_task_type=dict(sorted(Counter(case.task_type for case in dataset.cases).items())),
        by_tool=datasets.count_by_tool(dataset.cases),
        draft=draft,
        chain_sha256=canonical.sha256(f"{parent}|{sha256}|{header.name}|{header.version}".encode()),
    )
    if registry.put_new(_dataset_key(header.name, header.version), row.model_dump(mode="json")):
        return row
    stored = load_dataset_row(DatasetRef(name=header.name, version=header.version), registry)
    if stored.sha256 != sha256:
        raise AlreadyPublished(
            f"dataset {header.name}@{header.version} exists with sha256 {stored.sha256}, "
            f"this one has {sha256}; give it a new version"
        )
    return stored


def load_dataset_row(ref: DatasetRef, registry: Registry) -> DatasetVersion:
    row = registry.row(_dataset_key(ref.name, ref.version))
    if row is None:
        known = [version.version for version in list_datasets(registry, ref.name)]
        raise NotPublished(f"dataset {ref} is not published; {_known(known)}")
    return _read(DatasetVersion, _dataset_key(ref.name, ref.version), row)


def load_cases(version: DatasetVersion, registry: Registry) -> tuple[Case, ...]:
    """The cases of a published version, after checking that they are what was published.

    Raises:
        IntegrityFailed: the blob is gone or no longer has the published hash.
    """
    data = registry.blob("datasets", version.sha256)
    found = canonical.sha256(data) if data is not None else "nothing"
    if data is None or found != version.sha256:
        raise IntegrityFailed(
            f"dataset {version.name}@{version.version} was published with sha256 "
            f"{version.sha256}, its stored content has {found}"
        )
    return tuple(datasets.from_bytes(data))


def list_datasets(registry: Registry, name: str | None = None) -> list[DatasetVersion]:
    rows = registry.rows(f"dataset/{name}/" if name else "dataset/")
    return sorted((_read(DatasetVersion, "dataset/…", row) for row in rows), key=_by_version)


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


def publish_agent(version: AgentVersion, code: bytes | None, registry: Registry) -> AgentVersion:
    """Store an agent version and its code for good. The same version again is no change.

    Raises:
        AlreadyPublished: the version exists with another digest, the message has both; or a
            contract has the name and version of another one.
        NotPublished: a dataset that the manifest pins is not published.
    """
    for pin in version.manifest.datasets.values():
        load_dataset_row(pin, registry)
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
        raise NotPublished(f"agent {agent} {version} is not published; {_known(known)}")
    stored = _read(AgentVersion, _agent_key(agent, version), row)
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
    versions = [_read(AgentVersion, "agent/…", row) for row in rows]
    return sorted(versions, key=lambda version: _by_version(version.manifest))


def baseline(agent: str, environment: str, registry: Registry) -> BaselinePointer | None:
    key = _baseline_key(agent, environment)
    row = registry.row(key)
    return _read(BaselinePointer, key, row) if row else None


def is_finished(run_id: str, registry: Registry) -> bool:
    return registry.row(f"run/{run_id}") is not None


def load_run(run_id: str, registry: Registry) -> RunRow:
    key = f"run/{run_id}"
    row = registry.row(key)
    if row is None:
        raise IntegrityFailed(f"the row {key} of a finished run is gone")
    return _read(RunRow, key, row)


def last_run(agent: str, version: str, registry: Registry) -> RunRow | None:
    """The latest run with this version as candidate."""
    rows = [_read(RunRow, "run/…", row) for row in registry.rows("run/")]
    own = [row for row in rows if (row.agent, row.version) == (agent, version)]
    return max(own, key=lambda row: row.finished_at, default=None)


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
    registry.replace(key, row.model_dump(mode="json"), expected=registry.row(key))


def record_validation(dataset: DatasetRef, row: RunRow, registry: Registry) -> None:
    """Append that every case of a published dataset was run by this agent version."""
    registry.put_new(
        f"validated/{dataset.name}/{dataset.version}/{row.agent}/{row.version}/{row.run_id}",
        row.model_dump(mode="json"),
    )


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


def _read(kind: type[AnyRecord], key: str, row: dict[str, Any]) -> AnyRecord:
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        raise IntegrityFailed(f"the stored row {key} is damaged: {explain(error)}") from error


def _known(versions: list[str]) -> str:
    return f"there are {', '.join(versions)}" if versions else "there is no version of it"


def _by_version(record: DatasetVersion | Manifest) -> tuple[str, list[int]]:
    name = record.name if isinstance(record, DatasetVersion) else record.agent
    return name, [int(part) for part in record.version.split(".")]


def _dataset_key(name: str, version: str) -> str:
    return f"dataset/{name}/{version}"


def _agent_key(agent: str, version: str) -> str:
    return f"agent/{agent}/{version}"


def _baseline_key(agent: str, environment: str) -> str:
    return f"baseline/{agent}/{environment}"
