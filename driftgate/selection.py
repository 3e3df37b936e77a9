"""Some of a dataset's cases, chosen by what they are: `task_type=transfer`, `tool=*_balance`."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from driftgate.datasets import expected_tools
from driftgate.errors import BadInput
from driftgate.schemas.cases import Case

SHOWN = 12  # values that an error lists
FIELDS: dict[str, Callable[[Case], Iterable[str]]] = {
    "case": lambda case: (case.case_id,),
    "task_type": lambda case: (case.task_type,),
    "tool": expected_tools,
    "critical": lambda case: ("true" if case.critical else "false",),
    "smoke": lambda case: ("true" if case.smoke else "false",),
    "difficulty": lambda case: (case.difficulty,),
    "locale": lambda case: (case.locale,),
    "provenance": lambda case: (case.provenance.kind,),
}


def choose(
    cases: Sequence[Case],
    dataset: str,
    *,
    case_ids: Sequence[str] = (),
    filters: Sequence[str] = (),
    limit: int | None = None,
) -> tuple[Case, ...]:
    """The first cases that have one of the ids and fit every filter, in the dataset's order.

    Args:
        cases: to choose from.
        dataset: what to call it when a choice can't be made.
        case_ids: none: any.
        filters: a field of FIELDS, "=", and a pattern with * and ?; `critical` and `smoke` alone
            are short for `critical=true` and `smoke=true`. A case has several tools: one that fits
            is enough.
        limit: how many at most; None: all.

    Raises:
        BadInput: an id or a field that there is not, or a choice that leaves no case.
    """
    if unknown := sorted(set(case_ids) - {case.case_id for case in cases}):
        raise BadInput(f"dataset {dataset} has no case {unknown[0]!r}")
    chosen = [case for case in cases if not case_ids or case.case_id in case_ids]
    for text in filters:
        field, pattern = _parse(text)
        values = {value for case in cases for value in FIELDS[field](case)}
        if not any(fnmatchcase(value, pattern) for value in values):
            raise BadInput(
                f"--filter {text}: no case of {dataset} has such a {field}; {_known(values)}"
            )
        chosen = [
            case
            for case in chosen
            if any(fnmatchcase(value, pattern) for value in FIELDS[field](case))
        ]
    if not chosen:
        raise BadInput(f"no case of {dataset} has all of {', '.join([*case_ids, *filters])}")
    return tuple(chosen[:limit])


def _parse(text: str) -> tuple[str, str]:
    field, equals, pattern = text.partition("=")
    if field in ("critical", "smoke") and not equals:
        return field, "true"
    if field not in FIELDS or not equals:
        fields = ", ".join(FIELDS)
        raise BadInput(f"--filter: wanted field=value with one of {fields}, got {text!r}")
    return field, pattern


def _known(values: Iterable[str]) -> str:
    known = sorted(value for value in values if value)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"there are {', '.join(known[:SHOWN])}{more}" if known else "no case has any"
