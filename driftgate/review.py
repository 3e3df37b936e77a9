"""Reviews: how people make a case of what was found, told in the order in which they meet it.

queue -> claim -> edit -> approve, by others until there are enough -> publish. What somebody does
is a row of the audit trail, written on the condition that its number is free; it holds what the
review is after it. So of two who act on the same revision one is refused and nothing is lost, and
the row of the review itself only follows.

Rows: candidate.{agent}/{fingerprint} by who finds; review.{agent}/{fingerprint};
audit.{agent}/{fingerprint}/{revision}; draft.{agent}/{fingerprint}/{sha256}, /first of one that
was proposed; developers.{agent}/{revision}.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from driftgate import canonical, drafts, mining, sessions
from driftgate.errors import BadInput, NotAllowed, StaleRevision, TraceMissing
from driftgate.overrides import same_person
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.registry import read_row
from driftgate.saturation import Kind, kind_of
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.reviews import (
    Action,
    Approval,
    Candidate,
    Developers,
    Draft,
    QueueItem,
    Review,
    ReviewEvent,
    State,
)
from driftgate.versions import Versions

CLAIM_LASTS = timedelta(hours=24)  # then somebody else may take it
OPEN: tuple[State, ...] = ("new", "claimed", "needs_work")
HIGH_RISK_APPROVALS = 2
FIRST = "first"


def queue(agent: str, reviews: Registry, cases: Iterable[Case] = ()) -> list[QueueItem]:
    """All candidates of an agent, those worth the most first.

    Args:
        cases: of the dataset that they would go to: what is covered already is worth less.
    """
    covered = Counter(map(kind_of, cases))
    found = (read_row(Candidate, "candidate.…", row) for row in reviews.rows(f"candidate.{agent}/"))
    rows = (read_row(Review, "review.…", row) for row in reviews.rows(f"review.{agent}/"))
    reviewed = {review.fingerprint: review for review in rows}
    items = [_item(candidate, reviewed.get(candidate.fingerprint), covered) for candidate in found]
    return sorted(items, key=lambda item: (-item.value, item.candidate.fingerprint))


def _item(candidate: Candidate, review: Review | None, covered: Counter[Kind]) -> QueueItem:
    alike = covered[candidate.task_type, frozenset(candidate.tools)]
    new = Review(agent=candidate.agent, fingerprint=candidate.fingerprint)
    return QueueItem(
        candidate=candidate,
        review=review or new,
        value=mining.expected_value(candidate, alike),
        cluster=mining.cluster(candidate),
        covered=alike,
    )


def propose(
    case: Case, agent: AgentVersion, why: str, reviews: Registry, clock: Clock
) -> Candidate | None:
    """Put a case that somebody made before the curators, as a draft; None if it is there already.

    Raises:
        BadInput: its provenance is neither synthetic nor external.
    """
    kind = case.provenance.kind
    if kind not in ("synthetic", "external"):
        raise BadInput(f"case {case.case_id}: wanted provenance synthetic or external, got {kind}")
    content = case.model_dump(mode="json", exclude={"case_id", "provenance"})
    candidate = Candidate(
        fingerprint=canonical.sha256(canonical.dump(content)),
        agent=agent.manifest.agent,
        version=agent.manifest.version,
        session_id=None,
        task_type=case.task_type,
        reasons=(why,),
        found_at=clock.now(),
        origin=kind,
        tools=tuple(sorted(kind_of(case)[1])),
    )
    place = f"{candidate.agent}/{candidate.fingerprint}"
    draft = Draft(case=case, suggested=("turns",))
    reviews.put_new(f"draft.{place}/{FIRST}", _json(draft))
    new = reviews.put_new(f"candidate.{place}", _json(candidate))
    return candidate if new else None


@dataclass(frozen=True)
class Desk:
    """Where somebody works on the candidates of an agent.

    Args:
        who: whoever is there, as the environment knows him.
        reviews: rows of the reviews.
        traces: of production, redacted.
        stored: the registry, with the agent's versions and datasets.
    """

    agent: str
    who: str
    reviews: Registry
    traces: Artifacts
    stored: Registry
    clock: Clock

    def candidate(self, fingerprint: str) -> Candidate:
        key = f"candidate.{self.agent}/{fingerprint}"
        row = self.reviews.row(key)
        if row is None:
            raise BadInput(f"agent {self.agent} has no candidate {fingerprint}")
        return read_row(Candidate, key, row)

    def review(self, fingerprint: str) -> Review:
        key = f"review.{self.agent}/{fingerprint}"
        row = self.reviews.row(key)
        if row is None:
            return Review(agent=self.agent, fingerprint=self.candidate(fingerprint).fingerprint)
        return read_row(Review, key, row)

    def find(self, start: str) -> str:
        """The fingerprint that starts so. Raises BadInput if there is none, or several."""
        prefix = f"candidate.{self.agent}/"
        found = [key.removeprefix(prefix) for key in self.reviews.keys(f"{prefix}{start}")]
        if len(found) != 1:
            raise BadInput(f"agent {self.agent} has {len(found)} candidates that start {start!r}")
        return found[0]

    def trail(self, fingerprint: str) -> list[ReviewEvent]:
        """All that was done to a candidate, in order."""
        rows = self.reviews.rows(f"audit.{self.agent}/{fingerprint}/")
        return [read_row(ReviewEvent, "audit.…", row) for row in rows]

    def draft(self, fingerprint: str) -> Draft:
        """The present draft; the first one is made of the recording as it is looked at.

        Raises:
            TraceMissing: nobody has edited it, and the recording has expired or was erased.
        """
        review = self.review(fingerprint)
        row = self.reviews.row(f"draft.{self.agent}/{fingerprint}/{review.draft or FIRST}")
        if row is not None:
            return read_row(Draft, "draft.…", row)
        candidate = self.candidate(fingerprint)
        if candidate.session_id is None:
            raise TraceMissing(f"candidate {fingerprint}: its draft is gone")
        trace = sessions.load_trace(candidate.trace_key, self.traces)
        versions = Versions(self.stored)
        rubric = versions.online(self.agent, candidate.version).rubric
        return drafts.from_trace(candidate, trace, self._contracts(candidate), rubric)

    def claim(self, fingerprint: str, revision: int) -> Review:
        """Take a candidate; one that somebody else has is taken over after a day."""
        before = self._at(fingerprint, revision, "claim", OPEN)
        if self._is_others(before) and not self._expired(before):
            raise NotAllowed(
                f"candidate {fingerprint}: {before.holder} has it since {before.claimed_at}"
            )
        change = {"state": "claimed", "holder": self.who, "claimed_at": self.clock.now()}
        return self._act(before, "claim", change)

    def release(self, fingerprint: str, revision: int) -> Review:
        """Put it back for others; what was edited stays, approvals don't."""
        before = self._held(fingerprint, revision, "release")
        state: State = "needs_work" if before.draft else "new"
        change = {"state": state, "holder": "", "claimed_at": "", "approvals": ()}
        return self._act(before, "release", change)

    def edit(
        self,
        fingerprint: str,
        revision: int,
        case: Case,
        *,
        suggested: Sequence[str] = (),
        dataset: str = "",
    ) -> Review:
        """Write a draft anew: what stands in it is confirmed, unless it is named as suggested.

        Approvals were of the draft before, so they are gone.
        """
        before = self._held(fingerprint, revision, "edit")
        kept = self.draft(fingerprint)
        author = drafts.provenance(self.candidate(fingerprint), self.who)
        if kept.case.provenance.kind != "mined":  # who made it said whence it is
            author = kept.case.provenance
        draft = _json(
            Draft(
                case=case.model_copy(update={"provenance": author}),
                suggested=tuple(suggested),
                notes=kept.notes,
            )
        )
        sha256 = canonical.sha256(canonical.dump(draft))
        self.reviews.put_new(f"draft.{self.agent}/{fingerprint}/{sha256}", draft)
        change = {
            "draft": sha256,
            "editors": tuple(dict.fromkeys((*before.editors, self.who))),
            "approvals": (),
            "dataset": dataset or before.dataset,
        }
        return self._act(before, "edit", change)

    def accept(self, fingerprint: str, revision: int) -> Review:
        """Approve the draft. It is accepted once enough people have, and not before.

        Whoever wrote the draft can't approve it. A case of high risk needs two, as does one of an
        agent whose developers nobody has named; one at least must not be a developer of the agent.

        Raises:
            NotAllowed: who approves wrote the draft, or has approved it.
            BadInput: the draft has suggestions that nobody confirmed, or expects nothing.
        """
        before = self._at(fingerprint, revision, "accept", ("claimed",))
        draft = self.draft(fingerprint)
        _check_whole(fingerprint, draft)
        if _is_among(self.who, before.editors):
            raise NotAllowed(
                f"candidate {fingerprint}: {self.who} wrote its draft, so somebody else approves it"
            )
        if _is_among(self.who, [approval.by for approval in before.approvals]):
            raise NotAllowed(f"candidate {fingerprint}: {self.who} has approved it already")
        approvals = (*before.approvals, Approval(by=self.who, at=self.clock.now()))
        lacking = self.lacking(approvals, draft, self.candidate(fingerprint))
        if lacking:
            return self._act(before, "approve", {"approvals": approvals}, lacking)
        change = {"state": "accepted", "approvals": approvals, "holder": "", "claimed_at": ""}
        return self._act(before, "accept", change)

    def lacking(self, approvals: Sequence[Approval], draft: Draft, candidate: Candidate) -> str:
        """What is still wanted before a case is accepted; empty if nothing is."""
        developers = self.developers()
        people = [approval.by for approval in approvals]
        risky = self.is_high_risk(draft.case, candidate)
        if developers is None and len(people) < HIGH_RISK_APPROVALS:
            return f"nobody has said who develops {self.agent}, so two people approve"
        if developers and all(_is_among(person, developers.people) for person in people):
            return f"somebody who does not develop {self.agent} must approve too"
        if risky and len(people) < HIGH_RISK_APPROVALS:
            return "the case is of high risk, so two people approve"
        return ""

    def is_high_risk(self, case: Case, candidate: Candidate) -> bool:
        """A case that is critical, an attack, or expects a tool whose contract is critical."""
        critical = {c.tool for c in self._contracts(candidate) if c.critical}
        tools = kind_of(case)[1]
        return case.critical or case.adversarial is not None or bool(critical & tools)

    def needs_work(self, fingerprint: str, revision: int, reason: str) -> Review:
        """Send a draft back: approvals are gone, and anybody may claim it."""
        before = self._at(
            fingerprint, revision, "needs_work", ("claimed", "needs_work", "accepted")
        )
        change = {"state": "needs_work", "approvals": (), "holder": "", "claimed_at": ""}
        return self._act(before, "needs_work", change, _reason(reason))

    def reject(self, fingerprint: str, revision: int, reason: str) -> Review:
        """Say that it becomes no case, and why."""
        before = self._at(fingerprint, revision, "reject", (*OPEN, "accepted"))
        if self._is_others(before):
            raise NotAllowed(
                f"candidate {fingerprint}: {before.holder} has it since {before.claimed_at}"
            )
        change = {"state": "rejected", "holder": "", "claimed_at": "", "approvals": ()}
        return self._act(before, "reject", change | {"reason": _reason(reason)}, reason)

    def mark_published(self, fingerprint: str, version: str) -> Review:
        """Say of an accepted candidate in which version its case is; twice is once."""
        before = self.review(fingerprint)
        if before.published_in == version:
            return before
        before = self._at(fingerprint, before.revision, "publish", ("accepted",))
        change = {"state": "published", "published_in": version}
        try:
            return self._act(before, "publish", change, version)
        except StaleRevision:
            if (there := self.review(fingerprint)).published_in == version:
                return there
            raise

    def developers(self) -> Developers | None:
        """Who develops the agent, as it was said last; None: nobody has said it."""
        rows = self.reviews.rows(f"developers.{self.agent}/")
        return read_row(Developers, "developers.…", rows[-1]) if rows else None

    def name_developers(self, people: Sequence[str]) -> Developers:
        """Say who develops the agent. What was said before is kept.

        Raises:
            NotAllowed: a developer leaves himself out, and so would approve his own agent's cases.
        """
        before = self.developers()
        leaves = not _is_among(self.who, people)
        if before and _is_among(self.who, before.people) and leaves:
            raise NotAllowed(f"{self.who} develops {self.agent}: somebody else takes him off")
        revision = before.revision + 1 if before else 1
        named = Developers(
            agent=self.agent,
            people=tuple(sorted(set(people))),
            revision=revision,
            by=self.who,
            at=self.clock.now(),
        )
        if not self.reviews.put_new(f"developers.{self.agent}/{revision:06d}", _json(named)):
            raise StaleRevision(f"somebody else named the developers of {self.agent} just now")
        return named

    def _at(
        self, fingerprint: str, revision: int, action: Action, states: Sequence[State]
    ) -> Review:
        """The review, if it is at the revision that was read and in one of these states."""
        found = self.review(fingerprint)
        if found.revision != revision:
            raise self._stale(found, revision)
        if found.state not in states:
            raise BadInput(
                f"candidate {fingerprint}: wanted {' or '.join(states)} to {action}, it is "
                f"{found.state}"
            )
        return found

    def _held(self, fingerprint: str, revision: int, action: Action) -> Review:
        found = self._at(fingerprint, revision, action, ("claimed",))
        if not same_person(found.holder, self.who):
            raise NotAllowed(
                f"candidate {fingerprint}: {found.holder} has it since {found.claimed_at}, so "
                f"{self.who} can't {action} it"
            )
        return found

    def _act(
        self, before: Review, action: Action, change: dict[str, Any], reason: str = ""
    ) -> Review:
        """Write the event, whose number only one can have, then let the review's row follow."""
        number = before.revision + 1
        after = before.model_copy(update={**change, "revision": number})
        event = ReviewEvent(
            revision=number,
            at=self.clock.now(),
            by=self.who,
            action=action,
            reason=reason,
            after=after,
        )
        place = f"{self.agent}/{before.fingerprint}"
        if not self.reviews.put_new(f"audit.{place}/{number:06d}", _json(event)):
            self._follow(before)
            raise self._stale(self.review(before.fingerprint), before.revision)
        self._follow(before)
        return after

    def _follow(self, before: Review) -> None:
        """Bring the review's row up to the event after it, whoever wrote that."""
        place = f"{self.agent}/{before.fingerprint}"
        key = f"audit.{place}/{before.revision + 1:06d}"
        event = read_row(ReviewEvent, key, self.reviews.row(key) or {})
        expected = _json(before) if before.revision else None
        self.reviews.replace(f"review.{place}", _json(event.after), expected)

    def _stale(self, found: Review, revision: int) -> StaleRevision:
        trail = self.trail(found.fingerprint)
        last = trail[-1] if trail else None
        said = f": {last.by} did {last.action} at {last.at}" if last else ""
        return StaleRevision(
            f"candidate {found.fingerprint}: revision {revision} was read, it is at "
            f"{found.revision}{said}; look again"
        )

    def _is_others(self, review: Review) -> bool:
        return bool(review.holder) and not same_person(review.holder, self.who)

    def _expired(self, review: Review) -> bool:
        claimed = datetime.fromisoformat(review.claimed_at)
        return datetime.fromisoformat(self.clock.now()) - claimed > CLAIM_LASTS

    def _contracts(self, candidate: Candidate) -> tuple[ToolContract, ...]:
        found = Versions(self.stored).find(self.agent, candidate.version)
        return found.contracts if found else ()


def _is_among(who: str, people: Iterable[str]) -> bool:
    return any(same_person(who, person) for person in people)


def _check_whole(fingerprint: str, draft: Draft) -> None:
    if draft.suggested:
        raise BadInput(
            f"candidate {fingerprint}: nobody has confirmed {', '.join(draft.suggested)}; edit the "
            "draft first"
        )
    case = draft.case
    outputs = case.expected_outputs or any(turn.expected_outputs for turn in case.turns)
    if not (case.expected_calls or outputs or case.forbidden_calls or case.rubric):
        raise BadInput(
            f"candidate {fingerprint}: wanted expected calls or outputs, forbidden calls or a "
            "rubric; the draft expects nothing, so every agent would solve it"
        )


def _reason(text: str) -> str:
    if len(text.strip()) < 3:
        raise BadInput(f"reason: wanted one in words, got {text!r}")
    return text.strip()


def _json(record: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = record.model_dump(mode="json")
    return dumped
