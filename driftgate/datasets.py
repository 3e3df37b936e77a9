"""Datasets: cases checked one by one, and written in one canonical form."""

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from driftgate import canonical
from driftgate.schemas.cases import Case, ExpectedCall
from driftgate.schemas.datasets import Dataset, DatasetHeader
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
    for index, rule in enumerate(case.mocks):
        if rule.tool not in header.tools:
            raise ValueError(f"mocks.{index}.tool: unknown tool {rule.tool!r}")


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


def from_bytes(data: bytes) -> Iterator[Case]:
    """The cases of a blob that `to_bytes` wrote and whose hash was checked."""
    for line in data.decode().split("\n")[1:]:
        if line:
            yield Case.model_validate(canonical.load(line))


def count_by_tool(cases: Iterable[Case]) -> dict[str, int]:
    """How many cases expect each tool, alternatives included."""
    return dict(sorted(Counter(tool for case in cases for tool in expected_tools(case)).items()))


def expected_tools(case: Case) -> tuple[str, ...]:
    expected = {call.tool for call in case.expected_calls}
    others = {p.tool for call in case.expected_calls for p in call.alternatives}
    return tuple(sorted(expected | others))
