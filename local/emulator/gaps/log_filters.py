"""A filter pattern of terms is met as AWS says: by letter case, all plain terms, none with a minus,
one of those with a question mark. The emulator knows neither the case nor the question mark."""

import re
from collections.abc import Callable

from ministack.services import cloudwatch_logs

TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))')
OTHER_KINDS = ("{", "[", "%")  # JSON, columns, regular expressions
PLAIN = re.compile(r"\w+", re.ASCII)


def apply() -> None:
    original = cloudwatch_logs._compile_filter_pattern
    assert "?" not in original.__code__.co_consts, "filter patterns now know the question mark"

    def compile_pattern(pattern: str) -> Callable[[str], bool]:
        if pattern.strip().startswith(OTHER_KINDS):
            matches: Callable[[str], bool] = original(pattern)
            return matches
        return matcher(pattern)

    cloudwatch_logs._compile_filter_pattern = compile_pattern


def matcher(pattern: str) -> Callable[[str], bool]:
    found: dict[str, list[str]] = {"": [], "-": [], "?": []}
    for sign, quoted, plain in TERM.findall(pattern):
        found[sign].append(plain or re.sub(r"\\(.)", r"\1", quoted))
    wanted, unwanted, either = found.values()
    if wanted or unwanted:  # then those with a question mark do not count
        return lambda message: (
            all(term in message for term in wanted)
            and not any(term in message for term in unwanted)
        )
    return lambda message: not either or any(term in message for term in either)


def check(pattern: str) -> None:
    """Refuse what AWS refuses, and the kinds that the emulator can't match."""
    if pattern.strip().startswith(OTHER_KINDS):
        raise ValueError(f"the emulator matches terms alone, not {pattern}")
    for _, _, plain in TERM.findall(pattern):
        if plain and not PLAIN.fullmatch(plain):
            raise ValueError(f"Invalid character(s) in term '{plain}'")
