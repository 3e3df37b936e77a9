"""`driftgate local`: emulators of AWS on this machine.

What they need is imported when a command runs, so that the other commands start no slower.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate.cli import console, options

if TYPE_CHECKING:
    from local.instances import Instances

app = typer.Typer(
    help="Run AWS on this machine, as far as Driftgate uses it.", no_args_is_help=True
)
Named = Annotated[str, typer.Option("--name", help="Which instance; several run side by side.")]
DEFAULT = "default"


@app.command(epilog=options.examples("local start"))
def start(
    context: typer.Context,
    name: Named = DEFAULT,
    auth: Annotated[
        bool, typer.Option("--auth", help="Hold functions to their roles and bucket policies.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Start an emulator on free ports of this machine; one that runs is left as it is."""
    begun = time.monotonic()
    instance, new = instances(context).start(name, auth=auth)
    took = f"started in {time.monotonic() - begun:.1f} s" if new else "runs already"
    console.say(f"{name} {took}: AWS_ENDPOINT_URL={instance.endpoint_url}")
    if as_json:
        console.emit(instance)


@app.command(epilog=options.examples("local deploy"))
def deploy(context: typer.Context, name: Named = DEFAULT, as_json: options.Json = False) -> None:
    """Synthesize the stacks of the environment `local`, and deploy them to a running emulator."""
    from local import deploy as deployment

    instance = instances(context).get(name)
    results = deployment.deploy(deployment.synthesize("local"), instance, tell=console.say)
    if as_json:
        console.emit(results)


@app.command(epilog=options.examples("local stop --all"))
def stop(
    context: typer.Context,
    name: Named = DEFAULT,
    every: Annotated[bool, typer.Option("--all", help="Stop all instances.")] = False,
    as_json: options.Json = False,
) -> None:
    """End an emulator and all that runs in it. What it held is lost."""
    known = instances(context)
    names = [one.name for one in known.running()] if every else [name]
    stopped = [one for one in names if known.stop(one)]
    for one in names:
        console.say(f"{one} is stopped" if one in stopped else f"{one} was not running")
    if as_json:
        console.emit({"stopped": stopped})


@app.command(epilog=options.examples("local status"))
def status(context: typer.Context, as_json: options.Json = False) -> None:
    """List the emulators that run."""
    running = instances(context).running()
    if as_json:
        console.emit(running)
        return
    rows = [(one.name, one.endpoint_url, one.pid, one.auth, one.started_at) for one in running]
    console.table(("name", "url", "pid", "auth", "since"), rows)


@app.command(epilog=options.examples("local reset"))
def reset(context: typer.Context, name: Named = DEFAULT, as_json: options.Json = False) -> None:
    """Empty an emulator that goes on running."""
    instance = instances(context).reset(name)
    console.say(f"{name} is empty")
    if as_json:
        console.emit(instance)


def instances(context: typer.Context) -> "Instances":
    from local.instances import Instances

    return Instances(context.obj)
