"""Events on the account's default bus: what others may build on, so each has a published schema."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from driftgate.schemas.manifests import Suite
from driftgate.schemas.overrides import OverrideId
from driftgate.schemas.policies import Effective, Outcome
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, SemVer, Sha256, Share

MOST_FAILED = 50  # criteria, or waived strata, and
MOST_CASE_IDS = 500  # cases, that an event names: with their longest ids it stays below 128 KB


class OfTheRun(Record):
    """What each event says of its run."""

    schema_version: SchemaVersion = 1
    run_id: str
    environment: Name
    agent: Name
    version: SemVer
    digest: Sha256
    baseline: SemVer | None
    suite: Suite = "regression"
    dataset: str  # name@version
    reason: str  # the verdict in a sentence, at most 2,000 characters of it
    verdict_key: str  # in the records bucket


class EvaluationCompleted(OfTheRun):
    """The detail of the event of a finished run. Source: driftgate."""

    outcome: Outcome
    effective: Effective
    override_id: OverrideId | None = None  # of the override that made it OVERRIDDEN


class FailedCriterion(Record):
    """A condition of the gate that did not hold, with its numbers; see Criterion in the verdict."""

    metric: str
    stratum: str
    kind: str
    cases: int
    baseline: Share | None
    candidate: Share | None
    ratio: float | None  # times what the baseline took, where that is limited
    bound: float
    adjusted_p: Share | None


class GateBlocked(OfTheRun):
    """The detail of the event of a run whose outcome is BLOCK. Source: driftgate.

    `effective` tells if that stops anything: a mode that does not block makes it ADVISORY or
    OBSERVED, an override OVERRIDDEN.
    """

    effective: Effective
    failed: Annotated[tuple[FailedCriterion, ...], Field(max_length=MOST_FAILED)]
    all_failed: int  # how many there are, also those that are left out
    case_ids: Annotated[tuple[CaseId, ...], Field(max_length=MOST_CASE_IDS)]  # the worst first
    all_cases: int


class GateOverridden(OfTheRun):
    """The detail of the event of a run that goes on although its verdict says no. Source:
    driftgate.
    """

    outcome: Outcome
    override_id: OverrideId
    waives: Annotated[tuple[str, ...], Field(max_length=MOST_FAILED)]
    all_waived: int  # how many there are, also those that are left out
    why: str
    ticket: str
    requester: str  # an ARN, or a user of a laptop
    requested_at: AwareDatetime
    approver: str
    approved_at: AwareDatetime
    expires_at: AwareDatetime
    execution: str  # that it let through
    used_at: AwareDatetime


class QualityRegressed(Record):
    """The detail of the event of a monitor of production that went over its threshold. Source:
    driftgate. It comes once, until the monitor has been below it again.
    """

    schema_version: SchemaVersion = 1
    environment: Name
    agent: Name
    version: str
    stratum: str  # all conversations, a task type, a tool, or the latency of one
    monitor: Literal["judge", "fused", "latency"]
    ratio: float  # of the threshold
    since: AwareDatetime  # when the change began, as far as can be told
    window: int  # at whose end it was seen
    at: AwareDatetime
    evidence: str  # in a sentence, with the numbers
    session_ids: Annotated[tuple[str, ...], Field(max_length=20)]  # examples, the newest first


class SessionsFlagged(Record):
    """The detail of the event of sessions of production that went wrong, one by one, whatever the
    monitors say. Source: driftgate.
    """

    schema_version: SchemaVersion = 1
    environment: Name
    agent: Name
    window: int  # at whose end it was seen
    at: AwareDatetime
    session_ids: Annotated[tuple[str, ...], Field(max_length=20)]  # the worst first


class Announcement(Record):
    """An entry of EventBridge's PutEvents, whose names it has where it is JSON."""

    model_config = ConfigDict(
        serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    source: Annotated[Literal["driftgate"], Field(alias="Source")] = "driftgate"
    detail_type: Annotated[
        Literal[
            "EvaluationCompleted",
            "GateBlocked",
            "GateOverridden",
            "QualityRegressed",
            "SessionsFlagged",
        ],
        Field(alias="DetailType"),
    ]
    detail: Annotated[
        EvaluationCompleted | GateBlocked | GateOverridden | QualityRegressed | SessionsFlagged,
        Field(alias="Detail"),
    ]
