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


def agent(schema=PAY, effect="write", **rest):
    content = contract("pay", effect, input_schema=schema, **rest)
    contracts = [ToolContract.model_validate(content)]
    return registry.seal_agent(Manifest.model_validate(manifest()), contracts, {}, None)


def misfits(arguments, *agents, **rest):
    return said(case(expect("pay", "write", args=arguments, **rest)), agents)


def said(case, agents):
    return [str(misfit) for misfit in mocks.misfits(case, agents)]


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
            "answers.1.result: pay 1.0.0 of teller 1.0.0: {argz.x}: nothing is bound "
            "to 'argz'; there are args, call, world",
        ),
        (
            {"answers": [{"result": ["{args.x}"]}]},
            "answers.0.result: pay 1.0.0 of teller 1.0.0: {args.x}: "
            "the input schema has no such argument; "
            "there are amount, kind, tags, to",
        ),
        (
            {"answers": [{"result": {"for_each": "{call}", "as": "x", "item": 1}}]},
            "answers.0.result: pay 1.0.0 of teller 1.0.0: for_each {call}: "
            "wanted one template, of a list",
        ),
    ],
)
def test_a_rule_that_can_never_answer_is_named(rule, reason):
    ruled = case(mocks=[{"tool": "pay", "answers": [{}], **rule}])
    assert said(ruled, [agent()]) == [f"mocks.0.{reason}"]


def test_a_rule_for_what_one_arm_has_is_fine():
    renamed = {"type": "object", "properties": {"receiver": {"type": "string"}}}
    answers = [{"result": "{args.to}"}]
    ruled = case(mocks=[{"tool": "pay", "when": {"to": "ACC-1"}, "answers": answers}])
    assert said(ruled, [agent(), agent(renamed)]) == []


RECEIPT = {
    "type": "object",
    "properties": {
        "fee": {"type": "integer", "minimum": 0},
        "status": {"type": "string", "enum": ["booked", "held"]},
        "to": {"type": "string", "pattern": "^ACC-"},
        "lines": {"type": "array", "items": {"type": "object", "required": ["text"]}},
    },
    "required": ["fee"],
}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"fee": "5"}, ".fee: {by}: wanted integer, got '5'"),
        ({"status": "held"}, ".fee: {by}: required, and not given"),
        ({"fee": -1}, ".fee: {by}: wanted at least 0, got -1"),
        (
            {"fee": 1, "status": "late"},
            ".status: {by}: wanted one of ['booked', 'held'], got 'late'",
        ),
        ({"fee": 1, "lines": [{"text": ""}, {}]}, ".lines[1].text: {by}: required, and not given"),
        ({"fee": "{args.to}"}, ".fee: {by}: wanted integer, got 'ACC-1'"),
        ([], ": {by}: wanted object, got []"),
    ],
)
def test_a_planned_answer_that_breaks_the_tools_contract_is_named(result, reason):
    ruled = case(
        mocks=[{"tool": "pay", "when": {"to": "ACC-1"}, "answers": [{}, {"result": result}]}]
    )
    by = "pay 1.0.0 of teller 1.0.0"
    (misfit,) = mocks.misfits(ruled, [agent(output_schema=RECEIPT)])
    assert str(misfit) == f"mocks.0.answers.1.result{reason.replace('{by}', by)}"
    assert misfit.planned


@pytest.mark.parametrize(
    "result",
    [
        {"fee": 1, "status": "held", "to": "ACC-2"},
        {"fee": 1.0},
        {"fee": "{args.amount}", "status": "{args.kind}", "to": "ACC-{call}"},
        {"fee": 1, "lines": {"for_each": "{world.rows}", "as": "row", "item": {}}},
    ],
)
def test_a_planned_answer_that_may_keep_the_contract_is_fine(result):
    """What only the call tells, or the world by then, is not known before."""
    ruled = case(mocks=[{"tool": "pay", "answers": [{"result": result}]}])
    assert said(ruled, [agent(output_schema=RECEIPT)]) == []


def test_a_planned_answer_must_keep_the_contract_of_every_arm_in_which_it_is_given():
    cents = {"properties": {"fee": {"type": "integer"}}}
    units = {"properties": {"fee": {"type": "number"}}}
    arms = [agent(output_schema=units), agent(output_schema=cents)]
    ruled = case(mocks=[{"tool": "pay", "answers": [{"result": {"fee": 0.5}}]}])
    assert said(ruled, arms[:1]) == []
    (fault,) = said(ruled, arms)
    assert fault.endswith("result.fee: pay 1.0.0 of teller 1.0.0: wanted integer, got 0.5")
    renamed = {"type": "object", "properties": {"receiver": {"type": "string"}}}
    ruled = case(
        mocks=[{"tool": "pay", "when": {"to": "ACC-1"}, "answers": [{"result": {"fee": 0.5}}]}]
    )
    assert said(ruled, [arms[0], agent(renamed, output_schema=cents)]) == []


def test_a_planned_answer_that_breaks_with_the_expected_arguments_is_the_mocks():
    """Only the rehearsed call tells the argument that the answer repeats."""
    ruled = case(
        expect("pay", "write", args={"to": "ACC-1", "kind": "a"}),
        mocks=[{"tool": "pay", "answers": [{"result": {"fee": "{args.kind}"}}]}],
    )
    (misfit,) = mocks.misfits(ruled, [agent(output_schema=RECEIPT)])
    assert (misfit.field, misfit.planned) == ("expected_calls.0", True)
    assert misfit.said.endswith("the answer.fee: wanted integer, got 'a'")


def test_a_planned_answer_that_an_expected_call_gets_is_told_once():
    ruled = case(
        expect("pay", "write", args={"to": "ACC-1"}),
        mocks=[{"tool": "pay", "answers": [{"result": {"fee": "5"}}]}],
    )
    (misfit,) = mocks.misfits(ruled, [agent(output_schema=RECEIPT)])
    assert misfit.field == "mocks.0.answers.0.result.fee"


def test_a_world_that_the_contract_can_not_render_is_not_the_mocks():
    (misfit,) = mocks.misfits(
        case(
            expect("pay", "write", args={"to": "ACC-1"}), mocks=[{"tool": "pay", "answers": [{}]}]
        ),
        [agent(output_schema=RECEIPT)],
    )
    assert (misfit.field, misfit.planned) == ("expected_calls.0", False)


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
    assert said(case(expect("sell")), [agent()]) == [
        "expected_calls.0.tool: teller 1.0.0 has no contract for 'sell'"
    ]


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
    places = [misfit.field for misfit in mocks.misfits(wanted, [agent()])]
    assert places == ["expected_calls.0.alternatives.0.tool", "forbidden_calls.0.tool"]
