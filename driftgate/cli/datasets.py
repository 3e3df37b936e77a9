"""`driftgate dataset`: check, publish, compare, fetch and promote datasets."""

import getpass
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from driftgate import curation, datasets, exchange, mocks, registry, selection
from driftgate.adapters import files
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, coverage_tables, options
from driftgate.coverage import measure
from driftgate.duplicates import near_duplicates
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import FieldChange
from driftgate.schemas.exchanges import PREDEFINED, SIMULATED, SchemaType
from driftgate.schemas.record import count
from driftgate.traces import trajectories

if TYPE_CHECKING:
    from driftgate.adapters.foreign_datasets import AgentCoreDatasets

app = typer.Typer(help="Check, publish, compare, fetch and promote datasets.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder with dataset.yaml and cases.jsonl.")]
Reference = Annotated[
    str, typer.Argument(help="name@version", autocompletion=completion.dataset_versions)
]
Either = Annotated[
    str,
    typer.Argument(help="name@version, or a dataset's folder.", autocompletion=completion.datasets),
]
SHOWN = 60  # characters of a value


@app.command(epilog=options.examples("dataset validate datasets/support --agent agent.yaml"))
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
    coverage_tables.note_duplicates(near_duplicates(dataset.cases))
    if as_json:
        console.emit({"cases": len(dataset.cases), "sha256": dataset.sha256})


@app.command(
    epilog=options.examples(
        "dataset publish datasets/support", "dataset publish datasets/support --environment staging"
    )
)
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


@app.command("list", epilog=options.examples("dataset list --environment staging"))
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


@app.command(epilog=options.examples("dataset show support@1.0.0"))
def show(
    context: typer.Context,
    dataset: Reference,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show what a version covers and who ran all of it, after checking that it is as published."""
    stored = options.place(context, environment).registry
    ref = options.dataset_ref(dataset)
    row = registry.load_dataset_row(ref, stored)
    registry.load_cases(row, stored)
    runs = registry.validations(ref, stored)
    console.say(f"{ref}, {count(row.count, 'case')}, {row.critical} critical")
    if row.description:
        console.say(row.description)
    console.say(f"sha256 {row.sha256}, as published by {row.author} at {row.created_at}")
    console.say(f"parent {row.parent or 'none'}, chain hash {row.chain_sha256}")
    console.say(f"owner {row.owner}; {row.changelog}")
    console.table(("task type", "cases"), list(row.by_task_type.items()))
    console.table(("tool", "cases"), list(row.by_tool.items()))
    if runs:
        console.table(
            ("validated agent", "version", "outcome", "run", "finished"),
            [(r.agent, r.version, r.outcome, r.run_id, r.finished_at[:16]) for r in runs],
        )
    else:
        console.say("no agent version was run on all of it")
    found = exchange.exchanges(ref, stored)
    for one in found:
        cases = {case_id for ids in one.left_out.values() for case_id in ids}
        there = f"{one.there.arn} version {one.there.version}"
        console.say(f"{one.direction} {there}: something of {count(len(cases), 'case')} left out")
    if as_json:
        validated = [run.model_dump(mode="json") for run in runs]
        ways = [one.model_dump(mode="json") for one in found]
        console.emit({**row.model_dump(mode="json"), "validated": validated, "exchanges": ways})


@app.command(
    epilog=options.examples(
        "dataset cases datasets/support --filter critical",
        "dataset cases support@1.0.0 --filter 'tool=transfer_*' --limit 5",
    )
)
def cases(
    context: typer.Context,
    dataset: Either,
    filters: options.Filters = None,
    limit: options.Limit = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the cases that `run` would take with the same --filter and --limit."""
    found = options.read_dataset(dataset, options.place(context, environment).registry)
    label = f"{found.header.name}@{found.header.version}"
    some = selection.choose(found.cases, label, filters=filters or (), limit=limit)
    console.table(
        ("case", "task type", "", "tools", "the user says first"),
        [
            (
                case.case_id,
                case.task_type,
                "critical" if case.critical else "",
                ", ".join(datasets.expected_tools(case)),
                _clipped(case.turns[0].user),
            )
            for case in some
        ],
    )
    console.say(f"{len(some)} of {count(len(found.cases), 'case')} of {label}")
    if as_json:
        console.emit(some)


@app.command(epilog=options.examples("dataset coverage datasets/support --agent agent.yaml"))
def coverage(
    context: typer.Context,
    dataset: Either,
    agent: Annotated[
        str,
        typer.Option(
            help="Also look at this agent's contracts: agent.yaml, folder or id@version.",
            autocompletion=completion.manifests,
        ),
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Count what the cases cover: tools, combinations, arguments, contexts; and what is missing."""
    stored = options.place(context, environment).registry
    version = options.version(agent, stored) if agent else None
    found = measure(options.read_dataset(dataset, stored), version)
    coverage_tables.show(found)
    if as_json:
        console.emit(found)


@app.command(epilog=options.examples("dataset diff support@1.0.0 datasets/support"))
def diff(
    context: typer.Context,
    before: Either,
    after: Either,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Say which cases were added, removed and changed from one version to another."""
    stored = options.place(context, environment).registry
    found = datasets.diff(options.read_dataset(before, stored), options.read_dataset(after, stored))
    console.say(
        f"{found.before.dataset} -> {found.after.dataset}: {len(found.added)} added, "
        f"{len(found.removed)} removed, {len(found.changed)} changed, {found.unchanged} unchanged"
    )
    for change in found.tools:
        console.say(f"tools.{_told(change)}")
    for case_id in found.added:
        console.say(f"added    {case_id}")
    for case_id in found.removed:
        console.say(f"removed  {case_id}")
    for case in found.changed:
        console.say(f"changed  {case.case_id}")
        for change in case.fields:
            console.say(f"  {_told(change)}")
    if as_json:
        console.emit(found)


@app.command(epilog=options.examples("dataset pull support@1.0.0 /tmp/support"))
def pull(
    context: typer.Context,
    dataset: Reference,
    folder: Annotated[Path, typer.Argument(help="Where to write it: a new or empty folder.")],
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Write a published version into a folder; published again, it has the same hash."""
    stored = options.place(context, environment).registry
    row = registry.load_dataset_row(options.dataset_ref(dataset), stored)
    files.write_new_dataset(folder, registry.load_dataset(row, stored))
    console.say(f"{folder}: {count(row.count, 'case')}, sha256 {row.sha256}")
    if as_json:
        console.emit(row)


@app.command(
    epilog=options.examples("dataset verify", "dataset verify support@1.0.0 --environment prod")
)
def verify(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            help="name@version; default: all versions.",
            autocompletion=completion.dataset_versions,
        ),
    ] = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Hold what is stored against its hashes, counts and parents; exit code 1 if it differs."""
    stored = options.place(context, environment).registry
    if dataset:
        checks = [registry.check_dataset(options.dataset_ref(dataset), stored)]
    else:
        checks = registry.check_datasets(stored)
    if as_json:
        console.emit(checks)
    if faults := [fault for check in checks for fault in check.faults]:
        raise IntegrityFailed("\n".join(faults))
    console.say(f"{count(len(checks), 'version')} checked, all as published")


@app.command(epilog=options.examples("dataset promote support@1.0.0 --from staging --to prod"))
def promote(
    context: typer.Context,
    dataset: Reference,
    source: Annotated[options.Environments, typer.Option("--from", help="Where it is.")],
    target: Annotated[options.Environments, typer.Option("--to", help="Where it is to be.")],
    as_json: options.Json = False,
) -> None:
    """Copy a version from one environment to another, by its hash; parents go first."""
    if source == target:
        raise BadInput(f"wanted two environments, got {source} twice")
    ref = options.dataset_ref(dataset)
    there = options.place(context, target)
    row = curation.promote_dataset(
        ref, options.place(context, source).registry, there.registry, there.publish_dataset
    )
    console.say(f"dataset {ref} is in {target} as in {source}: sha256 {row.sha256}")
    console.say(f"chain hash {row.chain_sha256}")
    if as_json:
        console.emit(row)


@app.command(epilog=options.examples("dataset schema > case.schema.json"))
def schema() -> None:
    """Write the JSON Schema of a case, for editors and generators."""
    sys.stdout.write(case_schema())


@app.command(
    epilog=options.examples(
        "dataset export support@1.1.0 --to agentcore --environment staging",
        "dataset export support@1.1.0 --to agentcore --schema SIMULATED",
    )
)
def export(
    context: typer.Context,
    dataset: Reference,
    target: Annotated[Literal["agentcore"], typer.Option("--to", help="Where it is to be.")],
    schema_type: Annotated[
        Literal["PREDEFINED", "SIMULATED"],
        typer.Option("--schema", help="Fixed turns, or a user that is simulated."),
    ] = "PREDEFINED",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Publish a version as one of AgentCore's datasets, and say what it can't hold."""
    schema_of: dict[str, SchemaType] = {"PREDEFINED": PREDEFINED, "SIMULATED": SIMULATED}
    found = exchange.export_dataset(
        options.dataset_ref(dataset),
        schema_of[schema_type],
        options.place(context, environment).registry,
        _foreign(context, environment),
        SystemClock(),
    )
    there = f"{found.there.arn} version {found.there.version}"
    console.say(f"dataset {dataset}: {count(found.examples, 'example')} in {there}")
    _say_lost(found.left_out)
    if as_json:
        console.emit(found)


@app.command(
    "import",
    epilog=options.examples(
        "dataset import trajectories/airline /tmp/airline",
        "dataset import --from agentcore cases-a1B2c3D4e5@3 /tmp/cases --read get_order",
    ),
)
def import_(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="Folder with cases.jsonl, tools.json and runs/; or a dataset's ARN or id, with "
            "@version or the newest that is published."
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write the dataset and its traces.")],
    kind: Annotated[
        Literal["trajectories", "agentcore"], typer.Option("--from", help="What the source is.")
    ] = "trajectories",
    reads: Annotated[
        list[str] | None,
        typer.Option(
            "--read", metavar="TOOL", help="A tool that only reads; AgentCore does not say."
        ),
    ] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Translate recorded trajectories, or a dataset of AgentCore's, into a dataset's folder."""
    if kind == "trajectories":
        _import_trajectories(Path(source), folder)
        return
    files.require_empty(folder)
    service = _foreign(context, environment)
    id, _, version = source.partition("@")
    there = service.find(id, version or None)
    if there is None:
        raise BadInput(f"AgentCore has no published version of dataset {source}")
    dataset, left = exchange.import_dataset(
        there, service.examples(there), reads or (), getpass.getuser()
    )
    files.write_new_dataset(folder, dataset)
    stored = options.place(context, environment).registry
    found = exchange.record_import(dataset, there, left, stored, SystemClock())
    console.say(f"{folder}: {count(found.examples, 'case')} of {there.arn} version {there.version}")
    _say_lost(found.left_out)
    if as_json:
        console.emit(found)


def _import_trajectories(source: Path, folder: Path) -> None:
    read = trajectories.read_source(source)
    files.require_empty(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:  # all of it, or nothing
        new = Path(unfinished) / "dataset"
        files.write_dataset(new, read.header(), read.cases.values())
        (new / "traces").mkdir()
        for name in read.runs:
            traces = (run.trace for run in read.read_run(name))
            lines = (trace.model_dump_json(exclude_defaults=True) for trace in traces)
            path = new / "traces" / f"{name}.jsonl"
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for path in list(new.iterdir()):
            path.replace(folder / path.name)
    for name in read.runs:
        console.say(f"{folder / 'traces' / name}.jsonl")


def _foreign(context: typer.Context, environment: str) -> "AgentCoreDatasets":
    from driftgate.adapters.foreign_datasets import AgentCoreDatasets

    client = options.clients(context, environment)
    return AgentCoreDatasets(client("bedrock-agentcore-control"), time.sleep)


def _say_lost(left_out: dict[str, tuple[str, ...]]) -> None:
    if left_out:
        rows = [(field, len(ids), ", ".join(ids[:3])) for field, ids in left_out.items()]
        console.table(("left out", "cases", "for example"), rows)


def _told(change: FieldChange) -> str:
    if change.change == "changed":
        return f"{change.field}: {_short(change.before)} -> {_short(change.after)}"
    value = change.after if change.change == "added" else change.before
    return f"{change.field}: {change.change} {_short(value)}"


def _short(value: Any) -> str:
    return _clipped(json.dumps(value, ensure_ascii=False))


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def case_schema() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Driftgate case",
        **Case.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
