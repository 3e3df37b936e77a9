"""Cases as AgentCore's examples and back, without the service."""

import pytest

from driftgate import exchange
from driftgate.errors import BadInput
from driftgate.schemas.exchanges import PREDEFINED, SIMULATED, ForeignDataset
from tests.builders import bank, case, expect

ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:dataset/bank-Ab12345678"
MONEY = {"match": "money", "value": 12.5, "currency": "EUR"}


def foreign(schema=PREDEFINED, version="3"):
    return ForeignDataset(
        dataset_id="bank-Ab12345678",
        arn=ARN,
        name="Bank_Cases",
        version=version,
        schema_type=schema,
    )


def back(*examples, schema=PREDEFINED, reads=()):
    return exchange.import_dataset(foreign(schema), examples, reads, owner="us")


def there_and_back(dataset, schema=PREDEFINED):
    examples = [exchange.to_example(c, schema, dataset.header) for c in dataset.cases]
    return exchange.import_dataset(foreign(schema), examples, (), owner="us")


EXPRESSIBLE = [
    case(
        expect("find"),
        expect("pay", "write"),
        case_id="pays",
        difficulty="hard",
        critical=True,
        smoke=True,
        locale="de",
        provenance={"kind": "mined", "author": "ada", "origin": "s-1"},
        turns=[
            {"user": "pay", "expected_outputs": ["Which account?"]},
            {"user": "A1"},
            {"user": "and now?", "expected_outputs": ['say "done".']},
        ],
        expected_outputs=["12.50", 'a "quoted" text\nof two lines'],
        rubric=[
            {"id": "polite", "question": "Is it polite?"},
            {"id": "guess", "question": "Does it guess?", "good": "no"},
        ],
    ),
    case(case_id="talks", turns=[{"user": "hello"}]),
]


class TestThereAndBack:
    def test_what_can_be_expressed_comes_back_equal(self):
        dataset = bank(*EXPRESSIBLE)
        again, left = there_and_back(dataset)
        assert again.cases == dataset.cases
        assert again.sha256 == dataset.sha256
        assert (again.header.name, again.header.version) == ("bank", "1.0.0")
        assert left == {}
        assert exchange.lost(dataset.cases, PREDEFINED) == {}

    def test_what_they_can_express_comes_back_to_them_equal(self):
        example = {
            "scenario_id": "case-0001",
            "turns": [{"input": "refund A-1", "expected_response": "Refunded."}, {"input": "ok"}],
            "expected_trajectory": ["get_order", "refund"],
            "assertions": ["Refund once.", 'A reply says "x".', "Is it: {fine}?"],
        }
        dataset, _ = back(example, reads=["get_order"])
        (only,) = dataset.cases
        again = exchange.to_example(only, PREDEFINED, dataset.header)
        assert {key: again[key] for key in example} == example

    def test_what_is_lost_is_named_with_its_cases(self):
        cases = [
            case(
                expect("find", args={"id": 1}, id="found"),
                expect("pay", "write", after=["found"], optional=True),
                case_id="a",
                world={"x": 1},
                expected_outputs=[MONEY],
            ),
            case(case_id="b", forbidden_calls=[{"tool": "pay"}], world={"x": 1}),
        ]
        assert exchange.lost(cases, PREDEFINED) == {
            "expected_calls.after": ("a",),
            "expected_calls.arguments": ("a",),
            "expected_calls.id": ("a",),
            "expected_calls.optional": ("a",),
            "expected_outputs.tolerance": ("a",),
            "forbidden_calls": ("b",),
            "world": ("a", "b"),
        }

    def test_a_simulated_user_loses_the_turns_and_the_calls(self):
        dataset = bank(*EXPRESSIBLE)
        assert exchange.lost(dataset.cases, SIMULATED) == {
            "expected_calls": ("pays",),
            "turns.expected_outputs": ("pays",),
            "turns.user: as a goal": ("pays",),
        }
        again, left = there_and_back(dataset, SIMULATED)
        pays = again.cases[0]
        assert [turn.user for turn in pays.turns] == ["pay"]
        assert pays.rubric == EXPRESSIBLE[0].rubric
        assert set(left) == {"actor_profile", "max_turns", "scenario_description"}

    def test_a_simulated_example_has_what_its_schema_requires(self):
        example = exchange.to_example(EXPRESSIBLE[0], SIMULATED, bank().header)
        assert example["input"] == "pay"
        assert example["actor_profile"] == {
            "context": "A user with a matter of refunds.",
            "goal": "pay Then: A1 Then: and now?",
        }
        assert not {"turns", "expected_trajectory"} & example.keys()


class TestImport:
    @pytest.mark.parametrize("key", ["expected_response", "expectedResponse"])
    def test_both_spellings_of_the_expected_response_are_read(self, key):
        dataset, left = back({"scenario_id": "a", "turns": [{"input": "hi", key: "Hello."}]})
        (item,) = dataset.cases[0].rubric
        assert item.question == "Does the reply to turn 1 say the same as this: Hello."
        assert left == {}

    def test_both_at_once_must_agree(self):
        turn = {"input": "hi", "expected_response": "a", "expectedResponse": "a"}
        assert len(back({"scenario_id": "a", "turns": [turn]})[0].cases[0].rubric) == 1
        with pytest.raises(BadInput, match=r"example 1: .*turn 1 has two expected responses"):
            back({"scenario_id": "a", "turns": [{**turn, "expectedResponse": "b"}]})

    def test_a_foreign_sentence_is_never_taken_for_a_text_that_a_reply_must_hold(self):
        """Nobody who wrote it there meant our deterministic check."""
        said = {"scenario_id": "a", "turns": [{"input": "hi"}], "assertions": ['A reply says "x".']}
        only = back(said)[0].cases[0]
        assert (only.expected_outputs, len(only.rubric)) == ((), 1)

    def test_what_it_says_beyond_a_case_is_left_out_by_name(self):
        example = {
            "scenario_id": "TC 02",
            "turns": [{"input": {"amount": 5}, "mood": "angry"}],
            "expected_trajectory": ["find", "pay"],
            "metadata": {"suite": "smoke"},
            "difficulty": 3,
        }
        dataset, left = back(example, reads=["find"])
        (only,) = dataset.cases
        assert only.case_id == "tc-02"
        assert only.provenance.origin == f"{ARN}#TC 02"
        assert only.turns[0].user == '{"amount":5}'
        assert dataset.header.tools == {"find": "read", "pay": "write"}
        assert set(left) == {
            "scenario_id",
            "turns.mood",
            "turns.input: an object, taken as text",
            "effect of pay: taken for a write",
            "difficulty",
            "metadata.suite",
        }
        assert (dataset.header.name, dataset.header.version) == ("bank_cases", "3.0.0")

    @pytest.mark.parametrize(
        ("examples", "said"),
        [
            ([{"turns": [{"input": "hi"}]}], "example 1: KeyError\\('scenario_id'\\)"),
            ([{"scenario_id": "a", "turns": []}], "example 1: turns: .*at least 1 item"),
            (
                [{"scenario_id": id, "turns": [{"input": "hi"}]} for id in ("a b", "A-B")],
                "example 2: a-b is there already",
            ),
        ],
    )
    def test_an_example_that_is_none_is_refused_with_its_number(self, examples, said):
        with pytest.raises(BadInput, match=said):
            back(*examples)

    def test_a_third_partys_schema_is_refused(self):
        with pytest.raises(BadInput, match="wanted predefined or simulated"):
            back(schema="THIRD_PARTY_EVALUATION_V1")
