"""Near-duplicates: what makes no difference between two cases, and what does."""

import json
from pathlib import Path

import pytest

from driftgate.adapters import files
from driftgate.duplicates import near_duplicates
from driftgate.schemas.cases import Case

ROOT = Path(__file__).parents[2]
MIA = {
    "case_id": "mia",
    "task_type": "transfer",
    "turns": [
        {
            "user": "I'm Mia. Please send 1,250.40 € from ACC-1001 to ACC-1002.",
            "expected_outputs": [{"match": "money", "value": 1250.4, "currency": "EUR"}],
        }
    ],
    "expected_calls": [
        {"tool": "look", "effect": "read", "arguments": {"account": "ACC-1001"}, "id": "funds"},
        {
            "tool": "send_v2",
            "effect": "write",
            "arguments": {"from": "ACC-1001", "to": "ACC-1002", "amount": 125040},
            "after": ["funds"],
        },
    ],
    "world": {
        "owner": {"name": "Mia Keller", "kind": "private"},
        "accounts": {
            "ACC-1001": {"kind": "checking", "balance": {"value": 2000, "unit": "EUR"}},
            "ACC-1002": {"kind": "checking", "balance": {"value": 10, "unit": "EUR"}},
        },
    },
}


def changed(*replacements):
    """The case with texts of its JSON replaced, under another id."""
    text = json.dumps({**MIA, "case_id": "other"}, ensure_ascii=False)
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return json.loads(text)


def alike(other):
    found = near_duplicates([Case.model_validate(MIA), Case.model_validate(other)])
    assert found in ((), (("mia", "other"),))
    return bool(found)


@pytest.mark.parametrize(
    "replacements",
    [
        [],
        [("Mia Keller", "Ole Brandt"), ("Mia", "Ole")],
        [("ACC-1001", "ACC-77"), ("ACC-1002", "ACC-78")],
        [("ACC-1001", "DE89-x"), ("ACC-1002", "main Account")],
        [("1,250.40", "75"), ("1250.4", "75"), ("125040", "7500"), ("2000", "300")],
        [("1,250.40", "1 000,50"), ("1250.4", "1000.5"), ("125040", "100050")],
        [("Please send", "please  SEND")],
        [('"funds"', '"covered"')],
        [('"transfer"', '"payment"')],
    ],
    ids=["nothing", "name", "ids", "ids-of-other-form", "numbers", "written-number", "case"]
    + ["call-ids", "labels"],
)
def test_names_ids_numbers_and_labels_make_no_difference(replacements):
    assert alike(changed(*replacements))


@pytest.mark.parametrize(
    "replacements",
    [
        [("Please send", "Could you send")],
        [("to ACC-1002", "to ACC-1001")],  # what was told apart is one
        [("to ACC-1002", "to ACC-9998")],  # nobody knows this account
        [("1250.4", "-1250.4")],
        [("1250.4", "0")],
        [('"EUR"}]', '"JPY"}]')],
        [('"tool": "look"', '"tool": "see"')],
        [("send_v2", "send_v3")],
        [('"after": ["funds"]', '"after": []')],
        [('"id": "funds"', '"id": "funds", "times": 2')],
        [('"id": "funds"', '"id": "funds", "turn": 1')],
        [('"id": "funds"', '"id": "funds", "optional": true')],
        [('"value": 10,', '"value": -10,')],
        [('"unit": "EUR"}}}}', '"unit": "JPY"}}}}')],
        [('"private"', '"business"')],
        [('"task_type"', '"locale": "de-DE", "task_type"')],
        [('"task_type"', '"mocks": [{"tool": "look", "answers": [{}]}], "task_type"')],
        [('"task_type"', '"forbidden_calls": [{"tool": "look"}], "task_type"')],
        [('"task_type"', '"expected_outputs": ["done"], "task_type"')],
    ],
    ids=lambda replacements: replacements[0][1][:40],
)
def test_anything_else_does(replacements):
    assert not alike(changed(*replacements))


def test_a_name_that_only_a_call_has_is_one_too():
    def moved(case_id, city):
        return Case.model_validate(
            {
                "case_id": case_id,
                "task_type": "address",
                "turns": [{"user": f"I moved to {city}."}],
                "expected_calls": [
                    {"tool": "move", "effect": "write", "arguments": {"city": city}}
                ],
            }
        )

    assert near_duplicates([moved("a", "Köln"), moved("b", "Bad Ems")]) == (("a", "b"),)
    assert near_duplicates([moved("a", "town"), moved("b", "sea")]) == ()


def asking(text, world, **rest):
    content = {"case_id": "x", "task_type": "help", "turns": [{"user": text}], "world": world}
    return Case.model_validate({**content, **rest})


@pytest.mark.parametrize(
    ("one", "other", "world"),
    [
        (
            "Limits?",
            "Fees?",
            {"articles": ["Limits hold for each day and card.", "Fees are charged when abroad."]},
        ),
        (
            "All in EUR?",
            "All in USD?",
            {"held": [{"value": 1, "unit": "EUR"}, {"value": 1, "unit": "USD"}]},
        ),
        ("Is MaryAnn here?", "Is MaryEva here?", {"names": ["Ann", "Eva"]}),
        ("Is Annika here?", "Is Evaika here?", {"names": ["Ann", "Eva"]}),
    ],
    ids=["prose", "units", "a word's end", "a word's beginning"],
)
def test_prose_units_and_parts_of_words_are_no_names(one, other, world):
    pair = [asking(one, world, case_id="a"), asking(other, world, case_id="b")]
    assert near_duplicates(pair) == ()


def test_a_currency_that_must_be_told_is_no_name():
    def told(case_id, currency):
        output = {"match": "money", "value": 5, "currency": currency}
        world = {"rates": {"EUR": {"USD": 1.1, "JPY": 170}}}
        return asking("How much?", world, case_id=case_id, expected_outputs=[output])

    assert near_duplicates([told("a", "USD"), told("b", "JPY")]) == ()
    assert near_duplicates([told("a", "USD"), told("b", "USD")]) == (("a", "b"),)


def test_all_that_are_alike_are_one_group():
    cases = [Case.model_validate({**MIA, "case_id": id}) for id in ("c", "a", "b")]
    assert near_duplicates(cases) == (("a", "b", "c"),)


def test_the_support_dataset_has_none():
    assert near_duplicates(files.read_dataset(ROOT / "datasets" / "support").cases) == ()
