"""Overrides: that a release may go out although its verdict says no. Each step is a record."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from driftgate.schemas.record import Name, Record, SchemaVersion, SemVer, Sha256

LONGEST = timedelta(hours=24)  # from approval to expiry
OverrideId = Annotated[str, Field(pattern=r"^r-[0-9a-f]{20}\.[1-9][0-9]{0,5}$")]  # {run_id}.{n}
Person = Annotated[str, Field(min_length=1, max_length=2048)]  # an ARN, or a user of a laptop
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=1000)]
Ticket = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
State = Literal["requested", "approved", "used", "expired", "damaged"]


class Override(Record):
    """What somebody asks for: that one verdict stops one candidate no more, in one environment."""

    schema_version: SchemaVersion = 1
    override_id: OverrideId
    environment: Name
    agent: Name
    version: SemVer
    digest: Sha256
    verdict_key: str
    verdict_sha256: Sha256
    waives: tuple[str, ...]  # the strata that fell, or were not proven
    reason: Reason
    ticket: Ticket
    requester: Person
    requested_at: AwareDatetime

    @property
    def run_id(self) -> str:
        return self.override_id.partition(".")[0]


class OverrideApproval(Record):
    """That somebody else agrees to exactly that."""

    schema_version: SchemaVersion = 1
    override_id: OverrideId
    override_sha256: Sha256
    approver: Person
    approved_at: AwareDatetime
    expires_at: AwareDatetime


class OverrideUse(Record):
    """Which execution it let through. There is no second one."""

    schema_version: SchemaVersion = 1
    override_id: OverrideId
    approval_sha256: Sha256
    execution: str
    used_at: AwareDatetime


class UsedOverride(Record):
    """All of it, as it is kept beside the verdict."""

    schema_version: SchemaVersion = 1
    override: Override
    approval: OverrideApproval
    use: OverrideUse

    def __str__(self) -> str:
        asked, agreed = self.override, self.approval
        return (
            f"OVERRIDDEN by {asked.requester}, approved by {agreed.approver}, until "
            f"{agreed.expires_at:%Y-%m-%d %H:%M} UTC: {asked.reason} ({asked.ticket})"
        )


class OverrideStatus(Record):
    """An override for a list: which of its rows there are, and what that makes it."""

    override_id: str
    state: State
    fault: str = ""  # why it is damaged
    override: Override | None = None
    approval: OverrideApproval | None = None
    use: OverrideUse | None = None
