"""What a run ends with: the report's files, the verdict for people, and the exit code.

Also `driftgate runs` and `driftgate report`, for runs that are finished.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from driftgate import chains, drills, evidence, overrides, registry
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.cli.execution import Ended
from driftgate.cli.github import Step
from driftgate.errors import BadInput
from driftgate.schemas.costs import RunCost
from driftgate.schemas.drills import DrillRow
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.policies import PASSING
from driftgate.schemas.record import count
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import Arm, RunRow, Verdict

EXIT_CODES = {"BLOCK": 1, "INTEGRITY_FAIL": 1, "INCONCLUSIVE": 4}  # everything else: 0
RECORDED = "recorded"  # the agent whose versions are recordings; nobody promotes it
ENOUGH_CASES = 40  # of which none differs: then the calibrated rule excludes a drop of 5 points
SHOWN = 20  # failed cases that are listed on the terminal; the report has all
STYLES = {"BLOCK": "bold red", "INTEGRITY_FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}


def runs(
    context: typer.Context,
    agent: Annotated[
        str, typer.Option(help="Only of this agent.", autocompletion=completion.agents)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 20,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the finished runs, the latest first."""
    stored = options.place(context, environment).registry
    rows = [row for row in registry.list_runs(stored) if agent in ("", row.agent)][:limit]
    console.table(
        ("run", "finished", "agent", "against", "suite", "cases", "verdict"),
        [
            (
                row.run_id,
                row.finished_at[:16],
                f"{row.agent}@{row.version}",
                row.baseline,
                row.suite,
                f"{row.cases}/{row.of_cases}",
                row.outcome
                if row.effective in (None, row.outcome)
                else f"{row.outcome} ({row.effective})",
            )
            for row in rows
        ],
    )
    if as_json:
        console.emit(rows)


def report(
    context: typer.Context,
    run_id: Annotated[
        str, typer.Argument(help="A finished run.", autocompletion=completion.finished_runs)
    ],
    output: options.Output = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show a finished run's verdict again, and write its report anew. The exit code is 0.

    Of several verdicts on one run it is the one on the most evidence; of modes, blocking.
    """
    where = options.place(context, environment)
    row: RunRow | DrillRow
    if registry.is_finished(run_id, where.registry):
        row = registry.load_run(run_id, where.registry)
        prefix, kept = f"verdicts/{row.agent}/{run_id}/", where.records
    elif tried := drills.find(run_id, where.registry):
        row, prefix, kept = tried, f"runs/{run_id}/verdicts/", where.runs
    else:
        raise BadInput(f"there is no finished run {run_id} in {environment}; see driftgate runs")
    keys = chains.verdict_keys(prefix, kept)
    stored = [evidence.load_verdict(key, kept) for key in keys]
    uses = [used for key in keys for _, used in overrides.kept(key, kept)]
    if not stored:
        raise BadInput(f"there is no verdict of run {run_id} in {environment}")
    check_writable(output, context.obj)
    best = max(stored, key=_evidence)
    cost = evidence.find_cost(keys[stored.index(best)], kept)
    page = _write(context, best, row, where, output, cost=cost)
    for used in uses:
        console.say(f"override {used.override.override_id}: {used}")
    if as_json:
        console.emit({**best.model_dump(mode="json"), "report": str(page)})


def _evidence(verdict: Verdict) -> tuple[int, int, int, bool]:
    judged = verdict.judge.judged if verdict.judge else 0
    blocking = verdict.policy.mode == "blocking"
    return verdict.scored, -len(verdict.missing), judged, blocking


def check_writable(output: Path | None, home: Path) -> None:
    """Find a place that can't be written before the run, leaving nothing behind."""
    option, folder = ("--output", output) if output else ("--home", home)
    there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    if not there.is_dir():
        raise BadInput(f"{option}: wanted a folder, {there} is a file")
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise BadInput(f"{option}: can't write into {there}: {error.strerror or error}") from error


def finish(
    context: typer.Context,
    ended: Ended,
    where: options.Place,
    output: Path | None,
    as_json: bool,
    step: Step | None = None,
) -> None:
    """Write the report, show the verdict, and end with the exit code that agrees with it."""
    used = ended.published.override
    verdict = ended.verdict.model_copy(update={"effective": ended.published.effective})
    row = registry.load_run(verdict.run_id, where.registry)
    cost = evidence.find_cost(ended.published.verdict_key, where.records)
    page = _write(context, verdict, row, where, output, used, step, cost)
    if not ended.made:
        console.say(f"finished {row.finished_at}, not made again; --rerun makes it again")
    if verdict.outcome == "INCONCLUSIVE" and verdict.looks and verdict.cases < ENOUGH_CASES:
        console.say(
            f"note: it takes some {ENOUGH_CASES} cases to exclude a drop of 5 points; "
            "--rule point compares means, and proves nothing"
        )
    if verdict.outcome == "BASELINE_CREATED" and verdict.arms["candidate"].agent != RECORDED:
        _say_what_is_next(verdict, where.environment)
    for refusal in ended.published.refused:
        console.say(refusal)
    if used:
        console.say(str(used), bold="bold yellow")
    if as_json:
        override = {"override": used.model_dump(mode="json")} if used else {}
        console.emit({**verdict.model_dump(mode="json"), **override, "report": str(page)})
    raise typer.Exit(EXIT_CODES.get(verdict.effective, 0))


def _write(
    context: typer.Context,
    verdict: Verdict,
    row: RunRow | DrillRow,
    where: options.Place,
    output: Path | None,
    used: UsedOverride | None = None,
    step: Step | None = None,
    cost: RunCost | None = None,
) -> Path:
    """Write and show a run's report; return the page to open."""
    from driftgate.report import build
    from driftgate.report.write import write

    built = build.build(verdict, row, where.runs, used, cost)
    page = write(built, output or context.obj / "reports" / verdict.run_id)
    _show(built)
    if step:
        step.tell(page, built, blocks=verdict.effective not in PASSING)
    console.say(f"report: {page}")
    return page


def _say_what_is_next(verdict: Verdict, environment: str) -> None:
    """A first release is held to little: whoever promotes it should know what fails."""
    candidate = verdict.arms["candidate"]
    place = "" if environment == LAPTOP else f" --environment {environment}"
    if verdict.failing:
        cases = f"{len(verdict.failing)} of {count(verdict.cases, 'case')}"
        console.say(
            f"warning: {cases} failed. As a baseline, this version makes failing them the normal: "
            "read them before you promote it"
        )
    console.say(
        f"next: publish it, then driftgate agent promote "
        f"{candidate.agent}@{candidate.version}{place}"
    )


def _show(report: Report) -> None:
    verdict = report.verdict
    rows: list[tuple[Any, ...]] = [
        (
            criterion.label,
            criterion.cases,
            _percent(criterion.baseline),
            _percent(criterion.candidate),
            "FAILS" if criterion.ok is False else criterion.standing,
        )
        for criterion in verdict.criteria
    ]
    if rows:
        console.table(("threshold", "cases", "baseline", "candidate", ""), rows)
    if report.attacks:
        _show_attacks(report)
    for story in report.stories[:SHOWN]:
        critical = " (critical)" if story.outcome.critical else ""
        console.say(f"{story.kind:7} {story.outcome.case_id}{critical}: {story.outcome.reason}")
    if len(report.stories) > SHOWN:
        console.say(f"... and {len(report.stories) - SHOWN} more in the report")
    if report.changes:
        console.say(f"\nchanged: {'; '.join(report.changes)}")
    if verdict.judge:
        console.say(str(verdict.judge))
    if report.cost and report.cost.usd:
        console.say(f"cost {report.cost}")
    effective = "" if verdict.effective == verdict.outcome else f" ({verdict.effective})"
    reason = verdict.reason.partition("; failed cases: ")[0]
    console.say("")
    style = STYLES.get(verdict.effective, "bold green")
    told = "; ".join((reason, *verdict.remarks))
    console.say(f"{verdict.outcome}{effective}: {told}", bold=style)


def _show_attacks(report: Report) -> None:
    rows = [
        (
            group.kind.replace("_", " "),
            group.strategy or "by hand",
            group.cases,
            _beside(group.got_through),
            _beside({arm: _percent(share) for arm, share in group.utility.items()}),
        )
        for group in report.attacks
    ]
    console.table(("attack", "strategy", "cases", "got through", "utility"), rows)


def _beside(by_arm: Mapping[Arm, object]) -> str:
    """The candidate's value, and what it was in the baseline."""
    before = f" (was {by_arm['baseline']})" if "baseline" in by_arm else ""
    return f"{by_arm['candidate']}{before}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
