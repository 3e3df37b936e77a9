"""What guardrails and Comprehend find is redacted; if they fail, nothing is stored."""

import json
import urllib.request

import pytest

from driftgate.adapters import entity_finders
from driftgate.adapters.entity_finders import ComprehendFinder, GuardrailFinder, kind, pieces
from driftgate.errors import RedactionFailed, Throttled
from driftgate.ports import FoundEntity
from driftgate.redaction import Redactor
from driftgate.schemas.redaction import RedactionRules
from local.standins.wire import operation

ANNA = FoundEntity(kind="name", text="Anna Müller")


@pytest.fixture(autouse=True)
def services(standins, monkeypatch):
    """Bedrock and Comprehend are where the stand-ins are, undisturbed."""
    for name, value in {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": standins.url,
        "AWS_ENDPOINT_URL_COMPREHEND": standins.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    entity_finders._client.cache_clear()
    disturb(standins)
    yield standins
    disturb(standins)
    entity_finders._client.cache_clear()


def disturb(standins, **how):
    """Tell the stand-in what goes wrong; returns how often it was asked so far."""
    request = urllib.request.Request(
        f"{standins.url}/standin/personal-data", json.dumps(how).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["asked"]


def guardrail(name="standin"):
    return GuardrailFinder(name, "1")


BOTH = [guardrail, lambda: ComprehendFinder("en")]


@pytest.mark.parametrize("finder", BOTH)
def test_finds_what_patterns_can_t(finder):
    texts = ["I am Anna Müller.", "", "  ", "ship to 5 Long Street"]
    assert finder().find(texts) == [ANNA, FoundEntity(kind="address", text="5 Long Street")]
    assert finder().find(["", " "]) == []


@pytest.mark.parametrize("name", ["standin", "standinblocks", "standintells"])
def test_what_a_guardrail_masks_blocks_or_only_tells_is_found_all_the_same(name):
    assert guardrail(name).find(["Anna Müller"]) == [ANNA]


@pytest.mark.parametrize("finder", BOTH)
def test_a_name_gets_one_pseudonym_in_all_of_a_document(finder):
    redactor = Redactor(RedactionRules(), b"a key of the environment", finder())
    told = {"say": "I am Anna Müller", "args": {"holder": "Anna  Müller"}, "😀": "😀 Anna Müller"}
    redacted = redactor.value(told).value
    name = redacted["args"]["holder"]
    assert redacted == {"say": f"I am {name}", "args": {"holder": name}, "😀": f"😀 {name}"}
    assert name.startswith("<name:")


@pytest.mark.parametrize(("finder", "most"), [(BOTH[0], 25_000), (BOTH[1], 100_000)])
def test_a_long_text_goes_in_pieces_and_no_name_is_lost_at_a_cut(services, finder, most):
    """The stand-in refuses longer texts; names stand all over the text, so some at each cut."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"Max Größe{a}{b}{c}" for a in letters for b in letters for c in letters]
    text = " ".join(names)
    before = disturb(services)
    assert {entity.text for entity in finder().find([text])} == set(names)
    assert disturb(services) - before >= len(text.encode()) / most


def test_pieces_are_not_longer_than_allowed_and_hold_all_of_a_text():
    text = "ü" * 3_000 + " " + "word " * 500
    cut = list(pieces([text, "end"], 1_000))
    assert all(len(piece.encode()) <= 1_000 for piece in cut)
    assert all(piece in f"{text}\n\nend" for piece in cut)
    assert sum(map(len, cut)) >= len(text)
    assert cut[-1].endswith("word \n\nend")


@pytest.mark.parametrize("finder", BOTH)
def test_a_throttled_service_is_asked_three_times_and_then_later(services, finder):
    before = disturb(services, faults=["throttle"] * 3)
    with pytest.raises(Throttled):
        finder().find(["Anna Müller"])
    assert disturb(services) - before == 3


@pytest.mark.parametrize("finder", BOTH)
@pytest.mark.parametrize("fault", ["denied", "broken", "elsewhere"])
def test_a_fault_stores_nothing_and_does_not_tell_the_text(services, finder, fault):
    redactor = Redactor(RedactionRules(), b"a key of the environment", finder())
    disturb(services, always=fault)
    with pytest.raises(RedactionFailed) as raised:
        redactor.text("I am Anna Müller")
    assert "Anna" not in str(raised.value)


def test_a_guardrail_that_looked_at_half_of_the_text_has_not_looked(services):
    disturb(services, always="half")
    with pytest.raises(RedactionFailed, match="looked at 5 of 11 characters"):
        guardrail().find(["Anna Müller"])


def test_a_guardrail_that_is_not_there_is_a_fault():
    with pytest.raises(RedactionFailed, match="ResourceNotFoundException"):
        guardrail("nowhere").find(["Anna Müller"])


def test_no_service_is_a_fault(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_COMPREHEND", "http://127.0.0.1:1")
    entity_finders._client.cache_clear()
    with pytest.raises(RedactionFailed, match="EndpointConnectionError"):
        ComprehendFinder("en").find(["Anna Müller"])


def test_a_language_that_comprehend_lists_but_does_not_know_is_refused_at_once():
    with pytest.raises(RedactionFailed, match="en and es, wanted 'de'"):
        ComprehendFinder("de")


def test_every_type_of_the_services_has_a_kind():
    found = operation("ApplyGuardrail", "bedrock-runtime").answered["assessments"].member
    entities = found.members["sensitiveInformationPolicy"].members["piiEntities"].member
    types = [*entities.members["type"].enum]
    detected = operation("DetectPiiEntities", "comprehend").answered["Entities"].member
    types += detected.members["Type"].enum
    assert len(types) > 60
    for name in (*types, "My regex: 1", "42", "ÄÖ" * 40):
        assert FoundEntity(kind=kind(name), text="x")
    assert kind("EMAIL") == "email"
    assert kind("CREDIT_DEBIT_NUMBER") == "card"
