"""`driftgate gate`: what was decided, why, and whether it still follows from what is stored."""

from typing import Annotated

import typer

from driftgate import evidence
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.schemas.evidence import ChainCheck, VerdictCheck

app = typer.Typer(help="Verify and explain verdicts.", no_args_is_help=True)
Run = Annotated[
    str,
    typer.Argument(
        help="The id of a finished run, or how it starts.", autocompletion=completion.finished_runs
    ),
]


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
    told = explanation(verdict, evidence.load_bundle(key, place.records), key)
    for section in told.sections:
        console.say(f"{section.title}")
        for sentence in section.sentences:
            console.say(f"  {sentence}")
    if as_json:
        console.emit(told)


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
