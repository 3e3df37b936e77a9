"""`driftgate traces`: what the spans of an agent tell."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate.adapters import files
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.record import count
from driftgate.schemas.sessions import Normalised, ProductionSession, UnknownShape
from driftgate.traces.normaliser import normalise as normalised

app = typer.Typer(help="Read the spans of agents in production.", no_args_is_help=True)
_COLUMNS = ("session", "spans of", "turns", "calls", "failed", "model", "tokens", "not recorded")


@app.callback()
def _group() -> None:
    """With one command only, Typer would leave its name out."""


@app.command(
    epilog=options.examples(
        "traces normalise spans.json",
        "traces normalise aws-spans.json runtime-logs.json --json",
    )
)
def normalise(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Span and event records: a JSON list, JSON lines, OTLP as JSON, or what "
            "CloudWatch exports; also gzipped. Files of one session are joined.",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Translate spans of any supported framework to sessions with a trace each.

    Spans that can't be read are counted and named. Exit code 2 if there is nothing else.
    """
    found = normalised(record for path in paths for record in files.read_span_records(path))
    if as_json:
        console.emit(found)
    if found.sessions:
        console.table(_COLUMNS, [_row(session) for session in found.sessions])
    for session in found.sessions:
        for asked in session.asked:
            console.say(
                f"note: {_name(session)}: a model asked for {asked.tool} in turn {asked.turn}; "
                "nothing tells that it was called"
            )
    for shape in found.unknown:
        console.say(f"unknown: {_described(shape)}")
    console.say(_counted(found))
    if not found.sessions:
        read = ", ".join(map(str, paths))
        raise BadInput(f"{read}: wanted spans of an agent, found none that can be read")


def _name(session: ProductionSession) -> str:
    return session.trace.session_id or session.trace.case_id


def _row(session: ProductionSession) -> tuple[object, ...]:
    trace = session.trace
    tokens = (trace.usage.input_tokens, trace.usage.output_tokens)
    return (
        _name(session),
        ", ".join(session.families),
        len(session.trace_ids) or 1,
        len(trace.calls),
        sum(call.error is not None for call in trace.calls),
        trace.model or "",
        "" if None in tokens else f"{tokens[0]} in, {tokens[1]} out",
        ", ".join(name for name in trace.not_recorded if name != "cost"),  # spans never tell it
    )


def _described(shape: UnknownShape) -> str:
    names = ", ".join(shape.attributes)
    where = f"trace {shape.trace_id}, span {shape.span_id}" if shape.span_id else "without an id"
    scope = shape.scope or "no scope"
    return f"{count(shape.count, 'span')} {shape.name!r} of {scope} ({names}); first: {where}"


def _counted(found: Normalised) -> str:
    unknown = sum(shape.count for shape in found.unknown)
    return (
        f"{count(found.records, 'record')}, {count(found.duplicates, 'duplicate')}; "
        f"{count(found.quiet, 'span')} of nothing that an agent does, "
        f"{count(unknown, 'span')} unknown, {found.not_spans} no spans"
    )
