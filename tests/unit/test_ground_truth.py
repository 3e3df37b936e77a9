"""What of a case AgentCore's evaluators can be told, and what is said to be left out."""

from driftgate import ground_truth
from driftgate.schemas.batches import LeftOut, TruthTurn
from tests.builders import case, expect

MONEY = {"match": "money", "value": 12.5, "currency": "EUR"}


def told(*expected, **rest):
    return ground_truth.of_case(case(*expected, **rest))


def left_out(*expected, **rest):
    return ground_truth.left_out(case(*expected, **rest)).fields


def test_the_trajectory_names_required_calls_as_often_as_they_are_needed():
    calls = [expect("find", times=2), expect("ask", optional=True), expect("pay", "write")]
    assert told(*calls).tool_names == ("find", "find", "pay")


def test_a_gateways_target_stands_before_each_name():
    truth = ground_truth.of_case(case(expect("find")), tool_prefix="bank")
    assert truth.tool_names == ("bank___find",)


def test_the_trajectory_keeps_what_comes_after_what_also_over_an_optional_call():
    calls = [
        expect("pay", "write", after=["asked"]),
        expect("ask", id="asked", optional=True, after=["found"]),
        expect("find", id="found"),
    ]
    assert told(*calls).tool_names == ("find", "pay")


def test_outputs_and_rubric_become_assertions():
    rubric = [
        {"id": "polite", "question": "Is it polite?"},
        {"id": "guess", "question": "Does it guess?", "good": "no"},
    ]
    none_of = {"match": "none_of", "options": ["sorry", "no"]}
    truth = told(expected_outputs=["done", MONEY, none_of], rubric=rubric)
    assert truth.assertions == (
        'A reply says "done".',
        "A reply says 12.50 EUR.",
        "No reply says something with 'sorry' or something with 'no'.",
        "Answered by yes: Is it polite?",
        "Answered by no: Does it guess?",
    )


def test_every_turn_is_told_if_one_of_them_expects_something():
    turns = [{"user": "hello"}, {"user": "how much?", "expected_outputs": ["today", MONEY]}]
    assert told(turns=turns).turns == (
        TruthTurn(prompt="hello"),
        TruthTurn(prompt="how much?", expected_response="today; 12.50 EUR"),
    )
    assert told(turns=[{"user": "hello"}]).turns == ()


def test_a_hundred_assertions_at_most_are_told_and_the_rest_is_left_out():
    outputs = [f"word {number}" for number in range(101)]
    assert len(told(expected_outputs=outputs).assertions) == 100
    assert "assertions" in left_out(expected_outputs=outputs)


def test_a_prompt_that_is_too_long_takes_the_turns_with_it():
    turns = [{"user": "x" * 4001, "expected_outputs": ["done"]}]
    assert told(turns=turns).turns == ()
    assert "turns.user" in left_out(turns=turns)


def test_a_case_of_texts_alone_loses_nothing():
    assert left_out(turns=[{"user": "hi", "expected_outputs": ["hello"]}]) == ()


def test_each_field_that_has_no_place_there_is_named():
    calls = [
        expect("find", id="found", times={"min": 1, "max": 2}, alternatives=[{"tool": "pay"}]),
        expect("ask", optional=True, turn=1),
        expect("pay", "write", args={"amount": 5}, after=["found"]),
    ]
    found = left_out(
        *calls,
        forbidden_calls=[{"tool": "delete"}],
        expected_outputs=[MONEY],
        turns=[{"user": "a", "expected_outputs": ["b", {"match": "none_of", "options": ["c"]}]}],
        rubric=[{"id": "told", "question": "Told?", "check": "done"}],
        world={"accounts": {}},
        mocks=[{"tool": "pay", "answers": [{"fault": "error"}]}],
        adversarial={"kind": "tool_fault", "criterion": "recovered"},
    )
    assert found == (
        "expected_calls.arguments",
        "expected_calls.effect",
        "expected_calls.optional",
        "expected_calls.alternatives",
        "expected_calls.times",
        "expected_calls.after",
        "expected_calls.turn",
        "forbidden_calls",
        "expected_outputs.tolerance",
        "turns.expected_outputs.none_of",
        "turns.expected_outputs.several",
        "rubric.check",
        "world",
        "mocks",
        "adversarial",
    )


def test_what_was_left_out_is_counted_by_field_the_most_frequent_first():
    left = [
        LeftOut(case_id="a", fields=("world",)),
        LeftOut(case_id="b", fields=("mocks", "world")),
    ]
    assert list(ground_truth.counted(left).items()) == [("world", 2), ("mocks", 1)]
