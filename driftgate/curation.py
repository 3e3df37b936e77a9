"""The dataset's way to a new version, told in order: one function per state."""

from driftgate import canonical, datasets, registry
from driftgate.errors import BadInput
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.schemas.datasets import Dataset, PublishDatasetRequest, PublishDatasetResult


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


def upload_key(sha256: str) -> str:
    return f"uploads/{sha256}"


def _read(request: PublishDatasetRequest, data: bytes) -> Dataset:
    header = request.header
    try:
        cases = tuple(datasets.from_bytes(data))
        for case in cases:
            datasets.check_case(case, header)
    except ValueError as error:
        raise BadInput(f"dataset {header.name}@{header.version}: {error}") from error
    dataset = datasets.build(header, cases)
    if dataset.sha256 != request.sha256:
        raise BadInput(
            f"dataset {header.name}@{header.version}: wanted its canonical content, which has "
            f"sha256 {dataset.sha256}, got {request.sha256}"
        )
    return dataset
