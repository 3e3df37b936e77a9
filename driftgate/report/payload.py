"""What the page's script reads: JSON inside the page, bounded, and safe to stand in HTML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from driftgate.report.side_by_side import Step, align, leaves, steps
from driftgate.report.text import visible
from driftgate.schemas.reports import Report, Story
from driftgate.schemas.runs import Arm
from driftgate.schemas.traces import Message, ToolCall, Trace

TEXT_CHARS = 10_000  # of one text; report.json has all of it
VALUES = 200  # of one call's arguments, or of its result
TRACES_CHARS = 12_000_000  # of all traces of a page

Values = Sequence[tuple[str, str]]  # path and JSON text of the innermost values


def of_report(report: Report) -> str:
    """All but the traces: what charts and filters need, without what else the report says of it."""
    wanted = {
        "compared": {
            "__all__": {
                *("metric", "stratum", "cases", "baseline", "candidate", "difference"),
                *("baseline_interval", "candidate_interval", "difference_interval"),
            }
        },
        "cases": {
            "__all__": {"case_id", "kind", "task_type", "difficulty", "critical", "locale", "tools"}
        },
        "measures": {
            measure: {arm: {"values"} for arm in arms} for measure, arms in report.measures.items()
        },
    }
    return embedded(_visible(report.model_dump(mode="json", include=wanted)))  # type: ignore[arg-type]


def of_story(story: Story) -> str:
    """Both traces of a case, aligned, with what differs marked."""
    traces = {arm: told.trace for arm, told in story.arms.items()}
    return embedded({"arms": sorted(traces), "rows": _rows(traces)})


def embedded(value: Any) -> str:
    """JSON that no HTML parser takes for anything but text: there is no `<` in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _rows(traces: Mapping[Arm, Trace]) -> list[dict[str, Any]]:
    left, right = (
        list(steps(traces[arm])) if arm in traces else [] for arm in ("baseline", "candidate")
    )
    compared = len(traces) > 1
    return [_row(before, after, compared=compared) for before, after in align(left, right)]


def _row(before: Step | None, after: Step | None, *, compared: bool) -> dict[str, Any]:
    step = after or before
    assert step is not None
    sides = {"baseline": _side(before, after), "candidate": _side(after, before)}
    mark = "only baseline" if after is None else "only candidate"
    if before is not None and after is not None:
        mark = "same" if sides["baseline"] == sides["candidate"] else "differs"
    return {
        "kind": step.kind,
        "turn": step.turn,
        "mark": mark if compared else "",
        **{arm: side for arm, side in sides.items() if side},
    }


def _side(step: Step | None, other: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    if isinstance(step.what, Message):
        text, cut = _cut(step.what.text)
        return {"text": text, "cut": cut}
    partner = other.what if other and isinstance(other.what, ToolCall) else None
    call = step.what
    return {
        "tool": _cut(call.tool)[0],
        "arguments": _values(
            leaves(call.arguments), leaves(partner.arguments) if partner else None
        ),
        "result": _values(_answer(call), _answer(partner) if partner else None),
        "failed": call.error is not None,
    }


def _answer(call: ToolCall) -> Values:
    """What came back: the result, or the error in its place."""
    if call.error is None:
        return leaves(call.result)
    applied = "; its work was done all the same" if call.error.applied else ""
    return [("error", f"{call.error.kind} {call.error.code}: {call.error.message}{applied}")]


def _values(own: Values, others: Values | None) -> dict[str, Any]:
    """Values to show: path, text, whether the other side has another one, and what was cut off."""
    theirs = None if others is None else dict(others)
    shown = [
        [_cut(path)[0], *_cut(text), theirs is not None and theirs.get(path) != text]
        for path, text in own[:VALUES]
    ]
    return {"values": shown, "more": max(0, len(own) - VALUES)}


def _cut(text: str) -> tuple[str, int]:
    return visible(text[:TEXT_CHARS]), max(0, len(text) - TEXT_CHARS)


def _visible(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case dict():
            return {key: _visible(inner) for key, inner in value.items()}
        case list():
            return [_visible(inner) for inner in value]
    return value
