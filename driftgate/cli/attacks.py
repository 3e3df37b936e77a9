"""`driftgate dataset attack`: drafts of adversarial cases, made from ordinary ones."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import attacks, mocks
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.cli.coverage_tables import note_duplicates
from driftgate.cli.datasets import Either
from driftgate.duplicates import near_duplicates
from driftgate.errors import BadInput
from driftgate.ports import TextModel
from driftgate.schemas.cases import Case
from driftgate.schemas.record import count


def attack(
    context: typer.Context,
    dataset: Either,
    goals: Annotated[
        Path, typer.Option(help="What attackers want, and where others' texts stand: a YAML file.")
    ],
    out: Annotated[
        Path, typer.Option(help="Where to write the drafts: a new file, a case a line.")
    ],
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join(attacks.STRATEGIES)}; may be repeated. Default: all of them.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other attacks.")] = 0,
    number: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many drafts.")] = 30,
    model: Annotated[
        str,
        typer.Option(metavar="ID", help="Let this model of Bedrock write the texts: `model`."),
    ] = "",
    agent: Annotated[
        str,
        typer.Option(
            help="Also hold the drafts to this agent's contracts: agent.yaml or id@version.",
            autocompletion=completion.manifests,
        ),
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Make drafts of attacks from a dataset's cases. They are not published: read them first."""
    names = strategy or ([attacks.WRITTEN] if model else list(attacks.STRATEGIES))
    known = [*attacks.STRATEGIES, attacks.WRITTEN]
    if unknown := [name for name in names if name not in known]:
        raise BadInput(f"--strategy: wanted one of {', '.join(known)}, got {unknown[0]!r}")
    if (attacks.WRITTEN in names) != bool(model):
        raise BadInput("--strategy model and --model ID go together")
    if out.exists():
        raise BadInput(f"{out}: wanted a new file, it exists")
    stored = options.place(context, environment).registry
    plan = files.read_attack_plan(goals)
    drafts = list(
        attacks.generate(
            options.read_dataset(dataset, stored), plan, names, seed, number, text_model(model)
        )
    )
    if agent:
        version = options.version(agent, stored)
        faults = [f"{d.case_id}: {m}" for d in drafts for m in mocks.misfits(d, [version])]
        if faults:
            raise BadInput("\n".join(faults))
    files.write_cases(out, drafts)
    console.table(("strategy", "drafts"), _by_strategy(drafts))
    note_duplicates(near_duplicates(drafts))
    console.say(f"{out}: {count(len(drafts), 'draft')}; read them before they become cases")
    if as_json:
        console.emit(drafts)


def text_model(model_id: str) -> TextModel | None:
    """The model of Bedrock that is meant; None: none is."""
    if not model_id:
        return None
    from driftgate.adapters.text_model import ConverseTextModel  # a third of a second

    return ConverseTextModel(model_id)


def _by_strategy(drafts: list[Case]) -> list[tuple[str, int]]:
    named = [draft.adversarial.strategy for draft in drafts if draft.adversarial]
    return [(name, named.count(name)) for name in dict.fromkeys(named)]
