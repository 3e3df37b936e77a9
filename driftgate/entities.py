"""Personal data and secrets in a text, where the writing itself proves what they are.

Numbers count by checksum, length and issuer, or by the plan of their country; where chance would
often pass for one, only beside a word that says what it is. Names and addresses have no such proof.
"""

import ipaddress
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial

import phonenumbers
import re2
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pt import nif
from stdnum.us import ssn

from driftgate.errors import BadInput
from driftgate.schemas.redaction import RedactionRules
from driftgate.written import ascii_digits

BESIDE = 48  # characters before a number in which a word may say what it is
MOST_CHECKS = 10_000  # of phones in a text; what comes after them counts by its look


@dataclass(frozen=True)
class Entity:
    """One place in a text. `canonical` is the same for every writing of the same entity."""

    start: int
    end: int
    kind: str
    canonical: str
    spread: bool = False  # elsewhere it may be written so that nothing shows what it is


Search = Callable[[str, str], Iterable[Entity]]


class Patterns:
    """Finds entities in texts. Takes time in proportion to the length."""

    def __init__(self, rules: RedactionRules) -> None:
        known: dict[str, Search] = {
            "secret": _secrets,
            "aws_access_key": partial(_each, "aws_access_key", _AWS_ACCESS_KEY, _as_it_is),
            "aws_secret_key": _aws_secret_keys,
            "email": partial(_each, "email", _EMAIL, _email),
            "iban": _ibans,
            "it_fiscal_code": partial(_each, "it_fiscal_code", _FISCAL_CODE, _fiscal_code),
            "es_dni": partial(_each, "es_dni", _DNI, _dni),
            "fr_nir": partial(_each, "fr_nir", _NIR, _nir),
            "ip": _addresses,
        }
        numbers = _Numbers(rules)
        custom = {kind: _compiled(kind, pattern) for kind, pattern in rules.patterns.items()}
        self._searches: list[Search] = [
            *[partial(_custom, kind, pattern) for kind, pattern in custom.items()],
            *[search for kind, search in known.items() if kind not in rules.without],
            numbers.search,
        ]

    def find(self, text: str, name: str = "") -> list[Entity]:
        """All entities of a text in their order, none within another.

        Args:
            text: without halves of surrogate pairs.
            name: of the argument or field that holds the text; it says what a number is, as a
                word before it does.
        """
        plain, removed = _plain(text)
        found: list[Entity] = []
        for search in self._searches:
            new = list(search(plain, name))
            if new:
                found += new
                plain = _without(plain, new)
        if removed:
            found = [
                replace(
                    one,
                    start=one.start + bisect_right(removed, one.start),
                    end=one.end + bisect_right(removed, one.end - 1),
                )
                for one in found
            ]
        return sorted(found, key=lambda one: one.start)


def squeezed(text: str) -> str:
    """Letters and digits alone, without case: what all writings of an identifier share."""
    return "".join(_LETTERS_AND_DIGITS.findall(unicodedata.normalize("NFKC", text))).casefold()


def _plain(text: str) -> tuple[str, list[int]]:
    """The text with plain digits, spaces and hyphens, character for character but for invisible
    ones, which are taken out; and where, in the new text, each of these was.
    """
    if text.isascii():
        return text, []
    plain = ascii_digits(text).translate(_PLAIN)
    gone = [found.start() for found in _INVISIBLE.finditer(plain)]
    if not gone:
        return plain, []
    return _INVISIBLE.sub("", plain), [place - before for before, place in enumerate(gone)]


def _without(text: str, found: Sequence[Entity]) -> str:
    """The text with entities blanked, so that nothing is found in them again."""
    parts, end = [], 0
    for one in sorted(found, key=lambda one: one.start):
        parts += [text[end : one.start], "\0" * (one.end - one.start)]
        end = one.end
    return "".join([*parts, text[end:]])


def blank(found: re.Match[str]) -> str:
    return "\0" * len(found[0])


def _compiled(kind: str, pattern: str) -> re.Pattern[str]:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: re.Pattern[str] = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise BadInput(
            f"redaction pattern of {kind}: wanted RE2's syntax, got {pattern!r}: {said}"
        ) from error
    if compiled.search(""):
        raise BadInput(f"redaction pattern of {kind}: {pattern!r} is found in an empty text")
    return compiled


def _custom(kind: str, pattern: re.Pattern[str], text: str, name: str) -> Iterator[Entity]:
    for found in pattern.finditer(text):
        canonical = squeezed(found[0])
        if canonical:
            yield Entity(found.start(), found.end(), kind, canonical)


def _each(
    kind: str,
    pattern: re.Pattern[str],
    canonical: Callable[[str], str | None],
    text: str,
    name: str,
) -> Iterator[Entity]:
    """Every match that has a canonical form."""
    for found in pattern.finditer(text):
        form = canonical(found[0])
        if form is not None:
            yield Entity(found.start(), found.end(), kind, form)


def _told(kind: str, text: str, start: int, name: str) -> bool:
    return _says(kind, _before(text, start, name))


def _before(text: str, start: int, name: str) -> str:
    """The name of a field, and the words before a place in it; not those before another number."""
    return f"{name_words(name)}: {_NUMBER_BEFORE.split(text[max(0, start - BESIDE) : start])[-1]}"


@lru_cache(maxsize=1_000)
def _says(kind: str, before: str) -> bool:
    """Is there a word that something is of a kind? Not if there is one after it that says that it
    is something else: "call me about order 612345678".
    """
    words = list(_words(kind).finditer(before))
    return bool(words) and not _words("other").search(before, words[-1].end())


def name_words(name: str) -> str:
    """The words of a field's name: customer phone, for customerPhone and customer_phone."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+", " ", name)


@cache
def _words(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{_WORDS[kind]})", re.IGNORECASE)


def _as_it_is(text: str) -> str | None:
    return text


def _secrets(text: str, name: str) -> Iterator[Entity]:
    for found in _SECRET.finditer(text):
        group = "token" if found["token"] else 0
        yield Entity(found.start(group), found.end(group), "secret", found[group])


def _aws_secret_keys(text: str, name: str) -> Iterator[Entity]:
    for found in _AWS_SECRET_KEY.finditer(text):
        mixed = re.search("[a-z]", found[0]) and re.search("[A-Z]", found[0])
        if mixed and _told("aws_secret_key", text, found.start(), name):
            yield Entity(found.start(), found.end(), "aws_secret_key", found[0], spread=True)


def _email(text: str) -> str | None:
    return unicodedata.normalize("NFKC", text.replace("%40", "@")).casefold()


def _ibans(text: str, name: str) -> Iterator[Entity]:
    end = 0
    for found in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(found[0][:2].upper())
        if length is None or found.start() < end:
            continue
        written = _iban_of(length).match(text, found.start())
        if written is None:
            continue
        form = squeezed(written[0]).upper()
        if iban.is_valid(form, check_country=False):
            end = written.end()
            yield Entity(written.start(), end, "iban", form)


@cache
def _iban_of(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Za-z0-9](?:[ -]?[A-Za-z0-9]){{{length - 1}}}(?![^\W_])")


def _fiscal_code(text: str) -> str | None:
    form = squeezed(text).upper()
    return form if codicefiscale.is_valid(form) else None


def _dni(text: str) -> str | None:
    form = squeezed(text).upper()
    return form if dni.is_valid(form) or nie.is_valid(form) else None


def _nir(text: str) -> str | None:
    form = squeezed(text).upper()
    return form if nir.is_valid(form) else None


def _addresses(text: str, name: str) -> Iterator[Entity]:
    """Internet addresses but for those of a machine to itself; four numbers after the word
    "version" are none, and "a::b" is none.
    """
    for found in _ADDRESS.finditer(text):
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if address.version == 6 and sum(map(bool, found[0].split(":"))) < 3:
            continue
        own = address.is_loopback or address.is_unspecified
        if not own and not _told("version", text, found.start(), name):
            yield Entity(found.start(), found.end(), "ip", address.compressed)


@dataclass(frozen=True)
class _Groups:
    """Groups of digits in a row, parted by what people write between them."""

    text: str
    before: str  # the words that may say what it is
    start: int  # with a plus or bracket before the first digit
    end: int
    shape: tuple[int, ...]  # how many digits each group has
    digits: str
    first: bool  # in its row
    whole: bool  # nothing else in the row
    plus: bool
    bracket: bool  # around the first group, as around an area code


class _Numbers:
    """Cards, phones and national numbers: all that is made of groups of digits."""

    def __init__(self, rules: RedactionRules) -> None:
        self._without = frozenset(rules.without)
        self._regions = rules.regions
        self._ids = [one for one in _IDS if one.kind not in self._without]

    def search(self, text: str, name: str) -> Iterator[Entity]:
        text = _DATE.sub(blank, text)
        checks = [MOST_CHECKS]
        for row in _ROW.finditer(text):
            yield from self._row(text, _groups(text, row), name, checks)

    def _row(
        self, text: str, groups: list[re.Match[str]], name: str, checks: list[int]
    ) -> Iterator[Entity]:
        """What is in a row of groups. Those before and after an entity are rows of their own."""
        begin = first = 0
        while first < len(groups):
            found = self._from(_rows(text, groups, begin, first, name), checks)
            if found is None:
                first += 1
                continue
            if first > begin:
                yield from self._row(text, groups[begin:first], name, checks)
            yield found[0]
            begin = first = first + found[1]

    def _from(self, rows: list[_Groups], checks: list[int]) -> tuple[Entity, int] | None:
        """What begins at a group, and how many groups it takes: what words say before what only the
        writing does, customary writings before others, longer ones before shorter.
        """
        customary = sorted(rows, key=lambda row: row.shape not in _CARD_SHAPES)
        for is_one, among in (
            (partial(self._id, told=True), customary),
            (self._card, customary),
            (partial(self._phone, checks, told=True), rows),
            (partial(self._id, told=False), customary),
            (partial(self._phone, checks, told=False), rows),
        ):
            for row in among:
                if found := is_one(row):
                    return found, len(row.shape)
        return None

    def _id(self, row: _Groups, *, told: bool) -> Entity | None:
        for one in self._ids:
            customary = row.shape in one.shapes
            if len(row.digits) != one.digits or row.plus or not (row.whole or customary):
                continue
            dashed = "-" in row.text[row.start : row.end]
            sure = customary and (one.sure == "always" or (one.sure == "dashed" and dashed))
            if not (_says(one.kind, row.before) if told else sure):
                continue
            if one.is_valid(row.digits):
                return Entity(row.start, row.end, one.kind, row.digits, spread=told)
        return None

    def _card(self, row: _Groups) -> Entity | None:
        *groups, last = row.shape
        equal = row.whole and len({*groups}) == 1 and last <= groups[0]
        if "card" in self._without or row.plus or not (equal or row.shape in _CARD_SHAPES):
            return None
        issued = any(
            len(row.digits) in lengths and issuer.match(row.digits) for issuer, lengths in _ISSUERS
        )
        if issued and luhn.is_valid(row.digits):
            return Entity(row.start, row.end, "card", row.digits)
        return None

    def _phone(self, checks: list[int], row: _Groups, *, told: bool) -> Entity | None:
        if "phone" in self._without or not 7 <= len(row.digits) <= 17:
            return None
        if not (_says("phone", row.before) if told else _looks_like_a_phone(row)):
            return None
        checks[0] -= 1
        if checks[0] < 0:
            return Entity(row.start, row.end, "phone", row.digits)
        if row.plus:
            number = _number(f"+{row.digits}", None, possible=True)
        elif row.digits.startswith("00"):
            number = _number(f"+{row.digits[2:]}", None)
        else:
            several = (_number(row.digits, region) for region in self._regions)
            number = next((number for number in several if number), None)
        return Entity(row.start, row.end, "phone", number, spread=True) if number else None


def _looks_like_a_phone(row: _Groups) -> bool:
    """With nothing that says that it is something else: 151.796504, a version, money, "order"
    before it, or more digits after a hyphen.
    """
    if row.plus:
        return True
    begins = row.first and (row.digits[0] == "0" or row.shape in _PHONE_SHAPES)
    if not (begins or row.bracket):
        return False
    if _FRACTION.fullmatch(row.text, row.start, row.end) or _ATTACHED.match(row.text, row.end):
        return False
    if _MONEY_BEFORE.search(row.text, max(0, row.start - 5), row.start):
        return False
    others = ("version", "other")
    return not (_MONEY_AFTER.match(row.text, row.end) or any(_says(o, row.before) for o in others))


@lru_cache(maxsize=10_000)
def _number(digits: str, region: str | None, possible: bool = False) -> str | None:
    """A number in the international writing, if the numbering plans have it; or could have it."""
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    has_it = phonenumbers.is_possible_number if possible else phonenumbers.is_valid_number
    if not has_it(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _groups(text: str, row: re.Match[str]) -> list[re.Match[str]]:
    """The groups of a row, without those that belong to a word or to a number with a comma: in
    04171032-2fd1 neither of the first two.
    """
    groups = list(_GROUP.finditer(text, row.start(), row.end()))
    if _GOES_ON.match(text, row.end()):
        last = groups.pop()
        while groups and text[groups[-1].end() : last.start()] == "-":
            last = groups.pop()
    return groups


def _rows(
    text: str, groups: list[re.Match[str]], begin: int, first: int, name: str
) -> list[_Groups]:
    """The rows of groups that begin at one of them, the longest first; all of it from `begin`."""
    rows: list[_Groups] = []
    digits, start = "", groups[first].start()
    shape: tuple[int, ...] = ()
    signs = text[max(0, start - 2) : start]
    bracket = signs.endswith("(") and _AREA.match(text, start) is not None
    plus = signs[:1] == "+" if bracket else signs[-1:] == "+"
    start -= plus + bracket
    before = _before(text, start, name)
    for last in range(first, len(groups)):
        digits += groups[last][0]
        shape = (*shape, len(groups[last][0]))
        if len(digits) > _MOST_DIGITS:
            break
        if len(digits) >= _LEAST_DIGITS:
            is_first, end = first == begin, groups[last].end()
            whole = is_first and last == len(groups) - 1
            rows.append(
                _Groups(text, before, start, end, shape, digits, is_first, whole, plus, bracket)
            )
    return rows[::-1]


@dataclass(frozen=True)
class _Id:
    """A national number: how many digits it has, how people write it, and when that is enough."""

    kind: str
    digits: int
    shapes: frozenset[tuple[int, ...]]
    is_valid: Callable[[str], bool]
    sure: str  # always; dashed: if there are hyphens in it; never: a word must say what it is


_IDS = (
    _Id("us_ssn", 9, frozenset({(3, 2, 4)}), ssn.is_valid, "dashed"),
    _Id("nl_bsn", 9, frozenset({(9,), (3, 3, 3), (4, 2, 3), (4, 3, 2)}), bsn.is_valid, "never"),
    _Id("pt_nif", 9, frozenset({(9,), (3, 3, 3)}), nif.is_valid, "never"),
    _Id("uk_nhs", 10, frozenset({(10,), (3, 3, 4)}), nhs.is_valid, "never"),
    _Id("br_cpf", 11, frozenset({(11,), (3, 3, 3, 2)}), cpf.is_valid, "always"),
    _Id("de_tax_id", 11, frozenset({(11,), (2, 3, 3, 3)}), idnr.is_valid, "always"),
)
_WORDS = {  # that say what a number is, or begin a word that does
    "us_ssn": r"ssn|social|sozialversicherung|seguro social|sécurité sociale|previdência",
    "nl_bsn": r"bsn|burgerservice|sofi",
    "pt_nif": r"nif(?![^\W_])|contribuinte|número fiscal|numero fiscal",
    "uk_nhs": r"nhs|national health",
    "br_cpf": r"cpf|cadastro de pessoas",
    "de_tax_id": r"steuer|idnr|tax|tin(?![^\W_])",
    "phone": (
        r"phone|mobile|cell|call|tel(?![^\W_])|tel\.|telef|téléph|telep|fax|handy|ruf|anruf|mobil"
        r"|rückruf|móvil|movil|llám|llam|portable|appel|joindre|cellul|chiam|telem|ligue|ligar"
        r"|whatsapp|sms(?![^\W_])|text me|erreich"
    ),
    "aws_secret_key": r"aws|secret|schlüssel|clave|clé|chiave|chave",
    "other": (
        r"order|bestell|pedido|commande|ordin|encomenda|ref(?:er|ér|\.|(?![^\W_]))|ticket|invoice"
        r"|rechnung|factur|fatur|fattur|account|konto|cuenta|compte|conto(?![^\W_])|conta(?![^\W_])"
        r"|tracking|sendung|envío|colis|spedizion|envio|transac|transak|transaz|case|vorgang|customer"
        r"|kunde|cliente|client(?![^\W_])|balance|saldo|solde|amount|betrag|importe"
        r"|serial|article|artikel|artículo|articolo|artigo|sku"
    ),
    "version": r"v(?=\.?\s?$)|version|versión|versione|versão|release|build|firmware",
}
_PHONE_SHAPES = frozenset(
    {(3, 3, 4), (1, 3, 3, 4), (3, 3, 3), (3, 2, 2, 2), (2, 5, 4), (2, 4, 4), (3, 6), (3, 7)}
)
_LEAST_DIGITS, _MOST_DIGITS = 7, 19
_ISSUERS = tuple(  # ISO/IEC 7812 prefixes, and how many digits each issuer gives
    (re.compile(prefix), frozenset(lengths))
    for prefix, lengths in (
        (r"4", (16, 19)),  # Visa; its numbers of 13 digits are no more, and goods have such
        (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),  # Mastercard
        (r"3[47]", (15,)),  # American Express
        (r"30[0-5]|3095|36|3[89]", (14, 16)),  # Diners Club
        (r"6011|64[4-9]|65", (16, 19)),  # Discover
        (r"352[89]|35[3-8]", (16, 19)),  # JCB
        (r"62", (16, 17, 18, 19)),  # UnionPay
        (r"50|5[6-8]|6[37]", (16, 18, 19)),  # Maestro
    )
)
_CARD_SHAPES = frozenset(
    {(14,), (15,), (16,), (17,), (18,), (19,)}
    | {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (6, 13)}
)
_BETWEEN = r"(?: [-/] |[ .\-/])"
_BRACKET = r"\(\+?\d{1,5}\)"
_ROW = re.compile(
    rf"(?:{_BRACKET}{_BETWEEN}?\d+|(?<!\w)(?<!\w-)(?<!\d[,.])\d+)"
    rf"(?:{_BETWEEN}?{_BRACKET}{_BETWEEN}?\d+|{_BETWEEN}\d+)*"
)
_GOES_ON = re.compile(r"-?[^\W\d]|_|,\d")
_NUMBER_BEFORE = re.compile(r"[\d\0]")
_GROUP = re.compile(r"\d+")
_DATE = re.compile(
    r"(?<![\w.-])(?:\d{4}-\d\d?-\d\d?(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"
    r"|\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d)(?![\w-])"
)
_AREA = re.compile(r"\d{1,5}\)")
_ATTACHED = re.compile(r"-\d")
_FRACTION = re.compile(r"\d+\.\d+")
_CURRENCY = r"(?:[€$£¥]|EUR|USD|GBP|CHF|BRL|R\$)"
_MONEY_BEFORE = re.compile(rf"{_CURRENCY} ?$")
_MONEY_AFTER = re.compile(rf" ?{_CURRENCY}")
_EMAIL = re.compile(
    r"(?<![\w.+-])[^\W_](?:[\w.+'-]{0,62}[\w+-])?(?:@|%40)"
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_][\w-]{0,61}[^\W_]"
)
_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_LENGTHS = {  # of the countries that have them, by the IBAN registry
    country: int(length)
    for length, countries in (
        entry.split(":")
        for entry in (
            *(
                "15:NO",
                "16:BE",
                "18:DK FI FO GL NL SD FK",
                "19:MK SI",
                "20:AT BA EE KZ LT LU MN XK",
            ),
            *("21:CH HR LI LV", "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ OM TL"),
            *("24:AD CZ ES MD PK RO SA SE SK TN VG", "25:LY PT ST", "26:IS TR"),
            *("27:BI DJ FR GR IT MC MR SM", "28:AL AZ BY CY DO GT HU LB NI PL SV"),
            *("29:BR EG PS QA UA", "30:JO KW MU YE", "31:MT SC", "32:LC", "33:RU"),
        )
    )
    for country in countries.split()
}
_FISCAL_CODE = re.compile(
    r"(?<![^\W_])[A-Z]{3}[ -]?[A-Z]{3}[ -]?[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[ -]?"
    r"[A-Z][0-9L-NP-V]{3}[A-Z](?![^\W_])",
    re.IGNORECASE | re.ASCII,
)
_DNI = re.compile(  # "12345678 y" goes on with a word: after a space the letter is a capital
    r"(?<![^\W_])(?<!\d[.,-])(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZxyz][ -]?\d{7})"
    r"(?: [A-Z]|-?[A-Za-z])(?![^\W_])",
    re.ASCII,
)
_NIR = re.compile(
    r"(?<![^\W_])[1278] ?\d\d ?\d\d ?(?:\d\d|2[ABab]) ?\d{3} ?\d{3}[ /-]{0,3}\d\d(?![^\W_])",
    re.ASCII,
)
_ADDRESS = re.compile(
    r"(?<![\w.:-])(?:\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:]|\.\w))"
)
_AWS_ACCESS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])")
_AWS_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_SECRET = re.compile(
    r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,\\]|-(?!----))*+"
    r"(?:-----END (?:[A-Z]+ ){0,3}PRIVATE KEY-----)?"
    r"|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
    r"|(?<![\w-])(?:gh[pousr]_\w{30,255}|github_pat_\w{22,255}|glpat-[\w-]{20,255}"
    r"|xox[abeoprs]-[\w-]{10,255}|sk-[\w-]{20,255}|[sr]k_live_\w{16,255}|AIza[\w-]{35})(?![\w-])"
    r"|\b[Bb]earer\s{1,3}(?P<token>[\w.~+/-]{16,4096}=*)",
    re.ASCII,
)
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e007f]"
)
_PLAIN: dict[int, int | str] = {
    **{full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"), " "),
    **dict.fromkeys(map(ord, "\u2008\u2009\u200a\u202f\u205f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"), "-"),
}
