"""The watch over production, told in order: one function per state.

ingest_spans, for every batch of spans -> list_windows, at every tick -> for every agent, window by
window: close_sessions -> sample_sessions -> for every one that is chosen (judge_session) ->
publish_window, whose events make mine_failures look. record_feedback comes in at any time, and
calibrate_monitors each night.
States pass ids and windows; what they work on lies in rows and objects. A state that is entered
twice finds its work done.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from driftgate import judging, mining, sampling, sessions, windows
from driftgate.errors import JudgeFailed, JudgeUnavailable, Throttled, TraceMissing
from driftgate.fragments import sort_batch
from driftgate.ports import Artifacts, Clock, EventBus, Judge, Registry, TraceRedactor
from driftgate.registry import read_row
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.events import QualityRegressed, SessionsFlagged
from driftgate.schemas.judgments import PASSING, JudgePlan, JudgeSpec, Judgment
from driftgate.schemas.online import (
    AgentWindows,
    CalibrateMonitorsRequest,
    CalibrateMonitorsResult,
    ChosenSession,
    Clockwork,
    ClosedSession,
    CloseSessionsRequest,
    CloseSessionsResult,
    Deployment,
    Feedback,
    IngestSpansResult,
    JudgeSessionRequest,
    JudgeSessionResult,
    ListWindowsRequest,
    ListWindowsResult,
    MineFailuresResult,
    PublishWindowRequest,
    PublishWindowResult,
    SampledSession,
    SampleSessionsRequest,
    SampleSessionsResult,
    SessionJudgment,
    Watch,
)
from driftgate.schemas.reviews import MOST_SESSIONS, Candidate
from driftgate.schemas.sampling import Rates
from driftgate.versions import Versions
from driftgate.windows import DAY_S, together

TURN_S = 330  # that a tick may have an agent: as long as its child may run, and some more
AT_A_TIME = 8  # sessions that are read from the stores beside each other
MOST_CHOSEN = 800  # sessions that are judged in a window: what the state machine has time for
MOST_WINDOWS = 6  # that a tick takes up of an agent that was left behind
Done = TypeVar("Done")
JudgeOf = Callable[[JudgePlan], Judge]
# What the judge is asked where the agent's manifest has no questions of its own.
RUBRIC = (
    RubricItem(
        id="resolved",
        question="Did the agent do what the user asked for, or say plainly why it could not?",
    ),
    RubricItem(
        id="grounded",
        question="Does every amount, date and state that the agent tells follow from what its "
        "tools returned or the user said?",
    ),
)


def ingest_spans(
    messages: Iterable[str],
    now: float,
    clockwork: Clockwork,
    deployments: Mapping[str, Deployment],
    traces: Artifacts,
    stored: Registry,
) -> IngestSpansResult:
    """Keep what a batch holds of each watched session, under the hash of its content.

    Sessions of other endpoints, those of evaluations among them, are counted and dropped.
    """
    batch = sort_batch(messages, deployments, now)
    keep = partial(
        sessions.add_fragment, now=now, clockwork=clockwork, traces=traces, stored=stored
    )
    in_time = _each(keep, batch.fragments)
    late = (part for part, kept in zip(batch.fragments, in_time, strict=True) if not kept)
    return IngestSpansResult(
        sessions=len(batch.fragments),
        records=sum(len(part.records) for part in batch.fragments),
        late=sum(len(part.records) for part in late),
        dropped=batch.dropped,
        unreadable=batch.unreadable,
    )


def record_feedback(
    feedback: Feedback, now: float, clockwork: Clockwork, stored: Registry
) -> Feedback:
    """Remember what a user thought of a session that goes on, or has ended."""
    window = clockwork.open_window(feedback.at - clockwork.idle_s, now)
    sessions.keep_feedback(feedback, window, stored)
    return feedback


def list_windows(
    request: ListWindowsRequest,
    environment: str,
    now: float,
    clockwork: Clockwork,
    stored: Registry,
    watched: Registry,
) -> ListWindowsResult:
    """The windows of each watched agent that are over and not published, oldest first.

    An agent whose windows another tick still works on is left to that.
    """
    found = sessions.deployments(environment, stored).values()
    last = clockwork.last_closed(now)
    agents = []
    for agent in sorted({deployment.agent for deployment in found}):
        published = sessions.published_window(agent, watched)
        if published is None:  # from the window in which it was registered
            registered = min(d.registered_at for d in found if d.agent == agent)
            moment = datetime.fromisoformat(registered).timestamp()
            published = int(moment // clockwork.window_s) - 1
        first = published + 1
        over = tuple(range(first, min(last + 1, first + MOST_WINDOWS)))
        if over and sessions.take_turn(agent, over[-1], now + TURN_S, now, watched):
            agents.append(AgentWindows(agent=agent, windows=over))
    return ListWindowsResult(agents=tuple(agents))


def close_sessions(
    request: CloseSessionsRequest,
    environment: str,
    clockwork: Clockwork,
    stored: Registry,
    traces: Artifacts,
    watched: Registry,
    redactor: TraceRedactor,
) -> CloseSessionsResult:
    """Fold the fragments of each session that is idle in the window, once, into what is known."""
    from driftgate.closing import Closing  # with all that reads spans, which the others don't

    agent, window = request.agent, request.window
    closing = Closing(
        deployments=sessions.deployments(environment, stored),
        versions=Versions(stored),
        history=sessions.load_sizes(agent, clockwork.day_of(window), watched),
        redactor=redactor,
        traces=traces,
        watched=watched,
    )
    due = sessions.due_in(agent, window, watched)
    closed = [c for c in _each(partial(closing.close, agent, window), due) if c]
    return CloseSessionsResult(
        closed=len(closed),
        unknown_spans=sum(session.unknown_spans for session in closed),
        faults=sum(bool(session.fault) for session in closed),
    )


def sample_sessions(
    request: SampleSessionsRequest, watch: Watch, traces: Artifacts, watched: Registry
) -> SampleSessionsResult:
    """Decide by the hash of its id which session is judged, and remember how likely that was.

    A complaint about a session that was closed before is made up for now.
    """
    agent, window = request.agent, request.window
    state = sessions.load_state(agent, watched, traces)
    rates = state.rates or sampling.first_rates(agent, watch.sampling)

    def decided(session: ClosedSession) -> SampledSession:
        feedback = sessions.feedback_of(agent, session.session_id, watched)
        negative = feedback is not None and feedback.verdict == "negative"
        kind = windows.kind_of(session)
        sampled = sampling.decide(session.session_id, kind, rates, agent, negative=negative)
        return SampledSession(session_id=session.session_id, sampled=sampled)

    # One of which there is no trace says nothing, and is nobody that a sample could stand for.
    told = [s for s in sessions.closed_in(agent, window, watched) if s.trace_sha256 is not None]
    every = [*_each(decided, told), *_made_up_for(agent, window, rates, watched)]
    keep = partial(sessions.keep_sampled, agent=agent, window=window, stored=watched)
    kept = _each(keep, every)
    # Complaints first, then by a hash of its own, so that what is left out is missing at random.
    chosen = sorted(
        (not one.sampled.negative, sampling.place(one.session_id, f"{agent} order"), one.session_id)
        for one in kept
        if one.sampled.judged
    )
    return SampleSessionsResult(
        sessions=len(told),
        chosen=tuple(
            ChosenSession(agent=agent, window=window, session_id=session_id)
            for _, _, session_id in chosen[:MOST_CHOSEN]
        ),
        left_out=max(0, len(chosen) - MOST_CHOSEN),
    )


def judge_session(
    request: JudgeSessionRequest,
    watch: Watch,
    stored: Registry,
    traces: Artifacts,
    watched: Registry,
    judge_of: JudgeOf,
) -> JudgeSessionResult:
    """Let the judge answer the agent's questions about one redacted session.

    Raises:
        Throttled, JudgeUnavailable: another attempt may succeed.
    """
    agent, window, session_id = request.agent, request.window, request.session_id
    if sessions.find_judgment(agent, window, session_id, watched):
        return JudgeSessionResult(judged=0, faults=0)
    plan = judge_plan(watch.judge)
    session = sessions.find_closed(agent, session_id, watched)
    if session is None:
        raise TraceMissing(f"session {session_id} of {agent} is not closed, or has expired")
    rubric = Versions(stored).online(agent, session.version).rubric or RUBRIC
    fault, made = "", None
    try:
        made = judge_of(plan).judge(
            rubric, sessions.load_trace(sessions.trace_key(session), traces), 1
        )
    except TraceMissing:
        fault = "trace_missing"
    except JudgeFailed as error:
        if error.kind == "throttled":
            raise Throttled(str(error)) from error
        if error.kind in PASSING:
            raise JudgeUnavailable(f"{error.kind}: {error}") from error
        fault = error.kind  # not its message, which may hold what was said
    judgment = SessionJudgment(
        session_id=session_id,
        fingerprint=plan.fingerprint,
        value=made.value if made else None,
        fault=fault,
        failed=_failed(rubric, made) if made else (),
        cost_usd=made.cost_usd if made else None,
    )
    sessions.keep_judgment(judgment, agent, window, watched)
    return JudgeSessionResult(judged=int(made is not None), faults=int(made is None))


def publish_window(
    request: PublishWindowRequest,
    environment: str,
    watch: Watch,
    traces: Artifacts,
    watched: Registry,
    bus: EventBus,
) -> PublishWindowResult:
    """Fold a window into the monitors, set the rates of the next one, and say what it came to.

    What it came to is stored first, as one object: who enters twice tells the same. That it is
    published is written last, when all has been told.
    """
    agent, window = request.agent, request.window
    day = watch.clockwork.day_of(window)
    folded = sessions.find_folded(agent, window, traces)
    if folded is None:
        state = sessions.load_state(agent, watched, traces)
        known = sessions.load_knowledge(agent, day, watched)
        seen = sessions.load_window(agent, window, watched)
        made = windows.fold(state, seen, known, environment, watch)
        folded = sessions.keep_folded(made, traces)
    for version, seen_of in folded.calm.items():
        sessions.add_to_history(agent, version, day, window, seen_of, watched)
    events = windows.events(folded.report, environment, watch.clockwork)
    bus.put(events)
    sessions.keep_published(agent, window, watched)
    sessions.end_turn(agent, window, watched)
    return PublishWindowResult(
        sessions=folded.report.sessions,
        judged=folded.report.judged,
        alarms=len(folded.report.alarms),
        told=sum(one.detail_type == "QualityRegressed" for one in events),
        levels=folded.report.levels,
    )


def calibrate_monitors(
    request: CalibrateMonitorsRequest,
    environment: str,
    now: float,
    clockwork: Clockwork,
    stored: Registry,
    traces: Artifacts,
    watched: Registry,
) -> CalibrateMonitorsResult:
    """Set each agent's thresholds by its windows of the last days in which nothing was wrong."""
    from driftgate import thresholds  # with numpy

    day = int(now // DAY_S)
    agents = sorted({d.agent for d in sessions.deployments(environment, stored).values()})
    for agent in agents:
        newest = sessions.HISTORY_DAYS * DAY_S // clockwork.window_s
        quality, calls = [], []  # of the calm windows: their reports are too much to hold at once
        for report in sessions.reports(agent, newest, watched, traces):
            if not report.alarms:
                quality.append(windows.counts_of(report))
                calls.append(windows.calls_of(report))
        known = sessions.load_knowledge(agent, day, watched)
        usual = together(known.history.values()).latency
        found = thresholds.calibrate(
            quality,
            windows.by_tool(calls, usual),
            usual,
            period_s=clockwork.window_s,
            seed=day,
        )
        sessions.keep_thresholds(agent, found, watched)
    return CalibrateMonitorsResult(agents=len(agents))


def mine_failures(
    found_by: QualityRegressed | SessionsFlagged,
    clock: Clock,
    traces: Artifacts,
    watched: Registry,
    reviews: Registry,
) -> MineFailuresResult:
    """Put the sessions behind an event before the curators, each conversation once."""
    found = known = 0
    for session_id in found_by.session_ids:
        session = sessions.find_closed(found_by.agent, session_id, watched)
        if session is None or session.trace_sha256 is None:
            continue  # expired, or erased
        try:
            trace = sessions.load_trace(sessions.trace_key(session), traces)
        except TraceMissing:
            continue
        judgment = sessions.find_judgment(found_by.agent, session.window, session_id, watched)
        heard = sessions.feedback_of(found_by.agent, session_id, watched)
        complained = heard is not None and heard.verdict == "negative"
        reasons = mining.reasons(session, judgment)
        candidate = Candidate(
            fingerprint=mining.fingerprint(trace),
            agent=found_by.agent,
            version=session.version,
            session_id=session_id,
            task_type=session.task_type,
            window=session.window,
            stratum=found_by.stratum if isinstance(found_by, QualityRegressed) else "",
            reasons=(*reasons, *(["the user complained"] if complained else [])),
            trace_key=sessions.trace_key(session),
            found_at=clock.now(),
            tools=session.tools,
            severity=mining.severity(session, judgment, complained),
            session_ids=(session_id,),
        )
        new = _keep_candidate(candidate, reviews)
        found, known = found + new, known + (not new)
    return MineFailuresResult(candidates=found, known=known)


def _keep_candidate(candidate: Candidate, reviews: Registry) -> bool:
    """Put a candidate into the queue; False if the conversation is there, and was met again."""
    key = f"candidate.{candidate.agent}/{candidate.fingerprint}"
    for _ in range(sessions.WRITE_TRIES):
        row = reviews.row(key)
        if row is None:
            if reviews.put_new(key, candidate.model_dump(mode="json")):
                return True
            continue
        before = read_row(Candidate, key, row)
        after = mining.together(
            before, candidate.session_ids, candidate.severity, most=MOST_SESSIONS
        )
        if reviews.replace(key, after.model_dump(mode="json"), row):
            return False
    raise Throttled(f"{key}: other writers were in the way {sessions.WRITE_TRIES} times")


def _each(work: Callable[[Any], Done], items: Iterable[Any]) -> list[Done]:
    """All of them beside each other. One that fails does not keep the others from being done."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = [pool.submit(work, item) for item in items]
    return [future.result() for future in futures]


def judge_plan(spec: JudgeSpec) -> JudgePlan:
    """Production's judge as the adapters take it: there are no cases."""
    return JudgePlan(spec=spec, fingerprint=judging.fingerprint(spec), case_ids=())


def _made_up_for(agent: str, window: int, rates: Rates, watched: Registry) -> list[SampledSession]:
    """Sessions of earlier windows of which a user complained since."""
    made_up_for = []
    for session_id in sessions.heard_in(agent, window, watched):
        feedback = sessions.feedback_of(agent, session_id, watched)
        closed = sessions.find_closed(agent, session_id, watched)
        if feedback is None or feedback.verdict != "negative" or feedback.window != window:
            continue
        if closed is None or closed.window >= window:
            continue  # it is met when it is closed
        before = sessions.find_sampled(agent, closed.window, session_id, watched)
        judged = sessions.find_judgment(agent, closed.window, session_id, watched)
        if before is None or before.sampled.negative:
            continue
        if judged is not None and judged.value is not None:  # it is known what the judge says
            sessions.keep_judgment(judged, agent, window, watched)
        sampled = sampling.upgrade(before.sampled, session_id, rates, agent)
        made_up_for.append(SampledSession(session_id=session_id, sampled=sampled))
    return made_up_for


def _failed(rubric: Sequence[RubricItem], judgment: Judgment) -> tuple[str, ...]:
    good = {item.id: item.good for item in rubric}
    return tuple(a.item for a in judgment.answers if a.answer != good[a.item])
