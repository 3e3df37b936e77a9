"""`driftgate benchmark`: models side by side, from the ledger of all that was run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from driftgate import canonical, executions, prices, registry
from driftgate.adapters import files
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.cli import completion, console, execution, options
from driftgate.errors import BadInput
from driftgate.ports import Ledger
from driftgate.schemas.benchmark import BenchmarkRequest, By, Protocol
from driftgate.schemas.cases import Case
from driftgate.schemas.costs import SessionPolicy
from driftgate.schemas.ledger import Execution, LedgerQuery
from driftgate.schemas.manifests import DatasetRef
from driftgate.schemas.prices import PriceTable
from driftgate.schemas.record import count, explain
from driftgate.schemas.traces import read_lines

app = typer.Typer(
    help="Compare models on the same cases; every execution is in a ledger.", no_args_is_help=True
)
WHICH, HOW = "Which executions", "How"
MOST_ROWS = 10_000  # at a time, of what is read anyway
OfDataset = Annotated[
    str, typer.Option(metavar="NAME@VERSION", help="Of this dataset.", rich_help_panel=WHICH)
]
OfAgent = Annotated[
    str, typer.Option(help="Of this agent, or name@version.", rich_help_panel=WHICH)
]
OfModels = Annotated[
    list[str] | None,
    typer.Option("--model", help="Of this model; may be repeated.", rich_help_panel=WHICH),
]
OfRun = Annotated[
    str, typer.Option("--run", metavar="ID", help="Of this run.", rich_help_panel=WHICH)
]
OfSubject = Annotated[
    str,
    typer.Option(
        metavar="ORGANISATION[/TENANT]",
        help="Of cases about this one's data.",
        rich_help_panel=WHICH,
    ),
]
OfCase = Annotated[str, typer.Option(metavar="ID", help="Of this case.", rich_help_panel=WHICH)]
Since = Annotated[
    str, typer.Option(metavar="TIME", help="Made then or later, in UTC.", rich_help_panel=WHICH)
]
Until = Annotated[
    str, typer.Option(metavar="TIME", help="Made before then, in UTC.", rich_help_panel=WHICH)
]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="A price table instead of the one that comes with Driftgate.",
    ),
]


@app.command(
    epilog=options.examples(
        "benchmark run --agent agents/support/models.yaml --model scripted --model scripted-weak "
        "--trials 5",
        "benchmark run --agent agent.yaml --model eu.amazon.nova-lite-v1:0 "
        "--model eu.amazon.nova-pro-v1:0 --limit 20 --max-usd 5",
    )
)
def run(
    context: typer.Context,
    agent: Annotated[
        str,
        typer.Option(
            help="agent.yaml, its folder, or id@version; its manifest says {{model}} somewhere.",
            autocompletion=completion.manifests,
        ),
    ],
    models: Annotated[
        list[str],
        typer.Option("--model", help="A model's full id, as the agent takes it; repeat it."),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            help="A folder or name@version; default: the one that the manifest pins.",
            autocompletion=completion.datasets,
        ),
    ] = "",
    case: options.Cases = None,
    filters: options.Filters = None,
    limit: options.Limit = None,
    trials: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Of each case and model.")
    ] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the agents' noise.")] = 0,
    sessions: Annotated[
        SessionPolicy,
        typer.Option(help="What becomes of an agent's session after its case."),
    ] = "stop_after_case",
    max_usd: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Start no new trial of a model that has spent so much."),
    ] = None,
    max_concurrency: options.Concurrency = 8,
    rerun: Annotated[bool, typer.Option("--rerun", help="Make one again that was begun.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a page there, its record, and the rows as CSV and JSONL."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run an agent with several models on the same cases, in this process, and compare them.

    The same command takes up an interrupted one.
    """
    from driftgate import benchmark, benchmark_runs
    from driftgate.report import comparisons

    where = Laptop(context.obj)
    drafts = Drafts(where.registry)
    pin = options.dataset(dataset, drafts) if dataset else None
    version = options.arm(agent, "regression", drafts)
    used = pin or registry.pinned(version, "regression")
    try:
        request = BenchmarkRequest(
            agent=version.manifest.agent,
            version=version.manifest.version,
            models=tuple(models),
            environment=where.environment,
            dataset=used,
            case_ids=options.chosen(used, drafts, case, filters, limit),
            trials=trials,
            seed=seed,
            sessions=sessions,
            max_usd=max_usd,
        )
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    with options.case_placed(dataset), execution.ports(where, drafts) as (ports, progress):
        done = benchmark_runs.run(
            request, ports, rerun=rerun, concurrency=max_concurrency, progress=progress
        )
    console.say(f"benchmark {done.benchmark_id}: {count(done.trials, 'trial')}, {done.made} new")
    if done.missing:
        console.say(
            f"{done.missing} of {count(done.trials, 'trial')} left no trace and are missing; the "
            "same command tries them again"
        )
    rows = _rows(where.ledger, LedgerQuery(run_id=done.benchmark_id), None)
    found = benchmark.compare(rows)
    from driftgate.cli import comparison_tables  # with the report's templates

    comparison_tables.show(found)
    if output is not None:
        console.say(f"{comparisons.write(found, rows, output)}")
    if as_json:
        plain = {"benchmark": done, "comparison": found}
        console.emit({name: record.model_dump(mode="json") for name, record in plain.items()})


@app.command(
    "import",
    epilog=options.examples(
        "benchmark import ../shared/data/trajectories/tau2_airline",
        "benchmark import traces/new.jsonl --dataset datasets/shop --agent shop --model my-model",
    ),
)
def import_(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with cases.jsonl, tools.json and runs/, or traces as JSON lines."
        ),
    ],
    dataset: Annotated[
        str, typer.Option(help="Of traces: the dataset's folder or name@version.")
    ] = "",
    agent: Annotated[
        str, typer.Option(help="What recorded them; default: the folder's name.")
    ] = "",
    model: Annotated[str, typer.Option(help="Of traces that do not name theirs.")] = "",
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this file of runs/; may be repeated."),
    ] = None,
    price_table: Prices = None,
    as_json: options.Json = False,
) -> None:
    """Score recorded runs and enter them into the ledger; the same file again changes nothing."""
    where, table = Laptop(context.obj), _prices(price_table)
    if source.is_dir():
        if dataset or model:
            raise BadInput("a folder has its own cases and models: leave out --dataset and --model")
        found = _of_folder(source, agent, run, table)
    else:
        found = _of_traces(source, dataset, agent, model, where, table)
    entered = []
    for name, rows in found:
        new = where.ledger.put_all_once(rows)
        console.say(f"{name}: {count(len(rows), 'trial')}, {new} new")
        entered.append({"file": name, "trials": len(rows), "new": new})
    if as_json:
        console.emit({"imported": entered})


def _of_folder(
    folder: Path, agent: str, only: list[str] | None, table: PriceTable
) -> Iterator[tuple[str, list[Execution]]]:
    from driftgate import recordings
    from driftgate.traces import trajectories

    source = trajectories.read_source(folder)
    header = source.header()
    if unknown := sorted(set(only or ()) - source.runs.keys()):
        raise BadInput(f"{folder}: there is no run {unknown[0]}, only {', '.join(source.runs)}")
    for name, path in source.runs.items():
        if only and name not in only:
            continue
        lines = (
            recordings.Line(number, one.trace, one.reward)
            for number, one in enumerate(source.read_run(name), start=1)
        )
        yield (
            str(path),
            list(
                recordings.rows(
                    lines,
                    source.cases,
                    agent=agent or header.name,
                    model=name,
                    dataset=DatasetRef(name=header.name, version=header.version),
                    file=str(path),
                    sha256=canonical.sha256(path.read_bytes()),
                    at=SystemClock().now(),
                    table=table,
                )
            ),
        )


def _of_traces(
    path: Path, dataset: str, agent: str, model: str, where: Laptop, table: PriceTable
) -> Iterator[tuple[str, list[Execution]]]:
    from driftgate import recordings

    if not dataset:
        raise BadInput("wanted --dataset, whose cases the traces are of")
    drafts = Drafts(where.registry)
    pin = options.dataset(dataset, drafts)
    cases: dict[str, Case] = {
        case.case_id: case
        for case in registry.load_cases(registry.load_dataset_row(pin, drafts), drafts)
    }
    data = files.read_traces(path)
    traces = list(read_lines(data))
    if not model and (unnamed := next((t for t in traces if t.model is None), None)):
        raise BadInput(f"{path}: case {unnamed.case_id} names no model; give it with --model")
    lines = (recordings.Line(number, trace) for number, trace in enumerate(traces, start=1))
    rows = list(
        recordings.rows(
            lines,
            cases,
            agent=agent or "recorded",
            model=model or "unknown",
            dataset=pin,
            file=str(path),
            sha256=canonical.sha256(data + str(pin).encode()),
            at=SystemClock().now(),
            table=table,
        )
    )
    if not rows:
        raise BadInput(f"{path}: wanted traces of the cases of {pin}, there is none")
    if len(rows) < len(traces):
        left = count(len(traces) - len(rows), "trace")
        console.say(f"note: {path}: {left} of no case of {pin}, left out")
    yield str(path), rows


@app.command(
    epilog=options.examples(
        "benchmark compare --dataset tau2_airline@1.0.0",
        "benchmark compare --dataset support@1.2.0 --agent support --by version --output report",
        "benchmark compare --run b-0123456789abcdef0123 --min-calls 2 "
        "--overview 'list_*' --drill-down 'get_*'",
    )
)
def compare(
    context: typer.Context,
    dataset: OfDataset = "",
    agent: OfAgent = "",
    models: OfModels = None,
    run: OfRun = "",
    subject: OfSubject = "",
    since: Since = "",
    until: Until = "",
    by: Annotated[
        By, typer.Option(help="What is compared: model, version or agent.", rich_help_panel=HOW)
    ] = "model",
    metric: Annotated[
        str, typer.Option(help="By which score.", rich_help_panel=HOW)
    ] = "task_success",
    margin: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=0.999,
            help="The smallest difference that matters, as a share.",
            rich_help_panel=HOW,
        ),
    ] = 0.05,
    min_calls: Annotated[
        int | None,
        typer.Option(min=1, help="Tool calls that a trial should make.", rich_help_panel=HOW),
    ] = None,
    overview: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Tools that show what there is; may be repeated.",
            rich_help_panel=HOW,
        ),
    ] = None,
    drill_down: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Tools that should follow one of these; may be repeated.",
            rich_help_panel=HOW,
        ),
    ] = None,
    environment: options.Environment = LAPTOP,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a page there, its record, and the rows as CSV and JSONL."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Compare models on the cases they have in common, and say what is signal and what is noise."""
    from driftgate import benchmark  # with numpy
    from driftgate.report import comparisons

    try:
        protocol = Protocol(
            min_calls=min_calls, overview=tuple(overview or ()), drill_down=tuple(drill_down or ())
        )
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    asked = _query(dataset, agent, run, subject, "", since, until)
    rows = _rows(options.place(context, environment).ledger, asked, models)
    found = benchmark.compare(rows, by=by, metric=metric, margin=margin, protocol=protocol)
    from driftgate.cli import comparison_tables  # with the report's templates

    comparison_tables.show(found)
    if output is not None:
        console.say(f"{comparisons.write(found, rows, output)}")
    if as_json:
        console.emit(found)


@app.command(
    epilog=options.examples(
        "benchmark show --agent support --limit 5",
        "benchmark show --model my-model --output executions.csv",
    )
)
def show(
    context: typer.Context,
    dataset: OfDataset = "",
    agent: OfAgent = "",
    models: OfModels = None,
    run: OfRun = "",
    subject: OfSubject = "",
    case: OfCase = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Only the latest N are listed.")
    ] = 20,
    environment: options.Environment = LAPTOP,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all of them there, as .csv or .jsonl."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List executions, the latest first, or export them all."""
    from driftgate.report import exports

    ledger = options.place(context, environment).ledger
    asked = _query(dataset, agent, run, subject, case, since, until)
    if output is not None:
        if output.suffix not in (".csv", ".jsonl"):
            raise BadInput(f"--output: wanted a file .csv or .jsonl, got {output}")
        rows = _rows(ledger, asked, models)
        text = exports.csv_of(rows) if output.suffix == ".csv" else "".join(exports.jsonl_of(rows))
        output.write_text(text, encoding="utf-8", newline="")
        console.say(f"{output}: {count(len(rows), 'execution')}")
        return
    if models and len(models) == 1:
        asked = asked.model_copy(update={"model": models[0]})
    found = (row for row in executions.every(ledger, asked) if not models or row.model in models)
    listed = [row for _, row in zip(range(limit), found, strict=False)]
    from driftgate.cli import comparison_tables  # with the report's templates

    comparison_tables.list_rows(listed)
    if as_json:
        console.emit(listed)


def _query(
    dataset: str, agent: str, run: str, subject: str, case: str, since: str, until: str
) -> LedgerQuery:
    name, _, version = agent.partition("@")
    organisation, _, tenant = subject.partition("/")
    return LedgerQuery(
        run_id=run or None,
        agent=name or None,
        version=version or None,
        dataset=dataset or None,
        organisation=organisation or None,
        tenant=tenant or None,
        case_id=case or None,
        since=_time(since, "--since"),
        until=_time(until, "--until"),
    )


def _time(text: str, option: str) -> str | None:
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{option}: wanted a time as 2026-11-20 or 2026-11-20T10:00, got {text!r}"
        ) from error
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _rows(ledger: Ledger, asked: LedgerQuery, models: list[str] | None) -> list[Execution]:
    """The rows that are meant, of these models; a query that names one is answered by its index."""
    wanted = [asked.model_copy(update={"model": name}) for name in models or (None,)]
    return [row for query in wanted for row in executions.every(ledger, query, MOST_ROWS)]


def _prices(path: Path | None) -> PriceTable:
    if path is None:
        return prices.shipped()
    try:
        return PriceTable.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadInput(f"{path}: {explain(error)}") from error
