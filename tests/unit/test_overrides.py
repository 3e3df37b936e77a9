"""A release goes out against its verdict once, in the names of two people, or it does not.

`TestOverrides` holds wherever registry and records are; STORES names the fixtures.
"""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from jsonschema import Draft202012Validator

from driftgate import evidence, offline, overrides, registry, verification
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.schemas.overrides import Override, OverrideApproval
from driftgate.schemas.runs import PublishRunRequest, Verdict
from tests.conftest import ROOT
from tests.golden.make import FOLDER
from tests.unit.test_evidence import (
    IDS,
    Crash,
    at_once,
    decided,
    local_kept,
    run_id,
    runs,
    with_versions,
)

__all__ = ["local_kept", "runs"]  # fixtures

STORES = ["local_kept"]
ALICE = "arn:aws:sts::123456789012:assumed-role/Developer/alice@example.com"
BOB = "arn:aws:sts::123456789012:assumed-role/OnCall/bob@example.com"
WHY = {"reason": "Transfers fail for everybody until this is out", "ticket": "INC-42"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


@pytest.fixture(params=STORES)
def kept(request):
    return with_versions(request.getfixturevalue(request.param))


class At:
    """A clock that stands."""

    def __init__(self, time=NOON):
        self.time = time

    def now(self):
        return self.time.isoformat()


def execute(kept, runs, execution="e-1", at=NOON, environment="dev", stored=None, **what):
    """Publish a run in which the candidate fails everything, or what is said."""
    key = decided(1, runs, **{"failed": IDS, **what})
    request = PublishRunRequest(verdict_key=key, environment=environment, execution=execution)
    return offline.publish_run(request, stored or kept.registry, runs, kept.records, At(at))


def ask(kept, runs, at=NOON, waives=(), requester=ALICE, **what):
    """An override is requested of a run that was executed before."""
    key = execute(kept, runs, "e-0", at, **what).verdict_key
    verdict = evidence.load_verdict(key, kept.records)
    words = {**WHY, "requester": requester, "waives": waives}
    return overrides.request(verdict, key, "dev", kept.registry, At(at), **words)


def approve(kept, override, by=BOB, lasts=DAY, at=NOON):
    ports = kept.registry, kept.records, At(at)
    return overrides.approve(override.override_id, by, lasts, *ports)[1]


def write(kept, kind, record, **changes):
    """Put or change a row as somebody would who can write to the table."""
    key = f"{kind}/{record.override_id}"
    before = kept.registry.row(key)
    row = {**record.model_dump(mode="json"), **changes}
    assert kept.registry.replace(key, row, expected=before)
    return type(record).model_validate(row)


def forged(override, **changes):
    """An approval of this that no command writes."""
    content = {
        "override_id": override.override_id,
        "override_sha256": overrides._sha256(override),
        "approver": BOB,
        "approved_at": NOON,
        "expires_at": NOON + DAY,
        **changes,
    }
    return OverrideApproval.model_validate(content)


def unapproved(kept, runs):
    ask(kept, runs)


def expired(kept, runs):
    """Returns the time of the execution."""
    approve(kept, ask(kept, runs), lasts=timedelta(hours=2))
    return NOON + timedelta(hours=2)


def self_approved(kept, runs):
    override = ask(kept, runs)
    write(kept, "override-approval", forged(override, approver=ALICE.replace("Developer", "Admin")))


def other(**changes):
    """The request says something else, and that was approved."""

    def prepare(kept, runs):
        override = write(kept, "override", ask(kept, runs), **changes)
        write(kept, "override-approval", forged(override))

    return prepare


def changed_after_approval(kept, runs):
    override = ask(kept, runs)
    approve(kept, override)
    write(kept, "override", override, reason="Something that nobody has ever agreed to")


def used_twice(kept, runs):
    approve(kept, ask(kept, runs))
    assert execute(kept, runs, "e-before").effective == "OVERRIDDEN"


def approved(**changes):
    """The approval's row says something else."""

    def prepare(kept, runs):
        write(kept, "override-approval", forged(ask(kept, runs), **changes))

    return prepare


def approval_of_another(kept, runs):
    override = ask(kept, runs)
    row = {**forged(override).model_dump(mode="json"), "override_id": f"{run_id(1)}.9"}
    kept.registry.put_new(f"override-approval/{override.override_id}", row)


REFUSED = {
    "expired": (expired, r"it expired at 2026-11-20 14:00:00\+00:00, now it is 2026-11-20 14:00"),
    "self-approved": (self_approved, "it was requested and approved by the same person"),
    "other digest": (other(digest="0" * 64), f"it is for digest {'0' * 64}, the candidate has "),
    "other verdict": (other(verdict_sha256="0" * 64), "it is for the verdict with sha256 000"),
    "other environment": (other(environment="prod"), "it is for environment prod, this is dev"),
    "used twice": (used_twice, "it was used at 2026-11-20 12:00:00.* by e-before"),
    "not approved": (unapproved, "nobody has approved it"),
    "a stratum is left": (other(waives=["tool pay"]), "it does not waive 'all cases'"),
    "changed after approval": (changed_after_approval, "what was approved is not what is stored"),
    "longer than a day": (
        approved(expires_at=NOON + DAY + timedelta(seconds=1)),
        "wanted it to expire within 1 day",
    ),
    "approved in advance": (
        approved(approved_at=NOON + timedelta(hours=1)),
        r"it was approved at 2026-11-20 13:00:00\+00:00, now it is 2026-11-20 12:00:00",
    ),
    "approval of another": (approval_of_another, "is that of another override"),
}


class TestOverrides:
    @pytest.mark.parametrize("how", REFUSED)
    def test_is_refused_when(self, kept, runs, how):
        prepare, why = REFUSED[how]
        done = execute(kept, runs, at=prepare(kept, runs) or NOON)
        assert (done.effective, done.override) == ("BLOCK", None)
        (refused,) = done.refused
        assert re.search(why, refused)
        assert [e.detail_type for e in done.events] == ["EvaluationCompleted", "GateBlocked"]
        row = registry.load_run(run_id(1), kept.registry)
        assert (row.outcome, row.effective, row.override_id) == ("BLOCK", "BLOCK", None)

    def test_integrity_fail_is_refused_to_who_asks_and_to_who_writes_rows(self, kept, runs):
        broken = {"moved": "the dataset is another"}
        with pytest.raises(BadInput, match="INTEGRITY_FAIL can't be waived: the dataset is"):
            ask(kept, runs, **broken)
        key = execute(kept, runs, **broken).verdict_key
        verdict = evidence.load_verdict(key, kept.records)
        candidate = verdict.arms["candidate"]
        override = Override(
            override_id=f"{run_id(1)}.1",
            environment="dev",
            agent="teller",
            version=candidate.version,
            digest=candidate.digest,
            verdict_key=key,
            verdict_sha256=overrides._sha256(verdict),
            waives=overrides.fallen(verdict),
            requester=ALICE,
            requested_at=NOON,
            **WHY,
        )
        write(kept, "override", override)
        with pytest.raises(BadInput, match="INTEGRITY_FAIL can't be waived"):
            approve(kept, override)
        write(kept, "override-approval", forged(override))
        done = execute(kept, runs, **broken)
        assert (done.effective, done.override) == ("INTEGRITY_FAIL", None)
        assert done.refused == (
            f"override {run_id(1)}.1 is refused: INTEGRITY_FAIL can't be waived",
        )
        assert kept.registry.keys("override-use/") == []

    def test_lets_a_blocked_run_go_on_and_everything_says_so(self, kept, runs):
        override = ask(kept, runs)
        approval = approve(kept, override, lasts=timedelta(hours=2), at=NOON)
        before = evidence.load_verdict(override.verdict_key, kept.records)
        done = execute(kept, runs, at=NOON + timedelta(hours=1, minutes=59))
        assert (done.effective, done.refused) == ("OVERRIDDEN", ())
        assert (done.override.override, done.override.approval) == (override, approval)
        assert evidence.load_verdict(done.verdict_key, kept.records) == before
        row = registry.load_run(run_id(1), kept.registry)
        assert (row.outcome, row.effective) == ("BLOCK", "OVERRIDDEN")
        assert row.override_id == override.override_id
        ((_, beside),) = overrides.kept(done.verdict_key, kept.records)
        assert beside == done.override
        told = {event.detail_type: event.detail for event in done.events}
        assert list(told) == ["EvaluationCompleted", "GateBlocked", "GateOverridden"]
        assert told["EvaluationCompleted"].override_id == override.override_id
        assert {told[n].effective for n in ("EvaluationCompleted", "GateBlocked")} == {"OVERRIDDEN"}
        for name, detail in told.items():
            schema = json.loads((ROOT / f"docs/events/{name}.schema.json").read_text())
            Draft202012Validator(schema).validate(detail.model_dump(mode="json"))
        assert not verification.verify_run(row, kept.registry, kept.records).all_faults

    def test_of_executions_that_come_at_once_exactly_one_wins(self, kept, runs):
        approve(kept, ask(kept, runs))
        meeting = Meeting(kept.registry, 8)
        done = at_once(lambda n: execute(kept, runs, f"e-{n + 1}", stored=meeting), 8)
        (winner,) = [d for d in done if d.effective == "OVERRIDDEN"]
        losers = [d for d in done if d.effective == "BLOCK"]
        assert len(losers) == 7
        assert all(winner.override.use.execution in d.refused[0] for d in losers)

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_an_execution_that_dies_over_the_use_gets_it_again_and_no_other_does(
        self, kept, runs, after
    ):
        """Also when its retry comes after the override expired."""
        approve(kept, ask(kept, runs), lasts=timedelta(hours=1))
        dies = Dying(kept.registry, after)
        with pytest.raises(Crash):
            execute(kept, runs, "e-1", stored=dies)
        later = NOON + timedelta(minutes=5 if not after else 120)
        if after:
            assert execute(kept, runs, "e-2", at=later).effective == "BLOCK"
        done = execute(kept, runs, "e-1", at=later)
        assert done.effective == "OVERRIDDEN"
        assert done.events[-1].detail_type == "GateOverridden"
        assert execute(kept, runs, "e-1", at=later) == done
        assert execute(kept, runs, "e-2", at=later).effective == "BLOCK"

    def test_an_execution_that_has_one_takes_no_other(self, kept, runs):
        first, second = ask(kept, runs), ask(kept, runs)
        approve(kept, second)
        done = execute(kept, runs, "e-1")
        assert done.override.override == second
        approve(kept, first)
        assert execute(kept, runs, "e-1").override == done.override
        assert kept.registry.keys("override-use/") == [f"override-use/{second.override_id}"]

    def test_a_second_one_is_asked_for_after_the_first_was_used(self, kept, runs):
        for number in (1, 2):
            override = ask(kept, runs)
            assert override.override_id == f"{run_id(1)}.{number}"
            approve(kept, override)
            done = execute(kept, runs, f"e-{number}")
            assert done.override.override.override_id == override.override_id
        again = execute(kept, runs, "e-1")
        assert again.override.override.override_id == f"{run_id(1)}.1"

    def test_a_pipeline_is_told_of_it_for_the_execution_that_used_it_alone(self, kept, runs):
        approve(kept, ask(kept, runs))
        key = execute(kept, runs, "e-1").verdict_key
        verdict = evidence.load_verdict(key, kept.records)

        def told(execution, environment="dev"):
            return overrides.effective(verdict, key, environment, execution, kept.records)

        assert (told("e-1"), told("e-0"), told("e-2")) == ("OVERRIDDEN", "BLOCK", "BLOCK")
        with pytest.raises(IntegrityFailed, match="it is for environment dev, this is prod"):
            told("e-1", "prod")

    def test_who_rewrites_the_use_lets_nobody_else_through(self, kept, runs):
        approve(kept, ask(kept, runs))
        use = execute(kept, runs, "e-1").override.use
        write(kept, "override-use", use, execution="e-2")
        with pytest.raises(IntegrityFailed, match="is not what the registry's rows say"):
            execute(kept, runs, "e-2")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"approver": ALICE}, "requested and approved by the same person"),
            ({"approver": "carol"}, "it was used with another approval than the one that is kept"),
        ],
    )
    def test_a_kept_override_that_was_exchanged_is_found(self, kept, runs, changes, said):
        approve(kept, ask(kept, runs))
        key = execute(kept, runs).verdict_key
        ((place, used),) = overrides.kept(key, kept.records)
        content = used.model_dump(mode="json")
        content["approval"] |= changes
        kept.stored.overwrite(place, evidence.canonical.dump(content))
        row = registry.load_run(run_id(1), kept.registry)
        found = verification.verify_run(row, kept.registry, kept.records).all_faults
        assert any(said in fault for fault in found)
        verdict = evidence.load_verdict(key, kept.records)
        with pytest.raises(IntegrityFailed, match=said):
            overrides.effective(verdict, key, "dev", "e-1", kept.records)


class Meeting:
    """A registry whose executions have all looked for a use before the first one writes it."""

    def __init__(self, inner, count):
        self._inner, self._barrier = inner, Barrier(count)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def replace(self, key, row, expected):
        if key.startswith("override-use/"):
            self._barrier.wait(timeout=60)
        return self._inner.replace(key, row, expected)


class Dying:
    """A registry whose process dies before or after it writes the use."""

    def __init__(self, inner, after):
        self._inner, self._after = inner, after

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def replace(self, key, row, expected):
        if not key.startswith("override-use/"):
            return self._inner.replace(key, row, expected)
        if self._after:
            self._inner.replace(key, row, expected)
        raise Crash


class TestAsking:
    def test_waives_all_that_fell_and_may_say_so(self, local_kept, runs):
        with_versions(local_kept)
        fell = ask(local_kept, runs).waives
        assert "all cases" in fell
        assert ask(local_kept, runs, waives=list(fell)).waives == fell
        with pytest.raises(BadInput, match=r"wanted all that fell, 'all cases'.*; got 'tool pay'"):
            ask(local_kept, runs, waives=["tool pay"])

    def test_an_inconclusive_verdict_may_be_waived_with_what_is_not_proven(self, local_kept, runs):
        with_versions(local_kept)
        what = {"failed": IDS[:1], "rule": "calibrated"}
        assert execute(local_kept, runs, **what).effective == "INCONCLUSIVE"
        override = ask(local_kept, runs, **what)
        assert "all cases" in override.waives
        approve(local_kept, override)
        assert execute(local_kept, runs, **what).effective == "OVERRIDDEN"

    @pytest.mark.parametrize("what", [{"failed": ()}, {"mode": "advisory"}])
    def test_a_verdict_that_stops_nothing_needs_none(self, local_kept, runs, what):
        with_versions(local_kept)
        with pytest.raises(BadInput, match="wanted a verdict that stops something"):
            ask(local_kept, runs, **what)

    def test_a_verdict_that_stops_nothing_uses_none_whatever_the_rows_say(self, local_kept, runs):
        kept = with_versions(local_kept)
        done = execute(kept, runs, mode="advisory")
        verdict = evidence.load_verdict(done.verdict_key, kept.records)
        sha256 = overrides._sha256(verdict)
        other(verdict_sha256=sha256)(kept, runs)
        again = execute(kept, runs, mode="advisory")
        assert (again.effective, again.override, again.refused) == ("ADVISORY", None, ())

    def test_a_reason_has_twenty_characters(self, local_kept, runs, monkeypatch):
        with_versions(local_kept)
        monkeypatch.setitem(WHY, "reason", "it is urgent        ")
        with pytest.raises(BadInput, match=r"reason: .* at least 20 characters, got 'it is urgent"):
            ask(local_kept, runs)

    def test_ten_who_ask_at_once_get_one_each(self, local_kept, runs):
        with_versions(local_kept)
        key = execute(local_kept, runs, "e-0").verdict_key
        verdict = evidence.load_verdict(key, local_kept.records)

        def ask_as(number):
            words = {**WHY, "requester": f"user-{number}"}
            return overrides.request(verdict, key, "dev", local_kept.registry, At(), **words)

        asked = at_once(ask_as, 10)
        numbers = {override.override_id.partition(".")[2] for override in asked}
        assert numbers == {str(n) for n in range(1, 11)}


@pytest.mark.parametrize(
    ("golden", "waived"),
    [
        ("42-point-block-one-tool", {"tool find"}),
        ("22-block-a-hard-break-where-the-policy-says-so", {overrides.HARD_BREAKS}),
        ("33-inconclusive-too-many-are-missing", {"critical cases", overrides.MISSING}),
    ],
)
def test_what_must_be_waived_is_named_also_if_it_is_no_stratum(golden, waived):
    packed = (FOLDER / f"{golden}.jsonl.gz").read_bytes()
    verdict = Verdict.model_validate_json(gzip.decompress(packed).splitlines()[1])
    assert set(overrides.fallen(verdict)) == waived


class TestApproving:
    @pytest.fixture
    def asked(self, local_kept, runs):
        return ask(with_versions(local_kept), runs)

    def test_nobody_approves_what_they_asked_for_in_no_role(self, local_kept, asked):
        for me in (ALICE, ALICE.replace("Developer", "OnCall"), ALICE.replace("alice", "Alice")):
            with pytest.raises(BadInput, match="requested and approved by the same person"):
                approve(local_kept, asked, by=me)

    def test_it_lasts_a_day_at_most(self, local_kept, asked):
        for lasts in (DAY + timedelta(seconds=1), timedelta(0)):
            with pytest.raises(BadInput, match="wanted at most 1 day, 0:00:00, got "):
                approve(local_kept, asked, lasts=lasts)

    def test_the_second_approver_is_told_of_the_first(self, local_kept, asked):
        approve(local_kept, asked)
        with pytest.raises(BadInput, match=r"bob@example.com approved it at 2026-11-20 12:00"):
            approve(local_kept, asked, by="carol", at=NOON + timedelta(minutes=1))

    def test_what_nobody_asked_for_can_not_be_approved(self, local_kept, asked):
        with pytest.raises(BadInput, match="there is no r-1 in laptop"):
            overrides.approve("r-1", BOB, DAY, local_kept.registry, local_kept.records, At())


def test_a_list_tells_the_state_of_each_and_hides_none_that_is_damaged(local_kept, runs):
    kept = with_versions(local_kept)
    _, *approved = [ask(kept, runs) for _ in range(4)]
    for hours, override in enumerate(approved, start=1):
        approve(kept, override, lasts=timedelta(hours=hours))
    execute(kept, runs)
    kept.registry.put_new(f"override/{run_id(2)}.1", {"agent": "teller"})
    now = At(NOON + timedelta(hours=2))
    found = {s.override_id: s.state for s in overrides.statuses(kept.registry, "teller", now)}
    assert found == {
        f"{run_id(1)}.1": "requested",
        f"{run_id(1)}.2": "used",
        f"{run_id(1)}.3": "expired",
        f"{run_id(1)}.4": "approved",
        f"{run_id(2)}.1": "damaged",
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ALICE, BOB, False),
        (ALICE, "arn:aws:iam::123456789012:user/team/alice@example.com", True),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::210987654321:root", True),
        ("alice", "Alice", True),
        ("alice", "bob", False),
    ],
)
def test_a_person_is_the_last_part_of_an_identity(one, other, same):
    assert overrides.same_person(one, other) is same
