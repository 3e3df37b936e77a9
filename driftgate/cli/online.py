"""`driftgate online`: the watch over production, as people use it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from driftgate.cli import completion, console, options
from driftgate.errors import BadInput

if TYPE_CHECKING:
    from driftgate.schemas.online import WindowReport

app = typer.Typer(help="Watch what is in production.", no_args_is_help=True)
Agent = Annotated[str, typer.Argument(help="A registered agent.", autocompletion=completion.agents)]
Deployed = Annotated[
    options.Environments, typer.Option("--environment", metavar="NAME", help="Where it is watched.")
]
POLL_S = 0.5


def register(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="agent@version, as it is in production.")],
    environment: Deployed,
    runtime: Annotated[
        str, typer.Option(metavar="ID", help="Of the runtime on AgentCore, as support-a1B2c3D4e5.")
    ] = "",
    endpoint: Annotated[str, typer.Option(metavar="NAME", help="Of the runtime.")] = "DEFAULT",
    service: Annotated[
        str, typer.Option(metavar="NAME", help="service.name in its spans; for agents elsewhere.")
    ] = "",
    log_group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Where its spans are; may be repeated. For elsewhere."),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="Its spans are in aws/spans, as before July 2026.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Watch the sessions of an endpoint in production from now on.

    Registering again, with another version, says what is deployed now.
    """
    from driftgate import registry, sessions
    from driftgate.adapters.clock import SystemClock
    from driftgate.schemas.online import Deployment

    name, version = options.name_and_version(agent, "agent")
    watching = options.watching(context, environment)
    registry.load_agent(name, version, watching.registry)
    own_service, own_groups = _place(runtime, endpoint, split)
    groups = (*own_groups, *(log_group or ()))
    if not (service or own_service) or not groups:
        raise BadInput("wanted --runtime, or --service with --log-group; got neither")
    deployment = Deployment(
        environment=environment,
        service=service or own_service,
        agent=name,
        version=version,
        log_groups=groups,
        registered_at=SystemClock().now(),
    )
    sessions.register(deployment, watching.registry)  # first: what comes without it is dropped
    new = {group: watching.subscribe(group) for group in groups}
    console.say(f"{agent}: sessions of {deployment.service} are watched in {environment}")
    for group, is_new in new.items():
        console.say(f"log group {group}: {'subscribed' if is_new else 'was subscribed before'}")
    if as_json:
        console.emit(deployment)


def unregister(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="service.name in its spans, as support.DEFAULT.")],
    environment: Deployed,
) -> None:
    """Watch an endpoint no more: it is gone, or somebody else's now."""
    from driftgate import sessions

    watching = options.watching(context, environment)
    found = sessions.deployments(environment, watching.registry)
    if service not in found:
        known = ", ".join(sorted(found)) or "none"
        raise BadInput(f"service {service}: not registered in {environment}; there are: {known}")
    retired = found.pop(service)
    sessions.register(retired.model_copy(update={"retired": True}), watching.registry)
    in_use = {group for other in found.values() for group in other.log_groups}
    for group in set(retired.log_groups) - in_use:
        watching.unsubscribe(group)
    console.say(f"sessions of {service} are not watched any more in {environment}")


@app.command(epilog=options.examples("online status support --environment prod"))
def status(
    context: typer.Context,
    agent: Agent,
    environment: Deployed,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Windows, the newest.")] = 12,
    as_json: options.Json = False,
) -> None:
    """What the last windows came to, and how near the monitors are to an alarm."""
    from driftgate import sessions

    watching = options.watching(context, environment)
    found = list(sessions.reports(agent, limit, watching.watched, watching.traces))
    if not found:
        raise BadInput(
            f"agent {agent}: no window is published in {environment}; was it registered?"
        )
    window_s = watching.watch.clockwork.window_s
    console.table(
        ("window", "sessions", "judged", "quality", "95 %", "worst monitor", "alarms"),
        [_line(report, window_s) for report in found],
    )
    for alarm in found[-1].alarms:
        since = _moment(alarm.since, window_s)
        console.say(f"{alarm.version}, {alarm.stratum}, since {since}: {alarm.evidence}")
    for note in found[-1].notes:
        console.say(f"note: {note}")
    if as_json:
        console.emit(found)


@app.command(
    epilog=options.examples(
        "online acknowledge support --environment prod --why 'rolled back to 1.4.0'"
    )
)
def acknowledge(
    context: typer.Context,
    agent: Agent,
    environment: Deployed,
    why: Annotated[str, typer.Option(metavar="TEXT", help="What was done about it.")],
) -> None:
    """Let an agent's monitors start anew, when its alarms have been seen to."""
    from driftgate import sessions
    from driftgate.adapters.clock import SystemClock
    from driftgate.schemas.online import Acknowledged

    watching = options.watching(context, environment)
    window = sessions.published_window(agent, watching.watched)
    if window is None:
        raise BadInput(
            f"agent {agent}: no window is published in {environment}; was it registered?"
        )
    deployment = options.deployed(context, environment)
    sessions.acknowledge(
        Acknowledged(
            agent=agent, window=window, by=deployment.caller(), why=why, at=SystemClock().now()
        ),
        watching.watched,
    )
    console.say(f"the monitors of {agent} start anew after window {window}")


@app.command(
    epilog=options.examples(
        "online feedback support session-0f1e2d3c4b5a negative --environment prod --source thumbs"
    )
)
def feedback(
    context: typer.Context,
    agent: Agent,
    session: Annotated[str, typer.Argument(help="The session's id.")],
    verdict: Annotated[Literal["positive", "negative"], typer.Argument()],
    environment: Deployed,
    source: Annotated[str, typer.Option(metavar="TEXT", help="Who said so.")] = "",
) -> None:
    """Say what a user thought of a session; applications put the same event on the bus."""
    from driftgate.schemas.online import Feedback

    told = Feedback(agent=agent, session_id=session, verdict=verdict, at=time.time(), source=source)
    watching = options.watching(context, environment)
    watching.announce("ConversationFeedback", told.model_dump(mode="json"))
    console.say(f"{verdict} feedback on session {session} is on its way")


@app.command(epilog=options.examples("online tick --environment local"))
def tick(
    context: typer.Context,
    environment: Deployed,
    wait: Annotated[bool, typer.Option(help="Until it has ended.")] = True,
) -> None:
    """Look at production now, and not at the next tick of the schedule."""
    watching = options.watching(context, environment)
    execution = watching.tick()
    while wait and not watching.ticked(execution):
        time.sleep(POLL_S)
    console.say(f"{'ended' if wait else 'started'}: {execution}")


def _unpublished(agent: str, environment: str) -> BadInput:
    return BadInput(f"agent {agent}: no window is published in {environment}; was it registered?")


def _place(runtime: str, endpoint: str, split: bool) -> tuple[str, tuple[str, ...]]:
    """Service name and log groups of an endpoint on AgentCore: the name of a runtime is its id
    without the suffix, and that is what its spans have.
    """
    if not runtime:
        return "", ()
    name, dash, suffix = runtime.rpartition("-")
    if not dash or len(suffix) != 10:
        raise BadInput(f"--runtime: wanted an id as support-a1B2c3D4e5, got {runtime!r}")
    own = f"/aws/bedrock-agentcore/runtimes/{runtime}-{endpoint}"
    return f"{name}.{endpoint}", ("aws/spans", own) if split else (own,)


def _line(report: "WindowReport", window_s: int) -> Sequence[str]:
    from driftgate.schemas.sampling import ALL_CONVERSATIONS

    whole = [e.quality for e in report.estimates if e.stratum == ALL_CONVERSATIONS and e.quality]
    return (
        _moment(report.window, window_s),
        str(report.sessions),
        str(report.judged),
        ", ".join(f"{quality.mean:.1%}" for quality in whole),
        ", ".join(f"{quality.lower:.1%}-{quality.upper:.1%}" for quality in whole),
        "no baseline yet" if report.ratio is None else f"{report.ratio:.2f}",
        ", ".join(sorted({alarm.stratum for alarm in report.alarms})),
    )


def _moment(window: int, window_s: int) -> str:
    return datetime.fromtimestamp(window * window_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
