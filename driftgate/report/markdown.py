"""The report as Markdown, for a pull request or a step summary."""

from collections.abc import Iterator

from driftgate.report.text import visible
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
    yield ""
    yield "| arm | agent | version | digest |"
    yield "| --- | --- | --- | --- |"
    for arm, summary in sorted(verdict.arms.items()):
        yield f"| {arm} | {summary.agent} | {summary.version} | `{summary.digest[:12]}` |"
    yield ""
    yield (
        f"Dataset {verdict.dataset}, {verdict.cases} cases, trials each: {verdict.trials}; "
        f"run `{verdict.run_id}`."
    )
    yield ""
    yield "| threshold | baseline | candidate | bound | |"
    yield "| --- | --- | --- | --- | --- |"
    for criterion in verdict.criteria:
        yield _criterion(criterion)
    if report.flips:
        yield ""
        yield "| case | was | is | why the worse one failed |"
        yield "| --- | --- | --- | --- |"
        for story in report.flips:
            flip = story.flip
            critical = " (critical)" if flip.critical else ""
            yield (
                f"| {flip.case_id}{critical} | {flip.baseline:.0%} | {flip.candidate:.0%} "
                f"| {_safe(flip.reason)} |"
            )
    if verdict.missing:
        yield ""
        yield f"{len(verdict.missing)} trials are missing:"
        for trial in verdict.missing[:10]:
            yield f"- {trial.arm} {trial.case_id}, trial {trial.trial}: {_safe(trial.reason)}"
    yield ""
    yield "Not covered:"
    for sentence in report.not_covered:
        yield f"- {_safe(sentence)}"


def _criterion(criterion: Criterion) -> str:
    baseline = "" if criterion.baseline is None else f"{criterion.baseline:.1%}"
    candidate = "" if criterion.candidate is None else f"{criterion.candidate:.1%}"
    bound = (
        f"falls by less than {criterion.bound:.1%}"
        if criterion.kind == "drop"
        else f"at least {criterion.bound:.1%}"
    )
    name = f"{criterion.metric}, {criterion.stratum}"
    return f"| {name} | {baseline} | {candidate} | {bound} | {MARKS[criterion.ok]} |"


def _safe(text: str) -> str:
    """Text without anything that Markdown or HTML would act on."""
    plain = " ".join(visible(text).split())
    for mark in "\\`*_[]|#":
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
