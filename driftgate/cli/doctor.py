"""`driftgate doctor`: what stands in the way, and what to do about it."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate.cli import console, options
from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.doctor import Purpose


def doctor(
    purpose: Annotated[
        Purpose, typer.Option("--for", help="What is to be done in the account.")
    ] = "offline",
    runtime: Annotated[
        str | None, typer.Option(metavar="ARN", help="An agent's runtime, or its id.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="Of the runtime.")] = "DEFAULT",
    agent_python: Annotated[
        Path | None, typer.Option(help="The interpreter of the agent's own environment.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="Back to which telemetry is looked for.")] = 24,
    as_json: options.Json = False,
) -> None:
    """Look at all that an evaluation in AWS needs, change nothing, and say how to mend what lacks.

    The exit code is 3 if something required is missing.
    """
    from driftgate.adapters.doctor import Agent, Doctor

    agent = None
    if runtime is not None:
        agent = Agent(runtime.rpartition("/")[2], endpoint)
        if not agent.runtime_id:
            raise BadInput(f"--runtime: wanted the ARN or the id of a runtime, got {runtime!r}")
    found = []
    for finding in Doctor.here().examine(purpose, agent, agent_python, hours):
        found.append(finding)
        console.say(f"{finding.standing:<8} {finding.name}: {finding.found}")
        if finding.fix:
            console.say(f"{'':<8} -> {finding.fix}")
    if as_json:
        console.emit(found)
    if any(finding.standing == "problem" for finding in found):
        raise typer.Exit(InfrastructureFailed.exit_code)
