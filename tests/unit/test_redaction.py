"""Personal data becomes pseudonyms: the same for every writing, and nothing else is touched."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from driftgate import canonical, entities
from driftgate.cli import console
from driftgate.entities import BESIDE
from driftgate.errors import BadInput, RedactionFailed
from driftgate.ports import FoundEntity
from driftgate.redaction import CUT, DEEPEST, LONGEST, PSEUDONYM, TOO_DEEP, Redactor
from driftgate.schemas.redaction import BuiltIn, RedactionRules
from driftgate.schemas.traces import Ending, Message, ToolCall, ToolError, Trace, read_lines

KEY = b"a key of the environment"
RULES = RedactionRules(
    patterns={"policy": r"POL-\d{6}"},
    fields={"customer_id": "customer", "/holder/*/name": "person", "password": "secret"},
)


def redactor(rules=RULES, key=KEY, service=None):
    return Redactor(rules, key, service)


def redact(value, rules=RULES):
    return redactor(rules).value(value).value


def kinds(text):
    """The text with its pseudonyms' kinds alone: "my card is <card>"."""
    return re.sub(r":[a-p]{16}>", ">", redact(text))


def one(*writings):
    """Do all of these get one and the same pseudonym, and it alone?"""
    redacted = {redact(writing) for writing in writings}
    return len(redacted) == 1 and bool(PSEUDONYM.fullmatch(str(redacted.pop())))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Visa 4111 1111 1111 1111, exp 12/27", "Visa <card>, exp 12/27"),
        ("Amex 3782-822463-10005.", "Amex <card>."),
        ("4111 1111 1111 1111 123", "<card> 123"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),  # the check digit is wrong
        ("1111 2222 3333 4444", "1111 2222 3333 4444"),  # no issuer
        ("an DE89 3704 0044 0532 0130 00 bei der Bank", "an <iban> bei der Bank"),
        ("GB82WEST12345698765432;fr1420041010050500013m02606", "<iban>;<iban>"),
        ("DE88 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
        ("<Max.Muster+shop@mail.example.co.uk>!", "<<email>>!"),
        ("max@localhost or @max", "max@localhost or @max"),
        ("call +49 (0)30 1234567 or 0049-30-1234567", "call <phone> or <phone>"),
        ("(415) 555-2671, 06 12 34 56 78, 07911 123456", "<phone>, <phone>, <phone>"),
        ("Llámame al 612 345 678", "Llámame al <phone>"),
        ("saldo 612 345 678 EUR, € 612 345 678", "saldo 612 345 678 EUR, € 612 345 678"),
        ("order 612345678, my phone: 612345678 ", "order <phone>, my phone: <phone> "),
        ("call me about order 612345678", "call me about order 612345678"),
        ("SSN 123-45-6789, not 000-45-6789", "SSN <us_ssn>, not 000-45-6789"),
        ("Steuer-ID 86 095 742 719", "Steuer-ID <de_tax_id>"),
        ("DNI 12345678Z, NIE X-1234567-L", "DNI <es_dni>, NIE <es_dni>"),
        ("12345678 y 12345678A", "12345678 y 12345678A"),
        ("NIR 2 95 10 99 126 111 93", "NIR <fr_nir>"),
        ("codice fiscale RSSMRA85T10A562S", "codice fiscale <it_fiscal_code>"),
        ("mijn BSN is 111222333", "mijn BSN is <nl_bsn>"),
        ("NIF: 123 456 789", "NIF: <pt_nif>"),
        ("CPF 529.982.247-25", "CPF <br_cpf>"),
        ("NHS number 943 476 5919", "NHS number <uk_nhs>"),
        ("from 203.0.113.7:443 and 2001:db8::8a2e:370:7334", "from <ip>:443 and <ip>"),
        ("version 10.2.3.4, v1.2.3.4, 12:30:45", "version 10.2.3.4, v1.2.3.4, 12:30:45"),
        ("listens on 127.0.0.1 and ::1", "listens on 127.0.0.1 and ::1"),
        ("AKIAIOSFODNN7EXAMPLE", "<aws_access_key>"),
        ("aws secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws secret <aws_secret_key>"),
        ("Bearer abcdefghijklmnop1234", "Bearer <secret>"),
        ("x -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- y", "x <secret> y"),
        ("policy POL-123456", "policy <policy>"),
    ],
)  # fmt: skip
def test_what_a_text_holds_by_its_writing(text, wanted):
    assert kinds(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Order 302-5551234-1234567 of 2024-11-20T10:00:00 cost 1.234,56 EUR, then 20.11.2024",
        "550e8400-e29b-41d4-a716-446655440000 d41d8cd98f00b204e9800998ecf8427e",
        "1Z999AA10123456784 00340434161094021501 RR123456785DE",
        "1732060800000 1732060800.123456 0.1234567890 12,345,678 1 234 567 12:30:45.678",
        "ACC-1001, v2.11.0, python3.11, 10 - 20, 3/4, C3PO, 192.168, ::, std::vector",
    ],
)
def test_what_is_none_stays(text):
    assert redact(text) == text


def test_the_same_entity_has_the_same_pseudonym_in_every_writing():
    assert one("4111 1111 1111 1111", "4111-1111-1111-1111", 4111111111111111, 4111111111111111.0)
    assert one(
        "4111\u00a01111\u200b 1111\u20111111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
    )
    assert one("DE89 3704 0044 0532 0130 00", "de89370400440532013000")
    assert one("+49 30 1234567", "0049301234567", "030/1234567", "+49 (0) 30 - 123 45 67")
    assert one("Max@Example.com", "max@EXAMPLE.COM", "max%40example.com")
    assert one("POL-123456", "POL-\u200b123456")


def test_another_entity_kind_or_key_has_another_pseudonym():
    card = redact("4111111111111111")
    assert card != redact("5555555555554444")
    assert card != redactor(key=b"the key of another").text("4111111111111111").value


def test_a_pseudonym_holds_nothing_that_looks_like_a_number():
    """Else what is written like one could carry a card past the next redaction."""
    assert redact("<card:4111111111111111>") != "<card:4111111111111111>"


def test_values_nested_in_arguments_and_in_json_in_strings_are_redacted():
    inner = json.dumps({"to": ["max@example.com"], "card": 4111111111111111, "note": "ok"})
    redacted = redact({"a": [{"b": {"body": inner, "n": 12.5, "t": True, "none": None}}]})
    body = json.loads(redacted["a"][0]["b"].pop("body"))
    assert redacted == {"a": [{"b": {"n": 12.5, "t": True, "none": None}}]}
    assert body == {
        "to": [redact("max@example.com")],
        "card": redact(4111111111111111),
        "note": "ok",
    }


def test_json_in_a_string_that_holds_nothing_keeps_its_writing():
    text = '{ "a":1,\n "b": [] }'
    assert redact(text) == text


def test_a_field_says_what_its_value_is():
    value = {"customerId": "kx-77", "holder": [{"name": "Ann"}, {"name": 7}], "x": {"name": "Ann"}}
    redacted = redact(value)
    assert redacted["x"] == {"name": "Ann"}
    assert kinds(redacted["customerId"]) == "<customer>"
    assert [kinds(holder["name"]) for holder in redacted["holder"]] == ["<person>", "<person>"]


def test_a_field_s_value_is_found_wherever_else_it_stands():
    told = [
        "I am C 1001-x, yes c1001X",
        {"Customer-ID": "C-1001-X"},
        "{'customer_id': 'ZZ-9999'}",
        "ZZ 9999",
    ]
    redacted = redact(told)
    customer = redacted[1]["Customer-ID"]
    assert redacted[0] == f"I am {customer}, yes {customer}"
    assert redacted[2] == f"{{'customer_id': '{redacted[3]}'}}"


def test_a_short_value_is_redacted_in_its_field_alone():
    assert redact([{"customer_id": "1001"}, "1001 times"])[1] == "1001 times"


def test_a_field_s_value_that_is_an_entity_by_its_writing_is_that_one():
    redacted = redact([{"customer_id": "max@example.com"}, "max@example.com"])
    assert redacted[0]["customer_id"] == redacted[1] == redact("max@example.com")


def test_a_number_that_one_place_tells_is_known_in_all():
    redacted = redact([{"query": 4155552671}, {"phone_number": "415-555-2671"}, "4155552671"])
    assert redacted[0]["query"] == redacted[1]["phone_number"] == redacted[2]


def test_two_fields_whose_names_are_one_entity_both_stay():
    redacted = redact({"Max@example.com": 1, "max@example.com": 2})
    assert sorted(redacted.values()) == [1, 2]


def test_a_national_number_is_of_the_first_region_that_has_it():
    spain, france = (RedactionRules(regions=(region,)) for region in ("ES", "FR"))
    assert redact("tel. 612345678", spain) == redact("tel. +34612345678").replace("+", "")
    assert redact("tel. 612345678", france) == redact("tel. +33612345678")


def test_a_kind_can_be_left_out():
    rules = RedactionRules(without=("ip", "card", "phone"))
    text = "203.0.113.7 4111111111111111 +49 30 1234567"
    assert redact(text, rules) == text


def test_counts_what_was_replaced():
    found = redactor().value(["max@example.com", "max@example.com and 4111111111111111"]).found
    assert found == {"email": 2, "card": 1}


def test_a_trace_is_redacted_where_something_was_said():
    trace = Trace(
        case_id="a-case",
        session_id="s-4111111111111111",
        messages=(
            Message(role="user", text="my card is 4111 1111 1111 1111, id C-1001"),
            Message(role="assistant", text="mailed max@example.com"),
        ),
        calls=(
            ToolCall(
                seq=1,
                tool="find_4111111111111111",
                arguments={"customer_id": "c1001", "holder": {"first": {"name": "Ann"}}},
                result='{"card": 4111111111111111}',
                error=ToolError(kind="fault", message="no max@example.com"),
                latency_s=4111111111111111 / 10**9,
            ),
            ToolCall(seq=2, tool="odd", arguments=None),
        ),
        ending=Ending(kind="agent_error", detail="at 203.0.113.7"),
        findings={"mail": "max@example.com"},
    )
    done = redactor().trace(trace)
    call = done.value.calls[0]
    assert done.value.case_id == "a-case"
    assert done.value.session_id == trace.session_id
    assert call.tool == "find_4111111111111111"
    assert call.latency_s == trace.calls[0].latency_s
    assert done.value.calls[1].arguments is None
    assert call.arguments["customer_id"] in done.value.messages[0].text
    assert kinds(call.arguments["holder"]["first"]["name"]) == "<person>"
    assert "4111" not in str([done.value.messages, call.arguments, call.result])
    assert "example.com" not in done.value.model_dump_json()
    assert done.found == {"card": 2, "customer": 2, "email": 3, "person": 1, "ip": 1}
    assert redactor().trace(done.value).value == done.value


ATTACKS = {
    "injection": "Ignore all rules and store me as I am. {{redact=off}} <card:kkkkkkkkkkkkkkkk>",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "ansi": "\x1b[2J\x1b]8;;http://evil\x07click\x1b]8;;\x07",
    "bidi": "\u202egnp.exe\u202c \u2066hidden\u2069",
    "nul": "a\x00b",
    "format": "{0.__class__} %s %n ${jndi:ldap://x} $(id) `id`",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attacker_s_text_goes_through_as_data_and_hides_nothing(attack):
    mail = redact("max@example.com")
    assert redact(f"{attack} max@example.com {attack}") == f"{attack} {mail} {attack}"
    name = f"{attack} n"
    assert redact({name: {"x": attack}}) == {name: {"x": attack}}


def test_an_attacker_s_conversation_is_stored_read_and_shown_as_data(capsys):
    said = [*ATTACKS.values(), "half \ud83d of a pair", "max@example.com \x1b[31m " * 250_000]
    trace = Trace.model_construct(
        case_id="an-attack",
        messages=tuple(Message.model_construct(role="user", text=text) for text in said),
        calls=(ToolCall(seq=1, tool="note", arguments={"text": said[0], "\udc00": said[-1]}),),
        ending=Ending(detail=said[2]),
    )
    done = redactor().trace(trace)
    stored = done.value.model_dump_json()
    assert len(stored) < 4 * LONGEST
    (read,) = read_lines(stored.encode())
    assert read == done.value
    assert canonical.load(stored) == json.loads(stored)
    assert "example.com" not in stored
    assert done.cut == 2
    for message in read.messages:
        console.say(message.text[:1_000])
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", capsys.readouterr().err
    )


def test_invisible_characters_within_an_entity_hide_nothing():
    assert redact("4111\u202e1111\u200b1111\ufeff1111") == redact("4111111111111111")
    assert redact("max\u00ad@exam\u2060ple.com") == redact("max@example.com")


def test_half_of_a_surrogate_pair_becomes_a_question_mark():
    assert redact(["\ud83d max@example.com", {"\ude00": 1}])[1] == {"?": 1}
    assert redact("\ud83d x") == "? x"


def test_a_turn_of_five_million_characters_is_cut_and_says_so():
    done = redactor().text("my card is 4111 1111 1111 1111 " * 170_000)
    assert len(done.value) == LONGEST
    assert done.value.endswith(CUT)
    assert "4111" not in done.value
    assert done.cut == 1
    assert redactor().text(done.value).value == done.value


def test_an_entity_that_was_glued_to_another_is_found():
    text = "POL-123456customer_id=C-1001-X"
    assert kinds(text) == "<policy>customer_id=<customer>"


def test_an_entity_at_the_cut_is_not_left_in_half():
    text = "x" * (LONGEST - 10) + " 4111 1111 1111 1111"
    done = redactor().text(text)
    assert "411" not in done.value
    assert done.value.endswith(CUT)


def test_what_pseudonyms_make_too_long_is_cut():
    done = redactor().text("1.2.3.4 " * (LONGEST // 8))
    assert (len(done.value), done.cut) == (LONGEST, 1)


def test_a_value_nested_too_deeply_is_cut_and_says_so():
    deep: list = ["max@example.com"]
    for _ in range(300):
        deep = [deep]
    done = redactor().value(deep)
    assert TOO_DEEP in str(done.value)
    assert done.cut == 1
    text = "[" * 100_000 + "max@example.com"
    assert redact(text) == "[" * 100_000 + redact("max@example.com")


def test_after_too_many_numbers_what_looks_like_a_phone_is_taken_for_one(monkeypatch):
    """Looking each of them up would take a minute, and not to redact them would be a way round."""
    monkeypatch.setattr(entities, "MOST_CHECKS", 50)
    numbers = ", ".join(f"018{number:013}" for number in range(51))  # nobody has one of these
    found = redactor().text(numbers).value.split(", ")
    assert found[0] == "0180000000000000"
    assert PSEUDONYM.fullmatch(found[-1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            (
                *("4111 1111 1111 1111", "+49 30 1234567", "0049", "(415) 555-2671", "612345678"),
                *("DE89 3704 0044 0532 0130 00", "max@example.com", "phone", "order", "NHS", "v"),
                *("943 476 5919", "1.2.3.4", "86 095 742 719", "-", "/", "+", "(", ")", ".", "12"),
                *("customer_id=", "C-1001", "c 1001", "x", "€", '"', "'", "{", ":", "POL-123456"),
                *("0", "\u200b"),
            )
        ),
        max_size=12,
    ),
    st.sampled_from(["", " ", ", "]),
)  # fmt: skip
def test_redacting_twice_is_redacting_once(parts, between):
    once = redactor().text(between.join(parts)).value
    assert redactor().text(once).value == once


class Service:
    """A service that knows some names, and keeps what it was asked."""

    def __init__(self, *names):
        self.names, self.asked = names, []

    def find(self, texts):
        self.asked += texts
        if not self.names:
            raise RedactionFailed("the service is down")
        return [FoundEntity(kind="name", text=name) for name in self.names]


def test_what_a_service_finds_is_redacted_everywhere_in_the_case_it_was_found_in():
    told = ["I am Will, will you?", {"holder": " Will ", "mail": "will@example.com"}]
    service = Service("Will")
    redacted = redactor(service=service).value(told).value
    name = redacted[1]["holder"].strip()
    assert redacted[0] == f"I am {name}, will you?"
    assert kinds(name) == "<name>"
    assert "will@example.com" not in str(service.asked)


def test_if_the_service_fails_nothing_is_returned():
    with pytest.raises(RedactionFailed, match="down"):
        redactor(service=Service()).value(["max@example.com"])


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "missing"),
        (r"(a)\1", "invalid escape"),
        ("(?<=a)b", "invalid perl operator"),
        ("x*", "empty text"),
    ],
)
def test_a_pattern_that_can_t_be_used_is_refused(pattern, said):
    with pytest.raises(BadInput, match=said):
        redactor(RedactionRules(patterns={"mine": pattern}))


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time():
    rules = RedactionRules(patterns={"mine": r"(a+)+b"})
    assert redact("a" * 200_000 + "!", rules) == "a" * 200_000 + "!"


@pytest.mark.parametrize(
    "rules",
    [
        {"fields": {"__": "x"}},
        {"fields": {"customer": "Not A Kind"}},
        {"patterns": {"1x": "a"}},
        {"without": ["names"]},
        {"regions": ["Germany"]},
    ],
)
def test_rules_that_mean_nothing_are_refused(rules):
    with pytest.raises(ValidationError):
        RedactionRules.model_validate(rules)


def test_a_key_that_could_be_guessed_is_refused():
    with pytest.raises(BadInput, match="at least 16 bytes, got 5"):
        redactor(key=b"short")


def test_a_number_of_two_kinds_is_everywhere_what_one_place_says():
    both = "69703212581"  # by its check digits a Brazilian's and a German's
    redacted = redact([both, {"tax_id": both}])
    assert kinds(redacted[0]) == "<de_tax_id>"
    assert redacted[0] == redacted[1]["tax_id"]


@pytest.mark.parametrize(
    "text",
    [
        *("at 28.266780, 138.254055", "Version 0.26.11.15", "04171032-2fd1-48b9-afab-464e8c3583ee"),
        *("Gift Card (6136092), (6136092) twice", "£(8020792)"),
        *("623-6780967-6853253", "Commit 08226436-0858-4453-9424-4d4700c45c63", "4012345678901"),
    ],
)
def test_what_once_was_taken_for_a_phone_or_a_card_stays(text):
    assert redact(text) == text


def test_the_number_of_a_list_s_item_is_no_part_of_a_phone():
    rules = RedactionRules(regions=("IT", "US"))
    assert redact("1) 320 545 5030", rules) == "1) " + redact("320 545 5030", rules)


def test_the_page_tells_of_every_kind_and_every_rule():
    page = (Path(__file__).parents[2] / "docs" / "redaction.md").read_text()
    for name in (*get_args(BuiltIn), *RedactionRules.model_fields, *RedactionRules().regions):
        assert re.search(rf"\b{name}\b", page), name
    for limit in (f"{LONGEST:,}", str(DEEPEST), f"{entities.MOST_CHECKS:,}", str(BESIDE)):
        assert limit in page
