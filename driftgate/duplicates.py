"""Near-duplicates: cases that differ by names, ids and numbers only, and so test one thing.

Two cases are near-duplicates if turns, calls, outputs, mocks, locale and world are the same, once

- each name or id has become its rank in the case, so that what was told apart stays told apart. A
  name or id is a key of the case's world, or a text of up to four words in it or in the arguments
  of expected calls, with a capital letter, a digit or an @ in it; also each word of it that begins
  with a capital. The unit of a quantity is none;
- numbers have lost their digits and kept their sign, and zero stays zero;
- texts have lost letter case and spacing, and ids of expected calls are their positions.

Of a world it is compared what it holds, not how often. Id, provenance, task type, difficulty and
the critical flag of a case are labels: they make no difference.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from driftgate import canonical
from driftgate.schemas.cases import CallPattern, Case
from driftgate.schemas.record import CaseId

NAME_WORDS = 4  # a longer text is prose
PLAIN = {"tool", "match", "currency", "fault", "code"}  # of these fields no text is a name
_NUMBER = r"\d+(?:[.,:'’\u00a0\u202f/-]\d+| \d{3}(?!\d))*"


def near_duplicates(cases: Iterable[Case]) -> tuple[tuple[CaseId, ...], ...]:
    """The groups of cases that are near-duplicates of each other, by their ids."""
    alike: dict[bytes, list[CaseId]] = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        alike.setdefault(_skeleton(case), []).append(case.case_id)
    return tuple(tuple(ids) for ids in alike.values() if len(ids) > 1)


def _skeleton(case: Case) -> bytes:
    """What is left of a case without its names, ids and numbers."""
    told = [call.model_dump(mode="json") for call in case.expected_calls]
    names = {*_names(case.world), *_names([call["arguments"] for call in told])}
    words = {w for name in names for w in re.findall(r"\w{2,}", name) if w[0].isupper()}
    masked = _Masked(names | words)
    position = {call.id: index for index, call in enumerate(case.expected_calls)}
    content = case.model_dump(mode="json", include={"turns", "expected_outputs", "mocks"})
    return canonical.dump(
        [
            case.locale,
            masked.value(content),
            [
                [call.effect, call.optional, call.times.min, call.times.max, call.turn]
                + [sorted(position[id] for id in call.after), _pattern(call, masked)]
                + [_pattern(other, masked) for other in call.alternatives]
                for call in case.expected_calls
            ],
            [[f.tool, masked.value(f.model_dump(mode="json"))] for f in case.forbidden_calls],
            sorted(set(_leaves(case.world, ()))),
        ]
    )


def _pattern(call: CallPattern, masked: "_Masked") -> list[Any]:
    arguments = call.model_dump(mode="json")["arguments"]
    return [call.tool, call.extra_arguments, masked.value(arguments)]


class _Masked:
    """JSON with names and numbers masked; the ranks of names run through the whole case."""

    def __init__(self, names: Iterable[str]) -> None:
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        known = "|".join(re.escape(name) for name in longest_first)
        names_first = rf"(?<!\w)(?P<name>{known})(?!\w)|{_NUMBER}" if known else _NUMBER
        self._pattern = re.compile(names_first)
        self._ranks: dict[str, int] = {}

    def value(self, value: Any, field: str = "") -> Any:
        match value:
            case dict():
                return {key: self.value(value[key], key) for key in sorted(value)}
            case list():
                return [self.value(inner) for inner in value]
            case str() if field not in PLAIN:
                return _plain(self._pattern.sub(self._rank, value))
        return _sign(value)

    def _rank(self, found: re.Match[str]) -> str:
        if found.lastgroup is None:
            return "#"
        return f"<{self._ranks.setdefault(found[0], len(self._ranks))}>"


def _names(world: Any) -> Iterator[str]:
    match world:
        case dict() if world.keys() != {"value", "unit"}:
            for key, value in world.items():
                yield from _names(key)
                yield from _names(value)
        case list():
            for value in world:
                yield from _names(value)
        case str() if _is_name(world):
            yield world


def _is_name(text: str) -> bool:
    marked = any(c.isupper() or c.isdigit() or c == "@" for c in text)
    return marked and len(text.split()) <= NAME_WORDS


def _leaves(world: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Every value of the world with the way to it, names and numbers masked, as JSON text."""
    match world:
        case dict():
            for key, value in world.items():
                is_unit = key == "unit" and world.keys() == {"value", "unit"}
                part = "<>" if _is_name(key) else key
                yield from [(*path, part, value)] if is_unit else _leaves(value, (*path, part))
        case list():
            for value in world:
                yield from _leaves(value, (*path, "[]"))
        case str():
            yield (*path, "<>" if _is_name(world) else _plain(re.sub(_NUMBER, "#", world)))
        case _:
            yield (*path, str(_sign(world)))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _sign(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return value
    return "-#" if value < 0 else "#"
