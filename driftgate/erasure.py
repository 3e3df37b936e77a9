"""Erasing a person's data: sessions, their traces, and what was made of them in the reviews.

What leads to the rest goes last, so that an erasure which breaks off is done again from the start.
What is published is not touched: a check before publishing keeps people out of it, and here it is
looked at again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from driftgate import canonical, registry, sessions
from driftgate.errors import BadInput
from driftgate.fragments import ended
from driftgate.ports import Clock, ErasableArtifacts, ErasableRegistry, Registry
from driftgate.registry import read_row
from driftgate.schemas.online import Clockwork, Feedback, FoldedWindow, OpenSession
from driftgate.schemas.privacy import Erased
from driftgate.schemas.record import count
from driftgate.schemas.redaction import PSEUDONYM
from driftgate.schemas.reviews import Candidate

AROUND = 3  # windows before and after those that a session may have been due in
WIDEST_GAP = 5000  # windows between two that a session is known of; a span may tell any time
AT_A_TIME = 100  # windows that are read together


@dataclass(frozen=True)
class Eraser:
    """All places that can hold something of an agent's sessions."""

    agent: str
    traces: ErasableArtifacts
    watched: ErasableRegistry
    reviews: ErasableRegistry
    stored: Registry  # looked at only: what is published
    clockwork: Clockwork
    clock: Clock

    def sessions_of(self, pseudonyms: Sequence[str]) -> list[str]:
        """The closed sessions in whose redacted traces a pseudonym stands.

        Raises:
            BadInput: one is no pseudonym.
        """
        if wrong := [p for p in pseudonyms if not PSEUDONYM.fullmatch(p)]:
            raise BadInput(f"wanted a pseudonym as <email:kdbeafaonhgimpcl>, got {wrong[0]!r}")
        prefix = f"traces/{self.agent}/"
        found = set()
        for key in self.traces.keys(prefix) if pseudonyms else ():
            data = (self.traces.get(key) or b"").decode()  # one by one: all are too much to hold
            if any(pseudonym in data for pseudonym in pseudonyms):
                found.add(key.removeprefix(prefix).partition("/")[0])
        return sorted(found)

    def erase(self, session_ids: Sequence[str], pseudonyms: Sequence[str], who: str) -> Erased:
        """Erase these sessions, and those in which the pseudonyms stand. Done again, it finds
        what is left.
        """
        ids = sorted({*session_ids, *self.sessions_of(pseudonyms)})
        names = {*ids, *pseudonyms}
        candidates, drafts = self._candidates(set(ids))
        windows = {id: self._windows(id) for id in ids}
        self._forget_examples(set(ids), min((min(w) for w in windows.values() if w), default=None))
        rows = sum(self._rows(id, windows[id]) for id in ids)
        objects = sum(self._objects(id) for id in ids)
        erased = Erased(
            agent=self.agent,
            at=self.clock.now(),
            by=who,
            sessions=len(ids),
            objects=objects,
            rows=rows,
            candidates=candidates,
            drafts=drafts,
            left=tuple(self.left(names, searched=bool(pseudonyms))),
        )
        row = erased.model_dump(mode="json")
        key = canonical.sha256(canonical.dump(row))[:16]
        self.reviews.put_new(f"erased.{self.agent}/{erased.at}-{key}", row)
        return erased

    def left(self, names: Iterable[str], searched: bool) -> Iterator[str]:
        """Where one of the names still stands, in what is published and in the reviews.

        Args:
            searched: whether sessions were looked for by what was said in them.
        """
        names = sorted(names)
        for row in registry.list_datasets(self.stored):
            data = (self.stored.blob("datasets", row.sha256) or b"").decode()
            if any(name in data for name in names):
                yield f"dataset {row.name}@{row.version}, which is locked: it must expire"
        for kind in ("candidate", "review", "audit", "draft"):
            for key in self.reviews.keys(f"{kind}.{self.agent}/"):
                text = canonical.dump(self.reviews.row(key)).decode()
                if any(name in text for name in names):
                    yield f"the row {key} of the reviews: somebody wrote it there"
        open_ = self._open_sessions() if searched else 0
        if open_:
            yield (
                f"{count(open_, 'session')} not closed yet, in which nobody can look for a "
                "pseudonym: ask again when they are"
            )

    def _candidates(self, ids: set[str]) -> tuple[int, int]:
        """Take the sessions out of the queue, and what was made of them."""
        touched = drafts = 0
        prefix = f"candidate.{self.agent}/"
        for row in self.reviews.rows(prefix):
            found = read_row(Candidate, prefix, row)
            if not ids & {found.session_id, *found.session_ids}:
                continue
            touched += 1
            others = tuple(id for id in found.session_ids if id not in ids)
            if found.session_id in ids:
                drafts += self._reviewed(found.fingerprint)
            next_ = self._drafted_next(others) if found.session_id in ids else {}
            if next_ is None or not others:
                self.reviews.remove(f"{prefix}{found.fingerprint}")
                continue
            kept = found.model_copy(update={"session_ids": others, **next_})
            self.reviews.replace(f"{prefix}{found.fingerprint}", kept.model_dump(mode="json"), row)
        return touched, drafts

    def _drafted_next(self, others: Sequence[str]) -> dict[str, Any] | None:
        """Which of the other sessions a candidate is drafted from now; None if none is left."""
        for session_id in others:
            if closed := sessions.find_closed(self.agent, session_id, self.watched):
                return {"session_id": session_id, "trace_key": sessions.trace_key(closed)}
        return None

    def _reviewed(self, fingerprint: str) -> int:
        """Remove all that was made of a candidate; return how many drafts there were."""
        place = f"{self.agent}/{fingerprint}"
        drafts = [key for key in self.reviews.keys(f"draft.{place}/") if self.reviews.remove(key)]
        self.reviews.remove(f"review.{place}")  # before its trail, which it follows
        for key in self.reviews.keys(f"audit.{place}/"):
            self.reviews.remove(key)
        return len(drafts)

    def _forget_examples(self, ids: set[str], first: int | None) -> None:
        """Take the sessions out of the examples that windows name, from the first one's on."""
        prefix = f"windows/{self.agent}/"
        keys = [key for key in self.traces.keys(prefix) if key >= f"{prefix}{first or 0:012d}"]
        for start in range(0, len(keys), AT_A_TIME):
            for key, data in self.traces.get_all(keys[start : start + AT_A_TIME]).items():
                if any(id.encode() in data for id in ids):
                    folded = FoldedWindow.model_validate_json(data)
                    self.traces.overwrite(key, canonical.dump(_without(folded, ids)))

    def _windows(self, session_id: str) -> list[int]:
        """The windows that may have rows of a session: it may have gone on, and been due again."""
        own, heard = (
            self.watched.row(key(self.agent, session_id))
            for key in (sessions.session_key, sessions.feedback_key)
        )
        found = [read_row(OpenSession, "session.…", own).window] if own else []
        if heard:
            feedback = read_row(Feedback, "feedback.…", heard)
            found.append(self.clockwork.window_of(feedback.at - self.clockwork.idle_s))
            found += [feedback.window] if feedback.window else []
        for key in self.traces.keys(f"traces/{self.agent}/{session_id}/"):
            found.append(int(key.rpartition("/")[2].removesuffix(".json")))
        for key in self.traces.keys(f"fragments/{self.agent}/{session_id}/"):
            records = canonical.load(self.traces.get(key) or b"[]")
            found += [self.clockwork.window_of(ended(record)) for record in records]
        near = {w + n for w in found for n in range(-AROUND, AROUND + 1) if w + n >= 0}
        for before, after in pairwise(sorted(found)):  # what comes late is due in one between
            near |= set(range(before, after)) if after - before <= WIDEST_GAP else set()
        return sorted(near)

    def _rows(self, session_id: str, windows: Iterable[int]) -> int:
        keys = [
            f"{kind}.{self.agent}.{window}/{session_id}"
            for window in windows
            for kind in ("judged", "sampled", "closed", "heard", "due")
        ]
        keys.append(sessions.feedback_key(self.agent, session_id))
        keys.append(sessions.session_key(self.agent, session_id))
        return sum(self.watched.remove(key) for key in keys)

    def _objects(self, session_id: str) -> int:
        """The fragments as they came, then the traces, by which a pseudonym is found."""
        keys = [
            key
            for kind in ("fragments", "traces")
            for key in self.traces.keys(f"{kind}/{self.agent}/{session_id}/")
        ]
        return sum(self.traces.remove(key) for key in keys)

    def _open_sessions(self) -> int:
        found = 0
        for shard in range(256):
            prefix = f"session.{self.agent}.{shard:02x}/"
            for row in self.watched.rows(prefix):
                found += not read_row(OpenSession, prefix, row).closed
        return found


def _without(folded: FoldedWindow, ids: set[str]) -> Any:
    """A window that names others alone."""
    alarms = tuple(
        alarm.model_copy(
            update={"session_ids": tuple(id for id in alarm.session_ids if id not in ids)}
        )
        for alarm in folded.report.alarms
    )
    flagged = tuple(id for id in folded.report.flagged if id not in ids)
    report = folded.report.model_copy(update={"alarms": alarms, "flagged": flagged})
    return folded.model_copy(update={"report": report}).model_dump(mode="json")
