"""What a model would say of a session of production, of amounts at least: arithmetic in its place.

An amount is grounded if a tool returned it or the user named it, as units or as cents, or if it is
the sum, the difference or the product of two such.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from driftgate.judges.passages import Passage
from driftgate.schemas.judgments import Answer

_AMOUNT = re.compile(
    r"(?<![\w.,-])-?\d{1,3}(?:,\d{3})*\.\d{2}(?!\d)|(?<![\w.,-])-?\d+\.\d{2}(?!\d)"
)
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
NEAR = 0.006


def answer(id: str, told: Sequence[Passage]) -> Answer:
    """Whether each amount in a reply follows from what was known by then."""
    known: list[float] = []
    evidence = ""
    for passage in told:
        if passage.speaker != "agent":
            known += _numbers(passage)
            continue
        for written in _AMOUNT.findall(passage.text):
            if not _follows(abs(float(written.replace(",", ""))), known):
                return Answer(item=id, answer="no", evidence=written)
            evidence = evidence or written
        evidence = evidence or _first_words(passage.text)
    return Answer(item=id, answer="yes" if evidence else "no", evidence=evidence)


def resolved(id: str, told: Sequence[Passage]) -> Answer:
    """Whether the last word of a conversation is a reply."""
    replies = [passage.text for passage in told if passage.speaker == "agent"]
    words = _first_words(replies[-1]) if replies else ""
    return Answer(item=id, answer="yes" if words else "no", evidence=words)


def _follows(amount: float, known: Sequence[float]) -> bool:
    made = (
        value
        for one, other in combinations(known[-20:], 2)
        for value in (one + other, abs(one - other), one * other)
    )
    return any(abs(amount - value) < NEAR for value in (*known, *made))


def _numbers(passage: Passage) -> Iterator[float]:
    if passage.speaker == "user":
        for written in _NUMBER.findall(passage.text):
            yield abs(float(written.replace(",", "")))
        return
    try:
        value = json.loads(passage.text)
    except ValueError:
        return
    for number in _leaves(value):
        yield abs(number)
        if isinstance(number, int):
            yield abs(number) / 100  # cents


def _leaves(value: Any) -> Iterator[float]:
    match value:
        case bool():
            return
        case int() | float():
            yield value
        case str():
            try:
                inner = json.loads(value)
            except ValueError:
                return
            if not isinstance(inner, str):
                yield from _leaves(inner)
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from _leaves(inner)


def _first_words(text: str) -> str:
    found = re.search(r"\S+(?: \S+){0,4}", text)
    return found[0] if found else ""
