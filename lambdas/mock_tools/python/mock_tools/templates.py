"""Templates: JSON in which "{path|filter}" stands for a value of the scope.

A text that is one placeholder becomes the value itself, with its type; in a longer text the value
is written out. `{"for_each": "{rows}", "as": "row", "item": ...}` makes a list. A quantity of the
world is `{"value": 1250.4, "unit": "EUR"}`; the filters render it:

    minor       in the smallest unit of its currency (ISO 4217), an integer: 125040 for 1250.40 EUR
    major       in its own unit, as a number: 1250.4
    unit        its unit: "EUR"
    default:X   X (JSON, else text) where the path leads nowhere or to null
    count       how many elements
"""

import copy
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mock_tools.currencies import minor_factor

PLACEHOLDER = re.compile(r"\{([a-z_][\w.-]*)((?:\|[a-z]+(?::[^|{}]*)?)*)\}")
CURRENCY = re.compile(r"[A-Z]{3}")
FILTERS = ("minor", "major", "unit", "default", "count")
MISFITS = (
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    ArithmeticError,
)  # of data, in Python
_NOTHING = object()


class Broken(Exception):
    """The mock's own data can't give an answer: a fault of the case or the contract."""


def render(template: Any, scope: Mapping[str, Any]) -> Any:
    """Fill in a template. The result is a copy: what a later step changes does not reach it."""
    match template:
        case str():
            return _text(template, scope)
        case {"for_each": rows, "as": name, "item": item}:
            found = render(rows, scope)
            if not isinstance(found, list):
                raise Broken(f"for_each {rows}: wanted a list, got {found!r}")
            return [render(item, {**scope, name: row}) for row in found]
        case dict():
            return {key: render(value, scope) for key, value in template.items()}
        case list():
            return [render(value, scope) for value in template]
    return template


def _text(template: str, scope: Mapping[str, Any]) -> Any:
    whole = PLACEHOLDER.fullmatch(template)
    if whole:
        return copy.deepcopy(_value(whole[1], whole[2], scope))
    return PLACEHOLDER.sub(lambda found: in_words(_value(found[1], found[2], scope)), template)


def _value(path: str, filters: str, scope: Mapping[str, Any]) -> Any:
    value = _look_up(path, scope)
    for part in filters.split("|")[1:]:
        name, _, argument = part.partition(":")
        value = _filter(name, argument, value, path)
    if value is _NOTHING:
        raise Broken(f"{{{path}}}: nothing there")
    return value


def _look_up(path: str, scope: Mapping[str, Any]) -> Any:
    value: Any = scope
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _NOTHING
    return value


def _filter(name: str, argument: str, value: Any, path: str) -> Any:
    if name == "default":
        return _literal(argument) if value is _NOTHING or value is None else value
    if value is _NOTHING:
        raise Broken(f"{{{path}}}: nothing there")
    match name, value:
        case "count", list() | dict():
            return len(value)
        case "unit", {"value": int() | float(), "unit": str(unit)}:
            return unit
        case "major", {"value": int() | float() as number, "unit": str()}:
            return number
        case "minor", {"value": int() | float() as number, "unit": str(unit)}:
            if not CURRENCY.fullmatch(unit):
                raise Broken(f"{{{path}|minor}}: {unit!r} is no currency")
            scaled = Decimal(str(number)) * minor_factor(unit)
            if scaled != int(scaled):
                raise Broken(f"{{{path}|minor}}: {number} {unit} has parts of its smallest unit")
            return int(scaled)
    if name in ("minor", "major", "unit"):
        wanted = '{"value": a number, "unit": a text}'
        raise Broken(f"{{{path}|{name}}}: wanted {wanted}, got {value!r}")
    raise Broken(f"{{{path}|{name}}}: no filter {name!r} for {value!r}")


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def in_words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
