"""Numbers, money and dates as people write them, each read by eye."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from driftgate import written


def readings(text, **known):
    return [{float(value) for value in n.readings(**known)} for n in written.numbers(text)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234.5", {1234.5}),
        ("1.234,5", {1234.5}),
        ("1 234,5", {1234.5}),
        ("1\u202f234,50", {1234.5}),
        ("1'234.50", {1234.5}),
        ("1’234", {1234}),
        ("12,34,567", {1234567}),
        ("1,23,456.78", {123456.78}),
        ("1.234.567", {1234567}),
        ("123,456,789", {123456789}),
        ("1.234", {1.234, 1234}),
        ("0.500", {0.5}),
        ("1,5", {1.5}),
        (".5", {0.5}),
        ("1234.567", {1234.567}),
        ("0.123", {0.123}),
        ("000.123", {0.123}),
        ("(-3)", {-3}),
        ("-3", {-3}),
        ("−3", {-3}),
        ("(3)", {3, -3}),
        ("12 %", {12}),
        ("5 million", {5_000_000}),
        ("1,2 Mio.", {1_200_000}),
        ("5k", {5000}),
        ("٣٫٥", {3.5}),
        ("١٬٢٣٤٬٥٦٧", {1234567}),
        ("12kg", {12}),
    ],
)
def test_a_number_has_the_values_that_people_may_mean(text, values):
    assert readings(text) == [values]


@pytest.mark.parametrize(
    "text",
    [
        *("ACC-1001", "ref_1001", "v2", "v2.1.0", "1a7b3d", "1.2.3"),
        *("2026-05-20", "20.05.2026", "10:30"),
    ],
)
def test_digits_of_names_versions_dates_and_times_are_no_numbers(text):
    assert readings(text) == []
    assert readings(f"{text} has 7") == [{7}]


def test_a_time_parts_what_stands_around_it():
    (before,) = written.numbers("12 €10:30")
    (after,) = written.numbers("€10:30 12")
    assert (before.currencies, after.currencies) == ({"EUR"}, None)


def test_a_range_is_two_numbers_and_no_minus():
    assert readings("10-20") == [{10}, {20}]


def test_a_sentence_does_not_belong_to_its_number():
    assert readings("It is 1,250.40. Of that, 12,50 are held.") == [{1250.4}, {12.5}]


def test_a_known_decimal_mark_leaves_one_reading():
    assert readings("1.234", decimal_mark=",") == [{1234}]
    assert readings("1.234", decimal_mark=".") == [{1.234}]
    assert readings("1.234,5", decimal_mark=".") == [set()]


def test_what_can_be_no_number_is_not_found_at_all():
    assert readings("1,234'567") == []


def test_money_has_thousands_where_its_currency_has_no_thousandths():
    assert readings("1.234", currency="EUR") == [{1234}]
    assert readings("1.234", currency="KWD") == [{1.234, 1234}]
    assert readings("123.456", currency="EUR") == [{123456}]
    assert readings("1234.567", currency="EUR") == [{1234.567}]
    assert readings("1.0843", currency="USD") == [{1.0843}]
    assert readings("0.500", currency="EUR") == [{0.5}]


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.234,56 €", "EUR"),
        ("EUR 1,234.56", "EUR"),
        ("EUR1,234.56", "EUR"),
        ("$12", "USD"),
        ("12 dollars", "USD"),
        ("US$12", "USD"),
        ("£3", "GBP"),
        ("¥1000", "JPY"),
        ("1'234.50 CHF", "CHF"),
        ("12 zł", "PLN"),
        ("99 kr", "SEK"),
        ("-€5", "EUR"),
        ("€-5", "EUR"),
    ],
)
def test_a_currency_is_seen_before_or_after_its_number(text, currency):
    (number,) = written.numbers(text)
    assert currency in number.currencies


def test_a_plain_number_has_no_currency_and_us_dollars_are_not_canadian_ones():
    (plain,) = written.numbers("12.50")
    (us,) = written.numbers("US$ 12.50")
    assert plain.currencies is None
    assert us.currencies == {"USD"}


def test_cents_are_hundredths():
    (number,) = written.numbers("125040 cents")
    assert number.readings() == {Decimal("1250.40")}


@pytest.mark.parametrize(
    ("text", "currencies"),
    [
        ("12.50 usd", {"USD"}),
        ("USD 12.50", {"USD"}),
        ("12.50 US dollars", {"USD"}),
        ("12,50 US-Dollar", {"USD"}),
        ("US dollar 12.50", {"USD"}),
        ("12.50 Canadian dollars", {"CAD"}),
        ("$12.50 CAD", {"CAD"}),
        ("12.50 Swiss francs", {"CHF"}),
        ("12.50 Pfund", {"GBP", "EGP"}),
        ("12.50 Euros", {"EUR"}),
        ("1250 pence", {"GBP"}),
        ("1250 US cents", {"USD"}),
        ("12.50 GEL", {"GEL"}),
        ("₱12.50", {"PHP"}),
        ("1250 yen", {"JPY"}),
        ("12,50 kronor", {"SEK"}),
        ("5 Mio. Euro", {"EUR"}),
    ],
)
def test_a_currency_may_be_written_out_in_any_case(text, currencies):
    (number,) = written.numbers(text)
    assert number.currencies == currencies


@pytest.mark.parametrize("text", ["₥12.50", "12.50 ₷", "5 %", "5 percent", "5 per cent"])
def test_an_unknown_currency_or_a_share_is_no_money_that_we_know(text):
    (number,) = written.numbers(text)
    assert number.currencies == set()


@pytest.mark.parametrize("text", ["I won 12.50", "12.50, try again", "12.50 try again", "top 5"])
def test_a_word_that_is_a_currency_only_elsewhere_is_none(text):
    (number,) = written.numbers(text)
    assert number.currencies is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("minus 312,77 EUR", [{-312.77}]),
        (" Minus EUR 312.77", [{-312.77}]),
        ("It is negative $5", [{-5}]),
        ("10 minus 3", [{10}, {3}]),
        ("10 EUR minus 3 EUR", [{10}, {3}]),
        ("10\n€-3", [{10}, {-3}]),
        ("terminus 3", [{3}]),
    ],
)
def test_minus_may_be_written_out_where_nothing_is_taken_away(text, values):
    assert readings(text) == values


LONG = 20_000


@pytest.mark.parametrize(
    "text",
    [
        *("1" + " " * LONG, "1" + "\t" * LONG + "may", "\u202f" * LONG),
        *("1" * LONG, "1" + "a" * LONG, "a" * LONG, "1a" * (LONG // 2)),
        *("1 " * (LONG // 2), "1." * (LONG // 2), "1," * (LONG // 2), "1-" * (LONG // 2)),
        *("1" + " 111" * (LONG // 4) + "1", "1'111" * (LONG // 5), "(" * LONG, "$1" * (LONG // 2)),
        *("1 of " * (LONG // 5), "1 may " * (LONG // 6), "may 1 " * (LONG // 6)),
        *("minus " * (LONG // 6) + "1", "us " * (LONG // 3) + "1", "2026 / " * (LONG // 7)),
        *("2026-05-20T10:00:00." + "1" * LONG + "-", "٣ " * (LONG // 2), "1:" * (LONG // 2)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_long_reply_is_read_in_a_time_that_grows_with_its_length(text):
    started = time.process_time()
    for number in written.numbers(text):
        number.readings()
    list(written.dates(text))
    assert time.process_time() - started < 5  # it is below 1 s; each pair of places took 100 s


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-20",
        "20.05.2026",
        "20.5.26",
        "20/05/2026",
        "5/20/2026",
        "May 20, 2026",
        "May 20th 2026",
        "20 May 2026",
        "20th of May 2026",
        "20. Mai 2026",
        "20 mai 2026",
        "20 de mayo de 2026",
        "20 maggio 2026",
        "20  May\n 2026",
        "2026年5月20日",
        "2026/05/20",
    ],
)
def test_a_date_is_read_in_many_forms(text):
    (found,) = written.dates(f"It is due on {text}, at noon")
    assert (found.readings, found.year_known) == ((date(2026, 5, 20),), True)
    assert found.text == " ".join(text.split())


def test_a_date_that_can_be_two_has_both_readings():
    (found,) = written.dates("5/6/2026")
    assert set(found.readings) == {date(2026, 6, 5), date(2026, 5, 6)}


def test_a_point_says_that_the_day_comes_first():
    (found,) = written.dates("5.6.2026")
    assert found.readings == (date(2026, 6, 5),)


def test_a_year_of_four_digits_is_taken_as_it_is_and_one_of_two_is_of_this_century():
    (old,) = written.dates("20.05.1999")
    (new,) = written.dates("20.05.99")
    assert (old.readings, new.readings) == ((date(1999, 5, 20),), (date(2099, 5, 20),))


def test_a_date_may_be_written_in_the_digits_of_another_script():
    (found,) = written.dates("٢٠٢٦-٠٥-٢٠")
    assert found.readings == (date(2026, 5, 20),)


def test_a_date_that_does_not_exist_hides_none_that_does():
    (found,) = written.dates("2026-02-30, 2026-05-20")
    assert found.readings == (date(2026, 5, 20),)


def test_a_date_may_lack_its_year_and_a_time_may_have_a_zone():
    (short,) = written.dates("by May 20")
    (precise,) = written.dates("2026-05-20T10:00:00Z")
    assert (short.readings, short.year_known) == ((date(2000, 5, 20),), False)
    assert precise.readings == (datetime(2026, 5, 20, 10, tzinfo=UTC),)


@pytest.mark.parametrize("text", ["31.02.2026", "13/13/2026", "1.2.3.4", "maybe 3", "10:30"])
def test_what_is_no_date_is_not_read_as_one(text):
    assert list(written.dates(text)) == []
