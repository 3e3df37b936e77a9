"""The dataset's way to a new version, told in order: one function per state."""

from collections import Counter
from collections.abc import Callable, Sequence

from driftgate import canonical, datasets, registry
from driftgate.errors import AlreadyPublished, BadInput, IntegrityFailed, NotPublished
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import (
    Dataset,
    DatasetHeader,
    DatasetVersion,
    PublishDatasetRequest,
    PublishDatasetResult,
)
from driftgate.schemas.manifests import DatasetRef


def publish_dataset(
    request: PublishDatasetRequest, stored: Registry, uploads: Artifacts, clock: Clock
) -> PublishDatasetResult:
    """Check an uploaded dataset case by case, and make it a version for good.

    Raises:
        BadInput: the upload is not there or not what its hash says, or a case is not valid.
        AlreadyPublished: the version exists with other content; the message has both hashes.
    """
    data = uploads.get(upload_key(request.sha256))
    if data is None or canonical.sha256(data) != request.sha256:
        found = "nothing" if data is None else f"content with {canonical.sha256(data)}"
        raise BadInput(f"upload: wanted content with sha256 {request.sha256}, found {found}")
    dataset = _read(request, data)
    version = registry.publish_dataset(dataset, stored, clock, author=request.author)
    return PublishDatasetResult(version=version)


def promote_dataset(
    ref: DatasetRef,
    source: Registry,
    target: Registry,
    publish: Callable[[Dataset, str], DatasetVersion],
) -> DatasetVersion:
    """Copy a version from one environment to another; one that is there already is no change.

    Args:
        publish: publishes a dataset, by an author, in the target.

    Returns:
        The target's row: of the same content and chain as the source's, read back and checked.

    Raises:
        IntegrityFailed: the version is damaged in the source or in the target.
        NotPublished: the target lacks a parent; the message says what to promote first.
        AlreadyPublished: the target has other content under this version or under a parent's.
    """
    row = registry.load_dataset_row(ref, source)
    _check(ref, source, "source")
    if (there := registry.find_dataset_row(ref, target)) is None:
        _check_parents(row, source, target)
        there = publish(registry.load_dataset(row, source), row.author)
    registry.check_same(there, row)
    _check(ref, target, "target")
    return there


def upload_key(sha256: str) -> str:
    return f"uploads/{sha256}"


def _read(request: PublishDatasetRequest, data: bytes) -> Dataset:
    header = request.header
    try:
        _, cases = datasets.from_bytes(data)
        _check_cases(cases, header)
    except ValueError as error:
        raise BadInput(f"dataset {header.name}@{header.version}: {error}") from error
    dataset = datasets.build(header, cases)
    if dataset.sha256 != request.sha256:
        raise BadInput(
            f"dataset {header.name}@{header.version}: wanted its canonical content, which has "
            f"sha256 {dataset.sha256}, got {request.sha256}"
        )
    return dataset


def _check_cases(cases: Sequence[Case], header: DatasetHeader) -> None:
    if not cases:
        raise ValueError("wanted at least one case, the upload has none")
    ids = Counter(case.case_id for case in cases)
    if twice := [case_id for case_id, times in ids.items() if times > 1]:
        raise ValueError(f"case_id: {twice[0]!r} is given twice")
    for case in cases:
        try:
            datasets.check_case(case, header)
        except ValueError as error:
            raise ValueError(f"case {case.case_id}: {error}") from error


def _check(ref: DatasetRef, stored: Registry, side: str) -> None:
    if faults := registry.check_dataset(ref, stored).faults:
        raise IntegrityFailed("\n".join(f"in the {side}: {fault}" for fault in faults))


def _check_parents(row: DatasetVersion, source: Registry, target: Registry) -> None:
    lacking: list[str] = []
    while row.parent:
        ref = DatasetRef(name=row.name, version=row.parent)
        row = registry.load_dataset_row(ref, source)
        there = registry.find_dataset_row(ref, target)
        if there is None:
            lacking.insert(0, str(ref))
        elif there.chain_sha256 != row.chain_sha256:
            raise AlreadyPublished(
                f"dataset {ref}, a parent, has chain hash {row.chain_sha256} in the source and "
                f"{there.chain_sha256} in the target: these are two different histories"
            )
        else:
            break
    if lacking:
        raise NotPublished(
            f"dataset {lacking[-1]}, the parent, is not published in the target; "
            f"promote first: {', '.join(lacking)}"
        )
