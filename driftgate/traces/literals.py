"""Values that instrumentations wrote as text: JSON, a Python literal, or the repr of an object."""

import ast
import json
import re
from typing import Any

from driftgate import canonical

MOST_LITERAL = 65_536  # characters; Python's own parser is not made for more from a stranger
_STRING = r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\""
_FIELD = re.compile(rf"(\w+)=({_STRING})", re.DOTALL)


def from_json(text: str) -> Any:
    """What a text says as JSON, if it is an object or a list; else the text itself.

    A text that only looks like a number stays a text, as nobody said that it is one.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if text.count("[") + text.count("{") > canonical.MAX_DEPTH and too_deep(found):
        return text
    return found


def too_deep(value: Any, left: int = canonical.MAX_DEPTH) -> bool:
    """Whether lists and objects are nested deeper than whoever walks them can go."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not left or any(too_deep(one, left - 1) for one in inner if isinstance(one, dict | list))


def structure(value: Any) -> Any:
    """The object or list that a value is, or says as JSON or as a Python literal; else itself."""
    if not isinstance(value, str):
        return value
    found = from_json(value)
    if found is not value or value[:1] not in ("{", "[") or len(value) > MOST_LITERAL:
        return found
    try:
        literal = ast.literal_eval(value)
        found = json.loads(json.dumps(literal))  # sets are no JSON, and tuples become lists
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
