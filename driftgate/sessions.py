"""What is known of production sessions, by key: rows of the sessions table, and objects with the
traces.

A window's rows lie together, so that a window is read with one query. What a person said is in the
traces bucket alone: `fragments/` as it came, `traces/` redacted.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, TypeVar

from driftgate import canonical
from driftgate.errors import Throttled, TraceMissing
from driftgate.fragments import Fragment
from driftgate.ports import Artifacts, Registry
from driftgate.registry import read_row
from driftgate.schemas.monitoring import Thresholds
from driftgate.schemas.online import (
    Acknowledged,
    AgentState,
    Clockwork,
    ClosedSession,
    DayHistory,
    Deployment,
    Feedback,
    FoldedWindow,
    OpenSession,
    SampledSession,
    Seen,
    SessionJudgment,
    WindowReport,
)
from driftgate.schemas.record import Record
from driftgate.schemas.traces import Trace
from driftgate.windows import Knowledge, SeenWindow, of_the_busiest, together

AnyRecord = TypeVar("AnyRecord", bound=Record)
LASTING = ("state", "turn", "thresholds", "acknowledged")  # kinds that do not expire
MOST_FRAGMENTS = 1000  # of a session; what has more has no end
HISTORY_DAYS = 14  # that expectations are learned from
WRITE_TRIES = 20  # of a row that others write at the same time


def register(deployment: Deployment, registry: Registry) -> None:
    """Watch an endpoint from now on; a later registration of the same one takes its place."""
    key = _deployment_key(deployment.environment, deployment.service)
    row = registry.row(key)
    if row is not None and not row.get("retired"):  # it is watched since then
        deployment = deployment.model_copy(update={"registered_at": row["registered_at"]})
    registry.replace(key, _json(deployment), row)


def deployments(environment: str, registry: Registry) -> dict[str, Deployment]:
    """The endpoints that are watched, by the service name of their spans."""
    rows = registry.rows(f"deployment/{environment}/")
    found = (read_row(Deployment, "deployment/…", row) for row in rows)
    return {one.service: one for one in found if not one.retired}


def add_fragment(
    fragment: Fragment, now: float, clockwork: Clockwork, traces: Artifacts, stored: Registry
) -> bool:
    """Keep a part of a session; False if the session is closed, so that it no longer counts.

    The part is stored before the rows that name it. The same part again is no change.
    """
    agent, session_id = fragment.deployment.agent, fragment.session_id
    data = canonical.dump(fragment.records)
    sha256 = canonical.sha256(data)
    traces.put_once(_fragment_key(agent, session_id, sha256), data)
    key = session_key(agent, session_id)
    for _ in range(WRITE_TRIES):
        row = stored.row(key)
        before = read_row(OpenSession, key, row) if row else None
        if before and sha256 in before.fragments:
            return True
        after = _grown(before, fragment, sha256, now, clockwork)
        counts = sha256 in after.fragments
        if counts:
            due = {"session_id": session_id}
            stored.put_new(f"{_due(after.agent, after.window)}{session_id}", due)
        if stored.replace(key, _json(after), row):
            return counts
    raise Throttled(f"{key}: other writers were in the way {WRITE_TRIES} times")


def claim_idle(agent: str, window: int, session_id: str, stored: Registry) -> OpenSession | None:
    """Close a session, so that nothing more is added; None if it went on, and is due later."""
    key = session_key(agent, session_id)
    for _ in range(WRITE_TRIES):
        row = stored.row(key)
        if row is None:  # the due row is written first: its session is just being added
            return None
        session = read_row(OpenSession, key, row)
        if session.window != window:
            return None
        closed = session.model_copy(update={"closed": True})
        if stored.replace(key, _json(closed), row):
            return closed
    raise Throttled(f"{key}: other writers were in the way {WRITE_TRIES} times")


def due_in(agent: str, window: int, stored: Registry) -> list[str]:
    """The sessions that were once to be idle in a window, and are not closed in it yet."""
    due, closed = stored.keys(_due(agent, window)), stored.keys(_closed(agent, window))
    done = {key.rpartition("/")[2] for key in closed}
    return [id for key in due if (id := key.rpartition("/")[2]) not in done]


def load_fragments(session: OpenSession, traces: Artifacts) -> list[dict[str, Any]]:
    """All records of a session. A fragment that was erased since is left out."""
    keys = [_fragment_key(session.agent, session.session_id, sha) for sha in session.fragments]
    found = traces.get_all(keys)
    return [record for key in keys if key in found for record in canonical.load(found[key])]


def keep_trace(session: OpenSession, trace: Trace, traces: Artifacts) -> str:
    """Store the redacted trace of a closed session and return its sha256."""
    data = canonical.dump(trace.model_dump(mode="json"))
    traces.put_once(trace_key(session), data)
    return canonical.sha256(data)


def load_trace(key: str, traces: Artifacts) -> Trace:
    """Raises TraceMissing if it has expired, or was erased."""
    data = traces.get(key)
    if data is None:
        raise TraceMissing(f"{key}: expired, or erased")
    return Trace.model_validate_json(data)


def trace_key(session: OpenSession | ClosedSession) -> str:
    """A session that goes on after it was closed has a trace for each time."""
    return f"traces/{session.agent}/{session.session_id}/{session.window}.json"


def keep_closed(session: ClosedSession, stored: Registry) -> None:
    stored.put_new(f"{_closed(session.agent, session.window)}{session.session_id}", _json(session))


def closed_in(agent: str, window: int, stored: Registry) -> list[ClosedSession]:
    return _rows(ClosedSession, _closed(agent, window), stored)


def keep_sampled(
    sampled: SampledSession, agent: str, window: int, stored: Registry
) -> SampledSession:
    """Store the decision on a session; if there was one before, that is the decision."""
    key = f"sampled.{agent}.{window}/{sampled.session_id}"
    if stored.put_new(key, _json(sampled)):
        return sampled
    return read_row(SampledSession, key, stored.row(key) or {})


def sampled_in(agent: str, window: int, stored: Registry) -> list[SampledSession]:
    return _rows(SampledSession, f"sampled.{agent}.{window}/", stored)


def keep_judgment(judgment: SessionJudgment, agent: str, window: int, stored: Registry) -> None:
    stored.put_new(f"judged.{agent}.{window}/{judgment.session_id}", _json(judgment))


def find_judgment(
    agent: str, window: int, session_id: str, stored: Registry
) -> SessionJudgment | None:
    row = stored.row(f"judged.{agent}.{window}/{session_id}")
    return read_row(SessionJudgment, "judged.…", row) if row else None


def judged_in(agent: str, window: int, stored: Registry) -> list[SessionJudgment]:
    return _rows(SessionJudgment, f"judged.{agent}.{window}/", stored)


def keep_feedback(feedback: Feedback, window: int, stored: Registry) -> bool:
    """Keep the first feedback of a session; a negative one takes the place of a positive one.

    Returns:
        False if it changes nothing.
    """
    key = feedback_key(feedback.agent, feedback.session_id)
    for _ in range(WRITE_TRIES):
        row = stored.row(key)
        if row and (row["verdict"] == "negative" or feedback.verdict == "positive"):
            return False
        heard = {"session_id": feedback.session_id}
        stored.put_new(f"heard.{feedback.agent}.{window}/{feedback.session_id}", heard)
        if stored.replace(key, _json(feedback.model_copy(update={"window": window})), row):
            return True
    raise Throttled(f"{key}: other writers were in the way {WRITE_TRIES} times")


def feedback_of(agent: str, session_id: str, stored: Registry) -> Feedback | None:
    row = stored.row(feedback_key(agent, session_id))
    return read_row(Feedback, "feedback.…", row) if row else None


def heard_in(agent: str, window: int, stored: Registry) -> list[str]:
    """The sessions of which a user said something in a window."""
    return [key.rpartition("/")[2] for key in stored.keys(f"heard.{agent}.{window}/")]


def find_closed(agent: str, session_id: str, stored: Registry) -> ClosedSession | None:
    """A closed session, whatever its window; None if it is not closed, or expired."""
    key = session_key(agent, session_id)
    row = stored.row(key)
    if row is None:
        return None
    window = read_row(OpenSession, key, row).window
    closed = stored.row(f"{_closed(agent, window)}{session_id}")
    return read_row(ClosedSession, "closed.…", closed) if closed else None


def find_sampled(
    agent: str, window: int, session_id: str, stored: Registry
) -> SampledSession | None:
    row = stored.row(f"sampled.{agent}.{window}/{session_id}")
    return read_row(SampledSession, "sampled.…", row) if row else None


def keep_folded(folded: FoldedWindow, traces: Artifacts) -> FoldedWindow:
    """Store what a window came to; if it was folded before, that is what it came to."""
    key = _folded_key(folded.report.agent, folded.report.window)
    traces.put_once(key, canonical.dump(folded.model_dump(mode="json")))
    found = traces.get(key)
    assert found is not None, "it is there, whoever wrote it"
    return FoldedWindow.model_validate_json(found)


def find_folded(agent: str, window: int, traces: Artifacts) -> FoldedWindow | None:
    """None if it is not published, or has expired."""
    data = traces.get(_folded_key(agent, window))
    return FoldedWindow.model_validate_json(data) if data else None


def reports(agent: str, last: int, stored: Registry, traces: Artifacts) -> Iterator[WindowReport]:
    """The reports of the newest `last` published windows, oldest first."""
    newest = published_window(agent, stored)
    if newest is None:
        return
    for window in range(newest - last + 1, newest + 1):
        if folded := find_folded(agent, window, traces):
            yield folded.report


def published_window(agent: str, stored: Registry) -> int | None:
    """The last window that was published, and of which all was told."""
    row = stored.row(f"state/{agent}")
    return int(row["window"]) if row else None


def keep_published(agent: str, window: int, stored: Registry) -> None:
    """A later one that is there already stays."""
    key = f"state/{agent}"
    row = stored.row(key)
    if row is None or row["window"] < window:
        stored.replace(key, {"agent": agent, "window": window}, row)


def load_window(agent: str, window: int, stored: Registry) -> SeenWindow:
    closed, sampled = closed_in(agent, window, stored), sampled_in(agent, window, stored)
    here = {one.session_id for one in closed}
    before = (find_closed(agent, o.session_id, stored) for o in sampled if o.session_id not in here)
    return SeenWindow(
        agent=agent,
        window=window,
        closed=closed,
        sampled={one.session_id: one for one in sampled},
        judged={one.session_id: one for one in judged_in(agent, window, stored)},
        complained=[one for one in before if one is not None],
    )


def load_knowledge(agent: str, day: int, stored: Registry) -> Knowledge:
    """What is known of the versions of an agent, those of 14 days, and of its alarms."""
    thresholds = stored.row(f"thresholds/{agent}")
    acknowledged = stored.row(f"acknowledged/{agent}")
    return Knowledge(
        thresholds=read_row(Thresholds, "thresholds/…", thresholds) if thresholds else Thresholds(),
        history={
            version: together(one.seen for one in days if one.day > day - HISTORY_DAYS)
            for version, days in _histories(agent, stored).items()
        },
        acknowledged=acknowledged["window"] if acknowledged else None,
    )


def kinds(agent: str, stored: Registry) -> dict[tuple[str, frozenset[str]], int]:
    """How many sessions there were of each task type with these tools, over the days kept."""
    found: dict[tuple[str, frozenset[str]], int] = {}
    for days in _histories(agent, stored).values():
        for one in (kind for day in days for kind in day.seen.kinds):
            key = (one.task_type, frozenset(one.tools))
            found[key] = found.get(key, 0) + one.sessions
    return found


def load_sizes(agent: str, day: int, stored: Registry) -> dict[str, dict[int, int]]:
    """The sizes of the numbers that tools returned in the last days, over all versions."""
    days = (one for of_version in _histories(agent, stored).values() for one in of_version)
    return together(one.seen for one in days if one.day > day - HISTORY_DAYS).sizes


def keep_thresholds(agent: str, thresholds: Thresholds, stored: Registry) -> None:
    key = f"thresholds/{agent}"
    stored.replace(key, _json(thresholds), stored.row(key))


def add_to_history(
    agent: str, version: str, day: int, window: int, seen: Seen, stored: Registry
) -> None:
    """Add a window to a version's day, once."""
    key = f"history.{agent}/{day:06d}/{version}"
    row = stored.row(key)
    before = read_row(DayHistory, key, row) if row else None
    if before is not None and before.window >= window:
        return
    whole = of_the_busiest(together((before.seen, seen)) if before else seen)
    after = DayHistory(agent=agent, version=version, day=day, window=window, seen=whole)
    stored.replace(key, _json(after), row)


def _histories(agent: str, stored: Registry) -> dict[str, list[DayHistory]]:
    """By version, the one that was met first before the others."""
    found: dict[str, list[DayHistory]] = {}
    for day in _rows(DayHistory, f"history.{agent}/", stored):
        found.setdefault(day.version, []).append(day)
    return found


def acknowledge(acknowledged: Acknowledged, stored: Registry) -> None:
    """Let an agent's monitors start anew after a window."""
    key = f"acknowledged/{acknowledged.agent}"
    stored.replace(key, _json(acknowledged), stored.row(key))


def load_state(agent: str, stored: Registry, traces: Artifacts) -> AgentState:
    """What the last published window left for the next one."""
    window = published_window(agent, stored)
    folded = None if window is None else find_folded(agent, window, traces)
    return folded.state if folded else AgentState(agent=agent, window=window)


def take_turn(agent: str, last: int, until: float, now: float, stored: Registry) -> bool:
    """Take the agent's windows up to `last`; False if another tick has them, until then."""
    key = f"turn/{agent}"
    row = stored.row(key)
    if row is not None and row["until"] > now:
        return False
    return stored.replace(key, {"agent": agent, "last": last, "until": until}, row)


def end_turn(agent: str, window: int, stored: Registry) -> None:
    """After the last window of a turn, the next tick may have the agent at once."""
    key = f"turn/{agent}"
    row = stored.row(key)
    if row is not None and row["last"] <= window:
        stored.replace(key, {**row, "until": 0}, row)


def _grown(
    before: OpenSession | None, fragment: Fragment, sha256: str, now: float, clockwork: Clockwork
) -> OpenSession:
    window = clockwork.open_window(fragment.last, now)
    anew = OpenSession(
        agent=fragment.deployment.agent,
        session_id=fragment.session_id,
        service=fragment.deployment.service,
        last=fragment.last,
        window=window,
        fragments=(sha256,),
    )
    if before is None:
        return anew
    if before.closed and fragment.last >= before.last + clockwork.idle_s:
        return anew  # it goes on, hours later perhaps: that is a session of its own
    if before.closed or len(before.fragments) >= MOST_FRAGMENTS:
        return before.model_copy(update={"late": before.late + 1})
    grown = {
        "last": max(before.last, fragment.last),
        "window": max(before.window, window),
        "fragments": tuple(sorted({*before.fragments, sha256})),
    }
    return before.model_copy(update=grown)


def _rows(kind: type[AnyRecord], prefix: str, stored: Registry) -> list[AnyRecord]:
    return [read_row(kind, f"{prefix}…", row) for row in stored.rows(prefix)]


def _json(record: Record) -> dict[str, Any]:
    return record.model_dump(mode="json")


def _shard(session_id: str) -> str:
    """Spreads the sessions of a busy agent over partitions."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:2]


def session_key(agent: str, session_id: str) -> str:
    return f"session.{agent}.{_shard(session_id)}/{session_id}"


def feedback_key(agent: str, session_id: str) -> str:
    return f"feedback.{agent}.{_shard(session_id)}/{session_id}"


def _fragment_key(agent: str, session_id: str, sha256: str) -> str:
    return f"fragments/{agent}/{session_id}/{sha256}.json"


def _deployment_key(environment: str, service: str) -> str:
    return f"deployment/{environment}/{service}"


def _due(agent: str, window: int) -> str:
    return f"due.{agent}.{window}/"


def _closed(agent: str, window: int) -> str:
    return f"closed.{agent}.{window}/"


def _folded_key(agent: str, window: int) -> str:
    return f"windows/{agent}/{window:012d}.json"
