"""Drafts of cases made from a dataset's own."""

import json
import re

import pytest

from driftgate import mocks, registry, review, synthesis
from driftgate.adapters.files import read_agent, read_dataset
from driftgate.adapters.local import LocalRegistry
from driftgate.duplicates import near_duplicates
from driftgate.errors import BadInput
from driftgate.synthesis import Unfit, draft, generate
from tests.builders import bank, case, expect
from tests.conftest import ROOT
from tests.office import Clock

OFFLINE = [name for name in synthesis.STRATEGIES if name != "translate"]


def balance(**rest):
    money = {"match": "money", "value": 12.5, "currency": "EUR"}
    turn = {"user": "What is the balance of my account ACC-1001?", "expected_outputs": [money]}
    content = {
        "case_id": "balance",
        "turns": [turn],
        "world": {"accounts": {"ACC-1001": {"balance": {"value": 12.5, "unit": "EUR"}}}},
        **rest,
    }
    return case(expect("find", args={"account_id": "ACC-1001"}), **content)


def made(name, one=None, seed=1, model=None):
    one = one or balance()
    return draft(one, name, bank(one), seed, model)


@pytest.fixture(scope="module")
def support():
    return read_dataset(ROOT / "datasets" / "support")


@pytest.fixture(scope="module")
def agent():
    return read_agent(ROOT / "agents" / "support" / "versions" / "1.0.0.yaml")[0]


def test_the_same_seed_makes_the_same_drafts_and_another_one_others(support):
    first, again = (generate(support, OFFLINE[:3], 7, 20) for _ in range(2))
    assert first == again
    assert generate(support, OFFLINE[:3], 8, 20).drafts != first.drafts


def test_what_is_made_fits_the_contracts_and_is_no_near_duplicate(support, agent):
    found = generate(support, OFFLINE[:-1], 3, 40, [agent])
    assert len(found.drafts) == 40
    assert not [m for one in found.drafts for m in mocks.misfits(one, [agent])]
    own = {one.case_id for one in found.drafts}
    groups = near_duplicates([*support.cases, *found.drafts])
    assert not [group for group in groups if own & set(group)]
    assert len(found.by_strategy) >= 3
    for one in found.drafts:
        assert one.provenance.kind == "synthetic"
        assert re.fullmatch(r"support@1\.2\.0/[\w.-]+, \w+ seed=3", one.provenance.origin)


def test_kinds_with_few_cases_come_first():
    many = [balance(case_id=f"b{n}", turns=[{"user": f"balance {'a' * n}?"}]) for n in range(5)]
    rare = case(expect("pay", "write"), case_id="rare", turns=[{"user": "please pay for it"}])
    found = generate(bank(*many, rare), ["paraphrase"], 1, 1)
    assert found.drafts[0].case_id == "rare-paraphrase-1"


@pytest.mark.parametrize("name", ["paraphrase", "typos", "language"])
def test_a_rewording_keeps_ids_and_what_is_expected(name):
    one = made(name)
    assert "ACC-1001" in one.turns[0].user
    assert one.turns[0].user != balance().turns[0].user
    assert one.expected_calls == balance().expected_calls
    assert one.turns[0].expected_outputs == balance().turns[0].expected_outputs


def test_typos_spare_ids_amounts_addresses_and_names():
    said = "Send 15.50 EUR to Maria at maria@example.com from ACC-1001 please, without waiting"
    for seed in range(30):
        text = made("typos", balance(turns=[{"user": said}]), seed).turns[0].user
        assert {"15.50", "Maria", "maria@example.com", "ACC-1001"} <= set(text.split())
        assert len(text.split()) == len(said.split())


def test_what_is_missing_is_told_a_turn_later_with_what_was_to_be_told_then():
    one = made("missing")
    assert [turn.user for turn in one.turns] == [
        "What is the balance of my account?",
        "It is ACC-1001.",
    ]
    assert not one.turns[0].expected_outputs
    assert one.turns[1].expected_outputs == balance().turns[0].expected_outputs


def test_a_sentence_that_leans_on_its_id_still_reads_as_one():
    one = made("missing", balance(turns=[{"user": "How much money is in ACC-1001 now?"}]))
    assert one.turns[0].user == "How much money is in my account now?"
    with pytest.raises(Unfit, match="leans on the id"):
        made("missing", balance(turns=[{"user": "I am CUS-1001, my balance?"}]))


def test_ids_are_changed_everywhere_alike():
    one = made("entities")
    (other,) = one.world["accounts"]
    assert re.fullmatch(r"ACC-\d{4}", other)
    assert other != "ACC-1001"
    assert other in one.turns[0].user
    assert one.expected_calls[0].arguments["account_id"].value == other
    assert "ACC-1001" not in json.dumps(one.model_dump(mode="json"))


def test_under_changed_ids_the_tools_answer_the_same(support, agent):
    plain = [one for one in support.cases if not one.mocks and "ACC-" in one.model_dump_json()]
    for one in plain[::12]:
        changed = draft(one, "entities", support, 5)
        kinds = [
            [(r.tool, r.broken, r.result is None) for r in mocks.rehearse(each, agent)]
            for each in (one, changed)
        ]
        assert kinds[0] == kinds[1]


def test_an_amount_at_the_edge_stands_in_the_world_and_in_what_is_told():
    edges = set()
    for seed in range(20):
        one = made("boundary", seed=seed)
        value = one.world["accounts"]["ACC-1001"]["balance"]["value"]
        assert one.turns[0].expected_outputs[0].value == value
        edges.add(value)
    assert {0, -0.01} <= edges
    with pytest.raises(Unfit, match="alone in the world"):
        made("boundary", balance(world={}))


def test_words_of_one_language_are_not_asked_for_in_another():
    told = balance(turns=[{"user": "My balance?", "expected_outputs": ["twelve"]}])
    with pytest.raises(Unfit, match="words of one language"):
        made("language", told)


class Writer:
    name = "writer"

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def write(self, instruction):
        self.asked.append(instruction)
        return self.texts.pop(0)


def test_a_model_writes_again_until_all_ids_stand_in_its_text():
    model = Writer("My balance?", "Kontostand von ACC-1001 und ACC-7?", "Kontostand von ACC-1001?")
    one = made("translate", model=model)
    assert one.turns[0].user == "Kontostand von ACC-1001?"
    assert one.locale in ("de-DE", "fr-FR")
    assert "it lacks 'ACC-1001'" in model.asked[1]
    assert "it adds 'ACC-7'" in model.asked[2]
    assert one.provenance.origin.endswith("translate seed=1, written by writer")
    with pytest.raises(Unfit, match="nothing that can be used"):
        made("paraphrase", model=Writer("", "", ""))


def test_a_translation_without_a_model_and_an_unknown_strategy_are_refused():
    with pytest.raises(BadInput, match="wanted a model"):
        generate(bank(balance()), ["translate"], 1, 1)
    with pytest.raises(BadInput, match="wanted strategies of"):
        generate(bank(balance()), ["magic"], 1, 1)


def test_proposed_drafts_are_reviewed_like_what_was_found(tmp_path, agent):
    rows = LocalRegistry(tmp_path / "reviews")
    one = made("typos")
    found = review.propose(one, agent, "synthetic", rows, Clock())
    assert found.origin == "synthetic"
    assert review.propose(one, agent, "synthetic", rows, Clock()) is None
    desk = review.Desk("support", "ann", rows, None, LocalRegistry(tmp_path / "r"), Clock())
    claimed = desk.claim(found.fingerprint, 0)
    with pytest.raises(BadInput, match="nobody has confirmed turns"):
        desk.accept(found.fingerprint, claimed.revision)
    desk.edit(found.fingerprint, claimed.revision, one)
    assert desk.draft(found.fingerprint).case.provenance == one.provenance
    with pytest.raises(BadInput, match="wanted provenance synthetic or external"):
        review.propose(balance(), agent, "manual", rows, Clock())
    assert registry.list_datasets(desk.stored) == []
