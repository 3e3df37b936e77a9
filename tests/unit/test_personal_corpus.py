"""The corpus that redaction is held to: its numbers are right, and it tells good from bad."""

import json
import random

import phonenumbers
import pytest
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

from bench import personal_corpus as corpus
from bench import redaction as bench
from driftgate.redaction import Redactor
from driftgate.schemas.redaction import RedactionRules

VALID = {
    "card": lambda written: luhn.is_valid("".join(filter(str.isdigit, written))),
    "iban": lambda written: iban.is_valid(written, check_country=False),
    "de_tax_id": idnr.is_valid,
    "es_dni": lambda written: dni.is_valid(written) or nie.is_valid(written),
    "fr_nir": nir.is_valid,
    "it_fiscal_code": codicefiscale.is_valid,
    "nl_bsn": bsn.is_valid,
    "pt_nif": nif.is_valid,
    "br_cpf": cpf.is_valid,
    "uk_nhs": nhs.is_valid,
    "us_ssn": ssn.is_valid,
    "phone": lambda written: phonenumbers.is_valid_number(phonenumbers.parse(written)),
}


@pytest.mark.parametrize("kind", VALID)
def test_every_planted_number_is_one_by_another_s_reckoning(kind):
    noise = random.Random(7)
    for language in corpus.LANGUAGES:
        for _ in range(20 if kind in corpus.kinds(language) else 0):
            planted = corpus.plant(kind, language, noise)
            written = (planted.writings + planted.named)[0]
            assert VALID[kind](written), written


@pytest.mark.parametrize("kind", ["card", "uk_nhs", "secret"])
def test_an_item_holds_its_entity_between_its_two_ends(kind):
    noise = random.Random(7)
    for _ in range(40):
        planted = corpus.plant(kind, "en", noise)
        item = corpus.item(planted, "en", noise)
        is_text = isinstance(item.value, str)
        text = item.value if is_text else json.dumps(item.value, ensure_ascii=False)
        number = isinstance(item.value, dict) and isinstance(item.value.get("arguments"), dict)
        inside = text[len(item.before) : len(text) - len(item.after)]
        assert number or inside in planted.writings + planted.named


def test_a_kind_that_is_not_looked_for_is_counted_as_not_found():
    redactor = Redactor(RedactionRules(without=("email",)), b"the key of a benchmark")
    assert not any(bench._found(redactor, "email", "de", 20))
    assert all(bench._found(redactor, "card", "de", 20))


def test_a_pattern_that_is_too_greedy_costs_precision():
    rules = RedactionRules(patterns={"order": r"\d{6,}"})
    assert bench._false_alarms(Redactor(rules, b"the key of a benchmark"), "en", 200)["order"] > 40


def test_writings_that_get_two_pseudonyms_are_counted():
    rules = RedactionRules(patterns={"spaced": r"\+\d+ [\d ]+"})
    assert bench._split(Redactor(rules, b"the key of a benchmark"), "phone", "de", 5) == 5
