"""Mocks that are no longer what their tools are, are named; those that are, are not."""

import json
from pathlib import Path

import pytest

from driftgate import drift, mocks, registry
from driftgate.adapters import files
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.drift import RecordedCall
from driftgate.schemas.manifests import Manifest
from tests.builders import case, contract, expect, manifest

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "agents" / "support" / "versions"
BALANCE = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "status": {"type": "string", "enum": ["open", "held"]},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"fee": {}}}},
    },
    "required": ["amount"],
}
ASKED = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def agent(answer=BALANCE, asked=ASKED, **rest):
    """An agent with one tool, `find`, that answers with the record of the world it is asked for."""
    steps = [
        {"find": "{args.id}", "let": "row", "otherwise": {"error": "NONE"}},
        {"answer": "{row}"},
    ]
    content = contract("find", input_schema=asked, output_schema=answer, behaviour=steps, **rest)
    return registry.seal_agent(
        Manifest.model_validate(manifest()), [ToolContract.model_validate(content)], {}, None
    )


def cases(*results):
    """A case for each result of `find`."""
    return [
        case(expect("find", args={"id": "a"}), case_id=f"c{n}", world={"a": result})
        for n, result in enumerate(results)
    ]


def real(*results, arguments=None):
    calls = [
        RecordedCall(tool="find", arguments=arguments or {"id": "a"}, result=result)
        for result in results
    ]
    return {f"real.jsonl:{n}": call for n, call in enumerate(calls, start=1)}


def found(recorded, of_cases, of=None):
    """Kind and text of what is found in recordings."""
    findings = drift.check_recordings(recorded, of_cases, of or agent())
    return [(finding.kind, str(finding)) for finding in findings]


def amounts(*values):
    return [{"amount": value} for value in values]


OURS = cases(*amounts(125040, 9805, 4200, 31277, 75000))


class TestMagnitude:
    @pytest.mark.parametrize(
        ("factor", "word"), [(0.01, "100 times"), (100, "1/100 of"), (0.001, "1,000 times")]
    )
    def test_a_unit_change_is_a_fault(self, factor, word):
        theirs = [value * factor for value in (88000, 120000, 15000, 40000)]
        ((kind, said),) = found(real(*amounts(*theirs)), OURS)
        assert kind == "fault"
        assert said.startswith(f"find: result.amount: the mocks sit at about {word} the real")

    def test_the_medians_are_told(self):
        (_, said), *_notes = found(real(*amounts(900, 0, 100, -300)), OURS)
        assert "median 31,277 of 5, really 300 of 3; did a unit change?" in said

    def test_other_customers_are_no_unit_change(self):
        assert found(real(*amounts(20000, 300000, 18000, 90000)), OURS) == []
        assert found(real(*amounts(100, 200, 50, 90000, 1000000)), OURS) == []  # they overlap

    def test_a_tenth_or_too_few_values_are_a_note(self):
        ((kind, said),) = found(real(*amounts(300, 700, 3000, 4000)), OURS)
        assert (kind, "about 10 times" in said) == ("note", True)
        ((kind, said),) = found(real(*amounts(300, 300, 400)), OURS)  # two values that differ
        assert (kind, "about 100 times" in said) == ("note", True)

    def test_items_of_lists_are_counted_together(self):
        ours = cases({"amount": 1, "rows": [{"fee": 500}, {"fee": 700}, {"fee": 300}]})
        theirs = real(
            {"amount": 1, "rows": [{"fee": 5}, {"fee": 7}]}, {"amount": 1, "rows": [{"fee": 4}]}
        )
        ((kind, said),) = found(theirs, ours)
        assert (kind, said.split(": ")[1]) == ("fault", "result.rows[].fee")

    def test_arguments_are_compared_too(self):
        asked = {"type": "object", "properties": {"id": {}, "limit": {}}, "required": ["id"]}
        ours = [
            case(expect("find", args={"id": "a", "limit": n}), world={"a": {"amount": 1}})
            for n in (100, 200, 400)
        ]
        theirs = {
            str(n): RecordedCall(
                tool="find", arguments={"id": "a", "limit": n}, result={"amount": 1}
            )
            for n in (1, 2, 3)
        }
        ((kind, said),) = found(theirs, ours, agent(asked=asked))
        assert (kind, said.split(": ")[1]) == ("fault", "arguments.limit")

    @pytest.mark.parametrize("value", [10**400, 1e-320, 1e308, True, None])
    def test_strange_values_are_no_accident(self, value):
        found(real(*amounts(value, 1, 2)), OURS)


class TestContract:
    @pytest.mark.parametrize(
        ("result", "said"),
        [
            ({"amount": "5"}, "result.amount: wanted number, got '5'"),
            ({}, "result.amount: required, and not given"),
            (
                {"amount": 5000, "status": "locked"},
                "result.status: wanted one of ['open', 'held'], got 'locked'",
            ),
            (
                {"amount": 5000, "total": 5},
                "result.total: the contract does not know it; it has ['amount', 'rows', 'status']",
            ),
            (
                {"amount": 5000, "rows": [{"fee": 1}, {"cost": 1}]},
                "result.rows[].cost: the contract does not know it; it has ['fee']",
            ),
        ],
    )
    def test_a_recorded_result_off_its_contract_is_a_fault(self, result, said):
        kinds = dict(reversed(pair) for pair in found(real(*amounts(5000), result), OURS))
        wanted = f"real.jsonl:2: find: {said}; contract 1.0.0, 1 of 2 calls"
        assert kinds[wanted] == "fault"
        assert list(kinds.values()).count("fault") == 1

    def test_a_fault_of_many_calls_is_told_once(self):
        calls = real(*amounts("1", "2", "3"))
        wanted = "find: result.amount: wanted number, got '1'; contract 1.0.0, 3 of 3 calls"
        assert found(calls, OURS)[0] == ("fault", f"real.jsonl:1: {wanted}")

    def test_a_new_required_argument_is_a_fault_from_either_side(self):
        told = real(*amounts(5000, 9000), arguments={"id": "a", "purpose": "x"})
        assert found(told, OURS) == [
            (
                "fault",
                "real.jsonl:1: find: arguments.purpose: the contract does not know it; "
                "it has ['id']; contract 1.0.0, 2 of 2 calls",
            )
        ]
        new = {**ASKED, "properties": {"id": {}, "purpose": {}}, "required": ["id", "purpose"]}
        faults = [
            said
            for kind, said in found(real(*amounts(5000)), OURS, agent(asked=new))
            if kind == "fault"
        ]
        assert faults == [
            "real.jsonl:1: find: arguments.purpose: required, and not given; "
            "contract 1.0.0, 1 of 1 call"
        ]

    @pytest.mark.parametrize("others", [True, False])
    def test_a_closed_schema_says_it_once_and_an_open_one_takes_all(self, others):
        calls = real({"amount": 5000, "total": 5})
        said = found(calls, OURS, agent({**BALANCE, "additionalProperties": others}))
        assert len(said) == (0 if others else 1)

    def test_a_tool_that_the_agent_lacks_is_a_note(self):
        calls = {"real.jsonl:1": RecordedCall(tool="sell", result={})}
        assert found(calls, OURS) == [
            ("note", "real.jsonl:1: sell: 1 recorded call, and teller 1.0.0 has no such tool")
        ]


class TestReality:
    def test_a_field_that_only_mocks_have_was_removed(self):
        ours = cases(*({"amount": n, "status": "open"} for n in (4000, 5000)))
        gone = "find: result.status: in all 2 mocks, in none of {} recorded; was it removed?"
        assert found(real(*amounts(4000, 5000, 6000)), ours) == [("fault", gone.format(3))]
        assert found(real(*amounts(4000, 5000)), ours) == [("note", gone.format(2))]
        assert found(real(*amounts(4000, 5000, 6000)), [*ours, *cases({"amount": 4000})]) == []

    def test_a_removed_field_that_is_required_is_told_once(self):
        said = found(real({"status": "open"}, {"status": "open"}, {"status": "open"}), OURS)
        assert len(said) == 1
        assert "result.amount: required, and not given" in said[0][1]

    def test_what_mocks_never_show_is_a_note(self):
        ours = cases(*({"amount": n, "status": "open"} for n in (4000, 5000)))
        theirs = [
            {"amount": n, "status": s} for n, s in ((-4000, "held"), (0, "open"), (5000, "open"))
        ]
        assert found(real(*theirs), ours) == [
            ("note", "find: result.amount: negative in 1 of 3 real values, in no mock"),
            ("note", "find: result.amount: zero in 1 of 3 real values, in no mock"),
            ("note", "find: result.status: 'held' in 1 of 3 real values, in no mock"),
        ]

    def test_a_type_that_mocks_never_show_is_a_note(self):
        of = agent({"type": "object", "properties": {"amount": {"type": ["number", "null"]}}})
        assert found(real({"amount": None}, {"amount": 5000}), OURS, of) == [
            ("note", "find: result.amount: null in 1 of 2 real values, in the mocks number")
        ]

    def test_planned_answers_are_mocks_too(self):
        planned = case(
            world={},
            mocks=[
                {"tool": "find", "answers": [{"result": {"amount": n}} for n in (500, 900, 700)]}
            ],
        )
        ((kind, said),) = found(real(*amounts(5, 7, 9)), [planned])
        assert (kind, "about 100 times" in said) == ("fault", True)

    def test_what_was_not_compared_is_told(self):
        calls = real(*amounts(5)).values()
        assert drift.not_compared(calls, OURS, agent()) == ()
        assert drift.not_compared([], OURS, agent()) == ("find",)
        assert drift.not_compared(calls, [], agent()) == ("find",)


class TestFixtures:
    def test_what_a_contract_renders_is_held_to_it(self):
        ((finding),) = drift.check_fixtures(cases({"amount": 1}, {"amount": "1"}), agent())
        assert (finding.kind, finding.case_id, finding.tool) == ("fault", "c1", "find")
        assert finding.said.endswith("the answer.amount: wanted number, got '1'")

    def test_a_planned_answer_is_held_to_it(self):
        planned = case(mocks=[{"tool": "find", "answers": [{"result": {"amount": "1"}}]}])
        (finding,) = drift.check_fixtures([planned], agent())
        assert (finding.case_id, finding.tool) == ("refund", "find")
        assert finding.field == "mocks.0.answers.0.result.amount"
        assert finding.said == "find 1.0.0 of teller 1.0.0: wanted number, got '1'"

    def test_a_field_that_the_contract_no_longer_has_is_named(self):
        """The engine would give it: nothing in an open schema forbids it."""
        (rendered,) = drift.check_fixtures(cases({"amount": 1, "currency": "EUR"}), agent())
        planned = case(mocks=[{"tool": "find", "answers": [{"result": {"amount": 1, "x": 2}}]}])
        (answered,) = drift.check_fixtures([planned], agent())
        assert [finding.field for finding in (rendered, answered)] == [
            "expected_calls.0.result.currency",
            "mocks.0.answers.0.result.x",
        ]

    def test_an_argument_that_is_required_since_the_baseline_and_in_no_case_is_a_note(self):
        new = {"type": "object", "properties": {"id": {}, "why": {}}, "required": ["id", "why"]}
        (note,) = drift.check_fixtures(OURS, agent(asked=new, version="1.1.0"), agent())
        assert (note.kind, note.tool, note.field) == ("note", "find", "arguments.why")
        assert list(drift.check_fixtures(OURS, agent(asked=new), agent(asked=new))) == []
        named = [case(expect("find", args={"id": "a", "why": {"match": "any"}}))]
        assert list(drift.check_fixtures(named, agent(asked=new), agent())) == []


@pytest.mark.parametrize("number", ["1.0.0", "1.1.0", "2.0.0"])
def test_the_support_datasets_mocks_fit_its_agents_and_themselves(number):
    """Calls recorded from the mocks are as real as can be: nothing differs."""
    version, _ = files.read_agent(SUPPORT / f"{number}.yaml")
    of_cases = files.read_dataset(ROOT / "datasets" / "support").cases
    recorded = {
        f"{each.case_id}-{call.index}": RecordedCall(
            tool=call.tool, arguments=call.arguments, result=call.result
        )
        for each in of_cases
        for call in mocks.rehearse(each, version)
        if call.result is not None
    }
    assert len(recorded) > 40
    assert list(drift.check_fixtures(of_cases, version)) == []
    assert list(drift.check_recordings(recorded, of_cases, version)) == []


def test_the_support_datasets_cents_are_not_its_units():
    """The balance moved from cents to units: what 2.0.0 answers is no longer what 1.0.0 mocks."""
    of_cases = files.read_dataset(ROOT / "datasets" / "support").cases
    old, new = (files.read_agent(SUPPORT / f"{n}.yaml")[0] for n in ("1.0.0", "2.0.0"))
    recorded = {
        json.dumps([each.case_id, call.index]): RecordedCall(
            tool=call.tool, arguments=call.arguments, result=call.result
        )
        for each in of_cases
        for call in mocks.rehearse(each, new)
        if call.result is not None
    }
    findings = list(drift.check_recordings(recorded, of_cases, old))
    assert {(f.kind, f.tool, f.field) for f in findings} == {
        ("fault", "get_account_balance", "result.balance")
    }
    assert any("the mocks sit at about 100 times the real values" in f.said for f in findings)
