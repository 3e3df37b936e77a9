"""Numbers, money and dates as people write them, found in a text in any of their readings.

"1.234" is 1234 to a German and a little more than one to an American. A token therefore has a set
of readings, and a caller who knows more (a currency, a decimal mark) narrows it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache

from mock_tools.currencies import MINOR_DIGITS

# ISO 4217, and what is traded like it.
_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
    KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN
    NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
    UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL BTC ETH USDC USDT
"""
_ALSO_WORDS = "ALL BAM BOB COP CUP GEL MAD MOP PEN SOS TOP TRY"  # are codes in capitals alone
_DOLLARS = (
    "USD AUD CAD HKD MXN NZD SGD TWD ARS CLP COP BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD"
    " SBD SRD TTD XCD"
)
_SIGNS: dict[str, frozenset[str]] = {
    sign: frozenset(codes.split())
    for signs, codes in (
        ("€ euro euros", "EUR"),
        ("$ dollar dollars dólar dólares bucks", _DOLLARS),
        ("us$", "USD"),
        ("a$ au$", "AUD"),
        ("c$ ca$", "CAD"),
        ("hk$", "HKD"),
        ("nz$", "NZD"),
        ("s$", "SGD"),
        ("r$ reais", "BRL"),
        ("£ pound pounds pfund quid", "GBP EGP"),
        ("¥ ￥", "JPY CNY"),
        ("円 yen", "JPY"),
        ("元 yuan renminbi rmb", "CNY"),
        ("fr. sfr. franc francs franken", "CHF XAF XOF XPF"),
        ("kr kr. krona kronen", "SEK NOK DKK ISK"),
        ("kronor", "SEK"),
        ("krone kroner", "NOK DKK"),
        ("zł zloty zlotys złoty złotych", "PLN"),
        ("kč koruna", "CZK"),
        ("forint", "HUF"),
        ("₹ rupee rupees rupien", "INR PKR LKR NPR"),
        ("₽ ruble rubles roubles rubel", "RUB BYN"),
        ("₩ won", "KRW"),
        ("₺ lira liras lire", "TRY"),
        ("₪ shekel shekels", "ILS"),
        ("฿ baht", "THB"),
        ("₫ dong", "VND"),
        ("₴ hryvnia", "UAH"),
        ("₱", "PHP"),
        ("₡", "CRC"),
        ("₲", "PYG"),
        ("₸", "KZT"),
        ("₾", "GEL"),
        ("₵", "GHS"),
        ("₼", "AZN"),
        ("৳", "BDT"),
        ("peso pesos", "MXN ARS CLP COP PHP UYU DOP CUP"),
        ("rand", "ZAR"),
        ("ringgit", "MYR"),
        ("rupiah", "IDR"),
        ("dirham dirhams", "AED MAD"),
        ("dinar dinars", "BHD IQD JOD KWD LYD TND DZD RSD"),
        ("riyal riyals rial rials", "SAR QAR OMR IRR YER"),
        ("₦ naira", "NGN"),
        ("shilling shillings", "KES UGX TZS SOS"),
        ("₿ bitcoin bitcoins", "BTC"),
    )
    for sign in signs.split()
}
_SIGNS |= {code.casefold(): frozenset({code}) for code in _CODES.split()}
_SHARES = dict.fromkeys(("%", "‰", "percent", "per cent", "prozent"), frozenset[str]())
_HUNDREDTHS: dict[str, frozenset[str] | None] = {  # None: of whatever currency it is
    **dict.fromkeys(("cents", "cent", "ct", "¢", "céntimos"), None),
    **dict.fromkeys(("pence", "penny"), frozenset({"GBP"})),
    **dict.fromkeys(("centimes", "rappen"), frozenset({"EUR", "CHF"})),
}
_WHOSE = {
    **dict.fromkeys(("us", "u.s.", "american"), "USD"),
    "canadian": "CAD",
    "australian": "AUD",
    "new zealand": "NZD",
    "hong kong": "HKD",
    "singapore": "SGD",
    "mexican": "MXN",
    "british": "GBP",
    "egyptian": "EGP",
    **dict.fromkeys(("swiss", "schweizer"), "CHF"),
    "swedish": "SEK",
    "norwegian": "NOK",
    "danish": "DKK",
    "japanese": "JPY",
    "chinese": "CNY",
}
_KNOWN: dict[str, frozenset[str] | None] = {"": None, **_SIGNS, **_HUNDREDTHS, **_SHARES}
_MULTIPLES = {
    **dict.fromkeys(("k", "thousand", "tsd."), Decimal(10) ** 3),
    **dict.fromkeys(("million", "millions", "millionen", "mio.", "mio", "mn"), Decimal(10) ** 6),
    **dict.fromkeys(("billion", "milliarden", "mrd.", "mrd", "bn"), Decimal(10) ** 9),
}


def _any_of(words: Iterable[str]) -> str:
    """Backwards in the alphabet, a word comes before its own beginning: "mio." before "mio"."""
    return "|".join(re.escape(word) for word in sorted(words, reverse=True))


_SPACE = "[ \u00a0\u2009\u202f]"
_CORE = rf"\d{{1,3}}(?:{_SPACE}\d{{3}})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,'’]\d+)*|[.]\d+"
_WHOSE_IT_IS = rf"(?:(?P<whose>{_any_of(_WHOSE)})(?:{_SPACE}|-))?"
_SIGN = (
    rf"{_any_of(_SIGNS.keys() - {*_ALSO_WORDS.casefold().split()})}"
    rf"|(?-i:{_any_of(_ALSO_WORDS.split())})"
    # every other currency symbol of Unicode
    "|[\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u17db\u20a0-\u20cf\ufdfc\ufe69\uff04\uffe0\uffe1\uffe6]"
)
_LONGEST_BEFORE = 32
_WORD_WITH_DIGITS = r"[^\W\d_]*\d"
_DATE_OR_TIME = (
    r"\d{4}-\d\d?-\d\d?(?:[T ]\d\d:\d\d(?::\d\d)?)?|\d{1,2}([./-])\d{1,2}\1\d{4}"
    r"|\d{1,2}:\d\d(?::\d\d)?"
)


# Patterns are compiled when a text is read: every function imports this module, and few read texts.


@cache
def _before() -> re.Pattern[str]:
    return re.compile(
        rf"(?P<open>\()?(?P<minus>[-−]|(?<!\w)(?:minus|negative){_SPACE})?"
        rf"(?:(?<![^\W\d_])(?![\s!-#%-@]|won){_WHOSE_IT_IS}(?P<sign>{_SIGN}){_SPACE}?)?"
        r"(?P<minus_inside>[-−])?$",
        re.IGNORECASE,
    )


@cache
def _after() -> re.Pattern[str]:
    return re.compile(
        rf"(?:{_SPACE}?(?P<multiple>{_any_of(_MULTIPLES)})(?!\w))?"
        rf"(?:{_SPACE}?{_WHOSE_IT_IS}(?P<sign>{_SIGN}|{_any_of([*_HUNDREDTHS, *_SHARES])})(?!\w))?"
        r"(?P<close>\))?",
        re.IGNORECASE,
    )


@dataclass(frozen=True)
class WrittenNumber:
    """One number in a text: as it stands there, and what it may mean."""

    text: str
    core: str  # digits and marks alone
    negative: bool | None  # None: in parentheses, which may mean either
    factor: Decimal  # of "5 million", or a hundredth for cents
    currencies: frozenset[str] | None  # None: nothing is said beside it; empty: no money we know

    def readings(
        self, decimal_mark: str | None = None, currency: str | None = None
    ) -> set[Decimal]:
        """Every value the number may have.

        Args:
            decimal_mark: "." or ",", if it is known which of them is the decimal mark.
            currency: if the number is an amount in this currency (ISO 4217), three digits after a
                single mark are thousands unless the currency has thousandths.
        """
        values = set()
        for whole, fraction in _splits(self.core, decimal_mark):
            thousands = len(fraction) == 3 and whole.strip("0") != "" and len(whole) <= 3
            if currency and thousands and MINOR_DIGITS.get(currency) != 3:
                continue
            values.add(Decimal(f"{whole or 0}.{fraction or 0}") * self.factor)
        if self.negative is None:
            return values | {-value for value in values}
        return {-value for value in values} if self.negative else values


def numbers(text: str) -> Iterator[WrittenNumber]:
    """Find the numbers of a text, leaving out dates, times and digits inside identifiers."""
    text = re.sub(_DATE_OR_TIME, lambda found: " " * len(found[0]), ascii_digits(text))
    end = len(text)  # of the number before
    for found in re.finditer(_CORE, text):
        before = _before().search(text, max(0, found.start() - _LONGEST_BEFORE), found.start())
        after = _after().match(text, found.end())
        assert before is not None  # both match the empty text
        assert after is not None
        between, end = text[end : before.start()], after.end()
        previous = text[before.start() - 1 : before.start()]
        if previous.isalnum() or previous == "_":
            if before["minus"] is None or not previous.isdigit():  # "ACC-1001", "v2"
                continue
            negative: bool | None = False  # "10-20" is a range
        else:
            is_taken_away = between.isspace() and (before["minus"] or "").strip().isalpha()
            negative = bool(before["minus"] or before["minus_inside"]) and not is_taken_away
        if re.compile(_WORD_WITH_DIGITS).match(text, found.end()) and text[found.end()].isalpha():
            continue  # "1a7b3d"
        if not any(_splits(found[0], None)):
            continue  # "1.2.3"
        if before["open"] and after["close"] and not negative:
            negative = None
        left, right = _currencies(before), _currencies(after)
        in_hundredths = not before["sign"] and (after["sign"] or "").casefold() in _HUNDREDTHS
        yield WrittenNumber(
            text=text[before.start() : after.end()].strip(),
            core=found[0],
            negative=negative,
            factor=_MULTIPLES.get((after["multiple"] or "").casefold(), Decimal(1))
            * (Decimal("0.01") if in_hundredths else 1),
            currencies=right if left is None else left & (right or left) or left,  # "$5 CAD"
        )


def _currencies(beside: re.Match[str]) -> frozenset[str] | None:
    """What the words before or after a number say of its currency."""
    if beside["whose"]:
        return frozenset({_WHOSE[beside["whose"].casefold()]})
    sign = (beside["sign"] or "").casefold()
    return _KNOWN.get(sign, frozenset())


def _splits(core: str, decimal_mark: str | None) -> Iterator[tuple[str, str]]:
    """Every way to read digits with marks as (whole part, fraction), grouping marks taken out."""
    core = re.sub(_SPACE, "'", core)
    for mark in [decimal_mark] if decimal_mark else [None, *sorted({".", ","} & set(core))]:
        whole, _, fraction = core.partition(mark) if mark else (core, "", "")
        groups = re.split(r"[.,'’]", whole)
        if (fraction.isdigit() or not fraction) and (len(groups) == 1 or _grouped(groups, whole)):
            yield "".join(groups), fraction


def _grouped(groups: list[str], whole: str) -> bool:
    """Is it digits in groups: 1,234,567 or, as in India, 12,34,567; by one kind of mark?"""
    first, *middle, last = groups
    western = all(len(group) == 3 for group in middle)
    indian = all(len(group) == 2 for group in middle)
    one_mark = len(set(whole) & set(".,'’")) == 1
    return (
        one_mark
        and 1 <= len(first) <= 3
        and first[0] != "0"
        and len(last) == 3
        and (western or indian)
    )


def ascii_digits(text: str) -> str:
    """The digits and number marks of other scripts as ASCII ones, one for one."""
    text = text.replace("٫", ".").replace("٬", ",")
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text
    )


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero gennaio januari janeiro jan",
            "february februar février febrero febbraio februari fevereiro feb févr fev",
            "march märz mars marzo maart março mar mär mrz",
            "april avril abril aprile apr avr",
            "may mai mayo maggio mei maio",
            "june juni juin junio giugno junho jun",
            "july juli juillet julio luglio julho jul juil",
            "august août agosto augustus aug",
            "september septembre septiembre settembre setembro sept sep set",
            "october oktober octobre octubre ottobre outubro oct okt out",
            "november novembre noviembre novembro nov",
            "december dezember décembre diciembre dicembre dezembro dec dez déc dic",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = rf"(?P<month>{_any_of(_MONTHS)})\.?"


@cache
def _named_dates() -> tuple[re.Pattern[str], ...]:
    """For a text whose runs of spaces are one space: `\\s*\\s*` over a long run takes forever."""
    return (
        re.compile(
            rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.|er)? ?(?:of|de)? ?{_MONTH}(?!\w)"
            r"(?: ?(?:de|,)? ?(?P<year>\d{4}))?",
            re.IGNORECASE,
        ),
        re.compile(
            rf"(?<!\w){_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,? (?P<year>\d{{4}}))?",
            re.IGNORECASE,
        ),
        re.compile(r"(?P<year>\d{4}) ?[年/.] ?(?P<month>\d{1,2}) ?[月/.] ?(?P<day>\d{1,2})日?"),
    )


_ISO = r"(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\d-])"
_DIGIT_DATE = r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-])"


@dataclass(frozen=True)
class WrittenDate:
    """One date in a text and its readings; `year_known` is false for "May 20"."""

    text: str
    readings: tuple[date, ...]  # datetimes where a time of day is written (ISO 8601 only)
    year_known: bool = True


def dates(text: str) -> Iterator[WrittenDate]:
    """Find the dates of a text: ISO 8601, digits with marks, and with the month's name."""
    text = ascii_digits(text)
    for found in re.finditer(_ISO, text):
        try:
            whole = datetime.fromisoformat(found[0])
        except ValueError:
            continue
        yield WrittenDate(found[0], (whole if len(found[0]) > 10 else whole.date(),))
    for found in re.finditer(_DIGIT_DATE, text):
        first, mark, second, year = int(found[1]), found[2], int(found[3]), int(found[4])
        orders = [(second, first)] if mark == "." else [(second, first), (first, second)]
        if len(found[4]) == 2:
            year += 2000
        readings = [_date(year, month, day) for month, day in orders]
        if real := tuple(dict.fromkeys(day for day in readings if day)):
            yield WrittenDate(found[0], real)
    text = re.sub(r"\s+", " ", text)
    for pattern in _named_dates():
        for found in pattern.finditer(text):
            name = found["month"]
            month = int(name) if name.isdigit() else _MONTHS[name.lower()]
            # 2000 stands in for a year that is not written: it has a 29 February.
            day = _date(int(found["year"] or 2000), month, int(found["day"]))
            if day:
                yield WrittenDate(found[0].strip(), (day,), year_known=bool(found["year"]))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
