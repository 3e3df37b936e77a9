"""Values that instrumentations wrote as text: JSON, a Python literal, or the repr of an object."""

import ast
import json
import re
from typing import Any

import pydantic_core

from driftgate import canonical

MOST_DEPTH = 200  # of lists and objects, as many as the reader of JSON takes
MOST_LITERAL = 65_536  # characters; Python's own parser is not made for more from a stranger
_NESTING = (dict, list)  # a union would be made anew at each look
_STRING = r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\""
_FIELD = re.compile(rf"(?<!\w)(\w{{1,64}})=({_STRING})", re.DOTALL)


def from_json(text: str) -> Any:
    """What a text says as JSON, if it is an object or a list; else the text itself.

    A text that only looks like a number stays a text, as nobody said that it is one.
    """
    if not text or text[0] not in "{[ \t\r\n":
        return text
    try:
        found = pydantic_core.from_json(text)
    except (ValueError, TypeError):  # also where it is nested too deeply, or half a surrogate pair
        return text
    return found if isinstance(found, dict | list) else text


def too_deep(value: dict[str, Any] | list[Any], left: int = MOST_DEPTH) -> bool:
    """Whether lists and objects are nested deeper than whoever walks them can go."""
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, _NESTING) and (not left or too_deep(inner, left - 1)):
            return True
    return False


def structure(value: Any) -> Any:
    """The object or list that a value is, or says as JSON or as a Python literal; else itself."""
    if not isinstance(value, str):
        return value
    found = from_json(value)
    if found is not value or value[:1] not in ("{", "[") or len(value) > MOST_LITERAL:
        return found
    try:
        found = json.loads(json.dumps(ast.literal_eval(value)))  # sets are no JSON, tuples lists
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value
    return value if too_deep(found) else found


def repr_fields(text: str) -> dict[str, str]:
    """The fields with text values in the repr of an object: content='…' name='…'."""
    fields: dict[str, str] = {}
    for name, literal in _FIELD.findall(text):
        try:
            fields.setdefault(name, ast.literal_eval(literal))
        except (ValueError, SyntaxError, MemoryError):
            continue
    return fields


def storable(value: Any) -> Any:
    """A value as JSON that can be stored; as its text where it is nested too deeply for that."""
    try:
        return canonical.storable(value)
    except ValueError:
        return canonical.storable(json.dumps(value))
