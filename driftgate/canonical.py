"""One byte form for everything that is hashed, so that equal content has one sha256 everywhere."""

import hashlib
import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 100  # of JSON from outside; a reader of what we store gives up at some 200


def load(text: str | bytes) -> Any:
    """Parse JSON as the standard means it.

    Raises:
        ValueError: not JSON, a key given twice in one object, NaN or an infinity, or half of a
            surrogate pair: all things that `json.loads` lets through and that two readers may
            understand differently. Or lists and objects nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from error
    if text.count("[") + text.count("{") > MAX_DEPTH:  # else it can't be so deep
        _refuse_depth(value, MAX_DEPTH)
    try:
        text.encode()
        if "\\u" in text:  # half of a pair may be written as an escape
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a string holds half of a surrogate pair") from error
    return value


def dump(value: Any) -> bytes:
    """Write JSON with sorted keys, no spaces and UTF-8 text. Raises ValueError on NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """JSON from outside as JSON that can be stored: half surrogate pairs become "?", and numbers
    that are none become their names. Raises ValueError if it is nested deeper than `depth`.
    """
    if depth < 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            return value.encode(errors="replace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {storable(key): storable(inner, depth - 1) for key, inner in value.items()}
        case list():
            return [storable(inner, depth - 1) for inner in value]
    return value


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refuse_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        for inner in value.values() if isinstance(value, dict) else value:
            _refuse_depth(inner, left - 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"key given twice in one object: {', '.join(twice)}")
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} does not fit a double")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
