"""Datasets: cases checked one by one, written in one canonical form, counted and compared."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from driftgate import canonical
from driftgate.schemas.cases import CallPattern, Case, ExpectedCall
from driftgate.schemas.datasets import (
    CaseChange,
    Counts,
    Dataset,
    DatasetDiff,
    DatasetHeader,
    DatasetSide,
    FieldChange,
)
from driftgate.schemas.record import explain


def read_case(line: str) -> Case:
    """Read one line of cases.jsonl. Raises ValueError with the field and what is wrong with it."""
    try:
        return Case.model_validate(canonical.load(line))
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    except ValueError as error:
        raise ValueError(f"not a JSON object on one line: {error}") from error


def check_case(case: Case, header: DatasetHeader) -> None:
    """Check a case against the tools its dataset names. Raises ValueError with the field."""
    for place, pattern in case.patterns():
        if pattern.tool not in header.tools:
            known = ", ".join(sorted(header.tools))
            raise ValueError(
                f"{place}.tool: unknown tool {pattern.tool!r}; the dataset has {known}"
            )
        stated = header.tools[pattern.tool]
        if isinstance(pattern, ExpectedCall) and pattern.effect != stated:
            raise ValueError(
                f"{place}.effect: {pattern.tool} is a {stated} in the dataset, got {pattern.effect}"
            )
    for index, call in enumerate(case.expected_calls):
        ways = (call, *call.alternatives)
        if not call.optional and all(_is_forbidden(way, case) for way in ways):
            raise ValueError(f"expected_calls.{index}: forbidden_calls has the same call")
    for index, rule in enumerate(case.mocks):
        if rule.tool not in header.tools:
            raise ValueError(f"mocks.{index}.tool: unknown tool {rule.tool!r}")


def _is_forbidden(call: CallPattern, case: Case) -> bool:
    """Is every call that fits the pattern a forbidden one?"""
    return any(
        forbidden.tool == call.tool
        and all(call.arguments.get(name) == m for name, m in forbidden.arguments.items())
        for forbidden in case.forbidden_calls
    )


def build(header: DatasetHeader, cases: Iterable[Case]) -> Dataset:
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    return Dataset(header=header, cases=ordered, sha256=canonical.sha256(to_bytes(header, ordered)))


def to_bytes(header: DatasetHeader, cases: Iterable[Case]) -> bytes:
    """The canonical content: a line of name and tools, then the cases by id, defaults left out.

    Version, changelog and owner are not content: they are said of it, in the registry's row.
    """
    first = {"name": header.name, "tools": header.tools, "schema_version": header.schema_version}
    dumped = (case.model_dump(mode="json", exclude_defaults=True) for case in cases)
    return b"".join(canonical.dump(value) + b"\n" for value in (first, *dumped))


def from_bytes(data: bytes) -> tuple[dict[str, Any], tuple[Case, ...]]:
    """What `to_bytes` wrote: name and tools, and the cases. Raises ValueError with the line."""
    first, *lines = data.decode().split("\n")
    about = canonical.load(first)
    if not isinstance(about, dict):
        raise ValueError(f"line 1: wanted an object with name and tools, got {first[:80]}")
    cases = []
    for number, line in enumerate(lines, start=2):
        if line:
            try:
                cases.append(read_case(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    return about, tuple(cases)


def counts(cases: Sequence[Case]) -> Counts:
    return Counts(
        count=len(cases),
        critical=sum(case.critical for case in cases),
        by_task_type=dict(sorted(Counter(case.task_type for case in cases).items())),
        by_tool=count_by_tool(cases),
    )


def count_by_tool(cases: Iterable[Case]) -> dict[str, int]:
    """How many cases expect each tool, alternatives included."""
    return dict(sorted(Counter(tool for case in cases for tool in expected_tools(case)).items()))


def expected_tools(case: Case) -> tuple[str, ...]:
    expected = {call.tool for call in case.expected_calls}
    others = {p.tool for call in case.expected_calls for p in call.alternatives}
    return tuple(sorted(expected | others))


def diff(before: Dataset, after: Dataset) -> DatasetDiff:
    """Compare two datasets case by case; a case has changed if it has another canonical form."""
    old = {case.case_id: case for case in before.cases}
    new = {case.case_id: case for case in after.cases}
    both = sorted(old.keys() & new.keys())
    changed = [
        _case_change(old[id], new[id]) for id in both if _content(old[id]) != _content(new[id])
    ]
    return DatasetDiff(
        before=_side(before),
        after=_side(after),
        tools=tuple(_changes("", before.header.tools, after.header.tools)),
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(changed),
        unchanged=len(both) - len(changed),
    )


def _case_change(before: Case, after: Case) -> CaseChange:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return CaseChange(case_id=before.case_id, fields=tuple(_changes("", old, new)))


def _side(dataset: Dataset) -> DatasetSide:
    header = dataset.header
    return DatasetSide(
        dataset=f"{header.name}@{header.version}", sha256=dataset.sha256, cases=len(dataset.cases)
    )


def _content(case: Case) -> bytes:
    return canonical.dump(case.model_dump(mode="json", exclude_defaults=True))


def _changes(field: str, before: Any, after: Any) -> Iterator[FieldChange]:
    """The innermost places at which two JSON values differ; 5 and 5.0 do."""
    if isinstance(before, list) and isinstance(after, list):
        before, after = dict(enumerate(before)), dict(enumerate(after))
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if canonical.dump(before) != canonical.dump(after):
            yield FieldChange(field=field, change="changed", before=before, after=after)
        return
    for key in sorted(before.keys() | after.keys()):
        inner = f"{field}.{key}" if field else str(key)
        if key not in before:
            yield FieldChange(field=inner, change="added", after=after[key])
        elif key not in after:
            yield FieldChange(field=inner, change="removed", before=before[key])
        else:
            yield from _changes(inner, before[key], after[key])
