"""Choosing cases by what they are."""

import pytest

from driftgate.errors import BadInput
from driftgate.schemas.cases import Provenance
from driftgate.selection import choose
from tests.builders import case, expect

CASES = [
    case(expect("pay"), case_id="a-1", task_type="transfer", critical=True, locale="de-DE"),
    case(expect("find"), case_id="a-2", task_type="transfer", difficulty="hard", locale="de-AT"),
    case(
        expect("find"), expect("pay"), case_id="b-1", task_type="balance", critical=True, smoke=True
    ),
    case(case_id="b-2", task_type="balance", provenance=Provenance(kind="mined")),
]


def ids(*filters, limit=None, case_ids=()):
    chosen = choose(CASES, "bank@1.0.0", filters=filters, limit=limit, case_ids=case_ids)
    return [case.case_id for case in chosen]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (["case=a-*"], ["a-1", "a-2"]),
        (["task_type=balance"], ["b-1", "b-2"]),
        (["tool=pay"], ["a-1", "b-1"]),
        (["tool=f?nd"], ["a-2", "b-1"]),
        (["critical"], ["a-1", "b-1"]),
        (["critical=false"], ["a-2", "b-2"]),
        (["smoke"], ["b-1"]),
        (["difficulty=hard"], ["a-2"]),
        (["locale=de-*"], ["a-1", "a-2"]),
        (["provenance=mined"], ["b-2"]),
        (["critical", "task_type=transfer"], ["a-1"]),
        (["tool=pay", "tool=find"], ["b-1"]),
    ],
)
def test_every_filter_must_hold(filters, wanted):
    assert ids(*filters) == wanted


def test_a_limit_takes_the_first_that_fit_in_the_order_of_the_dataset():
    assert ids("critical", limit=1) == ["a-1"]
    assert ids(limit=3) == ["a-1", "a-2", "b-1"]
    assert ids(limit=9) == ["a-1", "a-2", "b-1", "b-2"]


def test_named_cases_are_filtered_too():
    assert ids("critical", case_ids=["b-1", "b-2"]) == ["b-1"]


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["colour=red"], "wanted field=value with one of case, task_type, tool, critical,"),
        (["task_type"], "wanted field=value with one of"),
        (["task_type=transfr"], "no case of bank@1.0.0 has such a task_type; there are balance, t"),
        (["locale=fr-*"], "has such a locale; there are de-AT, de-DE"),
        (["critical", "difficulty=hard"], "no case of bank@1.0.0 has all of critical, difficulty="),
    ],
)
def test_a_choice_that_can_not_be_made_says_what_there_is(filters, said):
    with pytest.raises(BadInput) as error:
        ids(*filters)
    assert said in str(error.value)


def test_a_named_case_that_there_is_not_is_an_error():
    with pytest.raises(BadInput, match=r"dataset bank@1.0.0 has no case 'c'"):
        ids(case_ids=["a-1", "c"])
