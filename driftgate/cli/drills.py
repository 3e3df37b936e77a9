"""`driftgate gate aa`, `drill` and `health`: trying the gate, and what the tries say of it."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from driftgate import evidence, registry
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.cli import completion, console, execution, options, run
from driftgate.errors import BadInput, NotPublished
from driftgate.ports import Registry

if TYPE_CHECKING:
    from driftgate.schemas.drills import DrillRow, Health
    from driftgate.schemas.manifests import AgentVersion, DatasetRef
    from driftgate.schemas.runs import Drill

FOLDER = "drills"  # in the home: a home of its own
Agent = Annotated[
    str, typer.Argument(help="An agent with a baseline.", autocompletion=completion.agents)
]
Cases = Annotated[
    int | None,
    typer.Option("--cases", min=1, metavar="N", help="Of the dataset, drawn by the seed."),
]
Trials = Annotated[
    str, typer.Option(metavar="N", help="Trials of each case and arm, or 2,3,5; one by default.")
]
Seed = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Default: one that was not used yet.")
]


def aa(
    context: typer.Context,
    agent: Agent,
    cases: Cases = None,
    trials: Trials = "",
    seed: Seed = None,
    environment: options.Environment = LAPTOP,
    max_concurrency: options.Concurrency = 8,
    as_json: options.Json = False,
) -> None:
    """Run an agent's baseline against itself: a BLOCK would be a false one.

    It happens now and then; gate health says whether too often. The exit code is 0.
    """
    from driftgate.schemas.runs import Drill

    wanted = Drill(kind="aa")
    row = _try(context, agent, wanted, cases, trials, seed, environment, max_concurrency)
    said = "no false block" if row.passed else f"a false block, by {', '.join(row.fell)}"
    console.say(f"{row.outcome}: {said if row.counts else 'not counted'}; {row.reason}")
    if as_json:
        console.emit(row)


def drill(
    context: typer.Context,
    agent: Agent,
    kind: Annotated[
        Literal["tool", "broad"],
        typer.Option("--break", help="One tool, or some records that a fifth of the cases need."),
    ] = "tool",
    tool: Annotated[str | None, typer.Option(help="This tool; default: drawn by the seed.")] = None,
    cases: Cases = None,
    trials: Trials = "",
    seed: Seed = None,
    environment: options.Environment = LAPTOP,
    max_concurrency: options.Concurrency = 8,
    as_json: options.Json = False,
) -> None:
    """Break a copy of an agent's baseline, and see it blocked. The exit code is 1 if it is not."""
    from driftgate.schemas.runs import Drill

    if tool and kind != "tool":
        raise BadInput(f"--tool is for --break tool, got --break {kind}")
    wanted = Drill(kind=kind, tool=tool)
    row = _try(context, agent, wanted, cases, trials, seed, environment, max_concurrency)
    console.say(f"broken: {row.broken}")
    if row.passed:
        console.say(f"{row.outcome}, as it should be: {', '.join(row.fell)}")
    else:
        console.say(f"FAILED: wanted BLOCK by a drop, got {row.outcome}: {row.reason}")
    if as_json:
        console.emit(row)
    if not row.passed:
        raise typer.Exit(1)


def health(
    context: typer.Context,
    agent: Annotated[
        str | None, typer.Argument(help="Default: all.", autocompletion=completion.agents)
    ] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show how often unchanged versions were blocked, and whether broken ones were.

    The exit code is 1 if the gate blocks too often, or missed the last drill of a kind.
    """
    from driftgate import drills

    stored = options.place(context, environment).registry
    keys = (key.split("/") for key in stored.keys("drill/"))
    names = [agent] if agent else sorted({k[1] for k in keys if k[2] == environment})
    if not names:
        raise BadInput("nothing was tried yet; see driftgate gate aa and driftgate gate drill")
    tries = {name: drills.recorded(name, environment, stored) for name in names}
    found = [drills.health(name, environment, rows) for name, rows in tries.items()]
    for one in found:
        _show(one)
    if as_json:
        console.emit(found)
    if any(one.failed or one.standing == "too high" for one in found):
        console.say("what to do: docs/operations.md")
        raise typer.Exit(1)


def home(context: typer.Context) -> Laptop:
    """Where tries are run: their verdicts are none of the agent's."""
    return Laptop(context.obj / FOLDER)


def _try(
    context: typer.Context,
    agent: str,
    wanted: "Drill",
    cases: int | None,
    trials: str,
    seed: int | None,
    environment: options.Environments,
    max_concurrency: int,
) -> "DrillRow":
    looks = run.looks_of(trials, environment)
    if environment == LAPTOP:
        return _here(context, agent, wanted, cases, looks, seed, max_concurrency)
    from driftgate.schemas.drills import ChooseDrillRequest

    if "max_concurrency" in options.given(context):
        raise BadInput(f"{environment} has its own --max-concurrency; leave it out")
    request = ChooseDrillRequest(
        kind=wanted.kind, tool=wanted.tool, agent=agent, cases=cases, looks=looks, seed=seed
    )
    return execution.try_there(request, options.deployed(context, environment))


def _here(
    context: typer.Context,
    agent: str,
    wanted: "Drill",
    cases: int | None,
    looks: tuple[int, ...],
    seed: int | None,
    max_concurrency: int,
) -> "DrillRow":
    """Try the gate in this process, in a home of its own."""
    from driftgate import drills
    from driftgate.schemas.policies import Policy
    from driftgate.schemas.runs import PlanRunRequest

    stored, place = Laptop(context.obj).registry, home(context)
    baseline = _copied(agent, stored, place)
    number = drills.next_seed(wanted.kind, drills.recorded(agent, LAPTOP, stored))
    number = number if seed is None else seed
    pin = baseline.manifest.datasets["regression"]
    every = registry.load_cases(registry.load_dataset_row(pin, stored), stored)
    ids = tuple(case.case_id for case in every)
    chosen = ids if cases is None else drills.sample(ids, cases, number)
    request = PlanRunRequest(
        agent=agent,
        version=baseline.manifest.version,
        environment=LAPTOP,
        case_ids=None if len(chosen) == len(ids) else chosen,
        looks=looks,
        seed=number,
        drill=wanted,
    )
    verdict, _, _ = execution.here(
        request, Policy(), place, Drafts(place.registry), max_concurrency
    )
    finished = registry.load_run(verdict.run_id, place.registry)
    plan = evidence.load_plan(verdict.run_id, place.runs)
    row = drills.row_of(plan, verdict, LAPTOP, finished.finished_at)
    drills.record(row, stored)
    return row


def _copied(agent: str, stored: Registry, place: Laptop) -> "AgentVersion":
    """The agent's baseline, with what it needs there to be run."""
    pointer = registry.baseline(agent, LAPTOP, stored)
    if pointer is None:
        raise NotPublished(
            f"wanted an agent with a baseline, {agent} has none in {LAPTOP}; "
            "driftgate agent promote makes one"
        )
    version = registry.load_agent(agent, pointer.version, stored)
    if version.is_recorded:
        raise BadInput(f"{version.label} is a recording, which can't be run again")
    for pin in version.manifest.datasets.values():
        _copy_dataset(pin, stored, place)
    code = registry.load_code(version, stored) if version.code_sha256 else None
    return registry.publish_agent(version, code, place.registry)


def _copy_dataset(ref: "DatasetRef", stored: Registry, place: Laptop) -> None:
    """Copy a version after its parents, from which its chain hash follows."""
    from driftgate import curation

    if parent := registry.load_dataset_row(ref, stored).parent:
        _copy_dataset(ref.model_copy(update={"version": parent}), stored, place)
    curation.promote_dataset(ref, stored, place.registry, place.publish_dataset)


def _show(found: "Health") -> None:
    console.say(f"{found.agent} in {found.environment}: {_standing(found)}")
    for row in found.last:
        what = {"aa": "A/A run", "tool": "drill, one tool", "broad": "drill, broad"}[row.kind]
        state = "" if row.passed else ", which is wrong"
        state += f" ({row.reason})" if row.outcome == "FAILED" else ""
        broken = f" ({row.broken})" if row.broken else ""
        console.say(f"  last {what}: {row.finished_at[:16]}, {row.outcome}{state}{broken}")
    for kind in sorted({"tool", "broad"} - {row.kind for row in found.last}):
        console.say(f"  no drill yet: driftgate gate drill {found.agent} --break {kind}")


def _standing(found: "Health") -> str:
    if found.upper is None or found.lower is None:
        return "no A/A run that counts"
    told = (
        f"{found.false_blocks} of {found.aa_runs} A/A runs blocked; the rate of false blocks is "
        f"{found.lower:.1%} to {found.upper:.1%}, allowed is {found.allowed:.0%}: {found.standing}"
    )
    more = f", {found.wanted} more without a block would show it" if found.wanted else ""
    out = f" ({found.left_out} not counted)" if found.left_out else ""
    return told + (more if found.standing == "too few to tell" else "") + out
