"""The sweeper: ends sessions whose attempts are over and that nobody ended.

A worker that is killed, or one whose stop is throttled, leaves its session open, and its memory is
paid until the idle timeout. What was opened is known from the run's artifacts, whether it is still
needed from its lease: an execution that is over needs none.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from driftgate import evidence, leases, offline, registry
from driftgate.evidence import OpenSession
from driftgate.ports import Artifacts, Clock, Executions, Registry, Runtime
from driftgate.schemas.runs import Attempt, Lease, RunPlan, TrialKey
from driftgate.schemas.sweeping import SweepSessionsRequest, SweepSessionsResult

LOOK_BACK = timedelta(days=2)  # an execution ends after one, and a session after eight hours
GRACE_S = 60  # beyond its case's limit, in which an attempt reads the calls and stores its trace
AT_A_TIME = 8  # sessions that are ended


def sweep_sessions(
    request: SweepSessionsRequest,
    stored: Registry,
    runs: Artifacts,
    runtime: Runtime,
    executions: Executions,
    clock: Clock,
) -> SweepSessionsResult:
    """End the sessions that were opened, not ended, and that no attempt can need any more."""
    total: Counter[str] = Counter()
    for row in stored.rows("lease/"):
        lease = registry.read_row(Lease, "lease/…", row)
        if request.run_id not in (None, lease.run_id) or lease.swept or _is_old(lease, clock):
            continue
        alive = leases.runs_on(lease, executions)  # before its sessions are looked at
        found = _sweep_run(lease.run_id, alive, runs, runtime, clock)
        total += found
        if not alive and not found["still_open"]:
            done = lease.model_copy(update={"swept": True})
            stored.replace(f"lease/{lease.run_id}", done.model_dump(mode="json"), expected=row)
    return SweepSessionsResult(
        ended=total["ended"], needed=total["needed"], still_open=total["still_open"]
    )


def _sweep_run(
    run_id: str, alive: bool, runs: Artifacts, runtime: Runtime, clock: Clock
) -> Counter[str]:
    plan = evidence.find_plan(run_id, runs)
    if plan is None:
        return Counter()
    found = evidence.all_open_sessions(run_id, runs)
    abandoned = [s for s in found if not alive or s.is_over or _is_late(s, plan, clock)]

    def end(session: OpenSession) -> bool:
        session_id = session.opened.session_id
        told = Attempt(session_id=session_id, at=clock.now())
        evidence.mark_session(run_id, session.place, "superseded", told, runs)
        return offline.end_session(plan, session.place, session_id, runs, runtime, clock)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ended = sum(pool.map(end, abandoned))
    return Counter(
        ended=ended, needed=len(found) - len(abandoned), still_open=len(abandoned) - ended
    )


def _is_late(session: OpenSession, plan: RunPlan, clock: Clock) -> bool:
    place = session.place
    arm = place.arm if isinstance(place, TrialKey) else place
    limit = timedelta(seconds=plan.arms[arm].manifest.limits.case_s + GRACE_S)
    return _time(clock.now()) - _time(session.opened.at) > limit


def _is_old(lease: Lease, clock: Clock) -> bool:
    return _time(clock.now()) - _time(lease.taken_at) > LOOK_BACK


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
