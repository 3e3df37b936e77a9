"""`driftgate sandbox sweep`: end the sessions that nobody needs any more."""

from typing import Annotated

import typer

from driftgate.cli import console, options
from driftgate.schemas.sweeping import SweepSessionsRequest


def sweep(
    context: typer.Context,
    environment: Annotated[str, typer.Option(help="A deployed one.")],
    run_id: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="Of this run alone.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """End the sessions of agents that a run opened and no attempt needs any more.

    A schedule does so every minute where it is deployed; this is for those who don't want to wait.
    """
    where = options.deployed(context, environment)
    result = where.sweep(SweepSessionsRequest(run_id=run_id))
    console.say(str(result))
    if as_json:
        console.emit(result)
