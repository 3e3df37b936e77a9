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
    facts = _facts(spans)
    active = [span for turn in turns for span in _active(turn)]
    started, ended = _extent(active)
    calls = [_call(seq, turn, call) for seq, (turn, call) in enumerate(_calls(turns), 1)]
    trace_ids = sorted({span.trace_id for span in spans if span.trace_id})
    models = [name for turn in turns for name in _model_names(turn)]
    return {
        "trace": {
            "case_id": _case_id(session_id or f"trace {' '.join(trace_ids)}"),
            "session_id": _text(session_id),
            "calls": calls,
            **_trace(turns, models),
        },
        "started_at": _moment(started),
        "ended_at": _moment(ended),
        **_deployment(facts),
        "agent_version": facts.get(names.VERSION_ATTRIBUTE),
        "task_type": facts.get(names.TASK_TYPE_ATTRIBUTE),
        "families": sorted(set(families)),
        "trace_ids": [_text(id) for id in trace_ids],
        "models": list(dict.fromkeys(models)),
        "calls": [_origin(c, row) for (_, c), row in zip(_calls(turns), calls, strict=True)],
        "asked": [
            {"turn": number, "tool": _text(asked.tool), "call_id": _text(asked.id) or None}
            for number, turn in enumerate(turns, 1)
            for asked in turn.asked
        ],
    }


def _case_id(key: str) -> str:
    return f"session-{canonical.sha256(canonical.storable(key).encode())[:40]}"


def _trace(turns: list[Turn], models: list[str]) -> Row:
    said = [(turn.user(), turn.reply()) for turn in turns]
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
        "messages": [
            {"turn": number, "role": role, "text": _text(text)}
            for number, pair in enumerate(said, 1)
            for role, text in zip(("user", "assistant"), pair, strict=True)
            if text
        ],
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
        "arguments": _arguments(made.arguments),
        "result": None if made.result is MISSING else _json(made.result),
        "error": error,
        "latency_s": _seconds(call.span) if call.from_span else None,
    }


def _origin(call: Call, told: Row) -> Row:
    """Args:
    told: what the trace has of it.
    """
    made, span = call.made, call.span
    gaps = {
        "arguments": told["arguments"] is None,
        "result": made.result is MISSING,
        "latency": told["latency_s"] is None,
    }
    return {
        "seq": told["seq"],
        "name": _text(made.name),
        "call_id": _text(made.call_id) or None,
        "trace_id": _text(span.trace_id) or None,
        "span_id": (_text(span.span_id) or None) if call.from_span else None,
        "started_at": _moment(span.start) if call.from_span else None,
        "missing": [name for name, is_missing in gaps.items() if is_missing],
    }


def _text(text: str) -> str:
    stored: str = text if text.isascii() else canonical.storable(text)
    return secrets.drop_from_text(stored)


def _arguments(value: Any) -> Row | None:
    stored = _json(value) if isinstance(value, dict) else None
    return stored if isinstance(stored, dict) else None  # else it is nested too deeply to be kept


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


_FACTS = {
    *(names.VERSION_ATTRIBUTE, names.TASK_TYPE_ATTRIBUTE, "service.name", "aws.local.service"),
    *("cloud.resource_id", "cloud.platform", "PlatformType"),
}


def _facts(spans: list[Span]) -> dict[str, str]:
    """What the spans, or the process that wrote them, tell of the session: each time the first."""
    found: dict[str, str] = {}
    for span in spans:
        for told in (span.attributes, span.resource):
            for name in told.keys() & _FACTS - found.keys():
                if isinstance(value := told[name], str) and value:
                    found[name] = _text(value)
    return found


def _deployment(facts: dict[str, str]) -> Row:
    """AgentCore's services are called <runtime>.<endpoint>."""
    arn = facts.get("cloud.resource_id", "")
    found = _ENDPOINT.fullmatch(arn)
    name = facts.get("service.name") or facts.get("aws.local.service") or ""
    is_agentcore = found or facts.get("cloud.platform") == "aws_bedrock_agentcore"
    service, dot, endpoint = name.rpartition(".")
    if not dot or not (is_agentcore or facts.get("PlatformType") == "AWS::BedrockAgentCore"):
        service, endpoint = name, ""
    return {
        "service": service or None,
        "endpoint": (found[1] if found else endpoint) or None,
        "runtime": arn if found else None,
    }
