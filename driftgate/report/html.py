"""The report as one HTML file that needs nothing else: no script, no network."""

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from driftgate.report.text import visible
from driftgate.schemas.reports import Report


def render(report: Report) -> str:
    """Every value goes through escaping, so that what an agent wrote stays text."""
    environment = Environment(
        loader=PackageLoader("driftgate", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["compact"] = _compact
    return environment.get_template("report.html").render(
        report=report, verdict=report.verdict, arms=sorted(report.verdict.arms)
    )


def _finalize(value: Any) -> Any:
    return visible(value) if type(value) is str else value


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
