"""Span records of agents, from any framework, as sessions with a trace each.

The records may come in any order, twice, and of several sessions at once; what they tell is the
same. What no family can read is counted and named, and nothing is guessed from it.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from driftgate.schemas.sessions import Normalised
from driftgate.traces.families import family
from driftgate.traces.readings import UNKNOWN, Talk, Tool
from driftgate.traces.sessions import session
from driftgate.traces.spans import Row, Span, join
from driftgate.traces.turns import Turn, read_turn

_SESSION = "session.id"
_CONVERSATION = ("gen_ai.conversation.id", "gcp.vertex.agent.session_id")


def normalise(records: Iterable[Any]) -> Normalised:
    """Records as JSON has them: of spans, and of the events that tell what was said in them.

    Nothing that stands in a record raises an error; memory is that of the records, some times over.
    """
    joined = join(records)
    read: list[tuple[Span, Any]] = []
    families: dict[int, str] = {}
    strange: list[Span] = []
    quiet = 0
    for span in joined.spans:
        of = family(span)
        reading = of.read(span)
        if reading is UNKNOWN:
            strange.append(span)
        else:
            read.append((span, reading))
            families[id(span)] = of.name
            quiet += reading is None
    sessions: list[tuple[Any, Row]] = []
    for session_id, spans in _by_session(read).items():
        turns = _turns(spans)
        strange += [span for turn in turns for span in turn.nameless]
        turns = [turn for turn in turns if turn.calls or turn.talks]
        if turns:
            told = {families[id(s)] for s, reading in spans if isinstance(reading, Tool | Talk)}
            sessions.append((turns[0].spans[0].when, session(session_id[0], turns, told)))
    return Normalised.model_validate(
        {
            "sessions": [row for _, row in sorted(sessions, key=_order)],
            "unknown": _shapes(strange),
            "records": joined.records,
            "duplicates": joined.duplicates,
            "not_spans": joined.unreadable,
            "quiet": quiet,
        }
    )


def _order(pair: tuple[Any, Row]) -> tuple[Any, str]:
    return pair[0], pair[1]["trace"]["case_id"]


def _turns(spans: list[tuple[Span, Any]]) -> list[Turn]:
    """A turn for each trace, by time."""
    traces: dict[str, list[tuple[Span, Any]]] = defaultdict(list)
    for span, reading in spans:
        traces[span.trace_id].append((span, reading))
    return [read_turn(trace) for trace in traces.values()]


def _by_session(
    read: list[tuple[Span, Any]],
) -> dict[tuple[str, str], list[tuple[Span, Any]]]:
    """Spans by session id; those without one are their trace's, where that has one session.

    Where no span of a trace tells its session, the trace is one by itself, without an id.
    """
    told: dict[str, set[str]] = defaultdict(set)
    for span, _ in read:
        if own := span.text(_SESSION):
            told[span.trace_id].add(own)
    for span, _ in read:
        if (own := span.text(*_CONVERSATION)) and not told[span.trace_id]:
            told[span.trace_id].add(own)
    sessions: dict[tuple[str, str], list[tuple[Span, Any]]] = defaultdict(list)
    for span, reading in read:
        of_trace = told[span.trace_id]
        own = span.text(_SESSION) or (min(of_trace) if len(of_trace) == 1 else "")
        sessions[own, "" if own else span.trace_id].append((span, reading))
    return sessions


def _shapes(spans: list[Span]) -> list[Row]:
    """Strange spans by what they look like, each with the first of its kind."""
    shapes: dict[Any, Row] = {}
    for span in sorted(spans, key=lambda span: span.when):
        attributes = tuple(sorted(name[:100] for name in span.attributes)[:20])
        row = {
            "scope": _label(span.scope),
            "name": _label(span.name),
            "attributes": [_label(name) for name in attributes],
            "count": 0,
            "trace_id": _label(span.trace_id),
            "span_id": _label(span.span_id),
        }
        shape = shapes.setdefault((span.scope, span.name, attributes), row)
        shape["count"] += 1
    return sorted(shapes.values(), key=lambda row: (row["scope"], row["name"], row["attributes"]))


def _label(text: str) -> str:
    return text[:200].encode(errors="replace").decode()
