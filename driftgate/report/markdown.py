"""The report as Markdown, for a pull request or a step summary."""

from collections.abc import Iterator

from driftgate.report.text import visible
from driftgate.schemas.record import count
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import Criterion

MARKS = {True: "holds", False: "**fails**", None: "no value"}


def render(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield f"# {verdict.outcome}"
    yield ""
    yield f"{_safe(verdict.reason)}."
    if verdict.remarks:
        yield ""
        yield f"Also {_safe('; '.join(verdict.remarks))}."
    if report.changes:
        yield ""
        yield f"Changed: {_safe('; '.join(report.changes))}."
    yield ""
    yield "| arm | agent | version | digest |"
    yield "| --- | --- | --- | --- |"
    for arm, summary in sorted(verdict.arms.items()):
        yield f"| {arm} | {summary.agent} | {summary.version} | `{summary.digest[:12]}` |"
    yield ""
    yield (
        f"Dataset {verdict.dataset}, {count(verdict.cases, 'case')}, "
        f"{count(verdict.trials, 'trial')} each; run `{verdict.run_id}`, {report.environment}, "
        f"{report.finished_at}."
    )
    yield ""
    yield "| threshold | baseline | candidate | bound | |"
    yield "| --- | --- | --- | --- | --- |"
    for criterion in verdict.criteria:
        yield _criterion(criterion)
    if report.stories:
        yield ""
        yield "| case | | was | is | why a trial failed |"
        yield "| --- | --- | --- | --- | --- |"
        for story in report.stories:
            outcome = story.outcome
            critical = " (critical)" if outcome.critical else ""
            yield (
                f"| {outcome.case_id}{critical} | {story.kind} | {_percent(outcome.baseline)} "
                f"| {_percent(outcome.candidate)} | {_safe(outcome.reason)} |"
            )
    if verdict.missing:
        yield ""
        yield f"Missing: {count(len(verdict.missing), 'trial')}."
        for trial in verdict.missing[:10]:
            yield f"- {trial.arm} {trial.case_id}, trial {trial.trial}: {_safe(trial.reason)}"
    yield ""
    yield "Not covered:"
    for sentence in report.not_covered:
        yield f"- {_safe(sentence)}"


def _criterion(criterion: Criterion) -> str:
    values = f"{_percent(criterion.baseline)} | {_percent(criterion.candidate)}"
    return f"| {_safe(criterion.label)} | {values} | {criterion.wanted} | {MARKS[criterion.ok]} |"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _safe(text: str) -> str:
    """Text without anything that Markdown or HTML would act on."""
    plain = " ".join(visible(text).split())
    for mark in "\\`*_[]|#":
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
