"""`driftgate agent`: publish agent versions, and say which one is in production."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.errors import BadInput
from driftgate.schemas.manifests import AgentVersion, DatasetRef, Suite
from driftgate.schemas.policies import GOOD
from driftgate.schemas.runs import RunRow

app = typer.Typer(help="Publish agent versions and move baselines.", no_args_is_help=True)
Digest = Annotated[
    str, typer.Option(metavar="SHA256", help="Refuse if the stored version has another digest.")
]
Reference = Annotated[
    str, typer.Argument(help="agent@version", autocompletion=completion.agent_versions)
]


@app.command(epilog=options.examples("agent publish agent.yaml"))
def publish(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="agent.yaml, or its folder.")],
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Store a version with its code, prompts and contracts; the same again is no change."""
    version = options.publish_agent(manifest, options.place(context, environment).registry)
    console.say(f"agent {version.label}, digest {version.digest}")
    if as_json:
        console.emit(
            {
                "agent": version.manifest.agent,
                "version": version.manifest.version,
                "digest": version.digest,
            }
        )


@app.command(epilog=options.examples("agent promote support@1.0.0 --environment prod"))
def promote(
    context: typer.Context,
    agent: Reference,
    digest: Digest = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Make a stored version the baseline of an environment, after it went to production there."""
    name, version = options.name_and_version(agent, "agent")
    stored = options.place(context, environment).registry
    agent_version = registry.load_agent(name, version, stored)
    _refuse_other(digest, agent_version)
    pointer = registry.promote(name, version, environment, stored, SystemClock())
    console.say(f"the baseline of {name} in {environment} is {version}, digest {pointer.digest}")
    for suite, pin in sorted(agent_version.manifest.datasets.items(), reverse=True):
        last = registry.last_run(name, version, suite, stored)
        if doubt := _doubt(agent_version, suite, pin, last):
            console.say(f"note: {doubt}")
    if as_json:
        console.emit(pointer)


def _doubt(version: AgentVersion, suite: Suite, pin: DatasetRef, last: RunRow | None) -> str | None:
    """Why the last run of a suite is no reason to promote a version; None if it is one."""
    if last is None or last.digest != version.digest:
        return f"no {suite} run of this version is known here"
    named = f"its last {suite} run, {last.run_id},"
    if last.outcome not in GOOD:
        return f"{named} ended in {last.outcome}"
    if last.cases < last.of_cases:
        return f"{named} had {last.cases} of {last.of_cases} cases: a promotion takes all"
    if last.dataset != str(pin):
        return f"{named} was on {last.dataset}, its manifest pins {pin}"
    return None


@app.command("list", epilog=options.examples("agent list"))
def list_(
    context: typer.Context,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the stored versions; a star marks the baseline."""
    stored = options.place(context, environment).registry
    rows = []
    for version in registry.list_agents(stored):
        manifest = version.manifest
        pointer = registry.baseline(manifest.agent, environment, stored)
        rows.append(
            {
                "agent": manifest.agent,
                "version": manifest.version,
                "baseline": pointer is not None and pointer.version == manifest.version,
                "model": manifest.model,
                "description": manifest.description,
                "digest": version.digest,
            }
        )
    console.table(
        ("agent", "version", "baseline", "model", "digest", "description"),
        [
            (
                r["agent"],
                r["version"],
                "*" if r["baseline"] else "",
                r["model"],
                str(r["digest"])[:12],
                r["description"],
            )
            for r in rows
        ],
    )
    if as_json:
        console.emit({"environment": environment, "agents": rows})


@app.command(epilog=options.examples("agent show support@1.0.0 --json"))
def show(
    context: typer.Context,
    agent: Reference,
    digest: Digest = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show a stored version: its manifest, tools and digest."""
    name, number = options.name_and_version(agent, "agent")
    version = registry.load_agent(name, number, options.place(context, environment).registry)
    _refuse_other(digest, version)
    console.say(f"{version.label}: {version.manifest.description}")
    console.say(f"digest {version.digest}, code {version.code_sha256 or 'not stored'}")
    datasets = ", ".join(str(pin) for pin in version.manifest.datasets.values())
    console.say(f"model {version.manifest.model}, datasets {datasets}")
    console.table(
        ("tool", "contract", "effect", "critical"),
        [(c.tool, c.version, c.effect, "yes" if c.critical else "") for c in version.contracts],
    )
    if as_json:
        console.emit(version)


def _refuse_other(digest: str, version: AgentVersion) -> None:
    """Versions don't change, but whoever deploys what was judged says so by its digest."""
    if digest and digest != version.digest:
        raise BadInput(
            f"agent {version.label}: wanted digest {digest}, what is stored has {version.digest}"
        )
