"""Overrides: a release that must go out although its verdict says no, in the names of two people.

One asks, another approves, and the next execution of the same run uses it, once. Each step is a row
of the registry that is written on the condition that there is none: override/{id},
override-approval/{id}, override-use/{id}. The verdict stays what it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from driftgate import canonical, evidence, registry
from driftgate.errors import BadInput, IntegrityFailed, Throttled
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.schemas.overrides import (
    LONGEST,
    Override,
    OverrideApproval,
    OverrideId,
    OverrideStatus,
    OverrideUse,
    State,
    UsedOverride,
)
from driftgate.schemas.policies import Effective
from driftgate.schemas.record import Record, explain
from driftgate.schemas.runs import Verdict

HARD_BREAKS, MISSING = "hard breaks", "missing trials"  # waived as strata are
CLOCKS_DIFFER = timedelta(minutes=5)  # the approver's from the gate's, at most
TRIES = 20  # while others ask for overrides of the same run
AnyRecord = TypeVar("AnyRecord", bound=Record)


def fallen(verdict: Verdict) -> tuple[str, ...]:
    """What an override must waive: what fell; of an INCONCLUSIVE verdict, what is not proven."""
    if verdict.outcome == "BLOCK":
        names = {criterion.stratum for criterion in verdict.criteria if criterion.ok is False}
        if verdict.hard_breaks and verdict.policy.hard_breaks == "block":
            names.add(HARD_BREAKS)
    else:
        names = {criterion.stratum for criterion in verdict.criteria if criterion.ok is not True}
        if verdict.missing:
            names.add(MISSING)
    return tuple(sorted(names))


def request(
    verdict: Verdict,
    verdict_key: str,
    environment: str,
    stored: Registry,
    clock: Clock,
    *,
    requester: str,
    reason: str,
    ticket: str,
    waives: Sequence[str] = (),
) -> Override:
    """Ask for an override of a kept verdict. It waives all that fell; `waives` may say so.

    Raises:
        BadInput: the verdict stops nothing or can't be waived, `waives` is not what fell, or the
            reason is too short.
    """
    fell = fallen(verdict)
    if verdict.outcome == "INTEGRITY_FAIL":
        raise BadInput(f"run {verdict.run_id}: INTEGRITY_FAIL can't be waived: {verdict.reason}")
    if not _stops(verdict):
        raise BadInput(
            f"run {verdict.run_id}: wanted a verdict that stops something, this one is "
            f"{verdict.outcome} with effect {verdict.effective}"
        )
    if waives and set(waives) != set(fell):
        raise BadInput(f"--waive: wanted all that fell, {_list(fell)}; got {_list(waives)}")
    candidate = verdict.arms["candidate"]
    content = {
        "environment": environment,
        "agent": candidate.agent,
        "version": candidate.version,
        "digest": candidate.digest,
        "verdict_key": verdict_key,
        "verdict_sha256": _sha256(verdict),
        "waives": fell,
        "reason": reason,
        "ticket": ticket,
        "requester": requester,
        "requested_at": clock.now(),
    }
    for _ in range(TRIES):
        last = max((_number(i) for i in _ids(f"{verdict.run_id}.", stored)), default=0)
        override_id = f"{verdict.run_id}.{last + 1}"
        try:
            override = Override.model_validate({"override_id": override_id, **content})
        except ValidationError as error:
            raise BadInput(explain(error)) from error
        if _put("override", override, stored):
            return override
    raise Throttled(f"run {verdict.run_id}: others asked for overrides {TRIES} times")


def approve(
    override_id: OverrideId,
    approver: str,
    lasts: timedelta,
    stored: Registry,
    records: Artifacts,
    clock: Clock,
) -> tuple[Override, OverrideApproval]:
    """Agree to what somebody else asked for, for at most a day.

    Raises:
        BadInput: there is no such override, or it could not be used: the message says why.
    """
    override = _find("override", Override, override_id, stored)
    if override is None:
        raise BadInput(f"override: there is no {override_id} in {stored.where}")
    if not timedelta(0) < lasts <= LONGEST:
        raise BadInput(f"override {override_id}: wanted at most {LONGEST}, got {lasts}")
    now = datetime.fromisoformat(clock.now())
    approval = OverrideApproval(
        override_id=override_id,
        override_sha256=_sha256(override),
        approver=approver,
        approved_at=now,
        expires_at=now + lasts,
    )
    verdict = evidence.load_verdict(override.verdict_key, records)
    for refusal in refusals(override, approval, verdict, override.environment, now):
        raise BadInput(f"override {override_id}: {refusal}")
    if not _put("override-approval", approval, stored):
        before = _find("override-approval", OverrideApproval, override_id, stored)
        assert before is not None
        raise BadInput(
            f"override {override_id}: {before.approver} approved it at {before.approved_at}, "
            f"until {before.expires_at}"
        )
    return override, approval


def use(
    verdict: Verdict,
    verdict_key: str,
    environment: str,
    execution: str,
    stored: Registry,
    records: Artifacts,
    clock: Clock,
) -> tuple[UsedOverride | None, tuple[str, ...]]:
    """Use an override of this verdict, if there is one, for this execution and no other.

    An execution that asks again gets the one it has, also after that expired.

    Returns:
        The override, kept beside the verdict before anybody hears of it, and why others were
        refused.
    """
    if not _stops(verdict) and verdict.outcome != "INTEGRITY_FAIL":
        return None, ()
    refused: list[str] = []
    for override_id in _mine_first(verdict.run_id, execution, stored):
        try:
            used = _use(override_id, verdict, environment, execution, stored, clock)
        except IntegrityFailed as error:
            used = str(error)
        if isinstance(used, UsedOverride):
            _keep(used, verdict_key, records)
            return used, tuple(refused)
        refused.append(f"override {override_id} is refused: {used}")
    return None, tuple(refused)


def refusals(
    override: Override,
    approval: OverrideApproval | None,
    verdict: Verdict,
    environment: str,
    at: datetime,
) -> Iterator[str]:
    """Why an override does not let a verdict through at a time; nothing if it does."""
    digest, sha256 = verdict.arms["candidate"].digest, _sha256(verdict)
    if verdict.outcome == "INTEGRITY_FAIL":
        yield "INTEGRITY_FAIL can't be waived"
    if override.digest != digest:
        yield f"it is for digest {override.digest}, the candidate has {digest}"
    if override.verdict_sha256 != sha256:
        yield f"it is for the verdict with sha256 {override.verdict_sha256}, this one has {sha256}"
    if override.environment != environment:
        yield f"it is for environment {override.environment}, this is {environment}"
    if left := set(fallen(verdict)) - set(override.waives):
        yield f"it does not waive {_list(sorted(left))}"
    if approval is None:
        yield "nobody has approved it"
        return
    if approval.override_sha256 != _sha256(override):
        yield "what was approved is not what is stored"
    if same_person(override.requester, approval.approver):
        yield f"it was requested and approved by the same person, {approval.approver}"
    if approval.approved_at > at + CLOCKS_DIFFER:
        yield f"it was approved at {approval.approved_at}, now it is {at}"
    if approval.expires_at > approval.approved_at + LONGEST:
        yield (
            f"wanted it to expire within {LONGEST} of its approval at {approval.approved_at}, "
            f"it says {approval.expires_at}"
        )
    if at >= approval.expires_at:
        yield f"it expired at {approval.expires_at}, now it is {at}"


def effective(
    verdict: Verdict, verdict_key: str, environment: str, execution: str, records: Artifacts
) -> Effective:
    """What a kept verdict does for an execution that was published: OVERRIDDEN if it used an
    override. Whoever lets something pass asks here.

    Raises:
        IntegrityFailed: an override that is kept beside the verdict is damaged, or does not hold.
    """
    if verdict.outcome == "INTEGRITY_FAIL":
        return "INTEGRITY_FAIL"
    if not _stops(verdict):
        return verdict.effective
    for key, used in kept(verdict_key, records):
        if used.use.execution == execution:
            for fault in faults(used, verdict, environment):
                raise IntegrityFailed(f"{key}: {fault}")
            return "OVERRIDDEN"
    return verdict.effective


def kept(verdict_key: str, records: Artifacts) -> Iterator[tuple[str, UsedOverride]]:
    """The used overrides beside a verdict, by key. Raises IntegrityFailed if one is damaged."""
    for key in records.keys(f"{verdict_key.removesuffix('.json')}."):
        if key.endswith(evidence.OVERRIDE_SUFFIX):
            yield key, evidence.read_override(key, records.get(key) or b"")


def faults(used: UsedOverride, verdict: Verdict, environment: str) -> Iterator[str]:
    """Why a used override should not have been; nothing if it was rightly used."""
    yield from refusals(used.override, used.approval, verdict, environment, used.use.used_at)
    if used.use.approval_sha256 != _sha256(used.approval):
        yield "it was used with another approval than the one that is kept"


def statuses(stored: Registry, agent: str, clock: Clock) -> list[OverrideStatus]:
    """The overrides of an agent, or of all ("")."""
    now = datetime.fromisoformat(clock.now())
    found = [_status(override_id, stored, now) for override_id in _ids("", stored)]
    return [s for s in found if not agent or s.override is None or s.override.agent == agent]


def same_person(one: str, other: str) -> bool:
    """Whether two identities may be one person's.

    The last part of an ARN is the user's name or the role session's: one person with two roles has
    the same in both.
    """
    return _name(one) == _name(other)


def _name(identity: str) -> str:
    return identity.replace(":", "/").rpartition("/")[2].casefold()


def _stops(verdict: Verdict) -> bool:
    return verdict.effective in ("BLOCK", "INCONCLUSIVE")


def _use(
    override_id: str,
    verdict: Verdict,
    environment: str,
    execution: str,
    stored: Registry,
    clock: Clock,
) -> UsedOverride | str:
    """The override, used for this execution; or why it can't be."""
    override = _find("override", Override, override_id, stored)
    if override is None:
        return "its request is gone"
    approval = _find("override-approval", OverrideApproval, override_id, stored)
    now = datetime.fromisoformat(clock.now())
    before = _find("override-use", OverrideUse, override_id, stored)
    at = before.used_at if before and before.execution == execution else now
    for refusal in refusals(override, approval, verdict, environment, at):
        return refusal
    assert approval is not None  # or it had been refused
    wanted = OverrideUse(
        override_id=override_id,
        approval_sha256=_sha256(approval),
        execution=execution,
        used_at=now,
    )
    if before is None and not _put("override-use", wanted, stored):
        before = _find("override-use", OverrideUse, override_id, stored)
    made = before or wanted
    if made.execution != execution:
        return f"it was used at {made.used_at} by {made.execution}"
    return UsedOverride(override=override, approval=approval, use=made)


def _mine_first(run_id: str, execution: str, stored: Registry) -> list[str]:
    """The run's overrides in their order, but first the one that this execution has used."""

    def is_others(override_id: str) -> bool:
        row = stored.row(f"override-use/{override_id}")
        return row is None or row.get("execution") != execution

    return sorted(_ids(f"{run_id}.", stored), key=is_others)


def _keep(used: UsedOverride, verdict_key: str, records: Artifacts) -> None:
    key = evidence.override_key(verdict_key, _number(used.override.override_id))
    data = evidence.to_bytes(used)
    if not records.put_once(key, data) and records.get(key) != data:
        raise IntegrityFailed(f"the stored {key} is not what the registry's rows say")


def _status(override_id: str, stored: Registry, now: datetime) -> OverrideStatus:
    try:
        override = _find("override", Override, override_id, stored)
        approval = _find("override-approval", OverrideApproval, override_id, stored)
        used = _find("override-use", OverrideUse, override_id, stored)
    except IntegrityFailed as error:
        return OverrideStatus(override_id=override_id, state="damaged", fault=str(error))
    state: State = "requested"
    if used:
        state = "used"
    elif approval:
        state = "approved" if now < approval.expires_at else "expired"
    return OverrideStatus(
        override_id=override_id, state=state, override=override, approval=approval, use=used
    )


def _ids(prefix: str, stored: Registry) -> list[str]:
    ids = [key.removeprefix("override/") for key in stored.keys(f"override/{prefix}")]
    return sorted(ids, key=lambda i: (i.partition(".")[0], _number(i)))


def _number(override_id: str) -> int:
    number = override_id.partition(".")[2]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _find(
    kind: str, record: type[AnyRecord], override_id: str, stored: Registry
) -> AnyRecord | None:
    key = f"{kind}/{override_id}"
    row = stored.row(key)
    if row is None:
        return None
    found = registry.read_row(record, key, row)
    if getattr(found, "override_id", None) != override_id:
        raise IntegrityFailed(f"the stored row {key} is that of another override")
    return found


def _put(kind: str, record: Any, stored: Registry) -> bool:
    """Whether the row is there now; also if it was written before and the answer got lost."""
    row = record.model_dump(mode="json")
    return stored.replace(f"{kind}/{record.override_id}", row, expected=None)


def _sha256(record: Record) -> str:
    return canonical.sha256(evidence.to_bytes(record))


def _list(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
