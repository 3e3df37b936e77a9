"""Write the documents that are made from code: `make docs`. A test compares them."""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import MISSING, BaseModel, TypeAdapter

from driftgate import costs, watch_costs
from driftgate.cli import cost
from driftgate.cli.datasets import case_schema
from driftgate.cli.main import app
from driftgate.judges.scoring import response_quality
from driftgate.matching import ABSENT, mismatch
from driftgate.metrics import CRITERIA, JUDGED, JUDGED_VERSION, METRICS, SUITES
from driftgate.metrics.efficiency import efficiency
from driftgate.schemas import matchers
from driftgate.schemas.costs import SessionUse, WatchUse
from driftgate.schemas.events import (
    EvaluationCompleted,
    GateBlocked,
    GateOverridden,
    QualityRegressed,
    SessionsFlagged,
)
from driftgate.schemas.manifests import (
    AgentCoreTarget,
    Code,
    Costs,
    HttpTarget,
    Invocation,
    Limits,
    Manifest,
    PythonTarget,
    RecordedTarget,
    ResponseSelectors,
    Selector,
)
from driftgate.schemas.policies import Policy, PolicyChange
from driftgate.schemas.record import Record
from driftgate.schemas.reports import Report

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "matchers.yaml"
MANIFEST = ROOT / "docs" / "manifest.yaml"
MANIFEST_RECORDS: dict[str, type[BaseModel]] = {
    "The manifest": Manifest,
    "target, kind http": HttpTarget,
    "target, kind python": PythonTarget,
    "target, kind agentcore": AgentCoreTarget,
    "target, kind recorded": RecordedTarget,
    "code": Code,
    "invocation": Invocation,
    "response": ResponseSelectors,
    "selector": Selector,
    "policy": PolicyChange,
    "limits": Limits,
    "costs": Costs,
}
LINKS = {
    record.__name__: f"[{title}](#{title.replace(',', '').replace(' ', '-')})"
    for title, record in MANIFEST_RECORDS.items()
}
MATCHER: TypeAdapter[matchers.AnyMatcher] = TypeAdapter(matchers.Matcher)


def metrics_page() -> str:
    parts = [
        "# Metrics",
        "Made from the docstrings by `make docs`. Every score is a value in [0, 1], higher is "
        "better, or none, and says why in a sentence. A gate compares the mean of each gate metric "
        "with the baseline's, over the cases that have a value in both. Which are gate metrics is "
        "a matter of the suite, [regression](gate.md) or [adversarial](adversarial.md).",
    ]
    for name, metric in METRICS.items():
        parts += [f"## {name}", f"Version {metric.version}, {_role(name)}.", _doc(metric.score)]
    parts += [f"## {JUDGED}", f"Version {JUDGED_VERSION}, {_role(JUDGED)}.", _doc(response_quality)]
    parts += ["## efficiency", "Shown.", _doc(efficiency)]
    return "\n\n".join(parts) + "\n"


def _role(metric: str) -> str:
    """What a gate does with it, in which suite."""
    roles = [
        f"{'primary' if metric == used.primary else 'gate'} ({suite})"
        for suite, used in SUITES.items()
        if metric in used.metrics
    ]
    if metric in CRITERIA:
        roles.append("floor (adversarial)")
    return ", ".join(roles) or "shown"


def matchers_page() -> str:
    parts = [
        "# Matchers by example",
        "Made by `make docs` from the docstrings and from [matchers.yaml](matchers.yaml), whose "
        "examples are tried as the page is made.",
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
        parts.append(examples(name))
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
            for last, innermost in getattr(one, "commands", {"": one}).items():
                words = f"{name} {below} {last}".strip()
                parts += [f"### driftgate {words}", *_command(innermost, words)]
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


def examples(name: str) -> str:
    """A table of what is wanted, what came and what comes of it. Raises ValueError at a lie."""
    rows = ["| wanted | came | matches |", "| --- | --- | --- |"]
    for example in yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))[name]:
        matcher = MATCHER.validate_python(example["wanted"])
        came = example.get("came", ABSENT)
        reason = mismatch(matcher, came)
        if matcher.match != name or (reason is None) != example["matches"]:
            raise ValueError(f"{EXAMPLES}: {name}: {example}: not so: {reason or 'it matches'}")
        shown = [_json(example["wanted"]), "nothing" if came is ABSENT else _json(came)]
        rows.append(
            f"| {' | '.join(shown)} | {'yes' if reason is None else 'no: ' + _cell(reason)} |"
        )
    return "\n".join(rows)


def _json(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False).replace('|', chr(92) + '|')}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _doc(thing: Callable[..., object]) -> str:
    return (
        str(inspect.getdoc(thing)).replace("\nSource:\n    ", "\nSource: ").replace("\n    ", " ")
    )


def _default(value: object) -> str:
    return "none" if value is None else str(value)


def manifest_page() -> str:
    """Every field of a manifest, by the record that holds it, with the environment's thresholds."""
    parts = [
        "# agent.yaml, field by field",
        "Made by `make docs` from the [schemas](../driftgate/schemas/manifests.py). "
        "[Describing an agent](agents.md) tells how to write one, with an example, and what a "
        "tool's contract is; [datasets](cases.md) are told elsewhere. Where a field has no "
        "default it must be given; there are no other fields. "
        "[agent.schema.json](../agents/agent.schema.json) is the same for an editor: with the "
        "YAML language server, begin the file with",
        "```yaml\n# yaml-language-server: $schema=<path to agent.schema.json>\n```",
        "A whole manifest, which a test loads:",
        f"```yaml\n{MANIFEST.read_text(encoding='utf-8')}```",
    ]
    for title, record in MANIFEST_RECORDS.items():
        rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, info in record.model_fields.items():
            if name != "kind":
                rows.append(
                    f"| `{name}` | {_type(record, name)} | {_given(record, name)} | "
                    f"{info.description} |"
                )
        parts += [f"## {title}", _doc(record), "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _type(record: type[BaseModel], name: str) -> str:
    """A field's type in JSON Schema's words, with its bounds."""
    return _cell(_described(record.model_json_schema()["properties"][name]))


def _described(schema: dict[str, Any]) -> str:
    if "anyOf" in schema or "oneOf" in schema:
        options = [_described(one) for one in schema.get("anyOf") or schema["oneOf"]]
        return " or ".join(dict.fromkeys(one for one in options if one != "null"))
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return LINKS.get(name, name)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    kind = str(schema.get("type", "any value"))
    if kind == "array":
        return f"list of {_described(schema['items'])}"
    if kind == "object":
        return "mapping"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema]
    return ", ".join([kind, *bounds])


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def _given(record: type[BaseModel], name: str) -> str:
    """A field's default; of a threshold, the environment's."""
    info = record.model_fields[name]
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    if record is PolicyChange:
        environment = getattr(Policy(), name)
        return "none" if environment is None else f"`{environment:g}`"
    if default is None or default is MISSING:
        return "none"
    if isinstance(default, BaseModel):
        return "see below"
    return f"`{json.dumps(default)}`"


def costs_page() -> str:
    use = SessionUse(calls=20, seconds=30, memory_gb=3.22)
    found = costs.compared(use, idle_s=900)
    heads = ("sessions are", "sessions a day", "memory paid for", "USD in 30 days", "less")
    rows = [cost.row(one, found[0], days=30) for one in found]
    return (
        "\n\n".join(
            [
                "# What it costs",
                "Made by `make docs`, with the code of `driftgate cost`. What [a run costs]"
                "(run-costs.md), its model with it, and [what is paid when nobody uses it]"
                "(deploy.md#what-it-costs-when-nobody-uses-it) is told elsewhere.",
                "## Sessions",
                str(inspect.getdoc(costs)).partition("\n\n")[2],
                f"An example: {use.calls} conversations a day of {use.seconds:g} s, a new session "
                f"of {use.memory_gb:g} GB for each, and a timeout of 900 s:",
                _table(heads, rows),
                "```\ndriftgate cost estimate --calls 20 --seconds 30 --memory-gb 3.22\n```",
                f"It computes in {use.active:.0%} of the time and waits for its model otherwise "
                f"(`--active`), and a session takes {use.start_s:g} s to start.",
                "In a gate's run each attempt has a session of its own, as trials that share one "
                "would not be independent. It is stopped as soon as the attempt is over, also when "
                "that failed; what a killed one leaves open, or one whose stop is throttled, [is "
                "swept](operations.md#sessions-stay-open) within a minute. `driftgate run "
                "--sessions leave` leaves them to their idle timeout. To reuse a session is for "
                "benchmarks, of agents whose manifest says `sessions: stateless`; a gate refuses "
                "it.",
                f"Prices are those of {costs.PRICES.effective}: {costs.PRICES.source}.",
                *_watch_costs(),
            ]
        )
        + "\n"
    )


def _watch_costs() -> Iterator[str]:
    """The watch over production: a bill, the metrics of many agents, and what was assumed."""
    use = WatchUse(conversations=100_000, agents=5)
    yield "## Watching production"
    yield str(inspect.getdoc(watch_costs)).partition("\n\n")[2]
    yield (
        f"An example: {use.conversations:,} conversations a day, of {use.agents} agents with "
        f"{use.task_types} task types and {use.tools} tools each, one version at a time. Of a "
        f"conversation there are {use.kb:g} KB of spans, which come in {use.fragments} batches. "
        f"{use.base:.0%} are judged, at least {use.floor_per_hour:g} and at most "
        f"{use.ceiling_per_hour:g} an hour of each task type; a judgment takes "
        f"{use.judge_input_tokens:,} tokens at {use.judge_input_usd:g} USD a million and writes "
        f"{use.judge_output_tokens:,} at {use.judge_output_usd:g}:"
    )
    yield _table(cost.WATCH_HEADS, cost.watch_rows(use, watch_costs.of_watch(use)))
    yield "```\ndriftgate cost online --conversations 100000 --agents 5\n```"
    yield (
        f"**Metrics** are billed by the series: of an agent {watch_costs.METRICS_OF_AGENT}, of "
        f"each of its versions {watch_costs.METRICS_OF_VERSION}, of each task type of a version "
        f"{watch_costs.METRICS_OF_TYPE}, of each tool of a version {watch_costs.METRICS_OF_TOOL}; "
        "a task type by tool is none. With six task types and twelve tools:"
    )
    yield _table(
        ("agents", "versions of each", "series", "USD in 30 days", "with alarms and dashboards"),
        [_metrics_row(agents, versions) for agents in (1, 10, 50) for versions in (1, 2)],
    )
    yield (
        "A series is billed for the hours in which it is told. With hundreds of tools they are the "
        "bill: the [manifest](manifest.md) of an agent says what a task type is, so few types, and "
        "an agent with few tools, cost little."
    )
    prices = watch_costs.PRICES
    yield (
        f"Prices are those of {prices.effective}: {prices.source}. How often a conversation is "
        "written and read is counted in the code; how long functions take "
        "([assumptions](../driftgate/watch_costs.py)) only an account can tell. X-Ray and "
        "the application of the curators are not in it. "
        "[What changes with very many conversations](scale.md)."
    )


def _metrics_row(agents: int, versions: int) -> tuple[str, ...]:
    use = WatchUse(conversations=1, agents=agents, versions=versions)
    usd = {item.name: item.usd for item in watch_costs.of_watch(use)}
    whole = usd["metrics"] + usd["alarms"] + usd["dashboards"]
    series = f"{watch_costs.metrics_of(use):,}"
    return str(agents), str(versions), series, f"{usd['metrics']:,.2f}", f"{whole:,.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def schema_of(record: type[Record], title: str | None = None) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **record.model_json_schema(),
        **({"title": title} if title else {}),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


_EVENTS = (EvaluationCompleted, GateBlocked, GateOverridden, QualityRegressed, SessionsFlagged)
PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "metrics.md": metrics_page,
    ROOT / "docs" / "matchers.md": matchers_page,
    ROOT / "docs" / "cli.md": cli_page,
    ROOT / "docs" / "manifest.md": manifest_page,
    ROOT / "docs" / "costs.md": costs_page,
    ROOT / "agents" / "agent.schema.json": partial(schema_of, Manifest, "Driftgate agent manifest"),
    **{
        ROOT / "docs" / "events" / f"{event.__name__}.schema.json": partial(schema_of, event)
        for event in _EVENTS
    },
    ROOT / "docs" / "report.schema.json": partial(schema_of, Report),
    ROOT / "datasets" / "case.schema.json": case_schema,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
