"""Production failures as candidates for test cases: which conversations are the same, and why one
is worth a look.
"""

import re
from collections.abc import Iterator

from driftgate import canonical
from driftgate.schemas.online import ClosedSession, SessionJudgment
from driftgate.schemas.traces import Trace

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_SPACE = re.compile(r"\s+")


def fingerprint(trace: Trace) -> str:
    """The sha256 that conversations have in common which differ in numbers, case and spaces only:
    of what the user said, and which tools were called in which order.
    """
    said = [_plain(message.text) for message in trace.messages if message.role == "user"]
    called = [call.tool for call in sorted(trace.calls, key=lambda call: call.seq)]
    return canonical.sha256(canonical.dump([said, called]))


def reasons(session: ClosedSession, judgment: SessionJudgment | None) -> tuple[str, ...]:
    """Why somebody should look, in words, the strongest first."""
    return tuple(_reasons(session, judgment))


def _reasons(session: ClosedSession, judgment: SessionJudgment | None) -> Iterator[str]:
    if judgment and judgment.failed:
        yield f"the judge: {', '.join(judgment.failed)}"
    for signal in session.signals:
        about = " ".join(part for part in (signal.tool, signal.detail) if part)
        yield f"{signal.kind.replace('_', ' ')}: {about}"
    if session.escalated:
        yield "handed over to a person"


def _plain(text: str) -> str:
    return _SPACE.sub(" ", _NUMBER.sub("0", text.casefold())).strip()
