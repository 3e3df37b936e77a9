"""Matching: does a value satisfy a matcher, and if not, what was wanted and what came."""

import calendar
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from driftgate import written
from driftgate.assignment import assign
from driftgate.schemas import matchers
from driftgate.schemas.matchers import AnyMatcher


class Absent:
    """Stands for an argument that was not given; None is JSON's null, which is a value."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


def mismatch(matcher: AnyMatcher, value: Any) -> str | None:
    """Say in one phrase why `value` does not satisfy `matcher`; None when it does.

    Args:
        matcher: what is wanted.
        value: a JSON value, or ABSENT. For a reply, its whole text: `written_number`, `money`,
            `date`, `contains` and `regex` look for what they want anywhere in a text.
    """
    if value is ABSENT and matcher.match not in ("absent", "one_of", "none_of"):
        return f"wanted {describe(matcher)}, got nothing"
    reason: str | None = _CHECKS[matcher.match](matcher, value)
    return reason


def describe(matcher: AnyMatcher) -> str:
    """What a matcher wants, in words."""
    match matcher:
        case matchers.Exact():
            return f"exactly {show(matcher.value)}"
        case matchers.Number() | matchers.WrittenNumber():
            return f"{matcher.value}{_tolerance(matcher)}"
        case matchers.Money():
            return f"{matcher.value:,.2f} {matcher.currency}{_tolerance(matcher)}"
        case matchers.Date() if matcher.value is not None:
            within = f" within {matcher.within_days:g} days" if matcher.within_days else ""
            return f"{matcher.value.isoformat()}{within}"
        case matchers.Date():
            return f"a date from {matcher.earliest or 'any'} to {matcher.latest or 'any'}"
        case matchers.Regex():
            return f"text like /{matcher.pattern}/"
        case matchers.Text():
            return f"the text {show(matcher.value)}"
        case matchers.Contains():
            return f"something with {show(matcher.value)}"
        case matchers.OneOf():
            return " or ".join(describe(option) for option in matcher.options)
        case matchers.NoneOf():
            return "not " + " nor ".join(describe(option) for option in matcher.options)
        case matchers.List():
            return f"[{', '.join(describe(item) for item in matcher.items)}]"
        case matchers.SetOf():
            return f"in any order [{', '.join(describe(item) for item in matcher.items)}]"
        case matchers.Object() | matchers.JsonSubset():
            inner = ", ".join(
                f"{name}: {describe(field)}" for name, field in matcher.fields.items()
            )
            return f"{{{inner}}}" if matcher.match == "object" else f"at least {{{inner}}}"
        case matchers.Absent():
            return "nothing"
    return "any value"


def show(value: Any) -> str:
    """A value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def same_json(left: Any, right: Any) -> bool:
    """Equal as JSON values with their types: 1, 1.0 and true are three values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same_json(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def normal(text: str) -> str:
    """A text without its case, spacing, Unicode form and typographic quotes."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return " ".join(text.casefold().split())


_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "‐": "-", "‑": "-"})


def _tolerance(matcher: matchers.Number | matchers.WrittenNumber | matchers.Money) -> str:
    parts = [f"{matcher.abs:g}"] if matcher.abs else []
    parts += [f"{matcher.rel:.4g} of it"] if matcher.rel else []
    return f" within {' or '.join(parts)}" if parts else ""


def _close(
    matcher: matchers.Number | matchers.WrittenNumber | matchers.Money, got: Decimal
) -> bool:
    wanted = Decimal(str(matcher.value))
    allowed = max(Decimal(str(matcher.abs)), Decimal(str(matcher.rel)) * abs(wanted))
    return abs(got - wanted) <= allowed


def _exact(matcher: matchers.Exact, value: Any) -> str | None:
    if same_json(matcher.value, value):
        return None
    return f"wanted {describe(matcher)}, got {show(value)}"


def _number(
    matcher: matchers.Number | matchers.WrittenNumber | matchers.Money, value: Any
) -> str | None:
    if type(value) is type(matcher.value) and value == matcher.value:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and _close(matcher, Decimal(str(value))):
        return None
    return f"wanted {describe(matcher)}, got {show(value)}"


def _written_number(matcher: matchers.WrittenNumber, value: Any) -> str | None:
    if not isinstance(value, str):
        return _number(matcher, value)
    found = []
    for number in written.numbers(value):
        if any(_close(matcher, reading) for reading in number.readings(matcher.decimal_mark)):
            return None
        found.append(number.text)
    return f"wanted {describe(matcher)}, {_listed('numbers', found)}"


def _money(matcher: matchers.Money, value: Any) -> str | None:
    if not isinstance(value, str):
        return _number(matcher, value)
    found = []
    for amount in written.numbers(value):
        found.append(amount.text)
        fits = amount.currencies is None or matcher.currency in amount.currencies
        readings = amount.readings(matcher.decimal_mark, matcher.currency)
        if fits and any(_close(matcher, reading) for reading in readings):
            return None
    return f"wanted {describe(matcher)}, {_listed('amounts', found)}"


def _listed(kind: str, texts: Sequence[str]) -> str:
    if not texts:
        return f"found no {kind}"
    shown = ", ".join(dict.fromkeys(texts))
    return f"found {shown if len(shown) <= 120 else shown[:117] + '...'}"


def _date(matcher: matchers.Date, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"wanted {describe(matcher)}, got {show(value)}"
    found = list(written.dates(value))
    for candidate in found:
        if any(
            _in_window(matcher, reading, candidate.year_known) for reading in candidate.readings
        ):
            return None
    return f"wanted {describe(matcher)}, {_listed('dates', [d.text for d in found])}"


def _in_window(matcher: matchers.Date, got: date, year_known: bool) -> bool:
    wanted = [day for day in (matcher.value, matcher.earliest, matcher.latest) if day is not None]
    if not year_known:
        years = {day.year for day in wanted}
        return any(_in_window(matcher, got.replace(year=y), True) for y in years if _exists(got, y))
    if any(isinstance(day, datetime) for day in wanted):
        if not isinstance(got, datetime):
            return False  # a time of day was wanted and none is written
    elif isinstance(got, datetime):
        got = got.date()
    if matcher.value is not None:
        return abs(_days_between(got, matcher.value)) <= matcher.within_days
    return (matcher.earliest is None or _days_between(got, matcher.earliest) >= 0) and (
        matcher.latest is None or _days_between(got, matcher.latest) <= 0
    )


def _exists(day: date, year: int) -> bool:
    return calendar.isleap(year) or (day.month, day.day) != (2, 29)


def _days_between(got: date, wanted: date) -> float:
    """Days from `wanted` to `got`. A zone counts only where both have one."""
    if isinstance(got, datetime) and isinstance(wanted, datetime):
        if got.tzinfo is None or wanted.tzinfo is None:
            got, wanted = got.replace(tzinfo=None), wanted.replace(tzinfo=None)
        return (got - wanted).total_seconds() / 86_400
    return (got - wanted).days


def _regex(matcher: matchers.Regex, value: Any) -> str | None:
    if isinstance(value, str) and re.search(matcher.pattern, value):
        return None
    return f"wanted {describe(matcher)}, got {show(value)}"


def _text(matcher: matchers.Text, value: Any) -> str | None:
    if isinstance(value, str):
        form = _without_punctuation if matcher.ignore_punctuation else normal
        if value == matcher.value or form(value) == form(matcher.value):
            return None
    return f"wanted {describe(matcher)}, got {show(value)}"


def _without_punctuation(text: str) -> str:
    return _PUNCTUATION.sub("", normal(text))


_PUNCTUATION = re.compile(r"[\W_]+")


def _contains(matcher: matchers.Contains, value: Any) -> str | None:
    if isinstance(value, str) and isinstance(matcher.value, str):
        held = normal(matcher.value) in normal(value)
    else:
        held = isinstance(value, list) and any(same_json(matcher.value, item) for item in value)
    return None if held else f"wanted {describe(matcher)}, got {show(value)}"


def _one_of(matcher: matchers.OneOf, value: Any) -> str | None:
    for option in matcher.options:
        reason = mismatch(option, value)
        if reason is None:
            return None
    return reason if len(matcher.options) == 1 else f"wanted {describe(matcher)}, got {show(value)}"


def _none_of(matcher: matchers.NoneOf, value: Any) -> str | None:
    if any(mismatch(option, value) is None for option in matcher.options):
        return f"wanted {describe(matcher)}, got {show(value)}"
    return None


def _list(matcher: matchers.List, value: Any) -> str | None:
    if not isinstance(value, list) or len(value) != len(matcher.items):
        return f"wanted {describe(matcher)}, got {show(value)}"
    return _first(
        f"[{index}] {reason}"
        for index, (item, element) in enumerate(zip(matcher.items, value, strict=True))
        if (reason := mismatch(item, element))
    )


def _set(matcher: matchers.SetOf, value: Any) -> str | None:
    too_many = matcher.extra == "forbidden" and isinstance(value, list)
    if not isinstance(value, list) or (too_many and len(value) > len(matcher.items)):
        return f"wanted {describe(matcher)}, got {show(value)}"
    fits = [[int(mismatch(item, element) is None) for element in value] for item in matcher.items]
    pairs = assign(fits)
    unmet = [item for index, item in enumerate(matcher.items) if index not in pairs]
    if not unmet:
        return None
    return f"wanted {describe(unmet[0])} in any place, got {show(value)}"


def _object(matcher: matchers.Object, value: Any) -> str | None:
    if isinstance(value, dict) and (extra := value.keys() - matcher.fields.keys()):
        return f"wanted no field {sorted(extra)[0]!r}, got {show(value)}"
    return _fields(matcher, value)


def _json_subset(matcher: matchers.JsonSubset, value: Any) -> str | None:
    return _fields(matcher, value)


def _fields(matcher: matchers.Object | matchers.JsonSubset, value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"wanted {describe(matcher)}, got {show(value)}"
    return _first(
        f"{name}: {reason}"
        for name, field in matcher.fields.items()
        if (reason := mismatch(field, value.get(name, ABSENT)))
    )


def _first(reasons: Iterable[str]) -> str | None:
    return next(iter(reasons), None)


def _any(matcher: matchers.Anything, value: Any) -> str | None:
    return None


def _absent(matcher: matchers.Absent, value: Any) -> str | None:
    return None if value is ABSENT else f"wanted nothing, got {show(value)}"


_CHECKS: dict[str, Callable[[Any, Any], str | None]] = {
    "exact": _exact,
    "number": _number,
    "written_number": _written_number,
    "money": _money,
    "date": _date,
    "regex": _regex,
    "text": _text,
    "contains": _contains,
    "one_of": _one_of,
    "none_of": _none_of,
    "list": _list,
    "set": _set,
    "object": _object,
    "json_subset": _json_subset,
    "any": _any,
    "absent": _absent,
}
