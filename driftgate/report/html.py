"""The report as one HTML file that needs nothing else: no network, and only its own script."""

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from driftgate.report import payload
from driftgate.report.text import visible
from driftgate.schemas.policies import GOOD
from driftgate.schemas.record import count
from driftgate.schemas.reports import Counted, Interval, Report

NOTHING = "–"
EXPECTATION_CHARS = 2_000  # of one sentence
NAMED = 5  # broken cases that the summary names
MEASURES = {  # what is drawn: title, and how to write a value
    "latency_s": ("Latency of a trial, seconds", "{:.3g}"),
    "input_tokens": ("Input tokens of a trial", "{:,.0f}"),
    "output_tokens": ("Output tokens of a trial", "{:,.0f}"),
    "cost_usd": ("Cost of a trial, USD", "{:.4g}"),
    "steps": ("Tool calls of a trial", "{:.3g}"),
    "unnecessary_calls": ("Unnecessary calls of a trial", "{:.3g}"),
}


def render(report: Report) -> str:
    """Every value goes through escaping, so that what an agent wrote stays text.

    The page's size is bounded by that of its cases: traces are cut, and left out when there are
    too many of them. Its policy lets only the script and the style run that are shipped here.
    """
    script, style = (Markup(shipped(name)) for name in ("report.js", "report.css"))  # noqa: S704
    lead, *also = _sentences(report)
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            verdict=report.verdict,
            arms=sorted(report.verdict.arms),
            lead=lead,
            also=also,
            good=report.verdict.outcome in GOOD,
            task_types=sorted({row.task_type for row in report.cases}),
            measures=MEASURES,
            traces=list(_traces(report)),
            data=Markup(payload.of_report(report)),  # noqa: S704 no `<` in it
            named=NAMED,
            script=script,
            style=style,
            script_sha=sha256(script),
            style_sha=sha256(style),
        )
    )


def environment() -> Environment:
    """What fills templates: every value is escaped, and one that is not given is an error."""
    made = Environment(
        loader=PackageLoader("driftgate", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": _percent,
        "interval": _interval,
        "points": _points,
        "short": _short,
        "tint": _tint,
        "count": count,
    }
    return made


def _sentences(report: Report) -> list[str]:
    """The reason, without the failed cases: the page names these by itself."""
    lead, *also = report.verdict.reason.partition("; failed cases: ")[0].split("; ")
    overridden = [str(report.override)] if report.override else []
    return [lead, *overridden, *also, *report.verdict.remarks]


def _traces(report: Report) -> Iterator[Markup | None]:
    """Each story's traces, until there is no room for more."""
    left = payload.TRACES_CHARS
    for story in report.stories:
        text = payload.of_story(story) if left > 0 else None
        left -= len(text or "")
        yield Markup(text) if text and left >= 0 else None  # noqa: S704 no `<` in it


def shipped(name: str) -> str:
    return files("driftgate").joinpath("report", name).read_text(encoding="utf-8").strip()


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _finalize(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def _points(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:+.1f}".replace("-", "−")


def _interval(interval: Interval | None, *, points: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (100 * end for end in (interval.low, interval.high))
    text = f"{low:+.1f} to {high:+.1f}" if points else f"{low:.1f} to {high:.1f}"
    return text.replace("-", "−")


def _short(text: str) -> str:
    rest = len(text) - EXPECTATION_CHARS
    return text if rest <= 0 else f"{text[:EXPECTATION_CHARS]}… ({rest:,} more characters)"


def _tint(counted: Counted) -> str:
    """How much of it broke, in four steps."""
    share = counted.broken / counted.cases
    return "q0" if not share else "q1" if share <= 0.25 else "q2" if share <= 0.5 else "q3"
