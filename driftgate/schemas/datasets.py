"""A dataset: named, versioned, immutable once published."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.cases import Case
from driftgate.schemas.record import CaseId, Effect, Name, Record, SchemaVersion, SemVer, Sha256


class DatasetHeader(Record):
    """dataset.yaml, beside cases.jsonl."""

    schema_version: SchemaVersion = 1
    name: Name
    version: SemVer
    description: str = ""
    owner: Annotated[str, Field(min_length=1)]
    changelog: Annotated[str, Field(min_length=1)]
    parent: SemVer | None = None
    tools: dict[str, Effect]  # every tool that a case may name


class Dataset(Record):
    """Header and cases, checked, in the order of their ids."""

    header: DatasetHeader
    cases: tuple[Case, ...]
    sha256: Sha256  # of the canonical content: name, tools and cases


class PublishDatasetRequest(Record):
    """The canonical content is uploaded first, as uploads/{sha256}: a call could not hold it."""

    header: DatasetHeader
    sha256: Sha256
    author: Annotated[str, Field(min_length=1)]


class Counts(Record):
    """What cases there are, counted."""

    count: int
    critical: int
    by_task_type: dict[str, int]
    by_tool: dict[str, int]  # cases that expect the tool


class DatasetVersion(Counts):
    """The registry's row of a published version."""

    schema_version: SchemaVersion = 1
    name: Name
    version: SemVer
    description: str = ""
    sha256: Sha256
    created_at: str
    author: str
    owner: str
    changelog: str
    parent: SemVer | None
    draft: bool = False  # read from a folder for one run, not published
    chain_sha256: Sha256  # of the parent's chain hash, this content and this version


class PublishDatasetResult(Record):
    version: DatasetVersion


class DatasetCheck(Record):
    """What is wrong with a published version; nothing if it is what was published."""

    dataset: str
    sha256: Sha256 | None  # None: its row can't be read
    faults: tuple[str, ...]


class FieldChange(Record):
    """A value that differs, by its path. One that was not there before was added."""

    field: str
    change: Literal["added", "removed", "changed"]
    before: JsonValue = None
    after: JsonValue = None


class CaseChange(Record):
    case_id: CaseId
    fields: tuple[FieldChange, ...]


class DatasetSide(Record):
    dataset: str
    sha256: Sha256
    cases: int


class DatasetDiff(Record):
    """What differs between two contents. Of equal hashes, nothing."""

    before: DatasetSide
    after: DatasetSide
    tools: tuple[FieldChange, ...]
    added: tuple[CaseId, ...]
    removed: tuple[CaseId, ...]
    changed: tuple[CaseChange, ...]
    unchanged: int
