"""`driftgate gate`: what was decided, why, and whether it still follows from what is stored."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer

from driftgate import evidence, overrides
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP
from driftgate.cli import calibration, completion, console, drills, options
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.schemas.evidence import ChainCheck, VerdictCheck
from driftgate.schemas.overrides import Override, OverrideStatus

app = typer.Typer(
    help="Verify, explain and override verdicts, and try the gate.", no_args_is_help=True
)
Run = Annotated[
    str,
    typer.Argument(
        help="The id of a finished run, or how it starts.", autocompletion=completion.finished_runs
    ),
]


COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {
    calibration.calibrate: (
        "gate calibrate support",
        "gate calibrate support --last 50 --environment staging",
    ),
    drills.aa: ("gate aa support", "gate aa support --cases 60 --environment staging"),
    drills.drill: ("gate drill support", "gate drill support --break broad --cases 60"),
    drills.health: ("gate health", "gate health support --environment prod"),
}
for command, uses in COMMANDS.items():
    app.command(epilog=options.examples(*uses))(command)


@app.command(epilog=options.examples("gate verify r-0123", "gate verify --chain support"))
def verify(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="A finished run's id, or its start.")] = None,
    chain: Annotated[str | None, typer.Option(help="All verdicts of this agent instead.")] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Compute a run's verdict again from its stored scores, and follow its chain to the head.

    With --chain, every verdict and bundle of an agent is held to the hashes in the chain, and
    none is computed again.
    """
    from driftgate import verification  # with numpy, which most commands do without

    if (run is None) == (chain is None):
        raise BadInput("wanted the id of a run, or --chain with an agent")
    place = options.place(context, environment)
    if run is not None:
        row = verification.find_run(run, place.registry)
        found = verification.verify_run(row, place.registry, place.records)
    else:
        assert chain is not None
        found = verification.verify_chain(chain, place.registry, place.records)
    for check in found.verdicts if run is not None else ():
        _show_verdict(check)
    _show_chain(found.chain, len(found.verdicts))
    for fault in found.all_faults:
        console.say(f"FAULT: {fault}")
    if as_json:
        console.emit(found)
    if found.all_faults:
        console.say(f"INTEGRITY_FAIL: {len(found.all_faults)} faults")
        raise typer.Exit(IntegrityFailed.exit_code)


@app.command(epilog=options.examples("gate explain r-0123"))
def explain(
    context: typer.Context,
    run: Run,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Say in plain words what a run's last verdict means, and what to do next."""
    from driftgate import verification
    from driftgate.report.explanation import explanation

    place = options.place(context, environment)
    row = verification.find_run(run, place.registry)
    key = verification.last_verdict(row, place.registry, place.records)
    verdict = evidence.load_verdict(key, place.records)
    used = [override for _, override in overrides.kept(key, place.records)]
    told = explanation(verdict, evidence.load_bundle(key, place.records), key, used)
    for section in told.sections:
        console.say(f"{section.title}")
        for sentence in section.sentences:
            console.say(f"  {sentence}")
    if as_json:
        console.emit(told)


@app.command(
    "override",
    epilog=options.examples(
        "gate override r-0123 --environment prod --ticket INC-42 "
        "--reason 'Transfers fail for everybody until this is out'",
        "gate override r-0123 --ticket INC-42 --reason 'The tool is switched off in production' "
        "--waive 'tool transfer_money'",
    ),
)
def request_override(
    context: typer.Context,
    run: Run,
    reason: Annotated[str, typer.Option(help="Why it must go out, in 20 characters or more.")],
    ticket: Annotated[str, typer.Option(help="Where it is followed up.")],
    waive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STRATUM",
            help="What is waived; may be repeated. All that fell must be; default: that.",
        ),
    ] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Ask that a run's last verdict may stop its candidate no more, once.

    Somebody else must approve it. Then the next execution of the same run uses it.
    """
    from driftgate import verification

    place = options.place(context, environment)
    row = verification.find_run(run, place.registry)
    key = verification.last_verdict(row, place.registry, place.records)
    override = overrides.request(
        evidence.load_verdict(key, place.records),
        key,
        row.environment,
        place.registry,
        SystemClock(),
        requester=place.caller(),
        reason=reason,
        ticket=ticket,
        waives=waive or (),
    )
    _show_override(override)
    where = "" if environment == LAPTOP else f" --environment {environment}"
    console.say(
        f"next: somebody else says driftgate gate approve {override.override_id}{where}, "
        "then the run is started again"
    )
    if as_json:
        console.emit(override)


@app.command(
    epilog=options.examples(
        "gate approve r-0123456789abcdef0123.1 --environment prod",
        "gate approve r-0123456789abcdef0123.1 --hours 2",
    )
)
def approve(
    context: typer.Context,
    override_id: Annotated[str, typer.Argument(help="As gate overrides lists it.")],
    hours: Annotated[float, typer.Option(help="How long it may be used, at most 24.")] = 24,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Approve an override that somebody else asked for."""
    place = options.place(context, environment)
    override, approval = overrides.approve(
        override_id,
        place.caller(),
        timedelta(hours=hours),
        place.registry,
        place.records,
        SystemClock(),
    )
    _show_override(override)
    console.say(
        f"approved by {approval.approver} until {approval.expires_at}; "
        "the next execution of the run uses it"
    )
    if as_json:
        console.emit(approval)


@app.command("overrides", epilog=options.examples("gate overrides --agent support"))
def list_overrides(
    context: typer.Context,
    agent: Annotated[
        str, typer.Option(help="Only of this agent.", autocompletion=completion.agents)
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List overrides: who asked, who approved, and whether they were used."""
    stored = options.place(context, environment).registry
    found = overrides.statuses(stored, agent, SystemClock())
    console.table(
        ("override", "state", "agent", "requested by", "approved by", "expires", "why"),
        [_override_row(status) for status in found],
    )
    if as_json:
        console.emit(found)


def _override_row(status: OverrideStatus) -> tuple[str | None, ...]:
    asked, agreed = status.override, status.approval
    return (
        status.override_id,
        status.state,
        f"{asked.agent}@{asked.version}" if asked else None,
        asked.requester if asked else None,
        agreed.approver if agreed else None,
        f"{agreed.expires_at:%Y-%m-%dT%H:%M}" if agreed else None,
        f"{asked.reason} ({asked.ticket})" if asked else status.fault,
    )


def _show_override(override: Override) -> None:
    console.say(
        f"override {override.override_id} of {override.agent}@{override.version} "
        f"in {override.environment}"
    )
    console.say(f"  waives: {', '.join(override.waives)}")
    console.say(f"  requested by {override.requester}: {override.reason} ({override.ticket})")


def _show_verdict(check: VerdictCheck) -> None:
    state = (
        "differs from what its scores give, or from its link"
        if check.faults
        else ("follows from its scores, byte for byte")
    )
    console.say(f"{check.outcome or 'a damaged verdict'}, link {check.number or 'none'}: {state}")
    console.say(f"  {check.verdict_key}")
    for said in check.unchecked:
        console.say(f"  not checked: {said}")


def _show_chain(chain: ChainCheck, verdicts: int) -> None:
    state = "is broken" if chain.faults else "holds"
    console.say(f"chain of {chain.agent}: from link {chain.first} to {chain.head} it {state}")
