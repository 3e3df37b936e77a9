"""`driftgate dataset generate`: drafts of cases, made from a dataset's own."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import review, synthesis
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.cli.attacks import text_model
from driftgate.cli.datasets import Either
from driftgate.errors import BadInput
from driftgate.schemas.record import count
from driftgate.schemas.synthesis import Generated


def generate(
    context: typer.Context,
    dataset: Either,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the drafts: a new file, a case a line."),
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Put the drafts before the curators of --agent.")
    ] = False,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join(synthesis.STRATEGIES)}; may be repeated. Default: all but "
            "entities, and translate without a model.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes other drafts.")] = 0,
    number: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many drafts.")] = 30,
    model: Annotated[
        str,
        typer.Option(metavar="ID", help="Let this model of Bedrock word paraphrase and translate."),
    ] = "",
    agent: Annotated[
        str,
        typer.Option(
            help="Hold the drafts to this agent's contracts: agent.yaml or id@version.",
            autocompletion=completion.manifests,
        ),
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Make drafts of cases: reworded, mistyped, with less told, at the edges. People review them.

    Attacks are made by `driftgate dataset attack`.
    """
    if out is None and not propose:
        raise BadInput("wanted --out FILE or --propose, got neither")
    if propose and (not agent or options.is_path(agent)):
        raise BadInput("--propose: wanted --agent as id@version, whose curators look at them")
    if out is not None and out.exists():
        raise BadInput(f"{out}: wanted a new file, it exists")
    stored = options.place(context, environment).registry
    version = options.version(agent, stored) if agent else None
    found = synthesis.generate(
        options.read_dataset(dataset, stored),
        strategy or _usual(bool(model)),
        seed,
        number,
        [version] if version else (),
        text_model(model),
    )
    _show(found)
    if out is not None:
        files.write_cases(out, found.drafts)
        console.say(
            f"{out}: {count(len(found.drafts), 'draft')}; read them before they become cases"
        )
    if propose and version:
        from driftgate.adapters.clock import SystemClock

        reviews = options.reviewing(context, environment).reviews
        new = [
            review.propose(
                made,
                version,
                f"synthetic: {_strategy(made.provenance.origin)}",
                reviews,
                SystemClock(),
            )
            for made in found.drafts
        ]
        console.say(f"{count(sum(one is not None for one in new), 'candidate')} to review")
    if as_json:
        console.emit(found)


def _usual(with_model: bool) -> list[str]:
    left_out = (*synthesis.ALIKE, *(() if with_model else synthesis.NEED_MODEL))
    return [name for name in synthesis.STRATEGIES if name not in left_out]


def _strategy(origin: str) -> str:
    return origin.partition(", ")[2]


def _show(found: Generated) -> None:
    console.table(("strategy", "drafts"), list(found.by_strategy.items()))
    console.say(
        f"of {found.tried} tried {found.unfit} fit no strategy, {found.misfits} no contract, "
        f"{found.duplicates} are near-duplicates"
    )
