"""A case that no arm's tools can satisfy is a fault of the dataset, found before anything runs."""

import pytest

from driftgate import mocks, registry
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import Manifest
from tests.builders import case, contract, expect, manifest

PAY = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "pattern": "^ACC-"},
        "amount": {"type": "integer", "minimum": 1},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "tags": {"type": "array"},
    },
    "required": ["to"],
}


def agent(schema=PAY, effect="write"):
    contracts = [ToolContract.model_validate(contract("pay", effect, input_schema=schema))]
    return registry.seal_agent(Manifest.model_validate(manifest()), contracts, {}, None)


def misfits(arguments, *agents, **rest):
    return list(mocks.misfits(case(expect("pay", "write", args=arguments, **rest)), agents))


@pytest.mark.parametrize(
    ("matcher", "reason"),
    [
        ("BOB", "can't match: wanted text like ^ACC-, got 'BOB'"),
        (5, "can't match: wanted string, got 5"),
        (
            {"match": "number", "value": 5, "abs": 1},
            "can't match: `number` on an argument of type string",
        ),
        ({"match": "absent"}, "must be absent, but pay requires it"),
        (
            {"match": "one_of", "options": ["BOB", "EVE"]},
            "can't match: wanted text like ^ACC-, got 'BOB'",
        ),
        ({"match": "list", "items": []}, "can't match: `list` on an argument of type string"),
    ],
)
def test_a_matcher_that_the_schema_rules_out_can_not_match(matcher, reason):
    assert misfits({"to": matcher}, agent()) == [f"expected_calls.0.arguments.to: {reason}"]


@pytest.mark.parametrize(
    ("matcher", "may"),
    [
        ({"match": "money", "value": 12.345, "currency": "EUR"}, False),
        ({"match": "written_number", "value": 0.5}, False),
        ({"match": "money", "value": 12.345, "currency": "EUR", "abs": 0.5}, True),
        ({"match": "money", "value": 1234, "currency": "EUR"}, True),
    ],
)
def test_an_integer_argument_can_not_be_a_fraction(matcher, may):
    wanted = f"can't match: wanted integer, got {matcher['value']}"
    expected = [] if may else [f"expected_calls.0.arguments.amount: {wanted}"]
    assert misfits({"amount": matcher}, agent()) == expected


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (
            {"when": {"nope": 1}},
            "when.nope: pay has no argument 'nope'; it has ['amount', 'kind', 'tags', 'to']",
        ),
        ({"when": {"amount": "5"}}, "when.amount: can't match: wanted integer, got '5'"),
        ({"tool": "sell"}, "tool: no contract for 'sell', so it is never called"),
        (
            {"answers": [{}, {"result": {"x": "{argz.x}"}}]},
            "answers.1.result: {argz.x}: nothing is bound to 'argz'; there are args, call, world",
        ),
        (
            {"answers": [{"result": ["{args.x}"]}]},
            "answers.0.result: {args.x}: the input schema has no such argument; "
            "there are amount, kind, tags, to",
        ),
        (
            {"answers": [{"result": {"for_each": "{call}", "as": "x", "item": 1}}]},
            "answers.0.result: for_each {call}: wanted one template, of a list",
        ),
    ],
)
def test_a_rule_that_can_never_answer_is_named(rule, reason):
    ruled = case(mocks=[{"tool": "pay", "answers": [{}], **rule}])
    assert list(mocks.misfits(ruled, [agent()])) == [f"mocks.0.{reason}"]


def test_a_rule_for_what_one_arm_has_is_fine():
    renamed = {"type": "object", "properties": {"receiver": {"type": "string"}}}
    answers = [{"result": "{args.to}"}]
    ruled = case(mocks=[{"tool": "pay", "when": {"to": "ACC-1"}, "answers": answers}])
    assert list(mocks.misfits(ruled, [agent(), agent(renamed)])) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": "ACC-1", "amount": 5, "kind": "a"},
        {"to": {"match": "one_of", "options": ["BOB", "ACC-1"]}},
        {"amount": {"match": "number", "value": 0, "abs": 2}},
        {"amount": {"match": "absent"}},
        {"to": {"match": "regex", "pattern": "9$"}},
        {"tags": {"match": "contains", "value": "x"}},
    ],
)
def test_a_matcher_that_some_call_can_satisfy_is_fine(arguments):
    assert misfits(arguments, agent()) == []


def test_an_argument_or_a_tool_that_no_contract_has_is_named():
    assert misfits({"price": 5}, agent()) == [
        "expected_calls.0.arguments.price: pay has no argument 'price'; "
        "it has ['amount', 'kind', 'tags', 'to']"
    ]
    other = list(mocks.misfits(case(expect("sell")), [agent()]))
    assert other == ["expected_calls.0.tool: teller 1.0.0 has no contract for 'sell'"]


def test_what_one_arm_can_give_is_no_fault_of_the_dataset():
    """A contract that changed is what the run is about, not a reason to refuse it."""
    renamed = {"type": "object", "properties": {"receiver": {"type": "string"}}}
    assert misfits({"to": "ACC-1"}, agent(), agent(renamed)) == []
    assert misfits({"to": "ACC-1"}, agent(renamed)) != []


def test_a_case_and_a_contract_must_agree_on_what_changes_state():
    assert misfits({}, agent(effect="read")) == [
        "expected_calls.0.effect: the contract of pay says read"
    ]


def test_alternatives_and_forbidden_calls_are_checked_too():
    wanted = case(
        expect("pay", "write", alternatives=[{"tool": "gift"}]), forbidden_calls=[{"tool": "rob"}]
    )
    places = [fault.split(":")[0] for fault in mocks.misfits(wanted, [agent()])]
    assert places == ["expected_calls.0.alternatives.0.tool", "forbidden_calls.0.tool"]
