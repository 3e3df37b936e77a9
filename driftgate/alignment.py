"""Alignment: which actual call stands for which expected one, chosen best over all at once."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from driftgate.assignment import assign
from driftgate.matching import ABSENT, mismatch, show
from driftgate.schemas.cases import CallPattern, ExpectedCall
from driftgate.schemas.traces import ToolCall


class Pair(NamedTuple):
    """An expected call and the actual one aligned with it."""

    expected: ExpectedCall
    pattern: CallPattern  # the expected call itself, or the alternative that fits best
    call: ToolCall
    checked: int  # arguments that were compared
    wrong: tuple[str, ...]  # those outside tolerance, each with what was wanted and what came

    @property
    def exact(self) -> bool:
        return not self.wrong


class Alignment(NamedTuple):
    """Pairs, expected calls that were not made (once per time), and calls that nobody expected."""

    pairs: tuple[Pair, ...]
    missing: tuple[ExpectedCall, ...]
    unexpected: tuple[ToolCall, ...]


def align(expected: Sequence[ExpectedCall], calls: Sequence[ToolCall]) -> Alignment:
    """Align expected with actual calls so that the whole agrees best, whatever their order.

    In this order of weight: required calls made with all arguments right; required calls made;
    optional calls made with all arguments right (an optional call is aligned only then); calls that
    did not fail; arguments right; calls near their place. Each actual call is used once.
    """
    slots = list(_slots(expected, calls))
    candidates = [[_pair(slot, call) for call in calls] for slot, _ in slots]
    size = max(len(slots), len(calls)) + 1
    base = 1 + size * max(1000, size * size)  # no sum of lower digits reaches the next higher one
    values = [
        [
            _value(candidates[row][column], slots[row][1], (row - column) ** 2, size, base)
            for column in range(len(calls))
        ]
        for row in range(len(slots))
    ]
    chosen = assign(values)
    used = set(chosen.values())
    pairs = [candidates[row][column] for row, column in sorted(chosen.items())]
    return Alignment(
        pairs=tuple(pair for pair in pairs if pair is not None),
        missing=tuple(
            slot for row, (slot, required) in enumerate(slots) if required and row not in chosen
        ),
        unexpected=tuple(call for column, call in enumerate(calls) if column not in used),
    )


def check_arguments(pattern: CallPattern, call: ToolCall) -> tuple[int, tuple[str, ...]]:
    """How many arguments the pattern checks in this call, and what is wrong with which."""
    given = call.arguments
    if given is None:
        return max(len(pattern.arguments), 1), ("the arguments could not be read",)
    wrong = [
        f"{name}: {reason}"
        for name, matcher in pattern.arguments.items()
        if (reason := mismatch(matcher, given.get(name, ABSENT)))
    ]
    checked = len(pattern.arguments)
    if pattern.extra_arguments == "forbidden":
        extra = [name for name in given if name not in pattern.arguments]
        wrong += [f"{name}: wanted no such argument, got {show(given[name])}" for name in extra]
        checked += len(extra)
    return checked, tuple(wrong)


def _slots(
    expected: Sequence[ExpectedCall], calls: Sequence[ToolCall]
) -> Iterable[tuple[ExpectedCall, bool]]:
    """Each time a call is expected or allowed, and whether it is required."""
    for call in expected:
        if call.times.min == call.times.max and not call.optional:
            yield from [(call, True)] * call.times.min
            continue
        tools = {call.tool, *(other.tool for other in call.alternatives)}
        possible = sum(actual.tool in tools for actual in calls)
        required = 0 if call.optional else call.times.min
        allowed = possible if call.times.max is None else min(call.times.max, possible)
        yield from ((call, index < required) for index in range(max(required, allowed)))


def _pair(expected: ExpectedCall, call: ToolCall) -> Pair | None:
    if expected.turn is not None and expected.turn != call.turn:
        return None
    options = [
        Pair(expected, pattern, call, *check_arguments(pattern, call))
        for pattern in (expected, *expected.alternatives)
        if pattern.tool == call.tool
    ]
    if len(options) < 2:
        return options[0] if options else None
    return max(options, key=lambda pair: (pair.exact, _share_right(pair)))


def _share_right(pair: Pair) -> int:
    """Arguments right, in thousandths of those checked."""
    return 1000 * (pair.checked - len(pair.wrong)) // pair.checked if pair.checked else 1000


def _value(pair: Pair | None, required: bool, distance: int, size: int, base: int) -> int:
    if pair is None or not (required or pair.exact):
        return 0
    digits = (
        required and pair.exact,
        required,
        pair.exact,
        pair.call.error is None,
        _share_right(pair),
        size * size - distance,
    )
    value = 0
    for digit in digits:
        value = value * base + int(digit)
    return value
