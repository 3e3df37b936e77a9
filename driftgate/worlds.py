"""The world behind recorded calls, told back from what the tools answered.

A contract says how a tool renders the world; read backwards, an answer says what was in it. What
can't be read back, as a text that holds a value among words, becomes an answer planned for that
call. Whatever is told back is tried: the calls are made again on the mocks alone.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from driftgate.schemas.cases import MockAnswer, MockRule
from driftgate.schemas.contracts import Answer, Find, Require, Select, ToolContract
from driftgate.schemas.traces import ToolCall
from mock_tools.attempts import first_state
from mock_tools.currencies import minor_factor
from mock_tools.engine import respond
from mock_tools.json_schema import same
from mock_tools.templates import MISFITS, PLACEHOLDER, Broken, render

World = dict[str, Any]
Place = tuple[str, ...]  # the keys that lead to a value of the world
_QUANTITY = "\0"  # a number whose unit is told elsewhere, until all is told


def tell_back(
    calls: Sequence[ToolCall], contracts: Iterable[ToolContract]
) -> tuple[World, tuple[MockRule, ...]]:
    """A world, and planned answers for what it can't answer, under which the tools answer as
    they did.

    Args:
        calls: in their order; those that failed are left out, and those of tools without contract.
        contracts: of the version that made the calls.
    """
    known = {contract.tool: contract for contract in contracts}
    made = [c for c in calls if c.tool in known and c.error is None and c.arguments is not None]
    world: World = {}
    for call in made:
        for place, value in _told(known[call.tool], call.arguments or {}, answer_of(call)):
            _put(world, place, value)
    world = _settled(world)
    return world, _lacking(made, world, known)


def answer_of(call: ToolCall) -> Any:
    """What a tool answered; spans often hold it as JSON in a text."""
    if isinstance(call.result, str):
        try:
            return json.loads(call.result)
        except ValueError:
            return call.result
    return call.result


def _told(
    contract: ToolContract, arguments: Mapping[str, Any], result: Any
) -> Iterator[tuple[Place, Any]]:
    """What an answer says of the world, place by place."""
    bound: dict[str, Place] = {"world": ()}
    lists: dict[str, tuple[Place, Select]] = {}
    scope = {"args": arguments}
    for step in contract.behaviour:
        try:
            if isinstance(step, Find):
                bound[step.let] = tuple(str(render(p, scope)) for p in step.find.split("/"))
                yield bound[step.let], {}  # it was found
            elif isinstance(step, Select):
                path = tuple(str(render(p, scope)) for p in step.select.split("/"))
                lists[step.let] = (path, step)
                yield path, {}
            elif isinstance(step, Require):
                yield from _read(step.require, step.equals, bound, {}, scope)
            elif isinstance(step, Answer):
                yield from _read(step.answer, result, bound, lists, scope)
        except (Broken, *MISFITS):
            return


def _read(
    template: Any,
    value: Any,
    bound: Mapping[str, Place],
    lists: Mapping[str, tuple[Place, Select]],
    scope: Mapping[str, Any],
) -> Iterator[tuple[Place, Any]]:
    match template, value:
        case {"for_each": str(rows), "as": str(name), "item": item}, list():
            whole = PLACEHOLDER.fullmatch(rows)
            if whole and whole[1] in lists:
                yield from _records(name, item, value, *lists[whole[1]], scope)
        case dict(), dict():
            for key in template.keys() & value.keys():
                yield from _read(template[key], value[key], bound, lists, scope)
        case str(), str() | int() | float() | list() | dict() | None:
            whole = PLACEHOLDER.fullmatch(template)
            root, _, rest = whole[1].partition(".") if whole else ("", "", "")
            if whole and root in bound:
                place = (*bound[root], *(part for part in rest.split(".") if part))
                yield from _seen(place, whole[2].split("|")[1:], value)


def _records(
    name: str,
    item: Any,
    values: list[Any],
    path: Place,
    chosen: Select,
    scope: Mapping[str, Any],
) -> Iterator[tuple[Place, Any]]:
    """The records of a list: what was asked for holds for each of them."""
    for number, value in enumerate(values, start=1):
        record: World = {}
        for field, wanted in chosen.where.items():
            asked = render(wanted, {**scope, "world": {}})
            if asked is not None:
                record[field] = asked
        for field, query in chosen.about.items():
            record[field] = render(query, scope)
        for place, seen in _read(item, value, {name: ()}, {}, scope):
            _put(record, place, seen)
        record = _settled(record)
        id = str(record.get("id", f"{chosen.select}-{number}"))
        for field, seen in record.items():
            yield (*path, id, field), seen


def _seen(place: Place, filters: Sequence[str], value: Any) -> Iterator[tuple[Place, Any]]:
    kinds = [name.partition(":")[0] for name in filters]
    if "count" in kinds:
        return
    if any(kind == "default" for kind in kinds) and value is None:
        return
    part = next((kind for kind in kinds if kind in ("minor", "major", "unit")), None)
    yield (place, value) if part is None else ((*place, _QUANTITY, part), value)


def _put(world: World, place: Place, value: Any) -> None:
    """Note what was seen; what was seen first stays, as later calls may have changed it."""
    *way, last = place
    here: Any = world
    for key in way:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            return
    here.setdefault(last, copy.deepcopy(value))


def _settled(value: Any) -> Any:
    """The world with numbers and units put together to quantities."""
    if not isinstance(value, dict):
        return value
    if told := value.get(_QUANTITY):
        unit = told.get("unit", "")
        number = told.get("major")
        if number is None and "minor" in told and unit:
            number = float(Decimal(told["minor"]) / minor_factor(unit))
        return {"value": number, "unit": unit} if number is not None and unit else None
    settled = {key: _settled(inner) for key, inner in value.items()}
    return {key: inner for key, inner in settled.items() if inner is not None}


def _lacking(
    calls: Sequence[ToolCall], world: World, contracts: Mapping[str, ToolContract]
) -> tuple[MockRule, ...]:
    """Planned answers for the calls that the world alone answers otherwise."""
    rules: list[MockRule] = []
    while True:
        wrong = next(_wrong(calls, world, contracts, rules), None)
        if wrong is None or len(rules) >= len(calls):
            return tuple(rules)
        rules.append(
            MockRule(
                tool=wrong.tool,
                when=wrong.arguments or {},
                answers=(MockAnswer(result=answer_of(wrong)),),
            )
        )


def _wrong(
    calls: Sequence[ToolCall],
    world: World,
    contracts: Mapping[str, ToolContract],
    rules: Sequence[MockRule],
) -> Iterator[ToolCall]:
    """The calls that are answered otherwise than they were."""
    attempt = {
        "contracts": {
            tool: {"output_schema": {}, **c.model_dump(mode="json", exclude_defaults=True)}
            for tool, c in contracts.items()
        },
        "world": world,
        "mocks": [rule.model_dump(mode="json") for rule in rules],
        "max_calls": len(calls) + 1,
    }
    planned = {(rule.tool, _key(rule.when)) for rule in rules}
    state = first_state(attempt)
    for call in calls:
        _, entry, state = respond(attempt, state, call.tool, call.arguments or {})
        result = answer_of(call)
        as_it_was = entry["error"] is None and same(entry["result"], result)
        fits = result is not None and (call.tool, _key(call.arguments or {})) not in planned
        if not as_it_was and fits:
            yield call


def _key(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, sort_keys=True)
