"""Write the files of a report."""

from pathlib import Path

from driftgate.report import html, junit, markdown
from driftgate.schemas.reports import Report


def write(report: Report, folder: Path) -> Path:
    """Write the report in all its forms, over what was there; return the page to open."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "report.html": html.render(report),
        "report.md": markdown.render(report),
        "junit.xml": junit.render(report),
        "report.json": report.model_dump_json(indent=2),
    }
    for name, text in forms.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "report.html"
