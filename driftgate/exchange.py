"""Datasets to AgentCore and back: cases as its examples, and what does not survive the way.

An example holds texts, names of tools and flat metadata. What metadata can carry without being a
second format of ours (task type, effects of tools) is carried, so that it comes back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue, ValidationError

from driftgate import canonical, datasets, ground_truth, registry
from driftgate.errors import BadInput
from driftgate.ports import Clock, ForeignDatasets, Registry
from driftgate.schemas.cases import Case, ExpectedCall, Provenance, RubricItem, Turn
from driftgate.schemas.datasets import Dataset, DatasetHeader
from driftgate.schemas.exchanges import (
    EXAMPLES,
    PREDEFINED,
    SIMULATED,
    Example,
    Exchange,
    ForeignDataset,
    SchemaType,
)
from driftgate.schemas.manifests import DatasetRef
from driftgate.schemas.matchers import Contains
from driftgate.schemas.record import Effect, explain

OURS = "driftgate"  # the metadata that says of which dataset of ours an example is
RESPONSES = ("expected_response", "expectedResponse")  # the SDK's spelling, the CLI's
NO_NAME = re.compile(r"[^a-z0-9._-]+")
LeftOut = dict[str, tuple[str, ...]]


def export_dataset(
    ref: DatasetRef, schema: SchemaType, stored: Registry, service: ForeignDatasets, clock: Clock
) -> Exchange:
    """Make a published version the newest version of the dataset of its name in AgentCore.

    The same version again is what was exported before, if that is still there.

    Raises:
        BadInput: it has more cases than a dataset there may have.
    """
    row = registry.load_dataset_row(ref, stored)
    before = _exported(row.name, row.version, schema, stored)
    if before is not None and service.find(before.there.dataset_id, before.there.version):
        return before
    dataset = registry.load_dataset(row, stored)
    if len(dataset.cases) > EXAMPLES:
        raise BadInput(
            f"dataset {ref}: wanted at most {EXAMPLES} cases, which AgentCore's may have, "
            f"got {len(dataset.cases)}"
        )
    examples = [to_example(case, schema, dataset.header) for case in dataset.cases]
    there = service.publish(_foreign_name(row.name, schema), schema, examples)
    found = Exchange(
        direction="export",
        name=row.name,
        version=row.version,
        sha256=row.sha256,
        there=there,
        examples=len(examples),
        at=clock.now(),
        left_out=lost(dataset.cases, schema),
    )
    _record(found, stored)
    return found


def import_dataset(
    there: ForeignDataset, examples: Sequence[Example], reads: Iterable[str], owner: str
) -> tuple[Dataset, LeftOut]:
    """An AgentCore dataset's version as one of ours, and what of it has no place here.

    Args:
        reads: tools that only read. Of the others nobody said so; they count as writes.

    Raises:
        BadInput: an example is not what its schema says, or two have the same id.
    """
    if there.schema_type not in (PREDEFINED, SIMULATED):
        raise BadInput(f"{there.arn}: wanted predefined or simulated, got {there.schema_type}")
    cases: dict[str, Case] = {}
    left: dict[str, list[str]] = {}
    tools: dict[str, Effect] = {}
    origins = set()
    for number, example in enumerate(examples, start=1):
        try:
            case, fields = from_example(example, there, set(reads))
        except (KeyError, TypeError, ValueError) as error:
            said = explain(error) if isinstance(error, ValidationError) else repr(error)
            raise BadInput(f"{there.arn}, example {number}: {said}") from error
        if case.case_id in cases:
            raise BadInput(f"{there.arn}, example {number}: {case.case_id} is there already")
        cases[case.case_id] = case
        tools |= {call.tool: call.effect for call in case.expected_calls}
        origins.add(_metadata(example).get(OURS, ""))
        for field in fields:
            left.setdefault(field, []).append(case.case_id)
    name, version = _whose(origins, there)
    header = DatasetHeader(
        name=name,
        version=version,
        owner=owner,
        changelog=f"imported from {there.arn} version {there.version}",
        tools=tools,
    )
    return datasets.build(header, cases.values()), {f: tuple(ids) for f, ids in left.items()}


def record_import(
    dataset: Dataset, there: ForeignDataset, left: LeftOut, stored: Registry, clock: Clock
) -> Exchange:
    found = Exchange(
        direction="import",
        name=dataset.header.name,
        version=dataset.header.version,
        sha256=dataset.sha256,
        there=there,
        examples=len(dataset.cases),
        at=clock.now(),
        left_out=left,
    )
    _record(found, stored)
    return found


def exchanges(ref: DatasetRef, stored: Registry) -> list[Exchange]:
    """What is known of a version's ways to AgentCore and from there."""
    rows = stored.rows(f"exchange/{ref.name}/{ref.version}/")
    return [registry.read_row(Exchange, "exchange/…", row) for row in rows]


def to_example(case: Case, schema: SchemaType, header: DatasetHeader) -> Example:
    about = f"{header.name}@{header.version}"
    if schema == SIMULATED:
        return _simulated(case, about)
    replies = ground_truth.replies(case)
    example: Example = {
        "scenario_id": case.case_id,
        "turns": [
            {"input": turn.user, **({RESPONSES[0]: replies[n]} if n in replies else {})}
            for n, turn in enumerate(case.turns, start=1)
        ],
        "metadata": _told(case, about),
    }
    if names := ground_truth.trajectory(case):
        example["expected_trajectory"] = list(names)
    if sentences := ground_truth.assertions(case):
        example["assertions"] = list(sentences)
    return example


def from_example(
    example: Example, there: ForeignDataset, reads: set[str]
) -> tuple[Case, list[str]]:
    """A case, and the fields of the example that it can't hold."""
    metadata = _metadata(example)
    lost: list[str] = []
    scenario = str(example["scenario_id"])
    case_id = NO_NAME.sub("-", scenario.lower()).lstrip("._-")
    if case_id != scenario:
        lost.append("scenario_id")
    outputs, rubric = _read_assertions(example.get("assertions") or [], metadata)
    turns, replies = _read_turns(example, there, metadata, lost)
    effects = dict(pair.rsplit(":", 1) for pair in metadata.get("tools", "").split())
    calls = [
        ExpectedCall.model_validate(
            {"tool": name, "effect": effects.get(name, "read" if name in reads else "write")}
        )
        for name in _texts(example.get("expected_trajectory"))
    ]
    if unsaid := {call.tool for call in calls} - effects.keys() - reads:
        lost += [f"effect of {name}: taken for a write" for name in sorted(unsaid)]
    known = {"scenario_id", "turns", "input", "expected_trajectory", "assertions", "metadata"}
    lost += sorted(example.keys() - known - {"exampleId"})
    lost += [f"metadata.{key}" for key in sorted(metadata.keys() - CARRIED)]
    case = Case(
        case_id=case_id,
        task_type=metadata.get("task_type", "imported"),
        difficulty=metadata.get("difficulty", "medium"),
        critical=metadata.get("critical") == "true",
        smoke=metadata.get("smoke") == "true",
        locale=metadata.get("locale", ""),
        provenance=_provenance(metadata, f"{there.arn}#{scenario}"),
        turns=turns,
        expected_calls=tuple(calls),
        expected_outputs=outputs,
        rubric=(*rubric, *replies),
    )
    return case, lost


def lost(cases: Iterable[Case], schema: SchemaType) -> LeftOut:
    """Which fields of which cases an export leaves out."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for field in _lost(case, schema):
            found.setdefault(field, []).append(case.case_id)
    return {field: tuple(ids) for field, ids in sorted(found.items())}


CARRIED = {
    *(OURS, "task_type", "difficulty", "critical", "smoke", "locale", "tools"),
    *("provenance", "author", "origin", "contains_turns", "rubric_ids"),
}


def _lost(case: Case, schema: SchemaType) -> Iterator[str]:
    carried = {"expected_calls.effect", "turns.user", "assertions"}
    if schema == PREDEFINED:
        yield from (f for f in ground_truth.left_out(case).fields if f not in carried)
        if any(call.id for call in case.expected_calls):
            yield "expected_calls.id"
        return
    if case.expected_calls:
        yield "expected_calls"
    if any(turn.expected_outputs for turn in case.turns):
        yield "turns.expected_outputs"
    if len(case.turns) > 1:
        yield "turns.user: as a goal"
    yield from (
        field
        for field in ground_truth.left_out(case).fields
        if not field.startswith(("expected_calls.", "turns.")) and field not in carried
    )


def _simulated(case: Case, about: str) -> Example:
    """A simulated user is told what the turns say, and finds its own words for them."""
    asks = " Then: ".join(turn.user for turn in case.turns)
    example: Example = {
        "scenario_id": case.case_id,
        "scenario_description": f"{case.task_type}, {case.difficulty}",
        "actor_profile": {"context": f"A user with a matter of {case.task_type}.", "goal": asks},
        "input": case.turns[0].user,
        "max_turns": max(10, 2 * len(case.turns)),
        "metadata": _told(case, about),
    }
    if sentences := ground_truth.assertions(case):
        example["assertions"] = list(sentences)
    return example


def _told(case: Case, about: str) -> dict[str, JsonValue]:
    """What metadata carries: flat texts, and only where a case says something of its own."""
    exact = [
        str(number)
        for number, turn in enumerate(case.turns, start=1)
        if [type(m) for m in turn.expected_outputs] == [Contains]
    ]
    effects = {call.tool: call.effect for call in case.expected_calls}
    answered = [item.id for item in case.rubric if ground_truth.is_question(item)]
    told = {
        OURS: about,
        "task_type": case.task_type,
        "difficulty": case.difficulty,
        "critical": "true" if case.critical else "",
        "smoke": "true" if case.smoke else "",
        "locale": case.locale,
        "tools": " ".join(f"{tool}:{effect}" for tool, effect in sorted(effects.items())),
        "provenance": case.provenance.kind,
        "author": case.provenance.author,
        "origin": case.provenance.origin,
        "contains_turns": " ".join(exact),
        "rubric_ids": " ".join(answered),
    }
    return {key: value for key, value in told.items() if value}


def _read_assertions(
    value: JsonValue, metadata: Mapping[str, str]
) -> tuple[tuple[Contains, ...], tuple[RubricItem, ...]]:
    """Sentences of ours become again what they were; others are asked of a judge."""
    outputs, rubric = [], []
    ids = iter(metadata.get("rubric_ids", "").split())
    for number, text in enumerate(_texts(value), start=1):
        ours = ground_truth.read_output(text) if OURS in metadata else None
        if ours is not None:
            outputs.append(ours)
        else:
            rubric.append(ground_truth.read_question(text, number, lambda: next(ids, "")))
    return tuple(outputs), tuple(rubric)


def _read_turns(
    example: Example, there: ForeignDataset, metadata: Mapping[str, str], lost: list[str]
) -> tuple[tuple[Turn, ...], list[RubricItem]]:
    if there.schema_type == SIMULATED:
        return (Turn(user=_text(example["input"], "input", lost)),), []
    exact = metadata.get("contains_turns", "").split()
    turns, replies = [], []
    given: Any = example["turns"]
    for number, turn in enumerate(given, start=1):
        said = {str(turn[key]) for key in RESPONSES if turn.get(key)}
        if len(said) > 1:
            raise ValueError(f"turn {number} has two expected responses, {' and '.join(RESPONSES)}")
        outputs: tuple[Contains, ...] = ()
        for text in said:
            if str(number) in exact:
                outputs = (Contains(value=text),)
            else:
                replies.append(ground_truth.reply(number, text))
        lost += [f"turns.{key}" for key in sorted(turn.keys() - {"input", *RESPONSES})]
        user = _text(turn["input"], "turns.input", lost)
        turns.append(Turn(user=user, expected_outputs=outputs))
    return tuple(turns), replies


def _text(value: Any, field: str, lost: list[str]) -> str:
    """An input as a text; one that is an object is written as JSON."""
    if isinstance(value, str):
        return value
    lost.append(f"{field}: an object, taken as text")
    return canonical.dump(value).decode()


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _metadata(example: Example) -> dict[str, str]:
    given = example.get("metadata")
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def _provenance(metadata: Mapping[str, str], origin: str) -> Provenance:
    if OURS not in metadata:
        return Provenance(kind="external", origin=origin)
    return Provenance(
        kind=metadata.get("provenance", "manual"),
        author=metadata.get("author", ""),
        origin=metadata.get("origin", ""),
    )


def _whose(origins: set[str], there: ForeignDataset) -> tuple[str, str]:
    """Name and version: those that were exported, if it is all of one; else made from theirs."""
    if len(origins) == 1 and (whole := origins.pop()):
        name, _, version = whole.partition("@")
        return name, version
    number = there.version if there.version.isdigit() else "0"
    return NO_NAME.sub("-", there.name.lower())[:63], f"{number}.0.0"


def _foreign_name(name: str, schema: SchemaType) -> str:
    """Names there begin with a letter and have no hyphens, and 48 characters at most."""
    plain = name.replace("-", "_")
    kind = "_simulated" if schema == SIMULATED else ""  # a dataset there has one schema
    return (plain if plain[0].isalpha() else f"d_{plain}")[: 48 - len(kind)] + kind


def _exported(name: str, version: str, schema: SchemaType, stored: Registry) -> Exchange | None:
    found = exchanges(DatasetRef(name=name, version=version), stored)
    ours = [e for e in found if e.direction == "export" and e.there.schema_type == schema]
    return max(ours, key=lambda exchange: exchange.at, default=None)


def _record(found: Exchange, stored: Registry) -> None:
    there = found.there
    key = f"exchange/{found.name}/{found.version}/{found.direction}/{there.dataset_id}"
    stored.put_new(f"{key}/{there.version}", found.model_dump(mode="json"))
