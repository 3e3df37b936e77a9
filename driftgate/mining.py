"""Production failures as candidates for test cases: which conversations are the same, why one is
worth a look, and which is worth the most.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import log2, prod

from driftgate import canonical
from driftgate.schemas.online import ClosedSession, Kind, SessionJudgment
from driftgate.schemas.reviews import Candidate
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


# How likely it is that something went wrong for the user, by a sign of it alone.
WRONG: Mapping[Kind, float] = {
    "outlier": 0.6,
    "schema_violation": 0.6,
    "unrecovered_error": 0.6,
    "loop": 0.4,
    "turn_limit": 0.3,
}
JUDGED_BADLY, COMPLAINED, HANDED_OVER = 0.7, 0.6, 0.2
BAD = 0.6  # from here on a session is looked at by itself
MOST_FLAGGED = 5  # of a window


def severity(session: ClosedSession, judgment: SessionJudgment | None, complained: bool) -> float:
    """How likely it is that the user was served badly, its signs taken as independent.

    Returns:
        A share; the weights are ours, and order the queue alone.
    """
    signs = [WRONG[kind] for kind in sorted({signal.kind for signal in session.signals})]
    signs += [JUDGED_BADLY] if judgment and judgment.failed else []
    signs += [COMPLAINED] if complained else []
    signs += [HANDED_OVER] if session.escalated else []
    return 1 - prod(1 - sign for sign in signs)


def worst(found: Mapping[str, float]) -> tuple[str, ...]:
    """Those of a window's sessions that are looked at though no alarm names them."""
    bad = (id for id in found if found[id] >= BAD)
    return tuple(sorted(bad, key=lambda id: (-found[id], id))[:MOST_FLAGGED])


def expected_value(candidate: Candidate, covered: int) -> float:
    """What looking at a candidate is worth: the worse, the more frequent and the less covered.

    Args:
        candidate: with its severity and the sessions that had the same conversation.
        covered: cases that there are of its task type and tools.
    """
    frequency = 1 + log2(max(1, len(candidate.session_ids)))
    return candidate.severity * frequency / (1 + covered)


def cluster(candidate: Candidate) -> str:
    """What candidates have in common that are likely to have one cause."""
    first = candidate.reasons[0].partition(":")[0] if candidate.reasons else "no reason"
    return f"{candidate.task_type}, {' + '.join(sorted(candidate.tools)) or 'no tool'}, {first}"


def together(before: Candidate, session_ids: Iterable[str], worst: float, most: int) -> Candidate:
    """A candidate that was met again, in other sessions."""
    known = tuple(dict.fromkeys((*before.session_ids, *session_ids)))[:most]
    return before.model_copy(update={"session_ids": known, "severity": max(before.severity, worst)})


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
