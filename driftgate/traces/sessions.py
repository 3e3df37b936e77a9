"""A session as the turns that its spans tell of: what an agent did and said, and what is not told.

Missing is not zero: a count of tokens that lacks one model's is none.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from driftgate import canonical, names
from driftgate.traces import secrets
from driftgate.traces.literals import storable
from driftgate.traces.messages import MISSING
from driftgate.traces.readings import Talk
from driftgate.traces.spans import Row, Span
from driftgate.traces.turns import Call, Heard, Turn

_LIMITS = {"GraphRecursionError", "MaxTurnsExceeded", "MaxTokensReachedException"}
_ENDPOINT = re.compile(r"arn:.*:runtime/[^/]+/runtime-endpoint/([^:/]+).*")
_MOST_SECONDS, _MOST_TOKENS = 10**9, 10**15


def session(session_id: str, turns: list[Turn], families: Iterable[str]) -> Row:
    """A ProductionSession as a plain object.

    Args:
        session_id: empty where no span tells it.
        turns: by time, with at least one span each.
        families: of its spans.
    """
    spans = [span for turn in turns for span in turn.spans]
    active = [span for turn in turns for span in _active(turn)]
    started, ended = _extent(active)
    trace_ids = sorted({span.trace_id for span in spans if span.trace_id})
    models = [name for turn in turns for name in _model_names(turn)]
    return {
        "trace": _trace(session_id or f"trace {' '.join(trace_ids)}", session_id, turns, models),
        "started_at": _moment(started),
        "ended_at": _moment(ended),
        **_deployment(spans),
        "agent_version": _fact(spans, names.VERSION_ATTRIBUTE),
        "task_type": _fact(spans, names.TASK_TYPE_ATTRIBUTE),
        "families": sorted(set(families)),
        "trace_ids": [_text(id) for id in trace_ids],
        "models": list(dict.fromkeys(models)),
        "calls": [_origin(seq, call) for seq, (_, call) in enumerate(_calls(turns), 1)],
        "asked": [
            {"turn": number, "tool": _text(asked.tool), "call_id": _text(asked.id) or None}
            for number, turn in enumerate(turns, 1)
            for asked in turn.asked
        ],
    }


def _trace(key: str, session_id: str, turns: list[Turn], models: list[str]) -> Row:
    said = [(turn.user(), turn.reply()) for turn in turns]
    calls = [_call(seq, turn, call) for seq, (turn, call) in enumerate(_calls(turns), 1)]
    usage = {
        "input_tokens": _sum(_tokens(turn, "input_tokens") for turn in turns),
        "output_tokens": _sum(_tokens(turn, "output_tokens") for turn in turns),
    }
    latency = _latency(turns)
    missing = {
        "messages": not all(user and reply for user, reply in said),
        "results": any(call.made.result is MISSING for _, call in _calls(turns)),
        "usage": None in usage.values(),
        "latency": latency is None,
        "cost": True,
        "model": not models,
    }
    return {
        "case_id": f"session-{canonical.sha256(canonical.storable(key).encode())[:40]}",
        "session_id": _text(session_id),
        "messages": [
            {"turn": number, "role": role, "text": _text(text)}
            for number, pair in enumerate(said, 1)
            for role, text in zip(("user", "assistant"), pair, strict=True)
            if text
        ],
        "calls": calls,
        "ending": _ending(turns[-1]),
        "stop_reason": _text(turns[-1].finish()) or None,
        "model": models[0] if models else None,
        "usage": usage,
        "latency_s": latency,
        "not_recorded": [name for name, is_missing in missing.items() if is_missing],
    }


def _calls(turns: list[Turn]) -> Iterator[tuple[int, Call]]:
    for number, turn in enumerate(turns, 1):
        for call in turn.calls:
            yield number, call


def _call(seq: int, turn: int, call: Call) -> Row:
    made = call.made
    error = None
    if made.failed:
        told = made.message or (made.result if isinstance(made.result, str) else "")
        error = {"kind": "unknown", "code": _text(made.code), "message": _text(told)}
    return {
        "seq": seq,
        "turn": turn,
        "tool": _text(call.tool),
        "arguments": _json(made.arguments) if isinstance(made.arguments, dict) else None,
        "result": None if made.result is MISSING else _json(made.result),
        "error": error,
        "latency_s": _seconds(call.span) if call.from_span else None,
    }


def _origin(seq: int, call: Call) -> Row:
    made, span = call.made, call.span
    gaps = {
        "arguments": not isinstance(made.arguments, dict),
        "result": made.result is MISSING,
        "latency": not call.from_span or _seconds(span) is None,
    }
    return {
        "seq": seq,
        "name": _text(made.name),
        "call_id": _text(made.call_id) or None,
        "trace_id": _text(span.trace_id) or None,
        "span_id": (_text(span.span_id) or None) if call.from_span else None,
        "started_at": _moment(span.start) if call.from_span else None,
        "missing": [name for name, is_missing in gaps.items() if is_missing],
    }


def _text(text: str) -> str:
    stored: str = canonical.storable(text)
    return secrets.drop_from_text(stored)


def _json(value: Any) -> Any:
    return secrets.drop(storable(value))


def _active(turn: Turn) -> list[Span]:
    """Where an agent, a model or a tool was at work."""
    return [*(span for _, _, span in turn.talks), *(call.span for call in turn.calls)]


def _extent(spans: list[Span]) -> tuple[int | None, int | None]:
    starts = [span.start for span in spans if span.start is not None]
    ends = [span.end for span in spans if span.end is not None]
    return min(starts, default=None), max(ends, default=None)


def _moment(ns: int | None) -> datetime | None:
    return None if ns is None else _EPOCH + timedelta(microseconds=ns // 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _seconds(span: Span) -> float | None:
    if span.start is None or span.end is None or span.end < span.start:
        return None
    seconds = (span.end - span.start) / 10**9
    return seconds if seconds <= _MOST_SECONDS else None


def _latency(turns: list[Turn]) -> float | None:
    """Seconds of all turns together, each from its first to its last span."""
    total = 0.0
    for turn in turns:
        start, end = _extent(_active(turn))
        if start is None or end is None or end < start:
            return None
        total += (end - start) / 10**9
    return total if total <= _MOST_SECONDS else None


def _tokens(turn: Turn, kind: str) -> int | None:
    """Those of the models, each once; where one's are missing, the outermost agents' totals."""
    inner: dict[str, list[Talk]] = defaultdict(list)
    for place, talk, span in turn.talks:
        if talk.kind == "model" and place.in_model:
            inner[span.parent_id].append(talk)
    counts = [_counted(heard, inner, kind) for heard in turn.models]
    if counts and None not in counts:
        return _sum(counts)
    totals = [getattr(talk, kind) for _, talk, _ in turn.agents()]
    return _sum(totals) if totals else None


def _counted(heard: Heard, inner: dict[str, list[Talk]], kind: str) -> int | None:
    """A model's tokens, or those of the SDK's spans within its own."""
    _, talk, span = heard
    own: int | None = getattr(talk, kind)
    below = inner.get(span.span_id, []) if own is None else []
    return _sum(getattr(one, kind) for one in below) if below else own


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total if total <= _MOST_TOKENS else None


def _model_names(turn: Turn) -> list[str]:
    """The agent's own first, then those of its tools."""
    own = [talk.model for place, talk, _ in turn.models if not place.in_tool]
    others = [talk.model for _, talk, _ in turn.talks]
    return [_text(name) for name in (*own, *others) if name]


def _ending(turn: Turn) -> Row:
    """Whether the outermost agent of the last turn broke, and at what."""
    heard = [t for t in turn.talks if not t[0].in_tool]
    depth = min((place.depth for place, _, _ in heard), default=0)
    for place, _, span in reversed(heard):
        if place.depth == depth and span.failed:
            kind, message = span.exception()
            detail = ": ".join(filter(None, (kind, message or span.message)))
            reached = kind.rpartition(".")[2] in _LIMITS
            return {"kind": "limit" if reached else "agent_error", "detail": _text(detail)}
    return {}


def _fact(spans: list[Span], name: str) -> str | None:
    """The first that a span, or the process that wrote it, tells under this name."""
    for span in spans:
        for value in (span.attributes.get(name), span.resource.get(name)):
            if isinstance(value, str) and value:
                return _text(value)
    return None


def _deployment(spans: list[Span]) -> Row:
    """AgentCore's services are called <runtime>.<endpoint>."""
    arn = _fact(spans, "cloud.resource_id") or ""
    found = _ENDPOINT.fullmatch(arn)
    name = _fact(spans, "service.name") or _fact(spans, "aws.local.service")
    on_agentcore = found or _fact(spans, "cloud.platform") == "aws_bedrock_agentcore"
    on_agentcore = on_agentcore or _fact(spans, "PlatformType") == "AWS::BedrockAgentCore"
    service, dot, endpoint = (name or "").rpartition(".")
    if not (on_agentcore and dot):
        service, endpoint = name or "", ""
    return {
        "service": service or None,
        "endpoint": (found[1] if found else endpoint) or None,
        "runtime": arn if found else None,
    }
