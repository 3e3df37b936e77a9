"""Closing a session: its fragments, folded once and purely into what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from driftgate import canonical, sessions, signals
from driftgate.ports import Artifacts, Registry, TraceRedactor
from driftgate.schemas.online import (
    UNKNOWN_VERSION,
    ClosedSession,
    Deployment,
    OpenSession,
)
from driftgate.schemas.sessions import Normalised, ProductionSession
from driftgate.schemas.traces import Trace
from driftgate.signals import Sizes
from driftgate.traces.normaliser import normalise
from driftgate.versions import Versions


@dataclass(frozen=True)
class Closing:
    """All that closing the sessions of a window needs."""

    deployments: Mapping[str, Deployment]
    versions: Versions
    history: Sizes
    redactor: TraceRedactor
    traces: Artifacts
    watched: Registry

    def close(self, agent: str, window: int, session_id: str) -> ClosedSession | None:
        """Close a session that is idle; None if it went on, and is due later."""
        session = sessions.claim_idle(agent, window, session_id, self.watched)
        if session is None:
            return None
        closed = self._fold(session)
        sessions.keep_closed(closed, self.watched)
        return closed

    def _fold(self, session: OpenSession) -> ClosedSession:
        """A pure function of the fragments, the stored versions and the history."""
        records = sessions.load_fragments(session, self.traces)
        normalised = normalise(records)
        told = _of_session(normalised, session.session_id)
        trace = told.trace
        version = told.agent_version or self._deployed(session)
        stored = self.versions.find(session.agent, version)
        online = self.versions.online(session.agent, version)
        measured = signals.measures(trace)
        redacted = self.redactor.trace(trace)
        spoken = bool(trace.messages or trace.calls)
        return ClosedSession(
            agent=session.agent,
            version=version,
            session_id=session.session_id,
            window=session.window,
            started=told.started_at.timestamp() if told.started_at else None,
            ended=session.last,
            task_type=signals.task_type(trace, told.task_type, online),
            tools=tuple(sorted({call.tool for call in trace.calls})),
            turns=len({m.turn for m in trace.messages if m.role == "user"}),
            calls=len(trace.calls),
            failed_calls=sum(call.error is not None for call in trace.calls),
            signals=signals.signals(
                trace, stored.contracts if stored else (), online, self.history, measured
            ),
            escalated=signals.escalated(trace, online),
            timed=signals.timed(trace),
            measured=measured,
            input_tokens=trace.usage.input_tokens,
            output_tokens=trace.usage.output_tokens,
            model=trace.model,
            stop_reason=trace.stop_reason,
            unknown_spans=sum(shape.count for shape in normalised.unknown),
            redacted=dict(redacted.found),
            trace_sha256=self._keep(session, redacted.value) if spoken else None,
        )

    def _deployed(self, session: OpenSession) -> str:
        deployment = self.deployments.get(session.service)
        return deployment.version if deployment else UNKNOWN_VERSION

    def _keep(self, session: OpenSession, redacted: Trace) -> str:
        return sessions.keep_trace(session.agent, session.session_id, redacted, self.traces)


def _of_session(normalised: Normalised, session_id: str) -> ProductionSession:
    """Our session among those that the records tell of; an empty one if they tell of none."""
    for session in normalised.sessions:
        if session.trace.session_id == session_id:
            return session
    case_id = f"session-{canonical.sha256(session_id.encode())[:16]}"
    return ProductionSession(trace=Trace(case_id=case_id, session_id=session_id))
