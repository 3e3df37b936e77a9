"""The part of JSON Schema that tool contracts use, checked without a dependency.

A keyword outside this part is refused when a contract is loaded, so that no constraint is ever
silently ignored.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
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
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_IN_PATTERN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)  # escape, class, end


def _is_date(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "email": lambda text: _ADDRESS.fullmatch(text) is not None,
}


def violations(schema: dict[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """Yield one sentence for each way in which `value` breaks `schema`."""
    here = place or "the arguments"
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(TYPES[name](value) for name in wanted):
            yield f"{here}: wanted {' or '.join(wanted)}, got {_short(value)}"
            return
    if "enum" in schema and not any(same(value, option) for option in schema["enum"]):
        yield f"{here}: wanted one of {schema['enum']}, got {_short(value)}"
    if "const" in schema and not same(value, schema["const"]):
        yield f"{here}: wanted {schema['const']!r}, got {_short(value)}"
    if isinstance(value, str):
        yield from _text(schema, value, here)
    elif TYPES["number"](value):
        yield from _number(schema, value, here)
    elif isinstance(value, list):
        yield from _array(schema, value, here)
    elif isinstance(value, dict):
        yield from _object(schema, value, place)


def unsupported(schema: Any, place: str) -> Iterator[str]:
    """Yield one sentence for each part of a schema that `violations` could not check.

    Args:
        place: where the schema stands; each sentence begins with the place of its fault.
    """
    if not isinstance(schema, dict):
        yield f"{place}: wanted a schema, an object; got {_short(schema)}"
        return
    for keyword, value in schema.items():
        here = f"{place}.{keyword}"
        if keyword in ANNOTATIONS:
            continue
        if keyword not in _KEYWORDS:
            yield f"{here}: keyword {keyword!r} is not supported"
            continue
        wanted, is_right = _KEYWORDS[keyword]
        if not is_right(value):
            yield f"{here}: wanted {wanted}, got {_short(value)}"
        elif keyword == "properties":
            for name, inner in value.items():
                yield from unsupported(inner, f"{here}.{name}")
        elif keyword in ("items", "additionalProperties") and not isinstance(value, bool):
            yield from unsupported(value, here)


def _compiles(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(_pattern(value))
    except re.error:
        return False


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and _is_texts(names) and TYPES.keys() >= set(names)


def _is_size(value: Any) -> bool:
    return TYPES["integer"](value) and value >= 0


_KEYWORDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "type": (f"one or a list of {', '.join(TYPES)}", _is_type),
    "enum": ("a list", TYPES["array"]),
    "const": ("any value", lambda value: True),
    "format": (
        f"one of {', '.join(FORMATS)}",
        lambda value: isinstance(value, str) and value in FORMATS,
    ),
    "pattern": ("a regular expression", _compiles),
    **dict.fromkeys(("minLength", "maxLength"), ("a whole number from 0", _is_size)),
    **dict.fromkeys(("minItems", "maxItems"), ("a whole number from 0", _is_size)),
    **dict.fromkeys(("minimum", "maximum"), ("a number", TYPES["number"])),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), ("a number", TYPES["number"])),
    "items": ("a schema, an object", TYPES["object"]),
    "properties": ("an object of schemas", TYPES["object"]),
    "required": ("a list of names", _is_texts),
    "additionalProperties": (
        "true, false or a schema",
        lambda value: isinstance(value, bool | dict),
    ),
}


def _text(schema: dict[str, Any], value: str, here: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{here}: wanted at least {schema['minLength']} characters, got {_short(value)}"
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{here}: wanted at most {schema['maxLength']} characters, got {len(value)}"
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield f"{here}: wanted text like {schema['pattern']}, got {_short(value)}"
    if "format" in schema and not FORMATS[schema["format"]](value):
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


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, and true equals neither."""
    match left, right:
        case (bool(), _) | (_, bool()):
            return left is right
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
        case list(), list():
            return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of JSON Schema: `$` is the end of the text, not also before a last newline."""
    return re.compile(_IN_PATTERN.sub(lambda found: r"\Z" if found[0] == "$" else found[0], text))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
