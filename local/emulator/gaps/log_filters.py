"""In a filter pattern, `?"a" ?"b"` is met by an event that has either; the emulator takes the
question mark for part of the term, and wants them all."""

import re
from collections.abc import Callable

from ministack.services import cloudwatch_logs

_TERMS = re.compile(r'\?("[^"]*"|\S+)')


def apply() -> None:
    original = cloudwatch_logs._compile_filter_pattern
    assert "?" not in original.__code__.co_consts, "filter patterns now know the question mark"

    def compile_pattern(raw: str) -> Callable[[str], bool]:
        if not raw.strip().startswith("?"):
            matches: Callable[[str], bool] = original(raw)
            return matches
        terms = [term.strip('"') for term in _TERMS.findall(raw)]
        return lambda message: any(term in message for term in terms)

    cloudwatch_logs._compile_filter_pattern = compile_pattern
