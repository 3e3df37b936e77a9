"""Made-up people's data in made-up sentences of six languages, and what only looks like it.

Shares nothing with what it is to be found by: numbers get their check digits from their own
definitions, and sentences were written before anyone looked which words the redactor knows.
"""

import json
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LANGUAGES = ("en", "de", "es", "fr", "pt", "it")
HOME = {"en": "US GB", "de": "DE", "es": "ES", "fr": "FR", "pt": "PT BR", "it": "IT"}
NATIONAL = {  # where each national number is planted
    "us_ssn": ("en", "es"),
    "uk_nhs": ("en",),
    "nl_bsn": ("en", "de"),
    "de_tax_id": ("de", "en"),
    "es_dni": ("es", "en"),
    "fr_nir": ("fr", "en"),
    "it_fiscal_code": ("it", "en"),
    "pt_nif": ("pt", "en"),
    "br_cpf": ("pt", "en"),
}
EVERYWHERE = ("card", "iban", "email", "phone", "ip", "aws_access_key", "aws_secret_key", "secret")
Seed = random.Random


@dataclass(frozen=True)
class Planted:
    """One entity: its writings in a sentence, those that need a word beside them, and, if it has
    digits alone, the number.
    """

    kind: str
    writings: tuple[str, ...]
    named: tuple[str, ...] = ()
    number: int | None = None


@dataclass(frozen=True)
class Item:
    """A document with one entity in it, and what of it must remain around the entity."""

    value: Any
    before: str
    after: str


def kinds(language: str) -> tuple[str, ...]:
    return EVERYWHERE + tuple(kind for kind, where in NATIONAL.items() if language in where)


def plant(kind: str, language: str, noise: Seed) -> Planted:
    return _MAKERS[kind](language, noise)


def item(planted: Planted, language: str, noise: Seed) -> Item:
    """The entity in what a user says, in an argument, as a number, or in JSON in a string."""
    place = noise.choice(("text", "text", "text", "argument", "nested", "number", "json"))
    sentences = _SENTENCES.get(planted.kind, _ID_SENTENCES)[language]
    sentence = noise.choice(sentences).replace("{id}", _NAMES.get(planted.kind, ""))
    label = _LABELS[planted.kind]
    named = planted.writings + planted.named
    written = noise.choice(named if "{id}" in sentences[0] else planted.writings)
    before, _, after = sentence.partition("{x}")
    if place == "number" and planted.number is not None:
        return Item({"arguments": {label: planted.number}}, f'{{"arguments": {{"{label}": "', '"}}')
    if place == "argument":
        written = noise.choice(named)
        return Item({label: written}, f'{{"{label}": "', '"}')
    if place == "nested":
        nested = {"steps": [{"do": "note", "with": {"text": before + written + after}}]}
        ends = json.dumps(nested, ensure_ascii=False).partition(written)
        return Item(nested, ends[0], ends[2])
    if place == "json":
        inner = json.dumps({"status": "ok", "text": before + written + after}, ensure_ascii=False)
        ends = json.dumps({"body": inner}, ensure_ascii=False).partition(written)
        return Item({"body": inner}, ends[0], ends[2])
    return Item(before + written + after, before, after)


def same(planted: Planted, language: str, noise: Seed) -> list[Any]:
    """One conversation in which the entity stands in all its writings, and how often it does."""
    label = _LABELS[planted.kind]
    value: list[Any] = [f"1) {written}, 2)" for written in planted.writings]
    value += [{label: written} for written in planted.writings + planted.named]
    value.append({"body": json.dumps({"list": [{label: (planted.writings + planted.named)[0]}]})})
    if planted.number is not None:
        value.append({label: planted.number})
    return value


def decoy(language: str, noise: Seed) -> Any:
    """A document with something that looks like an entity to the hasty, and is none."""
    name = noise.choice(tuple(_DECOYS))
    text = _DECOYS[name](language, noise)
    sentence = noise.choice(_DECOY_SENTENCES[language][name.split()[0]])
    if noise.random() < 0.3:
        return {name.split()[0]: text, "note": sentence.replace("{x}", text)}
    return sentence.replace("{x}", text)


def _digits(noise: Seed, count: int) -> str:
    return "".join(noise.choice(string.digits) for _ in range(count))


def _grouped(digits: str, sizes: str, mark: str) -> str:
    parts, start = [], 0
    for size in map(int, sizes):
        parts.append(digits[start : start + size])
        start += size
    return mark.join(parts)


def _card(language: str, noise: Seed) -> Planted:
    prefix, length, sizes = noise.choice(
        (
            *((("4", 16, "4444"),) * 3),
            *(((str(noise.randint(51, 55)), 16, "4444"),) * 2),
            (str(noise.randint(2221, 2720)), 16, "4444"),
            (noise.choice(("34", "37")), 15, "465"),
            ("6011", 16, "4444"),
            ("36", 14, "464"),
            ("3530", 16, "4444"),
        )
    )
    body = prefix + _digits(noise, length - 1 - len(prefix))
    doubled = [int(d) * (2 - index % 2) for index, d in enumerate(reversed(body))]
    body += str(-sum(value - 9 * (value > 9) for value in doubled) % 10)
    marks = (" ", "-", "", "\u00a0")
    return Planted("card", tuple(_grouped(body, sizes, mark) for mark in marks), (), int(body))


def _iban(language: str, noise: Seed) -> Planted:
    country = noise.choice((*HOME[language].replace("US", "IE").split(), "NL", "AT", "BE"))
    letters = "".join(noise.choice(string.ascii_uppercase) for _ in range(4))
    banks = {
        "DE": _digits(noise, 18),
        "GB": letters + _digits(noise, 14),
        "IE": letters + _digits(noise, 14),
        "ES": _digits(noise, 20),
        "FR": _digits(noise, 10) + letters[:2] + _digits(noise, 9) + _digits(noise, 2),
        "IT": letters[0] + _digits(noise, 22),
        "PT": _digits(noise, 21),
        "BR": _digits(noise, 23) + "C" + "1",
        "NL": letters + _digits(noise, 10),
        "AT": _digits(noise, 16),
        "BE": _digits(noise, 12),
    }
    bank = banks[country]
    number = "".join(str(int(sign, 36)) for sign in f"{bank}{country}00")
    written = f"{country}{98 - int(number) % 97:02}{bank}"
    spaced = " ".join(written[at : at + 4] for at in range(0, len(written), 4))
    return Planted("iban", (written, spaced, spaced.lower(), spaced.replace(" ", "-")))


def _email(language: str, noise: Seed) -> Planted:
    first = noise.choice(("anna", "jürgen", "maria.j", "bob_smith", "x99", "joão", "nuño", "info"))
    last = noise.choice(("", ".müller", "-rossi", "+shop", "77", ".o'neil", "_k"))
    host = noise.choice(("example.com", "mail.example.co.uk", "firma-gmbh.de", "über.example"))
    plain = f"{first}{last}@{host}"
    return Planted("email", (plain, plain.upper(), plain.title()))


def _phone(language: str, noise: Seed) -> Planted:
    country = noise.choice(HOME[language].split())
    code, zero, body, sizes = _PHONE_PLANS[country](noise)
    grouped = _grouped(body, sizes, " ")
    dashed = grouped.replace(" ", "-")
    writings = [
        *(f"+{code} {grouped}", f"+{code}{body}", f"00{code} {grouped}", f"00{code}{body}"),
        *(f"+{code}-{dashed}", zero + grouped),
    ]
    if country == "US":
        writings += [f"({body[:3]}) {body[3:6]}-{body[6:]}", dashed, dashed.replace("-", ".")]
    elif country == "BR":
        writings += [f"({body[:2]}) {body[2:7]}-{body[7:]}"]
    elif country in ("DE", "GB"):
        writings += [f"+{code} (0){grouped}", zero + dashed]
    if zero:
        return Planted("phone", (*writings, zero + body))
    return Planted("phone", tuple(writings), (body,), int(body) if body[0] != "0" else None)


def _us(noise: Seed) -> tuple[str, str, str, str]:
    area = noise.choice(("212", "415", "305", "617", "312", "206", "713", "404", "303", "702"))
    return "1", "", f"{area}{noise.randint(2, 9)}{noise.randint(12, 99)}{_digits(noise, 4)}", "334"


def _gb(noise: Seed) -> tuple[str, str, str, str]:
    mobile = (
        "7"
        + noise.choice(("71", "78", "79", "81", "83", "84", "85", "90", "95"))
        + _digits(noise, 7)
    )
    london = "207" + str(noise.randint(2, 9)) + _digits(noise, 6)
    return "44", "0", *noise.choice(((mobile, "46"), (london, "244")))


def _de(noise: Seed) -> tuple[str, str, str, str]:
    mobile = noise.choice(("151", "160", "170", "171", "175", "176"))
    mobile += str(noise.randint(2, 9)) + _digits(noise, 7 if mobile in ("151", "176") else 6)
    city = noise.choice(("30", "89", "40", "69")) + str(noise.randint(2, 9)) + _digits(noise, 6)
    return "49", "0", *noise.choice(((mobile, f"3{len(mobile) - 3}"), (city, "27"), (city, "2322")))


def _fr(noise: Seed) -> tuple[str, str, str, str]:
    return (
        "33",
        "0",
        noise.choice(("14", "15", "42", "47", "61", "66", "76", "78")) + _digits(noise, 7),
        "12222",
    )


def _it(noise: Seed) -> tuple[str, str, str, str]:
    mobile = noise.choice(("320", "328", "333", "338", "340", "347", "349", "380")) + _digits(
        noise, 7
    )
    rome = "06" + str(noise.randint(4, 8)) + _digits(noise, 7)
    return "39", "", *noise.choice(((mobile, "37"), (mobile, "334"), (rome, "244")))


def _es(noise: Seed) -> tuple[str, str, str, str]:
    number = noise.choice(("61", "62", "63", "64", "65", "66", "91", "93", "95")) + str(
        noise.randint(1, 9)
    )
    return "34", "", number + _digits(noise, 6), noise.choice(("333", "3222"))


def _pt(noise: Seed) -> tuple[str, str, str, str]:
    return "351", "", noise.choice(("91", "92", "93", "96")) + _digits(noise, 7), "333"


def _br(noise: Seed) -> tuple[str, str, str, str]:
    area = noise.choice(("11", "21", "31", "41", "51", "61", "71", "81"))
    return "55", "", f"{area}9{noise.randint(6, 9)}{_digits(noise, 7)}", "254"


_PHONE_PLANS: dict[str, Callable[[Seed], tuple[str, str, str, str]]] = {
    **{"US": _us, "GB": _gb, "DE": _de, "FR": _fr},
    **{"IT": _it, "ES": _es, "PT": _pt, "BR": _br},
}


def _ip(language: str, noise: Seed) -> Planted:
    if noise.random() < 0.7:
        numbers = (noise.choice((10, 80, 172, 192, 203)), *(noise.randint(0, 255) for _ in "abc"))
        return Planted("ip", (".".join(map(str, numbers)),))
    groups = ["2001", "db8", *(f"{noise.randint(4096, 65535):x}" for _ in range(6))]
    return Planted("ip", (":".join(groups), ":".join(groups).upper()))


def _aws_access_key(language: str, noise: Seed) -> Planted:
    rest = "".join(noise.choice(string.ascii_uppercase + "234567") for _ in range(16))
    return Planted("aws_access_key", (noise.choice(("AKIA", "ASIA")) + rest,))


def _aws_secret_key(language: str, noise: Seed) -> Planted:
    signs = string.ascii_letters + string.digits + "/+"
    return Planted("aws_secret_key", ("".join(noise.choice(signs) for _ in range(40)),))


def _secret(language: str, noise: Seed) -> Planted:
    signs = string.ascii_letters + string.digits

    def some(count: int) -> str:
        return "".join(noise.choice(signs) for _ in range(count))

    forms = (f"ghp_{some(36)}", f"eyJ{some(20)}.eyJ{some(40)}.{some(43)}", f"sk-{some(48)}")
    return Planted("secret", (noise.choice(forms),))


def _us_ssn(language: str, noise: Seed) -> Planted:
    area = noise.choice((*range(1, 666), *range(667, 900)))
    number = f"{area:03}{noise.randint(1, 99):02}{noise.randint(1, 9999):04}"
    return Planted(
        "us_ssn", (_grouped(number, "324", "-"),), (number, _grouped(number, "324", " "))
    )


def _de_tax_id(language: str, noise: Seed) -> Planted:
    digits = noise.sample(string.digits, 9)
    digits.insert(noise.randint(0, 9), noise.choice(digits))
    if digits[0] == "0":
        digits.reverse()
    rest = 10
    for digit in digits:  # ISO 7064, mod 11, 10
        rest = ((int(digit) + rest) % 10 or 10) * 2 % 11
    number = "".join(digits) + str((11 - rest) % 10)
    if number[0] == "0":
        return _de_tax_id(language, noise)
    return Planted("de_tax_id", (number, _grouped(number, "2333", " ")), (), int(number))


def _es_dni(language: str, noise: Seed) -> Planted:
    number = noise.randint(1_000_000, 99_999_999)
    letter = "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]
    if noise.random() < 0.3:
        short = number % 10_000_000
        first = noise.randint(0, 2)
        letter = "TRWAGMYFPDXBNJZSQVHLCKE"[(first * 10_000_000 + short) % 23]
        written = f"{'XYZ'[first]}{short:07}{letter}"
        return Planted(
            "es_dni", (written, f"{written[0]}-{written[1:8]}-{letter}", written.lower())
        )
    plain = f"{number:08}"
    dotted = f"{plain[:2]}.{plain[2:5]}.{plain[5:]}-{letter}"
    return Planted("es_dni", (plain + letter, f"{plain}-{letter}", f"{plain} {letter}", dotted))


def _fr_nir(language: str, noise: Seed) -> Planted:
    body = f"{noise.choice('12')}{noise.randint(0, 99):02}{noise.randint(1, 12):02}"
    body += f"{noise.randint(1, 95):02}{noise.randint(1, 990):03}{noise.randint(1, 999):03}"
    number = f"{body}{97 - int(body) % 97:02}"
    return Planted("fr_nir", (number, _grouped(number, "1222332", " ")), (), int(number))


def _it_fiscal_code(language: str, noise: Seed) -> Planted:
    consonants, months = "BCDFGLMNPRSTVZ", "ABCDEHLMPRST"
    body = "".join(noise.choice(consonants) for _ in range(6))
    day = noise.randint(1, 28) + 40 * noise.randint(0, 1)
    body += f"{noise.randint(30, 99)}{noise.choice(months)}{day:02}"
    body += f"{noise.choice('ABCDEFGHIL')}{noise.randint(100, 899)}"
    odd = dict(
        zip(
            string.digits + string.ascii_uppercase,
            (
                *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21),
                *(2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
            ),
            strict=True,
        )
    )
    total = sum(odd[sign] for sign in body[::2])
    total += sum(int(sign) if sign.isdigit() else ord(sign) - 65 for sign in body[1::2])
    code = body + chr(65 + total % 26)
    return Planted("it_fiscal_code", (code, code.lower(), f"{code[:6]} {code[6:11]} {code[11:]}"))


def _weighted(digits: str, weights: range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _nl_bsn(language: str, noise: Seed) -> Planted:
    while True:
        body = str(noise.randint(1, 9)) + _digits(noise, 7)
        check = _weighted(body, range(9, 1, -1)) % 11
        if check < 10:
            number = f"{body}{check}"
            return Planted("nl_bsn", (), (number, _grouped(number, "333", " ")), int(number))


def _pt_nif(language: str, noise: Seed) -> Planted:
    body = noise.choice("1235") + _digits(noise, 7)
    rest = _weighted(body, range(9, 1, -1)) % 11
    number = f"{body}{0 if rest < 2 else 11 - rest}"
    return Planted("pt_nif", (), (number, _grouped(number, "333", " ")), int(number))


def _br_cpf(language: str, noise: Seed) -> Planted:
    number = _digits(noise, 9)
    for length in (9, 10):
        rest = _weighted(number, range(length + 1, 1, -1)) % 11
        number += str(0 if rest < 2 else 11 - rest)
    written = f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"
    whole = int(number) if number[0] != "0" else None
    return Planted("br_cpf", (written, number), (), whole)


def _uk_nhs(language: str, noise: Seed) -> Planted:
    while True:
        body = str(noise.randint(4, 7)) + _digits(noise, 8)
        check = 11 - _weighted(body, range(10, 1, -1)) % 11
        if check != 10:
            number = f"{body}{check % 11}"
            writings = (number, _grouped(number, "334", " "), _grouped(number, "334", "-"))
            return Planted("uk_nhs", (), writings, int(number))


_MAKERS: dict[str, Callable[[str, Seed], Planted]] = {
    "card": _card,
    "iban": _iban,
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "aws_access_key": _aws_access_key,
    "aws_secret_key": _aws_secret_key,
    "secret": _secret,
    "us_ssn": _us_ssn,
    "uk_nhs": _uk_nhs,
    "nl_bsn": _nl_bsn,
    "de_tax_id": _de_tax_id,
    "es_dni": _es_dni,
    "fr_nir": _fr_nir,
    "it_fiscal_code": _it_fiscal_code,
    "pt_nif": _pt_nif,
    "br_cpf": _br_cpf,
}
_LABELS = {
    **{"card": "card_number", "iban": "iban", "email": "to", "phone": "phone_number", "ip": "ip"},
    **{"aws_access_key": "access_key_id", "aws_secret_key": "aws_secret_access_key"},
    **{"secret": "header", "us_ssn": "ssn", "uk_nhs": "nhs_number", "nl_bsn": "bsn"},
    **{"de_tax_id": "tax_id", "es_dni": "dni", "fr_nir": "nir", "it_fiscal_code": "fiscal_code"},
    **{"pt_nif": "nif", "br_cpf": "cpf"},
}
_NAMES = {
    **{"us_ssn": "SSN", "uk_nhs": "NHS number", "nl_bsn": "BSN", "de_tax_id": "Steuer-ID"},
    **{"es_dni": "DNI", "fr_nir": "NIR", "it_fiscal_code": "codice fiscale", "pt_nif": "NIF"},
    **{"br_cpf": "CPF"},
}
_ID_SENTENCES = {
    "en": ["My {id} is {x}.", "{id}: {x}, is that what you need?", "The {id} {x} was refused!"],
    "de": ["Meine {id} ist {x}.", "{id}: {x}, brauchen Sie die?", "Die {id} lautet {x}, stimmt's?"],
    "es": ["Mi {id} es {x}.", "{id}: {x}, ¿es correcto?", "El {id} {x} no funciona."],
    "fr": ["Mon {id} est {x}.", "{id} : {x}, c'est bon ?", "Le {id} {x} est refusé."],
    "pt": ["O meu {id} é {x}.", "{id}: {x}, está certo?", "O {id} {x} foi recusado."],
    "it": ["Il mio {id} è {x}.", "{id}: {x}, va bene?", "Il {id} {x} non funziona."],
}
_SENTENCES: dict[str, dict[str, list[str]]] = {
    "card": {
        "en": [
            "Charge it to {x}, please.",
            "I paid with {x} yesterday.",
            "Block {x}! It is stolen",
        ],
        "de": ["Bitte von {x} abbuchen.", "Ich habe mit {x} bezahlt.", "{x} wurde gestohlen!"],
        "es": ["Cárguelo a {x}, por favor.", "Pagué con {x} ayer.", "Bloquee {x}, me la robaron."],
        "fr": ["Débitez la {x} svp.", "J'ai payé avec {x} hier.", "Bloquez {x}, on me l'a volée."],
        "pt": ["Cobre no {x}, por favor.", "Paguei com {x} ontem.", "Bloqueie {x}, foi roubado."],
        "it": ["Addebiti su {x}, grazie.", "Ho pagato con {x} ieri.", "Blocchi {x}, è rubata."],
    },
    "iban": {
        "en": ["Send it to {x} today.", "My IBAN: {x}", "{x} is the account of my mother."],
        "de": ["Überweisen Sie auf {x} bitte.", "Meine IBAN: {x}", "{x} ist das alte Konto."],
        "es": ["Transfiera a {x} hoy.", "Mi IBAN: {x}", "{x} es la cuenta de mi madre."],
        "fr": ["Virez sur {x} aujourd'hui.", "Mon IBAN : {x}", "{x} est le compte de ma mère."],
        "pt": ["Transfira para {x} hoje.", "O meu IBAN: {x}", "{x} é a conta da minha mãe."],
        "it": ["Bonifico su {x} oggi.", "Il mio IBAN: {x}", "{x} è il conto di mia madre."],
    },
    "email": {
        "en": ["Write to {x}.", "I am <{x}>, remember?", "Is {x} on file?"],
        "de": ["Schreiben Sie an {x}.", "Ich bin <{x}>, ja?", "Ist {x} hinterlegt?"],
        "es": ["Escriba a {x}.", "Soy <{x}>, ¿recuerda?", "¿Está {x} registrado?"],
        "fr": ["Écrivez à {x}.", "Je suis <{x}>, non ?", "Est-ce que {x} est connu ?"],
        "pt": ["Escreva para {x}.", "Sou <{x}>, lembra?", "O {x} está registado?"],
        "it": ["Scriva a {x}.", "Sono <{x}>, ricorda?", "È registrato {x} da voi?"],
    },
    "phone": {
        "en": ["Ring me on {x}.", "My number is {x}, any time.", "You get me at {x}; thanks"],
        "de": [
            "Meine Nummer ist {x}.",
            "Sie erreichen mich unter {x}, danke.",
            "Neu: {x} (ab Mai)",
        ],
        "es": ["Mi número es {x}.", "Estoy en el {x} por la tarde.", "Apunte el {x}, gracias."],
        "fr": ["Mon numéro est le {x}.", "Je suis au {x} le soir.", "Notez le {x}, merci."],
        "pt": ["O meu número é {x}.", "Estou no {x} à tarde.", "Anote o {x}, obrigado."],
        "it": ["Il mio numero è {x}.", "Sono al {x} di sera.", "Segni il {x}, grazie."],
    },
    "ip": {
        "en": ["I log in from {x}.", "The login came from {x}, not me."],
        "de": ["Ich melde mich von {x} an.", "Die Anmeldung kam von {x}, nicht von mir."],
        "es": ["Entro desde {x}.", "El acceso vino de {x}, no fui yo."],
        "fr": ["Je me connecte depuis {x}.", "La connexion vient de {x}, pas de moi."],
        "pt": ["Entro a partir de {x}.", "O acesso veio de {x}, não fui eu."],
        "it": ["Accedo da {x}.", "L'accesso viene da {x}, non sono io."],
    },
    "aws_access_key": {
        "en": ["It says {x} is not allowed.", "Use {x}."],
        "de": ["{x} sei nicht erlaubt.", "Nimm {x}."],
        "es": ["Dice que {x} no vale.", "Use {x}."],
        "fr": ["{x} n'est pas permis.", "Prenez {x}."],
        "pt": ["Diz que {x} não serve.", "Use {x}."],
        "it": ["Dice che {x} non va.", "Usi {x}."],
    },
    "aws_secret_key": {
        "en": ["The secret key is {x}", "AWS wants {x} here."],
        "de": ["Der geheime AWS-Schlüssel ist {x}", "AWS_SECRET_ACCESS_KEY={x}"],
        "es": ["La clave secreta de AWS es {x}", "AWS_SECRET_ACCESS_KEY={x}"],
        "fr": ["La clé secrète AWS est {x}", "AWS_SECRET_ACCESS_KEY={x}"],
        "pt": ["A chave secreta da AWS é {x}", "AWS_SECRET_ACCESS_KEY={x}"],
        "it": ["La chiave segreta AWS è {x}", "AWS_SECRET_ACCESS_KEY={x}"],
    },
    "secret": {
        "en": ["My token is {x}", "Authorization: Bearer {x}"],
        "de": ["Mein Token ist {x}", "Authorization: Bearer {x}"],
        "es": ["Mi token es {x}", "Authorization: Bearer {x}"],
        "fr": ["Mon jeton est {x}", "Authorization: Bearer {x}"],
        "pt": ["O meu token é {x}", "Authorization: Bearer {x}"],
        "it": ["Il mio token è {x}", "Authorization: Bearer {x}"],
    },
}


def _order(language: str, noise: Seed) -> str:
    forms = (
        f"{noise.randint(100, 999)}-{_digits(noise, 7)}-{_digits(noise, 7)}",
        *(_digits(noise, 8), str(noise.randint(10**8, 10**10)), f"#{_digits(noise, 6)}"),
        *(f"{noise.choice('ABC')}-2026-{_digits(noise, 5)}", f"PO{_digits(noise, 9)}"),
    )
    return noise.choice(forms)


def _money(language: str, noise: Seed) -> str:
    whole, cents = noise.randint(1, 999_999_999), noise.randint(0, 99)
    if language == "en":
        return noise.choice((f"${whole:,}.{cents:02}", f"USD {whole}.{cents:02}"))
    mark = noise.choice((" ", "."))
    return f"{whole:,}".replace(",", mark) + f",{cents:02} " + noise.choice(("€", "EUR"))


def _date(language: str, noise: Seed) -> str:
    year, month, day = noise.randint(1950, 2030), noise.randint(1, 12), noise.randint(1, 28)
    hour = f"{noise.randint(0, 23):02}:{noise.randint(0, 59):02}"
    forms = (
        *(f"{year}-{month:02}-{day:02}", f"{year}-{month:02}-{day:02}T{hour}:00Z"),
        *(f"{day:02}.{month:02}.{year}", f"{day:02}/{month:02}/{year} {hour}", hour),
    )
    return noise.choice(forms)


def _version(language: str, noise: Seed) -> str:
    numbers = [str(noise.randint(0, 40)) for _ in range(noise.randint(3, 4))]
    return noise.choice(("", "v")) + ".".join(numbers)


def _hash(language: str, noise: Seed) -> str:
    return noise.randbytes(noise.choice((16, 20, 32))).hex()


def _uuid(language: str, noise: Seed) -> str:
    return str(uuid.UUID(bytes=noise.randbytes(16), version=4))


def _tracking(language: str, noise: Seed) -> str:
    forms = (
        f"1Z{_digits(noise, 3)}{noise.choice('AWX')}{_digits(noise, 12)}",
        *(f"RR{_digits(noise, 9)}DE", "00340434" + _digits(noise, 12), "94" + _digits(noise, 20)),
        *(str(noise.randint(7, 9)) + _digits(noise, 11), "JJD" + _digits(noise, 18)),
    )
    return noise.choice(forms)


def _balance(language: str, noise: Seed) -> str:
    return noise.choice((f"{noise.randint(10**5, 10**9)}", f"{noise.random() * 10**6:.2f}"))


def _goods(language: str, noise: Seed) -> str:
    """EAN and ISBN, each with its check digit."""
    body = noise.choice(("400", "501", "841", "303", "560", "800", "978")) + _digits(noise, 9)
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(body))
    return f"{body}{-total % 10}"


def _moment(language: str, noise: Seed) -> str:
    return str(noise.randint(1_500_000_000, 1_900_000_000)) + noise.choice(("", "000", "000000"))


def _measure(language: str, noise: Seed) -> str:
    return f"{noise.uniform(-90, 90):.6f}, {noise.uniform(-180, 180):.6f}"


_DECOYS: dict[str, Callable[[str, Seed], str]] = {
    **{"order 1": _order, "order 2": _order, "amount": _money, "date": _date, "version": _version},
    **{"hash": _hash, "hash uuid": _uuid, "tracking": _tracking, "balance": _balance},
    **{"goods": _goods, "moment": _moment, "measure": _measure},
}
_DECOY_SENTENCES = {
    "en": {
        "order": ["Where is order {x}?", "Please call me about order no. {x}."],
        "amount": ["It cost {x} in all.", "Transfer {x} to my savings."],
        "date": ["It was on {x}.", "Since {x} it fails."],
        "version": ["I run version {x}.", "The app, release {x}, crashes."],
        "hash": ["The request id is {x}.", "Commit {x} broke it."],
        "tracking": ["Tracking number {x} shows nothing.", "My parcel {x} is late."],
        "balance": ["The balance is {x}.", "Balance before: {x}"],
        "goods": ["The article {x} is sold out.", "Do you have {x} in blue?"],
        "moment": ["Logged at {x}.", "timestamp={x}"],
        "measure": ["I am at {x} now.", "Position: {x}"],
    },
    "de": {
        "order": ["Wo ist Bestellung {x}?", "Rufen Sie mich zur Bestellung {x} an."],
        "amount": ["Das kostete {x} zusammen.", "Überweisen Sie {x} aufs Sparbuch."],
        "date": ["Das war am {x}.", "Seit {x} geht es nicht."],
        "version": ["Ich nutze Version {x}.", "Die App, Release {x}, stürzt ab."],
        "hash": ["Die Anfrage ist {x}.", "Commit {x} war schuld."],
        "tracking": ["Sendungsnummer {x} zeigt nichts.", "Mein Paket {x} fehlt."],
        "balance": ["Der Kontostand ist {x}.", "Saldo vorher: {x}"],
        "goods": ["Artikel {x} ist ausverkauft.", "Gibt es {x} in Blau?"],
        "moment": ["Protokolliert um {x}.", "timestamp={x}"],
        "measure": ["Ich bin bei {x} gerade.", "Position: {x}"],
    },
    "es": {
        "order": ["¿Dónde está el pedido {x}?", "Llámeme por el pedido {x}."],
        "amount": ["Costó {x} en total.", "Transfiera {x} a mis ahorros."],
        "date": ["Fue el {x}.", "Desde {x} falla."],
        "version": ["Uso la versión {x}.", "La app, versión {x}, se cierra."],
        "hash": ["La solicitud es {x}.", "El commit {x} lo rompió."],
        "tracking": ["El envío {x} no aparece.", "Mi paquete {x} tarda."],
        "balance": ["El saldo es {x}.", "Saldo anterior: {x}"],
        "goods": ["El artículo {x} está agotado.", "¿Tienen {x} en azul?"],
        "moment": ["Registrado a {x}.", "timestamp={x}"],
        "measure": ["Estoy en {x} ahora.", "Posición: {x}"],
    },
    "fr": {
        "order": ["Où est la commande {x} ?", "Appelez-moi pour la commande {x}."],
        "amount": ["Cela a coûté {x} en tout.", "Virez {x} sur mon livret."],
        "date": ["C'était le {x}.", "Depuis {x} rien ne va."],
        "version": ["J'ai la version {x}.", "L'appli, version {x}, plante."],
        "hash": ["La requête est {x}.", "Le commit {x} l'a cassé."],
        "tracking": ["Le colis {x} n'arrive pas.", "Suivi {x} : rien."],
        "balance": ["Le solde est de {x}.", "Solde avant : {x}"],
        "goods": ["L'article {x} est épuisé.", "Avez-vous {x} en bleu ?"],
        "moment": ["Noté à {x}.", "timestamp={x}"],
        "measure": ["Je suis à {x} là.", "Position : {x}"],
    },
    "pt": {
        "order": ["Onde está a encomenda {x}?", "Ligue-me sobre o pedido {x}."],
        "amount": ["Custou {x} no total.", "Transfira {x} para a poupança."],
        "date": ["Foi em {x}.", "Desde {x} que falha."],
        "version": ["Uso a versão {x}.", "A app, versão {x}, fecha."],
        "hash": ["O pedido é {x}.", "O commit {x} estragou tudo."],
        "tracking": ["O envio {x} não aparece.", "A minha encomenda {x} demora."],
        "balance": ["O saldo é {x}.", "Saldo anterior: {x}"],
        "goods": ["O artigo {x} esgotou.", "Têm {x} em azul?"],
        "moment": ["Registado às {x}.", "timestamp={x}"],
        "measure": ["Estou em {x} agora.", "Posição: {x}"],
    },
    "it": {
        "order": ["Dov'è l'ordine {x}?", "Mi chiami per l'ordine {x}."],
        "amount": ["È costato {x} in tutto.", "Trasferisca {x} sul libretto."],
        "date": ["Era il {x}.", "Dal {x} non va."],
        "version": ["Uso la versione {x}.", "L'app, versione {x}, si chiude."],
        "hash": ["La richiesta è {x}.", "Il commit {x} l'ha rotto."],
        "tracking": ["La spedizione {x} non c'è.", "Il mio pacco {x} tarda."],
        "balance": ["Il saldo è {x}.", "Saldo precedente: {x}"],
        "goods": ["L'articolo {x} è esaurito.", "Avete {x} in blu?"],
        "moment": ["Registrato alle {x}.", "timestamp={x}"],
        "measure": ["Sono a {x} ora.", "Posizione: {x}"],
    },
}
