"""Write the documents that are made from code: `make docs`. A test compares them."""

import inspect
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import typer

from driftgate.cli.datasets import case_schema
from driftgate.cli.main import app
from driftgate.metrics import GATE_METRICS, METRICS, PRIMARY
from driftgate.metrics.efficiency import efficiency
from driftgate.schemas import matchers
from driftgate.schemas.events import EvaluationCompleted, GateBlocked
from driftgate.schemas.record import Record
from driftgate.schemas.reports import Report

ROOT = Path(__file__).parents[1]


def metrics_page() -> str:
    parts = [
        "# Metrics",
        "Made from the docstrings by `make docs`. Every score is a value in [0, 1], higher is "
        "better, or none, and says why in a sentence. A gate compares the mean of each gate metric "
        "with the baseline's, over the cases that have a value in both.",
    ]
    for name, metric in METRICS.items():
        role = "primary" if name == PRIMARY else "gate" if name in GATE_METRICS else "shown"
        parts += [f"## {name}", f"Version {metric.version}, {role}.", _doc(metric.score)]
    parts += ["## efficiency", "Shown.", _doc(efficiency)]
    return "\n\n".join(parts) + "\n"


def matchers_page() -> str:
    parts = [
        "# Matchers",
        "Made from the docstrings by `make docs`.",
        str(inspect.getdoc(matchers)).partition("\n\n")[2],
    ]
    for name, kind in matchers.MATCHERS.items():
        fields = [
            f"`{field}`" + ("" if info.is_required() else f" (default {_default(info.default)})")
            for field, info in kind.model_fields.items()
            if field != "match"
        ]
        parts += [f"## {name}", _doc(kind)]
        if fields:
            parts.append(f"Fields: {', '.join(fields)}.")
    return "\n\n".join(parts) + "\n"


def cli_page() -> str:
    parts = [
        "# The command line",
        "Made from the commands by `make docs`. Every command has `--help`; what people read is on "
        "stderr, `--json` writes one JSON document to stdout. `driftgate --install-completion` "
        "makes the shell complete commands, options and stored names. [What the exit codes mean]"
        "(../README.md#use-it).",
        "`--home FOLDER`, before the command, or `DRIFTGATE_HOME` says where all is stored; "
        "default: `.driftgate`.",
    ]
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {})
        parts += [f"## driftgate {name}", *([str(command.help)] if inner else [])]
        for below, one in inner.items():
            parts += [f"### driftgate {name} {below}", *_command(one, f"{name} {below}")]
        if not inner:
            parts += _command(command, name)
    return "\n\n".join(parts) + "\n"


def _command(command: Any, name: str) -> Iterator[str]:
    """What a command does, its examples, and a table of what it takes."""
    yield " ".join(inspect.cleandoc(command.help).split())
    uses = [line.strip("$ ") for line in (command.epilog or "").split("\n\n")[1:]]
    assert uses, f"driftgate {name} has no example"
    yield "```sh\n" + "\n".join(uses) + "\n```"
    rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield "\n".join(("| | |", "| --- | --- |", *rows))


def _parameter(parameter: Any) -> str:
    options = ", ".join(f"`{option}`" for option in parameter.opts)
    if parameter.param_type_name == "argument":
        wanted = f"`{parameter.name.upper()}`"
        wanted += "" if parameter.required else ", may be left out"
    else:
        value = "" if parameter.is_flag else f" `{parameter.metavar or parameter.name.upper()}`"
        wanted = f"{options}{value}{', required' if parameter.required else ''}"
    plain = isinstance(parameter.default, int | str) and not isinstance(parameter.default, bool)
    default = f" Default: {parameter.default}." if plain and parameter.default != "" else ""
    return f"| {wanted} | {parameter.help}{default} |"


def _doc(thing: Callable[..., object]) -> str:
    return (
        str(inspect.getdoc(thing)).replace("\nSource:\n    ", "\nSource: ").replace("\n    ", " ")
    )


def _default(value: object) -> str:
    return "none" if value is None else str(value)


def schema_of(record: type[Record]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    text = json.dumps({**schema, **record.model_json_schema()}, indent=2, ensure_ascii=False)
    return f"{text}\n"


PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "metrics.md": metrics_page,
    ROOT / "docs" / "matchers.md": matchers_page,
    ROOT / "docs" / "cli.md": cli_page,
    **{
        ROOT / "docs" / "events" / f"{event.__name__}.schema.json": partial(schema_of, event)
        for event in (EvaluationCompleted, GateBlocked)
    },
    ROOT / "docs" / "report.schema.json": partial(schema_of, Report),
    ROOT / "datasets" / "case.schema.json": case_schema,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
