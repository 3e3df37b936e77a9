"""`driftgate dataset saturation`: what a dataset's cases still tell of an agent."""

from typing import Annotated

import typer

from driftgate import outcomes, sessions
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.cli.datasets import Either
from driftgate.saturation import Kind, analyse, traffic
from driftgate.schemas.record import count
from driftgate.schemas.saturation import ItemAnalysis, Saturation


def saturation(
    context: typer.Context,
    dataset: Either,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--runs",
            metavar="ID",
            help="Only this run; may be repeated. Default: all that are finished.",
            autocompletion=completion.finished_runs,
        ),
    ] = None,
    agent: Annotated[
        str, typer.Option(metavar="NAME", help="Also hold it to this agent's production.")
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Say which cases are solved by all, by none, or the wrong way round, and what is still found.

    Runs on other versions of the dataset count for the cases that are as they were.
    """
    where = options.place(context, environment)
    cases = options.read_dataset(dataset, where.registry)
    history = outcomes.of_dataset(cases, where.registry, where.records, runs or ())
    found = analyse(cases, history.outcomes, history.labels)
    if agent:
        kinds = _kinds(context, environment, agent)
        found = found.model_copy(update={"traffic": traffic(cases.cases, kinds)})
    _show(found, history.runs)
    if as_json:
        console.emit(found)


def _kinds(context: typer.Context, environment: str, agent: str) -> dict[Kind, int]:
    """The closed sessions of production's last days, by task type and tools."""
    return sessions.kinds(agent, options.watching(context, environment).watched)


def _show(found: Saturation, runs: int) -> None:
    console.say(
        f"{found.dataset}: {count(found.cases, 'case')}, {count(len(found.versions), 'version')}, "
        f"{count(runs, 'run')}, {count(found.trials, 'trial')}"
    )
    if found.index is not None:
        console.say(f"saturation index {found.index:.0%}, information {found.information:.1f}")
    for trials, drop in found.mde.items():
        told = "one trial" if trials == 1 else f"{trials} trials"
        console.say(f"with {told} of each case, a drop of {drop:.1%} is found in 80 % of runs")
    if found.unseen is not None:
        console.say(f"{found.unseen:.0%} of cases like these would be of a kind that none has")
    if found.traffic and found.traffic.covered is not None:
        console.say(
            f"of {count(found.traffic.sessions, 'session')} of production "
            f"{found.traffic.covered:.0%} are of a kind that a case has; "
            f"{found.traffic.unseen or 0:.0%} of the next ones of a kind that nobody has met"
        )
    flagged = sorted((item for item in found.items if item.flags), key=_suspicious_first)
    if flagged:
        console.table(
            ("case", "flag", "why"),
            [(item.case_id, ", ".join(item.flags), item.why) for item in flagged],
        )
    for note in found.notes:
        console.say(f"note: {note}")


def _suspicious_first(item: ItemAnalysis) -> tuple[bool, bool, str]:
    return "suspicious" not in item.flags, "dead" not in item.flags, item.case_id
