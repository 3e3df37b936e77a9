"""What a text says: language, ids, amounts, dates and addresses, read by patterns."""

import calendar
import difflib
import re
from decimal import Decimal
from functools import cache

LANGUAGES = {  # words that tell them apart; English first, as it is what we speak if none is found
    "en": """a am an and are do for from have hello hi how i i'm in is it me my of on please the to
        what with yes you""",
    "de": """ab alle auf bitte danke das dem den der die ein eine für guten habe hallo ich im ist ja
        karte konto mein meine meinem meinen meiner mir nein nicht sie sind und vom von wie wurde
        zu""",
    "fr": """avec bonjour carte combien compte dans de des du en est et j'ai je l' la le les ma mes
        mon merci non oui pas pour quel quelle sur un une vers vous""",
}
CURRENCIES = {
    **dict.fromkeys(("€", "euro"), "EUR"),
    **dict.fromkeys(("$", "dollar", "buck"), "USD"),
    **dict.fromkeys(("£", "pound", "pfund", "livre", "quid"), "GBP"),
    **dict.fromkeys(("franken", "franc"), "CHF"),
    **dict.fromkeys(("¥", "yen"), "JPY"),
}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}
MARKS = {"en": ",.", "de": ".,", "fr": "\u202f,", "swiss": "’."}  # of thousands, of decimals
CURRENCY = (
    r"(?:\b(?:EUR|USD|GBP|CHF|JPY|SEK|yen|franken|pfund|quid|(?:euro|dollar|buck|pound|livre|franc)s?)\b"
    r"|[€$£¥])"
)
_NUMBER = (
    r"(?<![\w.,-])(?:\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
)
AMOUNT = rf"(?:{CURRENCY}\s?{_NUMBER}|{_NUMBER}\s?{CURRENCY})"
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier",
            "february februar février",
            "march märz mars",
            "april avril",
            "may mai",
            "june juni juin",
            "july juli juillet",
            "august août",
            "september septembre",
            "october oktober octobre",
            "november novembre",
            "december dezember décembre",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = rf"(?:{'|'.join(MONTHS)})"
_DATES = (  # and in which order year, month and day stand in them
    (r"(\d{4})-(\d\d)-(\d\d)", "ymd"),
    (r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})", "dmy"),
    (r"\b(1[3-9]|2\d|3[01])/(\d{1,2})/(\d{4})", "dmy"),
    (r"\b(\d{1,2})/(1[3-9]|2\d|3[01])/(\d{4})", "mdy"),
    (rf"\b(\d{{1,2}})(?:\.|st|nd|rd|th|er)?\s+({_MONTH})\s+(\d{{4}})", "dmy"),
    (rf"\b({_MONTH})\s+(\d{{1,2}}),?\s+(\d{{4}})", "mdy"),
)
KINDS = {
    "savings": r"\bsaving\w*|\bspar\w*|\bépargne",
    "checking": r"\bchecking|\bcurrent|\bgiro\w*",
}
VOCABULARY = """
    account active address balance block blocked card cards charged convert
    debit dispute disputed exchange fees limit lost overcharged payment payments
    person recognise stolen stole transactions transfer send spend spent
    currency kontostand überweisen gesperrt verloren gestohlen karte adresse
    buchungen
"""
THINGS = (  # that a customer can take back, or ask the same about another of
    *(rf"\b{prefix}-?\s?\d{{4}}\b" for prefix in ("ACC", "CARD", "TXN", "CUS")),
    r"[\w.+-]+@[\w-]+\.[\w.-]*\w",
    AMOUNT,
    CURRENCY,
    "|".join(KINDS.values()),
    rf"\b{_MONTH}\s+\d{{4}}",
)
_REVISION = re.compile(
    r"\W*(?:(?:no|nein|non|oops|oh|ah|wait)\b\W*)*"
    r"(?:(?:sorry|i mean|i meant|my mistake|pardon|entschuldigung|ich meinte|je voulais dire)\b"
    r"|(?:and|what about|how about|und|et)(?: (?:in|on|for|of|from|to|auf|für|von|nach|sur|en|pour"
    rf"|my|the|mein\w*|mon|le|la))* (?:{'|'.join(THINGS)}))",
    re.IGNORECASE,
)


@cache
def language(text: str) -> str:
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text.lower().replace("’", "'"))
    return max(LANGUAGES, key=lambda name: sum(w in LANGUAGES[name].split() for w in words))


def ids(text: str, prefix: str) -> list[str]:
    """Ids like ACC-1001, in the order they are mentioned, each once."""
    found = re.findall(rf"\b{prefix}-?\s?(\d{{4}})\b", text, re.IGNORECASE)
    return list(dict.fromkeys(f"{prefix}-{digits}" for digits in found))


def people(text: str) -> list[str]:
    """The customers that are named, by id or email, in order."""
    found = re.finditer(r"\bCUS-?\s?(\d{4})\b|[\w.+-]+@[\w-]+\.[\w.-]*\w", text, re.IGNORECASE)
    return list(dict.fromkeys(f"CUS-{one[1]}" if one[1] else one[0] for one in found))


def email(text: str) -> str | None:
    found = re.search(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text)
    return found[0] if found else None


def revises(text: str) -> bool:
    """Does it change what was asked before: "No, I meant ACC-1002", "And in pounds?"."""
    return _REVISION.match(text) is not None


def revised(request: str, change: str) -> str:
    """The request with what is said anew in place of what was said before.

    Where there were several, the last one is meant ("No, to ACC-1003"), or the first of "from"; and
    of "not ACC-1001 but ACC-1002" the second is what is wanted.
    """
    replaced = False
    for thing in THINGS:
        said = list(re.finditer(thing, request, re.IGNORECASE))
        new = [found[0] for found in re.finditer(thing, change, re.IGNORECASE)]
        if not said or not new or (thing == CURRENCY and re.search(AMOUNT, change)):
            continue
        old = said[0 if re.search(r"\b(?:from|von|vom|depuis)\b", change) else -1]
        old = next((one for one in said if len(new) > 1 and one[0] == new[0]), old)
        request = f"{request[: old.start()]}{new[-1]}{request[old.end() :]}"
        replaced = True
    return request if replaced else f"{request} {change}"


def priced(text: str) -> tuple[Decimal, str] | None:
    """The first amount of money, a number with a currency beside it, and that currency."""
    found = re.search(AMOUNT, text, re.IGNORECASE)
    if not found:
        return None
    digits = re.sub(r"^\D+|\D+$", "", found[0])
    whole, *cents = re.split(r"[.,](?=\d{1,2}$)", digits)
    value = Decimal(".".join([re.sub(r"\D", "", whole), *cents]))
    return value, currencies(found[0])[0]


def amount(text: str) -> Decimal | None:
    found = priced(text)
    return found[0] if found else None


def currencies(text: str) -> list[str]:
    """Currencies that are named, in order, as ISO codes."""
    found = re.findall(CURRENCY, text, re.IGNORECASE)
    names = [
        word.lower() if word.lower() in CURRENCIES else word.lower().rstrip("s") for word in found
    ]
    return list(dict.fromkeys(CURRENCIES.get(name, name.upper()) for name in names))


def period(text: str) -> tuple[str | None, str | None]:
    """The first and the last day of the time that is asked about, as ISO texts."""
    days = _days(text)
    if len(days) > 1:
        return days[0][0], days[1][0]
    if days:
        day, before = days[0]
        if re.search(r"\b(?:until|till|up to|bis|jusqu'au)\W*(?:zum\s)?$", before, re.IGNORECASE):
            return None, day
        return day, day if re.search(r"\b(?:on|am|le)\W*$", before, re.IGNORECASE) else None
    month = re.search(rf"\b({_MONTH})\s+(\d{{4}})\b", text, re.IGNORECASE)
    if month is None:
        return None, None
    number, year = MONTHS[month[1].lower()], int(month[2])
    last = calendar.monthrange(year, number)[1]
    since = re.search(r"\b(?:since|seit|depuis)\W*$", text[: month.start()], re.IGNORECASE)
    return f"{year}-{number:02}-01", None if since else f"{year}-{number:02}-{last}"


def _days(text: str) -> list[tuple[str, str]]:
    """Each date as an ISO text, and what stands before it. 3/4/2026 may be two days: it is none."""
    days = []
    for pattern, order in _DATES:
        for found in re.finditer(pattern, text, re.IGNORECASE):
            parts = dict(zip(order, found.groups(), strict=True))
            month = MONTHS.get(parts["m"].lower()) or int(parts["m"])
            iso = f"{parts['y']}-{month:02}-{int(parts['d']):02}"
            days.append((found.start(), iso))
    return [(iso, text[:start]) for start, iso in sorted(days)]


def address(text: str) -> dict[str, str] | None:
    """Street with number, postal code and city: "12 Mill Lane, 20095 Hamburg"; the last one."""
    word = r"[A-ZÄÖÜÉ][\w'’ß-]+"
    words = rf"{word}(?: (?:am|an|auf|de|der|des|du|la|im|zum|\d+\.|{word}))*"
    number = r"\d+\w?(?: bis| ter)?(?: rue| avenue| quai)?(?: de| du| la| des)*"
    flat = r"(?:(?:Flat|Apt) \w+, )?"
    street = rf"\b(?P<street>{flat}(?:{number} {words}|{words} \d+\w?))"
    city = rf"(?P<city>{word}(?:(?: (?:am|an|der))* {word})?)"
    british = r"(?P<postal_code>[A-Z]{1,2}\d\w? \d[A-Z]{2}|\d{5})"
    found = [
        *re.finditer(rf"{street},\s*(?P<postal_code>\d{{4}} [A-Z]{{2}}|\d{{4,5}}) {city}", text),
        *re.finditer(rf"{street},\s*{city},? (?:[A-Z]{{2}} )?{british}", text),
    ]
    return max(found, key=re.Match.start).groupdict() if found else None


def respelled(text: str) -> str:
    """The text with slips of the pen mended: a word that is nearly one that we know is that one."""
    return re.sub(r"[^\W\d_]{4,}", lambda found: _nearest(found[0]), text)


@cache
def _nearest(word: str) -> str:
    known = VOCABULARY.split()
    if word.lower() in known:
        return word
    alike = [one for one in known if one[0] == word[0].lower()]
    return next(iter(difflib.get_close_matches(word.lower(), alike, n=1, cutoff=0.85)), word)


def money(value: Decimal, currency: str, language: str) -> str:
    """An amount as people of the language write it: €1,250.40, 1.250,40 €, CHF 1’250.40."""
    style = "swiss" if (language, currency) == ("de", "CHF") else language
    digits = 0 if currency == "JPY" else 2
    text = f"{abs(value):,.{digits}f}".translate(str.maketrans(",.", MARKS[style]))
    sign = "-" if value < 0 else ""
    symbol = SYMBOLS.get(currency)
    if style == "swiss":
        return f"{sign}{currency} {text}"
    if symbol is None:
        return f"{sign}{text} {currency}"
    return f"{sign}{symbol}{text}" if language == "en" else f"{sign}{text} {symbol}"
