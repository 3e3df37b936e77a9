"""Matchers, one by one: what each takes, what it refuses, and what it says then."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from driftgate.matching import ABSENT, describe, mismatch, show
from driftgate.schemas.matchers import MATCHERS, Matcher, OutputMatcher

ARGUMENT: TypeAdapter[Any] = TypeAdapter(Matcher)
OUTPUT: TypeAdapter[Any] = TypeAdapter(OutputMatcher)


def m(match: str, **fields: Any) -> Any:
    return ARGUMENT.validate_python({"match": match, **fields})


TAKES = [
    (m("exact", value=1), 1),
    (m("exact", value={"a": [1, None]}), {"a": [1, None]}),
    (m("number", value=1), 1.0),
    (m("number", value=100, abs=0.5), 100.5),
    (m("number", value=-200, rel=0.01), -202),
    (m("number", value=100, abs=5, rel=0.01), 105),
    (m("written_number", value=1234.5), "1.234,5"),
    (m("written_number", value=1234.5), "about 1,234.50 in all"),
    (m("written_number", value=1.234), "1.234"),
    (m("written_number", value=1234), "1.234"),
    (m("written_number", value=7), 7),
    (m("money", value=1250.4, currency="EUR"), "Your balance is 1.250,40 €."),
    (m("money", value=1250.4, currency="EUR"), "1,250.40"),
    (m("money", value=1250.4, currency="EUR"), "125040 cents"),
    (m("money", value=-12.5, currency="EUR"), "-€12.50"),
    (m("money", value=1234, currency="EUR"), "1.234 €"),
    (m("money", value=12.5, currency="EUR"), "12,50 EURO"),
    (m("money", value=12.5, currency="USD"), "12.50 us dollars"),
    (m("money", value=-312.77, currency="EUR"), "minus 312,77 EUR"),
    (m("money", value=100, currency="EUR", rel=0.01), "€101"),
    (m("money", value=12.5, currency="EUR"), 12.5),
    (m("date", value="2026-05-20"), "on 20 May 2026"),
    (m("date", value="2026-05-20"), "on May 20"),
    (m("date", value="2026-05-20"), "2026-05-20T23:59:00"),
    (m("date", value="2026-05-20", within_days=2), "2026-05-22"),
    (m("date", value="2026-05-20T10:00:00+02:00"), "2026-05-20T08:00:00Z"),
    (m("date", value="2026-05-20T10:00:00", within_days=0.5), "2026-05-20T21:00:00"),
    (m("date", earliest="2026-05-01", latest="2026-05-31"), "2026-05-31"),
    (m("date", earliest="2026-05-01"), "2030-01-01"),
    (m("regex", pattern="^TCK-[0-9]+$"), "TCK-12"),
    (m("regex", pattern="^[^a]*$"), ""),
    (m("text", value="Grüße aus  Köln"), "grüße AUS köln"),
    (m("text", value="straße"), "STRASSE"),
    (m("text", value="12 kg"), "１２ ㎏"),
    (m("date", value="2024-02-29"), "29 February"),
    (m("date", value="2000-02-29"), "29 February"),
    (m("date", earliest="2026-05-20T10:00:00+02:00"), "2026-05-20T08:00:00Z"),
    (m("date", value="2026-05-20T10:00:00+02:00"), "2026-05-20T10:00:00"),
    (m("date", value="2026-05-20T10:00:00"), "2026-05-20T10:00:00Z"),
    (m("text", value="U.S.A.", ignore_punctuation=True), "usa"),
    (m("text", value="U.S.A.", ignore_punctuation=True), "u s a"),
    (m("contains", value="not covered"), "It is NOT  covered."),
    (m("contains", value="it's"), "It’s done"),
    (m("contains", value=3), [1, 2, 3]),
    (m("contains", value="a"), ["b", "a"]),
    (m("one_of", options=["a", {"match": "absent"}]), "a"),
    (m("one_of", options=["a", {"match": "absent"}]), ABSENT),
    (m("none_of", options=["a", "b"]), "c"),
    (m("none_of", options=["a", "b"]), ABSENT),
    (m("list", items=[1, "x"]), [1.0, "x"]),
    (m("set", items=[1, 2]), [2, 1]),
    (m("set", items=[{"match": "any"}, 2]), [2, 1]),
    (m("set", items=[1], extra="allowed"), [3, 1]),
    (m("object", fields={"a": 1}), {"a": 1}),
    (m("json_subset", fields={"a": {"b": 1}}), {"a": {"b": 1}, "c": 2}),
    (m("any"), None),
    (m("absent"), ABSENT),
]
REFUSES = [
    (m("exact", value=1), 1.0, "wanted exactly 1, got 1.0"),
    (m("exact", value=1), "1", "wanted exactly 1, got '1'"),
    (m("exact", value=1), True, "wanted exactly 1, got True"),
    (m("exact", value=[1]), [1.0], "wanted exactly [1], got [1.0]"),
    (m("number", value=1), "1", "wanted 1, got '1'"),
    (m("number", value=1), True, "wanted 1, got True"),
    (m("number", value=100, abs=0.5), 100.6, "wanted 100 within 0.5, got 100.6"),
    (
        m("number", value=100, abs=5, rel=0.01),
        105.5,
        "wanted 100 within 5 or 0.01 of it, got 105.5",
    ),
    (m("number", value=5), ABSENT, "wanted 5, got nothing"),
    (m("exact", value={"a": 1}), {"a": 1, "b": 2}, "wanted exactly {'a': 1}, got {'a': 1, 'b': 2}"),
    (m("exact", value={"a": 1, "b": 2}), {"a": 1}, "wanted exactly {'a': 1, 'b': 2}, got {'a': 1}"),
    (m("exact", value=[1, 2]), [1], "wanted exactly [1, 2], got [1]"),
    (m("exact", value=[1, 2]), [2, 1], "wanted exactly [1, 2], got [2, 1]"),
    (m("number", value=5), None, "wanted 5, got None"),
    (m("written_number", value=5), "ACC-5", "wanted 5, found no numbers"),
    (
        m("written_number", value=1234.5, decimal_mark="."),
        "1.234,5",
        "wanted 1234.5, found 1.234,5",
    ),
    (m("written_number", value=5), "3, 4 or 3", "wanted 5, found 3, 4"),
    (m("money", value=12.5, currency="EUR"), "a fee", "wanted 12.50 EUR, found no amounts"),
    (m("money", value=12.5, currency="EUR"), 13, "wanted 12.50 EUR, got 13"),
    (m("money", value=1250.4, currency="EUR"), "12.50 €", "wanted 1,250.40 EUR, found 12.50 €"),
    (m("money", value=12.5, currency="EUR"), "$12.50", "wanted 12.50 EUR, found $12.50"),
    (m("money", value=1.234, currency="EUR"), "1.234 €", "wanted 1.23 EUR, found 1.234 €"),
    *(
        (m("money", value=12.5, currency=currency), text, f"wanted 12.50 {currency}, found {text}")
        for currency, text in (
            ("EUR", "12,50 Dollar"),
            ("EUR", "12.50 usd"),
            ("EUR", "12.50 US dollars"),
            ("EUR", "12.50 Swiss francs"),
            ("EUR", "12.50 Pfund"),
            ("EUR", "₱12.50"),
            ("EUR", "12.50 CENTS"),
            ("EUR", "12.5 %"),
            ("USD", "12,50 Euro"),
            ("GBP", "12.50 Euros"),
            ("EUR", "minus 12.50 EUR"),
        )
    ),
    (m("date", value="2026-05-20"), "May 21", "wanted 2026-05-20, found May 21"),
    (
        m("money", value=1234.5, currency="EUR", decimal_mark="."),
        "1.234,50 €",
        "wanted 1,234.50 EUR, found 1.234,50 €",
    ),
    (m("date", value="2026-05-20"), "2026-05-19", "wanted 2026-05-20, found 2026-05-19"),
    (
        m("date", value="2026-05-20", within_days=1),
        "2026-05-18",
        "wanted 2026-05-20 within 1 days, found 2026-05-18",
    ),
    (
        m("date", earliest="2026-05-20"),
        "May 19",
        "wanted a date from 2026-05-20 to any, found May 19",
    ),
    (m("date", value="2026-03-01"), "29 February", "wanted 2026-03-01, found 29 February"),
    (m("date", value="2100-03-01"), "29 February", "wanted 2100-03-01, found 29 February"),
    (m("date", value="2026-05-20"), "soon", "wanted 2026-05-20, found no dates"),
    (
        m("date", value="2026-05-20T10:00:00", within_days=1),
        "2026-05-21T10:00:01",
        "wanted 2026-05-20T10:00:00 within 1 days, found 2026-05-21T10:00:01",
    ),
    (
        m("date", value="2026-05-20T10:00:00"),
        "2026-05-20",
        "wanted 2026-05-20T10:00:00, found 2026-05-20",
    ),
    (
        m("date", latest="2026-05-31"),
        "2026-06-01",
        "wanted a date from any to 2026-05-31, found 2026-06-01",
    ),
    (m("date", value="2026-05-20"), 20260520, "wanted 2026-05-20, got 20260520"),
    (m("regex", pattern="^a$"), "ba", "wanted text like /^a$/, got 'ba'"),
    (m("text", value="a b"), "ab", "wanted the text 'a b', got 'ab'"),
    (m("contains", value="x"), "abc", "wanted something with 'x', got 'abc'"),
    (m("contains", value=3), ["3"], "wanted something with 3, got ['3']"),
    (m("contains", value=3), "3", "wanted something with 3, got '3'"),
    (m("one_of", options=[1, 2]), 3, "wanted 1 or 2, got 3"),
    (m("one_of", options=[1, 2]), ABSENT, "wanted 1 or 2, got nothing"),
    (m("one_of", options=[{"a": 1}]), {"a": 2}, "a: wanted 1, got 2"),
    (m("none_of", options=["a"]), "a", "wanted not exactly 'a', got 'a'"),
    (m("list", items=[1, 2]), [1], "wanted [1, 2], got [1]"),
    (m("list", items=[1, 2]), [1, 3], "[1] wanted 2, got 3"),
    (m("set", items=[1, 1]), [1, 2], "wanted 1 in any place, got [1, 2]"),
    (m("set", items=[1]), [1, 2], "wanted in any order [1], got [1, 2]"),
    (m("object", fields={"a": 1}), {"a": 1, "b": 2}, "wanted no field 'b', got {'a': 1, 'b': 2}"),
    (m("object", fields={"a": 1}), {}, "a: wanted 1, got nothing"),
    (
        m("json_subset", fields={"a": {"b": 1}}),
        {"a": {"b": 1, "c": 1}},
        "a: wanted no field 'c', got {'b': 1, 'c': 1}",
    ),
    (m("object", fields={"a": 1, "b": 2}), [1], "wanted {a: 1, b: 2}, got [1]"),
    (m("json_subset", fields={"a": 1, "b": 2}), [1], "wanted at least {a: 1, b: 2}, got [1]"),
    (m("any"), ABSENT, "wanted any value, got nothing"),
    (m("absent"), None, "wanted nothing, got None"),
    (m("absent"), 0, "wanted nothing, got 0"),
]


@pytest.mark.parametrize(("matcher", "value"), TAKES, ids=str)
def test_it_takes(matcher, value):
    assert mismatch(matcher, value) is None


@pytest.mark.parametrize(("matcher", "value", "reason"), REFUSES, ids=str)
def test_it_refuses_and_says_what_was_wanted_and_what_came(matcher, value, reason):
    assert mismatch(matcher, value) == reason


def test_every_matcher_is_tried_both_ways():
    assert {matcher.match for matcher, _ in TAKES} == set(MATCHERS)
    assert {matcher.match for matcher, *_ in REFUSES} == set(MATCHERS)


@pytest.mark.parametrize(
    ("short", "meant"),
    [
        (1, m("number", value=1)),
        ("x", m("exact", value="x")),
        (True, m("exact", value=True)),
        (None, m("exact", value=None)),
        ([1], m("list", items=[1])),
        ({"a": 1}, m("object", fields={"a": 1})),
        ({"match": "any"}, m("any")),
    ],
)
def test_a_bare_value_is_short_for_what_people_mean_by_it(short, meant):
    assert ARGUMENT.validate_python(short) == meant


def test_in_a_reply_a_bare_text_is_looked_for_and_a_bare_number_may_be_written_anyhow():
    assert mismatch(OUTPUT.validate_python("blocked"), "Card 1 is BLOCKED.") is None
    assert mismatch(OUTPUT.validate_python(1234.5), "You have 1.234,5 points") is None


@pytest.mark.parametrize("kind", ["exact", "number", "list", "any", "absent"])
def test_a_matcher_that_compares_values_is_refused_for_a_reply(kind):
    fields = {"exact": {"value": 1}, "number": {"value": 1}, "list": {"items": []}}.get(kind, {})
    with pytest.raises(ValidationError):
        OUTPUT.validate_python({"match": kind, **fields})
    with pytest.raises(ValidationError, match="can't look into a reply"):
        OUTPUT.validate_python({"match": "one_of", "options": [{"match": kind, **fields}]})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"match": "one_of", "options": []}, "at least 1 item"),
        ({"match": "regex", "pattern": "("}, "not a regular expression"),
        ({"match": "number", "value": 1, "abs": -1}, "greater than or equal to 0"),
        ({"match": "number", "value": "1"}, "wanted a number"),
        ({"match": "date", "value": "20.05.2026"}, "ISO 8601"),
        ({"match": "date", "earliest": "2026-02-01", "latest": "2026-01-01"}, "nothing can match"),
        ({"match": "date"}, "give `value`, or a window"),
        (
            {"match": "date", "earliest": "2026-05-20T10:00Z", "latest": "2026-05-21T10:00"},
            "must both have a time zone, or neither",
        ),
        ({"match": "contains", "value": " "}, "an empty text is in every text"),
        ({"match": "none_of", "options": [{"match": "regex", "pattern": ""}]}, "in every text"),
        ({"match": "regex", "pattern": "a*|.?"}, "found in every text"),
        ({"match": "money", "value": 1, "currency": "euro"}, "String should match pattern"),
        ({"match": "exakt", "value": 1}, "does not match any of the expected tags"),
        ({"match": "exact", "value": 1, "abs": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_matcher_that_can_not_match_or_says_too_much_is_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        ARGUMENT.validate_python(fields)


@pytest.mark.parametrize(("matcher", "value"), TAKES, ids=str)
def test_a_matcher_survives_being_stored(matcher, value):
    stored = ARGUMENT.dump_json(matcher, exclude_defaults=True)
    assert ARGUMENT.validate_json(stored) == matcher


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        (m("none_of", options=["a", 2]), "not exactly 'a' nor 2"),
        (m("one_of", options=["a", {"match": "absent"}]), "exactly 'a' or nothing"),
        (m("set", items=[1, 2]), "in any order [1, 2]"),
        (m("any"), "any value"),
    ],
)
def test_a_matcher_says_in_words_what_it_wants(matcher, words):
    assert describe(matcher) == words


def test_a_value_is_shown_with_100_characters_at_most():
    assert show("y" * 98) == "'" + "y" * 98 + "'"
    assert show("y" * 99) == "'" + "y" * 96 + "..."


def test_what_was_found_is_listed_with_120_characters_at_most():
    nine = ", ".join(f"100000000{n}" for n in range(9))  # 106 characters
    wanted = m("written_number", value=5)
    assert mismatch(wanted, f"{nine}, 200000000000") == f"wanted 5, found {nine}, 200000000000"
    assert mismatch(wanted, f"{nine}, 2000000000000") == f"wanted 5, found {nine}, 200000000..."
