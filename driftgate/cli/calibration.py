"""`driftgate gate calibrate`: an agent's own noise, and what the gate can find with its dataset."""

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from driftgate import evidence, registry
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, drills, options
from driftgate.schemas.record import count

if TYPE_CHECKING:
    from driftgate.schemas.calibration import Calibration, Frequency, Simulated
    from driftgate.schemas.evidence import Bundle
    from driftgate.schemas.runs import RunRow

DRAWS = 400  # of each scenario: 0.05 is told to about 0.02


def calibrate(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent.", autocompletion=completion.agents)],
    suite: options.OfSuite = "regression",
    last: Annotated[int, typer.Option(min=1, metavar="N", help="Of its runs, the latest.")] = 20,
    draws: Annotated[
        int, typer.Option(min=100, metavar="N", help="Simulated runs of each scenario.")
    ] = DRAWS,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the simulation.")] = 0,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """From an agent's stored runs, tell its noise, false blocks to expect, and cases to have.

    On a laptop its A/A runs are read too. Nothing is run, and nothing is changed.
    """
    from driftgate import calibration
    from driftgate.schemas.policies import Policy

    with console.progress("simulating") as progress:
        found = calibration.calibrate(
            agent,
            environment,
            _bundles(context, agent, suite, environment, last),
            Policy(),
            draws=draws,
            seed=seed,
            progress=progress,
        )
    _show(found)
    if as_json:
        console.emit(found)


def _bundles(
    context: typer.Context, agent: str, suite: str, environment: str, last: int
) -> "list[Bundle]":
    """What the agent's latest runs of a suite were decided on, the latest first."""
    from driftgate import verification

    own = options.place(context, environment)
    rows: list[tuple[RunRow, options.Place]] = [
        (row, own) for row in registry.list_runs(own.registry, agent)
    ]
    if environment == LAPTOP:
        tries = drills.home(context)
        rows += [(row, tries) for row in registry.list_runs(tries.registry, agent)]
    fit = [pair for pair in rows if pair[0].outcome != "INTEGRITY_FAIL" and pair[0].suite == suite]
    fit.sort(key=lambda pair: (pair[0].finished_at, pair[0].run_id), reverse=True)
    bundles = (
        evidence.load_bundle(
            verification.last_verdict(row, place.registry, place.records), place.records
        )
        for row, place in fit
    )
    whole = (b for b in bundles if b.plan.drill is None or b.plan.drill.kind == "aa")
    return list(itertools.islice(whole, last))


def _show(found: "Calibration") -> None:
    console.say(
        f"{found.agent} {found.version} on {found.dataset}, {count(found.cases, 'case')}, "
        f"from {count(len(found.runs), 'run')} in {found.environment}"
    )
    if noise := found.noise:
        console.say(
            f"noise, over {count(noise.cases, 'case')} with {noise.trials} trials: success "
            f"{noise.mean:.1%}, variance within cases {noise.within:.4f}, between cases "
            f"{noise.between:.4f}; always solved {noise.always_solved:.0%} of the cases, never "
            f"{noise.never_solved:.0%}"
        )
    if found.pairs:
        console.table(
            ("run", "candidate", "cases", "drop", "variance", "by noise"),
            [
                (
                    pair.run_id,
                    pair.candidate,
                    pair.cases,
                    f"{100 * pair.drop:+.1f}",
                    f"{pair.variance:.4f}",
                    "?" if pair.by_noise is None else f"{pair.by_noise:.4f}",
                )
                for pair in found.pairs
            ],
            "between arms: drop in points, variance of the cases' differences",
        )
    for floor in found.floors:
        reached = (
            "is below it, and can't certify it"
            if floor.certified_from is None
            else f"certifies it from {count(floor.certified_from, 'trial')} on"
        )
        console.say(
            f"floor of {floor.bound:.0%} for {floor.metric} over {floor.stratum} "
            f"({count(floor.cases, 'case')}): {floor.value:.1%} {reached}"
        )
    if found.too_few:
        console.say(found.too_few)
        return
    assert found.no_change is not None
    assert found.drop is not None
    console.say(f"by simulation with these cases, looks at {_looks(found.no_change)} trials:")
    console.say(f"  false blocks to expect: {_share(found.no_change.blocked)}")
    console.say(f"  trials with no change: {found.no_change.trials:.1f} of each case and arm")
    console.say(f"  {_undecided(found.no_change)}")
    console.say(f"  a drop of 5 points everywhere is blocked in {_share(found.drop.blocked)}")
    console.say(f"  {_cases(found)}")
    for tool in found.tools:
        state = "" if tool.blocked.lower >= calibrated_power() else "; more cases of it are wanted"
        cases = count(tool.stratum_cases, "case")
        console.say(f"  {tool.scenario} ({cases}) are blocked in {_share(tool.blocked)}{state}")


def _undecided(no_change: "Simulated") -> str:
    from driftgate import calibration

    ended = no_change.outcomes.get("INCONCLUSIVE", 0)
    undecided = calibration.frequency(ended, no_change.blocked.draws)
    enough = undecided.upper <= calibration.UNDECIDED
    return f"unchanged, but INCONCLUSIVE after the last look: {_share(undecided)}; " + (
        "these looks suffice" if enough else "more cases are wanted, more trials hardly help"
    )


def _cases(found: "Calibration") -> str:
    """How many cases find a drop of 5 points in four of five runs, as far as it was tried."""
    assert found.drop is not None
    tried = (found.drop, *found.more_cases)
    target = f"in {calibrated_power():.0%} of runs"
    for one in tried:
        if one.blocked.lower >= calibrated_power():
            which = "these cases" if one is found.drop else f"{one.cases} such cases"
            return f"{which} are enough to find it {target}: {_share(one.blocked)}"
    most = tried[-1]
    return f"{most.cases} such cases are not shown to find it {target}: {_share(most.blocked)}"


def calibrated_power() -> float:
    from driftgate import calibration

    return calibration.POWER


def _looks(one: "Simulated") -> str:
    return ", ".join(map(str, one.looks))


def _share(found: "Frequency") -> str:
    return f"{found.rate:.1%} ({found.lower:.1%} to {found.upper:.1%})"
