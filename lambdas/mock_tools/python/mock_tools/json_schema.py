"""The part of JSON Schema that tool contracts use, checked without a dependency.

A keyword outside this part is refused when a contract is loaded, so that no constraint is ever
silently ignored.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

ANNOTATIONS = {"title", "description", "default", "examples", "deprecated"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    ),
}
FORMATS = {
    "date": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
}


def violations(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """Yield one sentence for each way in which `value` breaks `schema`."""
    here = place or "the arguments"
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(TYPES[name](value) for name in wanted):
            yield f"{here}: wanted {' or '.join(wanted)}, got {_short(value)}"
            return
    if "enum" in schema and not any(_same(value, option) for option in schema["enum"]):
        yield f"{here}: wanted one of {schema['enum']}, got {_short(value)}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{here}: wanted {schema['const']!r}, got {_short(value)}"
    if isinstance(value, str):
        yield from _text(schema, value, here)
    elif TYPES["number"](value):
        yield from _number(schema, value, here)
    elif isinstance(value, list):
        yield from _array(schema, value, here)
    elif isinstance(value, dict):
        yield from _object(schema, value, place)


def unsupported(schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield one sentence for each keyword, type or format that `violations` would not check."""
    here = place or "the schema"
    for keyword, wanted in schema.items():
        if keyword in ANNOTATIONS:
            continue
        match keyword, wanted:
            case "type", str() | list():
                names = [wanted] if isinstance(wanted, str) else wanted
                yield from (f"{here}: no type {name!r}" for name in names if name not in TYPES)
            case "format", _ if wanted not in FORMATS:
                yield f"{here}: format {wanted!r} is not supported, only {sorted(FORMATS)}"
            case "pattern", str():
                try:
                    re.compile(wanted)
                except re.error as error:
                    yield f"{here}: pattern {wanted!r} does not compile: {error}"
            case "properties", dict():
                for name, inner in wanted.items():
                    yield from unsupported(inner, f"{place}.{name}".lstrip("."))
            case (("items" | "additionalProperties"), dict()):
                yield from unsupported(wanted, f"{place}[]")
            case _ if keyword not in _CHECKED:
                yield f"{here}: keyword {keyword!r} is not supported"


_CHECKED = {
    *("type", "enum", "const", "format", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("items", "minItems", "maxItems"),
    *("properties", "required", "additionalProperties"),
}


def _text(schema: dict[str, Any], value: str, here: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{here}: wanted at least {schema['minLength']} characters, got {_short(value)}"
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{here}: wanted at most {schema['maxLength']} characters, got {len(value)}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{here}: wanted text like {schema['pattern']}, got {_short(value)}"
    if "format" in schema and not FORMATS[schema["format"]].fullmatch(value):
        yield f"{here}: wanted a text in {schema['format']} format, got {_short(value)}"


def _number(schema: dict[str, Any], value: float, here: str) -> Iterator[str]:
    if value < schema.get("minimum", value):
        yield f"{here}: wanted at least {schema['minimum']}, got {value}"
    if value > schema.get("maximum", value):
        yield f"{here}: wanted at most {schema['maximum']}, got {value}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{here}: wanted more than {schema['exclusiveMinimum']}, got {value}"
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        yield f"{here}: wanted less than {schema['exclusiveMaximum']}, got {value}"


def _array(schema: dict[str, Any], value: list[Any], here: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{here}: wanted at least {schema['minItems']} items, got {len(value)}"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{here}: wanted at most {schema['maxItems']} items, got {len(value)}"
    if "items" in schema:
        for index, item in enumerate(value):
            yield from violations(schema["items"], item, f"{here}[{index}]")


def _object(schema: dict[str, Any], value: dict[str, Any], place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{f'{place}.{name}'.lstrip('.')}: required, and not given"
    for name, item in value.items():
        inner = f"{place}.{name}".lstrip(".")
        others = schema.get("additionalProperties", True)
        if name in known:
            yield from violations(known[name], item, inner)
        elif others is False:
            yield f"{inner}: no such argument; there are {sorted(known)}"
        elif isinstance(others, dict):
            yield from violations(others, item, inner)


def _same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, and true equals neither."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
