"""`driftgate dataset`: check, publish and look at datasets."""

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from driftgate import mocks, registry
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.cases import Case
from driftgate.traces import trajectories

app = typer.Typer(help="Check, publish and look at datasets.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder with dataset.yaml and cases.jsonl.")]
Reference = Annotated[str, typer.Argument(help="name@version")]


@app.command()
def validate(
    folder: Folder,
    agent: Annotated[
        Path | None, typer.Option(help="Also check the cases against this agent's tool contracts.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check a dataset: every line, every matcher, every tool."""
    dataset = files.read_dataset(folder)
    if agent is not None:
        version, _ = files.read_agent(agent)
        faults = [
            f"{files.line_of_case(folder, case.case_id)}: {misfit}"
            for case in dataset.cases
            for misfit in mocks.misfits(case, [version])
        ]
        if faults:
            raise BadInput("\n".join(faults))
    console.say(f"{folder}: {len(dataset.cases)} cases, all valid, sha256 {dataset.sha256}")
    if as_json:
        console.emit({"cases": len(dataset.cases), "sha256": dataset.sha256})


@app.command()
def publish(
    context: typer.Context,
    folder: Folder,
    author: Annotated[str, typer.Option(help="Who publishes it.")] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Publish a version for good; the same content again is no change."""
    dataset = files.read_dataset(folder)
    where = options.place(context, environment)
    row = where.publish_dataset(dataset, author or getpass.getuser())
    console.say(f"dataset {row.name}@{row.version}: {row.count} cases, sha256 {row.sha256}")
    if as_json:
        console.emit(row)


@app.command("list")
def list_(
    context: typer.Context,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the published versions."""
    rows = registry.list_datasets(options.place(context, environment).registry)
    console.table(
        ("dataset", "version", "cases", "critical", "created", "author", "sha256"),
        [
            (r.name, r.version, r.count, r.critical, r.created_at[:16], r.author, r.sha256[:12])
            for r in rows
        ],
    )
    if as_json:
        console.emit(rows)


@app.command()
def show(
    context: typer.Context,
    dataset: Reference,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show what a version covers, after checking that it is what was published."""
    stored = options.place(context, environment).registry
    row = registry.load_dataset_row(options.dataset_ref(dataset), stored)
    registry.load_cases(row, stored)
    console.say(f"{row.name}@{row.version}, {row.count} cases, {row.critical} critical")
    console.say(f"sha256 {row.sha256}, as published by {row.author} at {row.created_at}")
    console.say(f"owner {row.owner}; {row.changelog}")
    console.table(("task type", "cases"), list(row.by_task_type.items()))
    console.table(("tool", "cases"), list(row.by_tool.items()))
    if as_json:
        console.emit(row)


@app.command()
def schema() -> None:
    """Write the JSON Schema of a case, for editors and generators."""
    sys.stdout.write(case_schema())


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder with cases.jsonl, tools.json and runs/.")],
    folder: Annotated[Path, typer.Argument(help="Where to write the dataset and its traces.")],
) -> None:
    """Translate recorded trajectories into a dataset and traces that `driftgate score` reads."""
    read = trajectories.read_source(source)
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder}: wanted an empty folder, it holds something")
    files.write_dataset(folder, read.header(), read.cases.values())
    (folder / "traces").mkdir()
    for name in read.runs:
        lines = (run.trace.model_dump_json(exclude_defaults=True) for run in read.read_run(name))
        path = folder / "traces" / f"{name}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        console.say(f"{path}")


def case_schema() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Driftgate case",
        **Case.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
