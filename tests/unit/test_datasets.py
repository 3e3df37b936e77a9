"""Two datasets differ where their contents do, and nowhere else."""

import pytest

from driftgate import datasets
from tests.builders import bank, case, expect


def changes(before, after):
    """What differs between two forms of one case: path -> (before, after)."""
    (case,) = datasets.diff(bank(before), bank(after)).changed
    return {change.field: (change.change, change.before, change.after) for change in case.fields}


def test_cases_are_compared_by_their_ids():
    before = bank(*(case(case_id=name) for name in "abc"))
    after = bank(case(case_id="b"), case(case_id="c", critical=True), case(case_id="d"))
    found = datasets.diff(before, after)
    assert (found.added, found.removed, found.unchanged) == (("d",), ("a",), 1)
    assert [change.case_id for change in found.changed] == ["c"]
    assert (found.before.cases, found.after.cases) == (3, 3)


def test_the_innermost_field_is_named_with_both_values():
    before = case(expect("pay", "write", args={"amount": 5}), world={"a": {"b": [1, 2]}})
    after = case(expect("pay", "write", args={"amount": 6}), world={"a": {"b": [1, 3]}})
    assert changes(before, after) == {
        "expected_calls.0.arguments.amount.value": ("changed", 5, 6),
        "world.a.b.1": ("changed", 2, 3),
    }


def test_what_comes_or_goes_is_told_apart_from_null():
    assert changes(case(world={"a": None}), case(world={"b": None, "c": []})) == {
        "world.a": ("removed", None, None),
        "world.b": ("added", None, None),
        "world.c": ("added", None, []),
    }


def test_a_field_that_was_left_out_has_its_default():
    assert changes(case(), case(difficulty="hard")) == {"difficulty": ("changed", "medium", "hard")}


def test_a_call_more_is_one_change():
    more = case(expect("pay", "write"), expect("find"))
    (change,) = changes(case(expect("pay", "write")), more).items()
    assert (change[0], change[1][0], change[1][2]["tool"]) == ("expected_calls.1", "added", "find")


def test_tools_are_content():
    found = datasets.diff(bank(), bank(tools={"pay": "write", "find": "write", "send": "write"}))
    assert {(change.field, change.change) for change in found.tools} == {
        ("find", "changed"),
        ("send", "added"),
    }
    assert (found.added, found.removed, found.changed) == ((), (), ())


@pytest.mark.parametrize(
    "other",
    [
        bank(changelog="y", version="2.0.0", owner="them", description="z"),
        bank(case(expect("pay", "write"), difficulty="medium", world={})),
        bank(
            case(expect("pay", "write", args={"n": {"match": "number", "value": 5, "abs": -0.0}}))
        ),
        bank(case(expect("pay", "write"), world={"n": 5})),
        bank(case(expect("pay", "write"), world={"n": 5.0})),
        bank(case(expect("pay", "write", args={"n": 5}))),
        bank(case(expect("pay", "write", args={"n": {"match": "number", "value": 5, "abs": 0}}))),
        bank(case(expect("pay", "write", optional=True))),
        bank(case(expect("pay", "write")), case(case_id="more")),
        bank(tools={"pay": "write"}),
    ],
)
def test_there_is_a_difference_exactly_if_the_hashes_differ(other):
    for one in (
        bank(),
        bank(case(expect("pay", "write"), world={"n": 5})),
        bank(case(expect("pay", "write", args={"n": 5}))),
    ):
        found = datasets.diff(one, other)
        differs = bool(found.tools or found.added or found.removed or found.changed)
        assert differs == (one.sha256 != other.sha256)
        assert all(change.fields for change in found.changed)
