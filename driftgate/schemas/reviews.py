"""Reviews: from what was found in production, or made, to a case that people have approved."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.cases import Case, Text
from driftgate.schemas.datasets import DatasetDiff, DatasetHeader
from driftgate.schemas.online import SessionId, Window
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, SemVer, Sha256, Share

Person = Annotated[str, Field(min_length=1, max_length=300)]
Reason = Annotated[str, Field(min_length=3, max_length=2000)]
Revision = Annotated[int, Field(ge=0)]
State = Literal["new", "claimed", "needs_work", "accepted", "rejected", "published"]
Action = Literal["claim", "release", "edit", "approve", "accept", "needs_work", "reject", "publish"]
MOST_SESSIONS = 100  # that a candidate names; of more it is not counted


class Candidate(Record):
    """What somebody should look at, and what may become a case. Written by who finds it."""

    schema_version: SchemaVersion = 1
    fingerprint: Sha256  # of what the users said and which tools were called
    agent: Name
    version: str
    session_id: SessionId | None  # None: it is not from production
    task_type: Name
    window: Window = 0
    stratum: str = ""  # that was alarmed
    reasons: tuple[str, ...]
    trace_key: str = ""
    state: Literal["new"] = "new"  # as it was found; what became of it is its Review
    found_at: str
    origin: Literal["mined", "synthetic", "external"] = "mined"
    tools: tuple[str, ...] = ()  # that were called, each once
    severity: Share = 0.5
    session_ids: tuple[
        SessionId, ...
    ] = ()  # with the same conversation; the first one's is drafted


class Approval(Record):
    by: Person
    at: str


class Review(Record):
    """Where the review of a candidate stands. Without one, it is new."""

    schema_version: SchemaVersion = 1
    agent: Name
    fingerprint: Sha256
    revision: Revision = 0
    state: State = "new"
    holder: str = ""  # who has claimed it
    claimed_at: str = ""
    dataset: str = ""  # that the case is for; empty: that of the agent's manifest
    draft: Sha256 | Literal[""] = ""  # of the present draft; empty: nobody has edited it
    editors: tuple[Person, ...] = ()  # who wrote it: their approval of it does not count
    approvals: tuple[Approval, ...] = ()
    reason: str = ""  # why it was rejected, or needs work
    published_in: str = ""  # dataset and version


class ReviewEvent(Record):
    """A line of the audit trail: who did what, and what the review was after it."""

    schema_version: SchemaVersion = 1
    revision: Annotated[int, Field(ge=1)]
    at: str
    by: Person
    action: Action
    reason: str = ""
    after: Review


class Draft(Record):
    """A case that is not approved yet."""

    schema_version: SchemaVersion = 1
    case: Case
    suggested: tuple[str, ...]  # paths in the case that nobody has confirmed, as expected_calls.0
    notes: tuple[str, ...] = ()  # what could not be told from the recording


class QueueItem(Record):
    """A candidate in the queue, with why it stands where it does."""

    candidate: Candidate
    review: Review
    value: float  # of looking at it: severity, frequency and coverage gap; the highest comes first
    cluster: str  # candidates with the same are alike: task type, tools and the first reason
    covered: int  # cases of the dataset that are of the same kind


class Developers(Record):
    """Who develops an agent: they can't approve its cases alone."""

    schema_version: SchemaVersion = 1
    agent: Name
    people: tuple[Person, ...]
    revision: Annotated[int, Field(ge=1)]
    by: Person
    at: str


CheckKind = Literal[
    "schema", "personal_data", "mock_drift", "near_duplicate", "suspicious", "coverage"
]


class Finding(Record):
    """What a check before publishing found."""

    kind: CheckKind
    case_id: CaseId | None = None
    said: Text
    blocks: bool  # it must be mended, or waived if its kind can be
    waivable: bool = False


class Publication(Record):
    """What publishing would make: the next version of a dataset, and what is to be said of it."""

    dataset: Name
    base: SemVer | None
    header: DatasetHeader
    sha256: Sha256
    bump: Literal["major", "minor", "patch", "first"]
    why_bump: str
    candidates: tuple[tuple[Name, Sha256], ...]  # agent and fingerprint of each
    diff: DatasetDiff | None  # None: there is no version to compare with
    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.blocks)
