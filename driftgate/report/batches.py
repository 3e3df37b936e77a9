"""A batch evaluation's report: a page, Markdown and JSON of the same record."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from driftgate import batch
from driftgate.report import html, markdown
from driftgate.schemas.batches import BatchReport, EvaluatorMean
from driftgate.schemas.record import count

LISTED = 200  # sessions in Markdown; the page and JSON have all


def write(report: BatchReport, folder: Path) -> Path:
    """Write the report in all its forms, over what was there; return the page to open."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "batch.html": render(report),
        "batch.md": render_markdown(report),
        "batch.json": report.model_dump_json(indent=2),
    }
    for name, text in forms.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "batch.html"


def render(report: BatchReport) -> str:
    """One HTML file that needs nothing else and runs no script."""
    style = Markup(html.shipped("report.css"))  # noqa: S704 our own
    return (
        html.environment()
        .get_template("batch.html")
        .render(
            report=report,
            whole=report.outcome == "COMPLETED" and not any(batch.missing(report)),
            style=style,
            style_sha=html.sha256(style),
        )
    )


def render_markdown(report: BatchReport) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: BatchReport) -> Iterator[str]:
    safe = markdown.safe
    yield f"# {report.outcome}: batch {report.batch_id}"
    yield ""
    where = f"{count(len(report.sessions), 'session')} in {count(len(report.jobs), 'job')}"
    yield f"{where}, read back {report.finished_at}."
    yield ""
    yield from (f"- {safe(note)}" for note in report.notes)
    yield ""
    yield "| evaluator | mean | scored | missing |"
    yield "| --- | ---: | ---: | ---: |"
    for one in report.evaluators:
        yield f"| {safe(one.evaluator)} | {_mean(one)} | {one.scored} | {one.unscored} |"
    yield ""
    yield "| session | case | evaluator | score | why |"
    yield "| --- | --- | --- | ---: | --- |"
    for session in report.sessions[:LISTED]:
        for evaluator, score in session.scores.items():
            value = "missing" if score.value is None else f"{score.value:.3f}"
            yield (
                f"| {safe(session.session_id)} | {safe(session.case_id or '')} | {safe(evaluator)} "
                f"| {value} | {safe(score.reason)} |"
            )
    if len(report.sessions) > LISTED:
        yield ""
        yield f"… and {count(len(report.sessions) - LISTED, 'more session')}, in batch.html."
    if report.left_out:
        yield ""
        yield "| not told to the evaluators | cases |"
        yield "| --- | ---: |"
        yield from (f"| {safe(field)} | {cases} |" for field, cases in report.left_out.items())


def _mean(one: EvaluatorMean) -> str:
    return "" if one.mean is None else f"{one.mean:.3f}"
