"""The report as Markdown, for a pull request's comment or a step summary."""

from collections.abc import Iterable, Iterator

from driftgate.report.text import visible
from driftgate.schemas.record import count
from driftgate.schemas.reports import Compared, Report, Story
from driftgate.schemas.runs import Criterion

SIGNS = {"PASS": "✅", "PASS_AT_MAX": "✅", "BASELINE_CREATED": "✅", "INCONCLUSIVE": "⚠️"}
BYTES = 60_000  # a comment on GitHub takes 65,536 characters, a step summary 1 MiB
TEXT_CHARS = 600  # of one reason
MISSING = 10  # trials that are listed


def render(report: Report) -> str:
    """Never longer than BYTES: what is listed ends early then, and says so."""
    parts = [_head(report), _thresholds(report), _attacks(report)]
    parts += [_cases(report), _missing(report), _gaps(report)]
    parts += [_parts(report), _run(report)]
    return "".join(_within(parts, BYTES))


def _within(parts: Iterable[Iterator[str]], left: int) -> Iterator[str]:
    """The lines of each part, as long as there is room; a part gets half of what is left."""
    for lines in parts:
        room, dropped = left // 2, 0
        for line in lines:
            text = f"{line}\n"
            size = len(text.encode())
            if size > room or dropped:
                dropped += 1
                continue
            room, left = room - size, left - size
            yield text
        if dropped:
            note = f"\n… and {count(dropped, 'more line')}, in report.html and report.json.\n"
            left -= len(note.encode())
            yield note
        left -= 1
        yield "\n"


def _head(report: Report) -> Iterator[str]:
    verdict = report.verdict
    candidate = verdict.arms["candidate"]
    against = f" against {verdict.arms['baseline'].version}" if "baseline" in verdict.arms else ""
    effective = "" if verdict.effective == verdict.outcome else f" ({verdict.effective})"
    sign = SIGNS.get(verdict.outcome, "❌")
    yield f"# {sign} {verdict.outcome}{effective}: {candidate.agent} {candidate.version}{against}"
    yield ""
    lead, *also = [*verdict.reason.partition("; failed cases: ")[0].split("; "), *verdict.remarks]
    yield f"{safe(lead)}."
    yield ""
    if report.override:
        yield f"- {safe(str(report.override))}"
    for sentence in also:
        yield f"- {safe(sentence)}"
    critical = sum(outcome.critical for outcome in verdict.broken)
    yield (
        f"- {len(verdict.broken)} of {count(verdict.cases, 'case')} broken ({critical} critical), "
        f"{len(verdict.fixed)} fixed, {len(verdict.failing)} failing, "
        f"{count(len(verdict.missing), 'trial')} missing"
    )
    if verdict.judge:
        yield f"- {safe(str(verdict.judge))}"
    if report.cost:
        yield f"- cost: {safe(str(report.cost))}"
    if report.changes:
        yield f"- changed: {safe('; '.join(report.changes))}"


def _thresholds(report: Report) -> Iterator[str]:
    yield "| threshold | baseline | candidate | bound | |"
    yield "| --- | ---: | ---: | --- | --- |"
    for criterion in sorted(report.verdict.criteria, key=lambda c: c.ok is not False):
        yield _criterion(criterion)


def _attacks(report: Report) -> Iterator[str]:
    if not report.attacks:
        return
    arms = sorted(report.verdict.arms)
    yield "## Attacks"
    yield ""
    yield f"| kind | strategy | cases | {' | '.join(f'got through, {arm}' for arm in arms)} " + (
        f"| {' | '.join(f'utility, {arm}' for arm in arms)} |"
    )
    yield f"| --- | --- | ---: |{' ---: |' * 2 * len(arms)}"
    for group in report.attacks:
        through = " | ".join(str(group.got_through[arm]) for arm in arms)
        utility = " | ".join(_percent(group.utility[arm]) for arm in arms)
        yield (
            f"| {group.kind.replace('_', ' ')} | {safe(group.strategy or 'by hand')} "
            f"| {group.cases} | {through} | {utility} |"
        )
    if report.got_through:
        yield ""
        yield f"| got through | {' | '.join(arms)} |"
        yield f"| --- |{' --- |' * len(arms)}"
    for told in report.got_through:
        led_to = " | ".join(safe(told.led_to[arm] or "held") for arm in arms)
        yield f"| {told.case_id}{' (critical)' if told.critical else ''} | {led_to} |"


def _cases(report: Report) -> Iterator[str]:
    if not report.stories:
        return
    yield "## Cases that were not always solved"
    yield ""
    yield "| case | | was | is | why a trial failed |"
    yield "| --- | --- | ---: | ---: | --- |"
    for story in report.stories:
        yield _story(story)


def _story(story: Story) -> str:
    outcome = story.outcome
    critical = " (critical)" if outcome.critical else ""
    return (
        f"| {outcome.case_id}{critical} | {story.kind} | {_percent(outcome.baseline)} "
        f"| {_percent(outcome.candidate)} | {safe(outcome.reason)} |"
    )


def _missing(report: Report) -> Iterator[str]:
    missing = report.verdict.missing
    if not missing:
        return
    yield "## Missing trials"
    yield ""
    for trial in missing[:MISSING]:
        yield f"- {trial.arm} {trial.case_id}, trial {trial.trial}: {safe(trial.reason)}"
    if len(missing) > MISSING:
        yield f"- … and {len(missing) - MISSING} more"


def _gaps(report: Report) -> Iterator[str]:
    yield "## What this does not cover"
    yield ""
    for sentence in report.not_covered:
        yield f"- {safe(sentence)}"


def _parts(report: Report) -> Iterator[str]:
    rows = [row for row in report.compared if row.difference is not None]
    if not rows:
        return
    yield "## Metrics against the baseline"
    yield ""
    yield "| metric | over | cases | baseline | candidate | points, 95 % interval |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for row in sorted(rows, key=lambda row: row.difference or 0):
        yield _compared(row)


def _compared(row: Compared) -> str:
    interval = row.difference_interval
    ends = f" ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})" if interval else ""
    return (
        f"| {safe(row.metric)} | {safe(row.stratum)} | {row.cases} | {_percent(row.baseline)} "
        f"| {_percent(row.candidate)} | {100 * (row.difference or 0):+.1f}{ends} |"
    )


def _run(report: Report) -> Iterator[str]:
    verdict = report.verdict
    arms = [
        f"{arm} {summary.agent} {summary.version} `{summary.digest[:12]}`"
        for arm, summary in sorted(verdict.arms.items())
    ]
    yield (
        f"{', '.join(arms)}; dataset {verdict.dataset}, {verdict.cases} of "
        f"{count(verdict.dataset.count, 'case')}, {count(verdict.trials, 'trial')} each; "
        f"run `{verdict.run_id}`, {report.environment}, {report.finished_at}."
    )


def _criterion(criterion: Criterion) -> str:
    values = f"{_percent(criterion.baseline)} | {_percent(criterion.candidate)}"
    standing = "**fails**" if criterion.ok is False else criterion.standing
    return f"| {safe(criterion.label)} | {values} | {criterion.wanted} | {standing} |"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def safe(text: str) -> str:
    """Text without anything that Markdown or HTML would act on, and not too much of it."""
    plain = " ".join(visible(text[:TEXT_CHARS]).split())
    if len(text) > TEXT_CHARS:
        plain += f" … ({len(text) - TEXT_CHARS:,} more characters)"
    for mark in "\\`*_[]|#~":
        plain = plain.replace(mark, f"\\{mark}")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
