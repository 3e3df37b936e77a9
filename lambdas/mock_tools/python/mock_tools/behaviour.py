"""How a tool answers: the steps of its contract, taken in order over the world of a case.

find     bind one record by its path, or refuse
select   bind the matching records of a list
require  refuse unless a condition holds
set, add, append   change the world, so that later calls see it
answer   the result, rendered from what was bound
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mock_tools.currencies import minor_factor
from mock_tools.json_schema import same
from mock_tools.templates import MISFITS, Broken, in_words, render


class Refused(Exception):
    """The tool's own rules say no, as the real one would."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass
class Scene:
    """What the steps of one call see and change."""

    world: dict[str, Any]
    scope: dict[str, Any]
    result: Any = None


def perform(
    contract: dict[str, Any], world: dict[str, Any], arguments: dict[str, Any], number: int
) -> tuple[Any, dict[str, Any]]:
    """Take the contract's steps and return the result and the world afterwards.

    Args:
        contract: the tool's contract; its `behaviour` is the list of steps.
        world: the state of the case; not changed, a changed copy is returned.
        arguments: the call's arguments, already checked against the input schema.
        number: the number of this call in the session, `{call}` in templates, for made-up ids.

    Raises:
        Refused: the tool says no; the world stays as it was.
        Broken: the world lacks what the contract renders.
    """
    scene = Scene(copy.deepcopy(world), {})
    scene.scope = {"args": arguments, "world": scene.world, "call": number}
    for step in contract["behaviour"]:
        verb = next(name for name in STEPS if name in step)
        try:
            STEPS[verb](step, scene)
        except MISFITS as error:
            raise Broken(f"{verb} {step[verb]}: {error!r}") from error
    return scene.result, scene.world


def _find(step: dict[str, Any], scene: Scene) -> None:
    record: Any = scene.world
    for part in _parts(step["find"], scene):
        if not isinstance(record, dict) or part not in record:
            raise _refusal(step, scene)
        record = record[part]
    scene.scope[step["let"]] = record


def _select(step: dict[str, Any], scene: Scene) -> None:
    table = _at(scene, _parts(step["select"], scene), default=[])
    if not isinstance(table, dict | list):
        raise Broken(f"wanted a table, got {table!r}")
    rows = list(table.values()) if isinstance(table, dict) else list(table)
    for field, wanted in render(step.get("where", {}), scene.scope).items():
        rows = [row for row in rows if wanted is None or same(row.get(field), wanted)]
    for field, bounds in render(step.get("between", {}), scene.scope).items():
        low, high = bounds
        rows = [
            row
            for row in rows
            if (low is None or row[field] >= low) and (high is None or row[field] <= high)
        ]
    for field, query in render(step.get("about", {}), scene.scope).items():
        words = set(str(query).casefold().split())
        rows = [row for row in rows if words & set(str(row[field]).casefold().split())]
    if "newest_first" in step:
        rows.sort(key=lambda row: row[step["newest_first"]], reverse=True)
    limit = render(step.get("limit"), scene.scope)
    scene.scope[step["let"]] = rows if limit is None else rows[: max(0, int(limit))]


def _require(step: dict[str, Any], scene: Scene) -> None:
    value = render(step["require"], scene.scope)
    holds = True
    if "equals" in step:
        holds &= same(value, render(step["equals"], scene.scope))
    if "differs_from" in step:
        holds &= not same(value, render(step["differs_from"], scene.scope))
    if "at_least" in step:
        holds &= value >= render(step["at_least"], scene.scope)
    if "at_most" in step:
        holds &= value <= render(step["at_most"], scene.scope)
    if not holds:
        raise _refusal(step, scene)


def _set(step: dict[str, Any], scene: Scene) -> None:
    *parents, last = _parts(step["set"], scene)
    _at(scene, parents)[last] = render(step["to"], scene.scope)


def _add(step: dict[str, Any], scene: Scene) -> None:
    quantity = _at(scene, _parts(step["add"], scene))
    amount = Decimal(str(render(step["amount"], scene.scope)))
    if step.get("unit") == "minor":
        amount /= minor_factor(quantity["unit"])
    quantity["value"] = float(Decimal(str(quantity["value"])) + amount * step.get("sign", 1))


def _append(step: dict[str, Any], scene: Scene) -> None:
    *parents, last = _parts(step["append"], scene)
    _at(scene, parents).setdefault(last, []).append(render(step["item"], scene.scope))


def _answer(step: dict[str, Any], scene: Scene) -> None:
    scene.result = render(step["answer"], scene.scope)


STEPS: dict[str, Callable[[dict[str, Any], Scene], None]] = {
    "find": _find,
    "select": _select,
    "require": _require,
    "set": _set,
    "add": _add,
    "append": _append,
    "answer": _answer,
}


def _parts(path: str, scene: Scene) -> list[str]:
    """The steps of a world path; templates are rendered per part, so a value can't add parts."""
    return [str(render(part, scene.scope)) for part in path.split("/")]


def _at(scene: Scene, parts: list[str], default: Any = None) -> Any:
    record: Any = scene.world
    for part in parts:
        if not isinstance(record, dict) or part not in record:
            if default is not None:
                return default
            raise Broken(f"the world has nothing at {'/'.join(parts)}")
        record = record[part]
    return record


def _refusal(step: dict[str, Any], scene: Scene) -> Refused:
    no = render(step["otherwise"], scene.scope)
    return Refused(in_words(no["error"]), in_words(no.get("message", "")))
