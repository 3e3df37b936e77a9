"""`driftgate privacy`: what is known of a person."""

from typing import Annotated

import typer

from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.erasure import Eraser
from driftgate.errors import BadInput
from driftgate.schemas.online import Clockwork
from driftgate.schemas.record import count

app = typer.Typer(help="Erase what is known of a person.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group of its own, though it has one command."""


@app.command(
    epilog=options.examples(
        "privacy erase --agent support --session session-0f1e2d3c4b5a --environment prod",
        "privacy erase --agent support --person-pseudonym '<email:kdbeafaonhgimpcl>' "
        "--environment prod --plan",
    )
)
def erase(
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="Whose sessions.", autocompletion=completion.agents)],
    session: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A session; may be repeated.")
    ] = None,
    person_pseudonym: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="As it stands in redacted traces; may be repeated."),
    ] = None,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say which sessions it would be, and erase nothing.")
    ] = False,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Erase sessions for good: traces, fragments, rows, candidates, drafts and their trail.

    Exit code 1 if the person is still named somewhere afterwards, which is told.
    """
    if not session and not person_pseudonym:
        raise BadInput("wanted --session or --person-pseudonym, got neither")
    where = options.reviewing(context, environment)
    clockwork = Clockwork()
    if environment != LAPTOP:
        clockwork = options.watching(context, environment).watch.clockwork
    eraser = _eraser(agent, where, clockwork)
    if only_plan:
        ids = sorted({*(session or ()), *eraser.sessions_of(person_pseudonym or ())})
        for session_id in ids:
            console.say(session_id)
        console.say(f"{count(len(ids), 'session')} would be erased")
        if as_json:
            console.emit({"sessions": ids})
        return
    who = options.place(context, environment).caller()
    erased = eraser.erase(session or (), person_pseudonym or (), who)
    console.say(
        f"erased {count(erased.sessions, 'session')}: {count(erased.objects, 'object')}, "
        f"{count(erased.rows, 'row')}, {count(erased.candidates, 'candidate')}, "
        f"{count(erased.drafts, 'draft')}"
    )
    for place in erased.left:
        console.say(f"LEFT: {place}")
    if as_json:
        console.emit(erased)
    if erased.left:
        raise typer.Exit(1)


def _eraser(agent: str, where: options.Reviewing, clockwork: Clockwork) -> Eraser:
    from driftgate.adapters.clock import SystemClock

    return Eraser(
        agent=agent,
        traces=where.traces,
        watched=where.watched,
        reviews=where.reviews,
        stored=where.registry,
        clockwork=clockwork,
        clock=SystemClock(),
    )
