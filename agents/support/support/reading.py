"""What a text says: language, ids, amounts, dates and addresses, read by patterns."""

import re
from decimal import Decimal

GERMAN = re.compile(
    r"\b(ich|mein|meine|meinem|meiner|bitte|wie|was|ist|und|auf|von|konto|karte|danke|hallo|ja|nein)\b"
)
CURRENCIES = {"€": "EUR", "euro": "EUR", "$": "USD", "dollar": "USD", "£": "GBP", "pound": "GBP"}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}


def is_german(text: str) -> bool:
    return len(GERMAN.findall(text.lower())) >= 2 or text.lower().strip(" .!") in ("ja", "hallo")


def ids(text: str, prefix: str) -> list[str]:
    """Ids like ACC-1001, in the order they are mentioned, each once."""
    found = re.findall(rf"\b{prefix}-?\s?(\d{{4}})\b", text, re.IGNORECASE)
    return list(dict.fromkeys(f"{prefix}-{digits}" for digits in found))


def email(text: str) -> str | None:
    found = re.search(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text)
    return found[0] if found else None


def amount(text: str) -> Decimal | None:
    """The first amount of money: a number with a currency beside it."""
    number = r"(\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)"
    sign = r"(?:EUR|USD|GBP|CHF|€|\$|£|euros?|dollars?|pounds?)"
    found = re.search(rf"{sign}\s?{number}|{number}\s?{sign}", text, re.IGNORECASE)
    if not found:
        return None
    digits = found[1] or found[2]
    whole, mark, cents = digits, "", ""
    if re.search(r"[.,]\d{1,2}$", digits):
        whole, mark, cents = re.split(r"([.,])(?=\d{1,2}$)", digits)
    return Decimal(re.sub(r"\D", "", whole) + ("." + cents if mark else ""))


def currencies(text: str) -> list[str]:
    """Currencies that are named, in order, as ISO codes."""
    pattern = (
        r"\b(?:EUR|USD|GBP|CHF|JPY|SEK)\b|[€$£]|euros?\b|dollars?\b|pounds?\b|franken\b|francs?\b"
    )
    found = []
    for word in re.findall(pattern, text, re.IGNORECASE):
        name = word.lower().rstrip("s")
        code = CURRENCIES.get(name, "CHF" if name == "franc" else word)
        found.append(code.upper())
    return list(dict.fromkeys(found))


def iso_dates(text: str) -> list[str]:
    """Dates as ISO texts: 2026-05-20, or 20.05.2026."""
    found = re.findall(r"(\d{4})-(\d\d)-(\d\d)|\b(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
    return [
        f"{year}-{month}-{day}" if year else f"{y}-{int(m):02}-{int(d):02}"
        for year, month, day, d, m, y in found
    ]


def address(text: str) -> dict[str, str] | None:
    """Street with number, postal code and city: "12 Mill Lane, 20095 Hamburg"."""
    word = r"[A-ZÄÖÜ][\w'ß-]+"
    found = re.search(
        rf"\b(?P<street>\d+\w? {word}(?: {word})*|{word}(?: {word})* \d+\w?),\s*"
        rf"(?P<postal_code>\d[\w ]{{2,6}}?) (?P<city>{word}(?: {word})?)",
        text,
    )
    return found.groupdict() if found else None


def money(value: Decimal, currency: str, german: bool) -> str:
    """An amount as people of the language write it: €1,250.40 or 1.250,40 €."""
    text = f"{abs(value):,.2f}"
    if german:
        text = text.translate(str.maketrans(",.", ".,"))
    sign = "-" if value < 0 else ""
    symbol = SYMBOLS.get(currency)
    if symbol is None:
        return f"{sign}{text} {currency}"
    return f"{sign}{text} {symbol}" if german else f"{sign}{symbol}{text}"
