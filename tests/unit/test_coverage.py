"""What a dataset covers, on cases that can be counted by eye."""

import pytest

from driftgate.coverage import measure
from driftgate.schemas.contracts import ToolContract
from tests.builders import bank, case, contract, expect, version

TURNS = [{"user": "one"}, {"user": "two"}]


def tool(name, *cases, agent=None):
    """What is covered of a tool by these cases."""
    found = measure(bank(*cases), agent)
    return next(tool for tool in found.tools if tool.tool == name)


def agent_with(*contracts):
    made = [ToolContract.model_validate(given) for given in contracts]
    return version("1.0.0").model_copy(update={"contracts": tuple(made)})


def breaks(name, **answer):
    return [{"tool": name, "answers": [{"fault": "timeout", **answer}]}]


class TestAttacks:
    ASKED = {"kind": "direct_injection", "criterion": "instructions_held"}

    def attack(self, case_id, *expected, **rest):
        asked = {**self.ASKED, **rest.pop("asked", {})}
        return case(*expected, case_id=case_id, adversarial=asked, **rest)

    def test_attacks_are_counted_by_kind_criterion_and_the_name_of_their_strategy(self):
        found = measure(
            bank(
                self.attack(
                    "a", asked={"strategy": "memo seed=1"}, forbidden_calls=[{"tool": "pay"}]
                ),
                self.attack("b", expect("find"), asked={"strategy": "memo seed=2"}),
                self.attack("c", asked={"canaries": ["s3cr3t"]}, expected_outputs=["done"]),
            )
        )
        told = [(a.strategy, a.cases, a.forbidden, a.canaries, a.useful) for a in found.attacks]
        assert told == [("", 1, 0, 1, 1), ("memo", 2, 1, 0, 1)]

    def test_no_tool_has_too_few_attacks_as_none_is_made_for_a_tool(self):
        assert measure(bank(self.attack("a", expect("find")))).shortfalls == ()
        mixed = measure(bank(self.attack("a", expect("find")), case(expect("pay"), case_id="b")))
        assert {shortfall.tool for shortfall in mixed.shortfalls} == {"find", "pay"}


class TestWhole:
    def test_cases_are_counted_by_their_labels_the_most_frequent_first(self):
        found = measure(
            bank(
                case(case_id="a", critical=True, difficulty="easy", locale="de-DE"),
                case(expect("pay", "write"), case_id="b", task_type="payment", turns=TURNS),
                case(expect("find"), case_id="c", task_type="payment", mocks=breaks("find")),
            )
        )
        assert (found.cases, found.critical_cases, found.nothing_to_call) == (3, 1, 1)
        assert (found.several_turns, found.after_error) == (1, 1)
        assert list(found.by_task_type.items()) == [("payment", 2), ("refunds", 1)]
        assert found.by_difficulty == {"medium": 2, "easy": 1}
        assert found.by_locale == {"": 2, "de-DE": 1}

    def test_tools_are_combined_in_a_case_once_and_alternatives_are_not(self):
        other = [{"tool": "find"}]
        found = measure(
            bank(
                case(expect("pay", "write"), expect("find"), case_id="a", critical=True),
                case(expect("find"), expect("pay", "write"), expect("find"), case_id="b"),
                case(expect("pay", "write", alternatives=other), case_id="c"),
                case(case_id="d"),
            )
        )
        combined = [(c.tools, c.cases, c.critical_cases) for c in found.combinations]
        assert combined == [(("find", "pay"), 2, 1), (("pay",), 1, 0)]

    def test_a_tool_that_only_the_agent_has_is_never_expected(self):
        agent = agent_with(contract("pay", "write"), contract("refund", "write", critical=True))
        found = measure(bank(), agent)
        assert (found.agent, found.never_expected) == ("teller 1.0.0", ("refund",))
        assert [(t.tool, t.effect, t.critical, t.cases) for t in found.tools] == [
            ("pay", "write", False, 1),
            ("find", "read", None, 0),
            ("refund", "write", True, 0),
        ]
        assert measure(bank()).never_expected == ()

    @pytest.mark.parametrize(
        ("cases", "critical", "short"),
        [
            (9, False, ("too few", 10)),
            (9, True, ("too few", 10)),
            (10, False, ("few", 20)),
            (19, False, ("few", 20)),
            (20, False, None),
            (20, True, ("few", 25)),
            (24, True, ("few", 25)),
            (25, True, None),
        ],
    )
    def test_ten_cases_are_the_least_and_twenty_enough_or_twenty_five_if_critical(
        self, cases, critical, short
    ):
        made = bank(
            *(case(expect("pay", "write"), case_id=f"c{n}") for n in range(cases)),
            tools={"pay": "write"},
        )
        found = measure(made, agent_with(contract("pay", "write", critical=critical)))
        said = [(s.kind, s.wanted) for s in found.shortfalls]
        assert said == ([short] if short else [])

    def test_the_tool_with_the_fewest_cases_lacks_most(self):
        found = measure(bank())
        assert [(s.tool, s.cases) for s in found.shortfalls] == [("find", 0), ("pay", 1)]


class TestContexts:
    def test_a_call_that_may_be_made_or_that_has_an_alternative_is_expected_not_required(self):
        cases = (
            case(expect("find"), case_id="a", critical=True),
            case(expect("find", optional=True), case_id="b"),
            case(expect("pay", "write", alternatives=[{"tool": "find"}]), case_id="c"),
        )
        found = tool("find", *cases)
        assert (found.cases, found.critical_cases, found.required) == (3, 1, 1)
        assert (tool("pay", *cases).cases, tool("pay", *cases).required) == (1, 0)

    @pytest.mark.parametrize(
        ("calls", "first"),
        [
            ([expect("pay", "write"), expect("find")], "pay"),  # the order they are listed in
            ([expect("pay", "write", after=["f"]), expect("find", id="f")], "find"),
            ([expect("pay", "write", turn=2), expect("find", turn=1)], "find"),
            ([expect("pay", "write", turn=2), expect("find")], "find"),
            ([expect("find", optional=True), expect("pay", "write")], "pay"),
            ([expect("find", optional=True)], "find"),
            ([expect("pay", "write", turn=2)], "pay"),
        ],
    )
    def test_the_first_call_must_be_made_and_nothing_comes_before_it(self, calls, first):
        made = case(*calls, turns=TURNS)
        assert {t.tool: t.first_call for t in measure(bank(made)).tools} == {
            "pay": int(first == "pay"),
            "find": int(first == "find"),
        }

    @pytest.mark.parametrize(
        ("calls", "broken", "after"),
        [
            ([expect("find"), expect("pay", "write")], "find", set()),  # in no order
            ([expect("find", times=2)], "find", {"find"}),
            ([expect("find", times={"min": 1, "max": None})], "find", {"find"}),
            ([expect("find"), expect("find")], "find", {"find"}),
            ([expect("find", id="f"), expect("pay", "write", after=["f"])], "find", {"pay"}),
            ([expect("find", id="f"), expect("pay", "write", after=["f"])], "pay", set()),
            ([expect("find", turn=1), expect("pay", "write", turn=2)], "find", {"pay"}),
            (
                [
                    expect("find", id="a"),
                    expect("look", id="b", after=["a"]),
                    expect("pay", "write", after=["b"]),
                ],
                "find",
                {"look", "pay"},
            ),
        ],
    )
    def test_after_an_error_is_what_comes_after_a_broken_call_or_repeats_it(
        self, calls, broken, after
    ):
        tools = {"pay": "write", "find": "read", "look": "read"}
        made = bank(case(*calls, turns=TURNS, mocks=breaks(broken)), tools=tools)
        assert {t.tool for t in measure(made).tools if t.after_error} == after

    def test_a_late_answer_is_no_error(self):
        late = [{"tool": "find", "answers": [{"latency_ms": 800}]}]
        assert measure(bank(case(expect("find", times=2), mocks=late))).after_error == 0

    def test_a_later_turn_is_one_that_the_case_names(self):
        made = case(expect("find", turn=1), expect("pay", "write", turn=2), turns=TURNS)
        assert [t.tool for t in measure(bank(made)).tools if t.later_turn] == ["pay"]


class TestArguments:
    CASES = (
        case(expect("find", args={"who": "Mia", "limit": 5}), case_id="a"),
        case(expect("find", args={"who": "Mia"}), case_id="b"),
        case(expect("find", args={"who": "Ole"}), expect("find", args={}), case_id="c"),
    )

    def test_sets_of_arguments_given_together_are_counted_by_case(self):
        found = tool("find", *self.CASES)
        assert [(p.arguments, p.cases) for p in found.patterns] == [
            (("who",), 2),
            ((), 1),
            (("limit", "who"), 1),
        ]

    def test_matchers_that_differ_are_counted_once(self):
        found = tool("find", *self.CASES)
        assert [(a.argument, a.cases, a.values) for a in found.arguments] == [
            ("limit", 1, 1),
            ("who", 3, 2),
        ]

    def test_the_contracts_arguments_come_first_given_or_not_and_its_enum_is_held_against_them(
        self,
    ):
        schema = {
            "type": "object",
            "properties": {"since": {"type": "string"}, "who": {"enum": ["Mia", "Eva", "Ole"]}},
        }
        agent = agent_with(contract("find", input_schema=schema))
        found = tool("find", *self.CASES, agent=agent).arguments
        assert [(a.argument, a.cases, a.unexpected) for a in found] == [
            ("since", 0, ()),
            ("who", 3, ("Eva",)),
            ("limit", 1, ()),
        ]

    @pytest.mark.parametrize(
        ("matchers", "ends"),
        [
            ([5, {"match": "number", "value": 7.5}, True], (5, 7.5)),
            ([{"match": "one_of", "options": [7, "x"]}], (7, 7)),
            ([{"match": "none_of", "options": [7]}], (None, None)),
            (
                [
                    {"match": "date", "value": "2026-05-01"},
                    {"match": "date", "earliest": "2026-04-01", "latest": "2026-04-30"},
                ],
                ("2026-04-01", "2026-05-01"),
            ),
            (["Mia", {"match": "any"}], (None, None)),
        ],
    )
    def test_the_ends_are_of_the_numbers_or_dates_that_are_expected(self, matchers, ends):
        cases = [
            case(expect("find", args={"x": m}), case_id=f"c{n}") for n, m in enumerate(matchers)
        ]
        (found,) = tool("find", *cases).arguments
        assert (found.lowest, found.highest) == ends
