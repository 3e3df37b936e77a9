"""`driftgate mocks`: are a dataset's mocks still what its tools are?"""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import drift, registry
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.errors import BadInput
from driftgate.ports import Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.drift import Finding, MocksCheck
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.record import count

app = typer.Typer(help="Hold mocks to contracts and to real calls.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """With one command only, Typer would leave its name out."""


@app.command(
    epilog=options.examples(
        "mocks check agent.yaml",
        "mocks check agent.yaml --dataset datasets/support --recorded calls.jsonl",
    )
)
def check(
    context: typer.Context,
    agent: Annotated[
        str,
        typer.Argument(
            help="agent.yaml, its folder, or id@version.", autocompletion=completion.manifests
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="A dataset's folder or name@version; default: the pinned one.",
            autocompletion=completion.datasets,
        ),
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option(help="Real calls as JSON lines: tool, arguments, result.")
    ] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Hold a dataset's mocks to an agent's tool contracts, and both to recorded real calls.

    Exit code 2 if there are faults; notes are no faults.
    """
    stored = options.place(context, environment).registry
    version = options.version(agent, stored)
    folder = Path(dataset) if dataset is not None and options.is_path(dataset) else None
    label, cases = _cases(dataset, folder, version, stored)
    calls = files.read_recorded_calls(recorded) if recorded else {}
    before = registry.baseline(version.manifest.agent, environment, stored)
    found = [
        *drift.check_fixtures(
            cases,
            version,
            registry.load_agent(version.manifest.agent, before.version, stored) if before else None,
        ),
        *(drift.check_recordings(calls, cases, version) if recorded else ()),
    ]
    found = [_placed(finding, folder, label) for finding in found]
    result = MocksCheck(
        agent=version.label,
        dataset=label,
        cases=len(cases),
        recorded=len(calls),
        not_compared=drift.not_compared(calls.values(), cases, version) if recorded else (),
        faults=tuple(finding for finding in found if finding.kind == "fault"),
        notes=tuple(finding for finding in found if finding.kind == "note"),
    )
    if as_json:
        console.emit(result)
    for finding in result.notes:
        console.say(f"note: {finding}")
    if result.not_compared:
        console.say(f"note: not compared with recorded calls: {', '.join(result.not_compared)}")
    if result.faults:
        raise BadInput("\n".join(map(str, result.faults)))
    real = f" and {count(len(calls), 'recorded call')}" if recorded else ""
    console.say(f"{label}: the mocks of {count(len(cases), 'case')} fit {version.label}{real}")


def _cases(
    dataset: str | None, folder: Path | None, agent: AgentVersion, stored: Registry
) -> tuple[str, tuple[Case, ...]]:
    """The cases that are meant, and what to call their dataset."""
    if folder is not None:
        return str(folder), files.read_dataset(folder).cases
    pin = options.dataset_ref(dataset) if dataset else agent.manifest.datasets["regression"]
    return str(pin), registry.load_cases(registry.load_dataset_row(pin, stored), stored)


def _placed(finding: Finding, folder: Path | None, label: str) -> Finding:
    """The finding with its file and line where there is one."""
    if finding.place:
        return finding
    place = files.line_of_case(folder, finding.case_id) if folder and finding.case_id else label
    return finding.model_copy(update={"place": place})
