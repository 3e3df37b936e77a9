"""Closing a session: its fragments, folded once and purely into what is known of it."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass

from driftgate import canonical, sessions, signals
from driftgate.errors import RedactionFailed, Throttled
from driftgate.fragments import session_key
from driftgate.ports import Artifacts, Registry, TraceRedactor
from driftgate.schemas.online import (
    OTHER,
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

logger = logging.getLogger(__name__)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")  # as schemas.online.VersionName
_LABEL = re.compile(r"[A-Za-z0-9._:/-]{1,200}")


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
        try:
            closed = self._fold(session)
        except (Throttled, RedactionFailed):
            raise  # another attempt may succeed
        except Exception as error:  # one session must not keep all others from being closed
            logger.exception("a session can't be read", extra={"session_id": session_id})
            closed = self._unreadable(session, type(error).__name__)
        sessions.keep_closed(closed, self.watched)
        return closed

    def _fold(self, session: OpenSession) -> ClosedSession:
        """A pure function of the fragments, the stored versions and the history."""
        records = sessions.load_fragments(session, self.traces)
        normalised = normalise(records)
        told = _of_session(normalised, session.session_id)
        version = self._version(told.agent_version, session)
        stored = self.versions.find(session.agent, version)
        online = self.versions.online(session.agent, version)
        contracts = stored.contracts if stored else ()
        trace = signals.listed(told.trace, stored)
        measured = signals.measures(trace, contracts)
        redacted = self.redactor.trace(told.trace)
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
            signals=signals.signals(trace, contracts, online, self.history, measured),
            escalated=signals.escalated(trace, online),
            timed=signals.timed(trace),
            measured=measured,
            input_tokens=trace.usage.input_tokens,
            output_tokens=trace.usage.output_tokens,
            model=_short(trace.model),
            stop_reason=_short(trace.stop_reason),
            unknown_spans=sum(shape.count for shape in normalised.unknown),
            redacted=dict(redacted.found),
            trace_sha256=self._keep(session, redacted.value) if spoken else None,
        )

    def _version(self, told: str | None, session: OpenSession) -> str:
        """As the spans say, else as it was registered."""
        if told is not None:
            return told if _VERSION.fullmatch(told) else UNKNOWN_VERSION
        deployment = self.deployments.get(session.service)
        return deployment.version if deployment else UNKNOWN_VERSION

    def _unreadable(self, session: OpenSession, fault: str) -> ClosedSession:
        return ClosedSession(
            agent=session.agent,
            version=self._version(None, session),
            session_id=session.session_id,
            window=session.window,
            started=None,
            ended=session.last,
            task_type=OTHER,
            tools=(),
            turns=0,
            calls=0,
            failed_calls=0,
            signals=(),
            escalated=False,
            timed=(),
            measured=(),
            input_tokens=None,
            output_tokens=None,
            model=None,
            stop_reason=None,
            unknown_spans=0,
            redacted={},
            trace_sha256=None,
            fault=fault,
        )

    def _keep(self, session: OpenSession, redacted: Trace) -> str:
        return sessions.keep_trace(session, redacted, self.traces)


def _of_session(normalised: Normalised, session_id: str) -> ProductionSession:
    """Our session among those that the records tell of; an empty one if they tell of none."""
    for session in normalised.sessions:
        if session_key(session.trace.session_id) == session_id:
            return session
    case_id = f"session-{canonical.sha256(session_id.encode())[:16]}"
    return ProductionSession(trace=Trace(case_id=case_id, session_id=session_id))


def _short(text: str | None) -> str | None:
    """A name that a framework gives, not a text: neither long nor with anything between."""
    return text if text is not None and _LABEL.fullmatch(text) else None
