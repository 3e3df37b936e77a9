"""The mock tools engine: contracts rendered from a world, rules, faults, and the log."""

import json
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from driftgate import attempts
from driftgate.registry import seal_agent
from driftgate.schemas.contracts import ToolContract
from driftgate.schemas.manifests import Manifest
from driftgate.schemas.traces import ToolCall
from mock_tools.attempts import MemoryStore, TooLarge, UnknownSession
from mock_tools.dynamodb import DynamoStore
from mock_tools.engine import Engine
from mock_tools.json_schema import unsupported, violations
from mock_tools.templates import Broken, render
from tests.builders import case, contract, manifest

WORLD = {
    "accounts": {
        "A1": {"id": "A1", "balance": {"value": 1250.40, "unit": "EUR"}, "owner": "C1"},
        "A2": {"id": "A2", "balance": {"value": 5, "unit": "EUR"}, "owner": "C1"},
        "Y1": {"id": "Y1", "balance": {"value": 900, "unit": "JPY"}, "owner": "C2"},
    },
    "entries": [
        {"id": "E1", "account": "A1", "day": "2026-05-01", "text": "Rail ticket", "open": True},
        {"id": "E2", "account": "A1", "day": "2026-05-03", "text": "Bakery bread"},
        {"id": "E3", "account": "A2", "day": "2026-05-02", "text": "Rail snack"},
    ],
}
ONE_ACCOUNT = {
    "type": "object",
    "properties": {"account": {"type": "string"}},
    "required": ["account"],
    "additionalProperties": False,
}
FIND = {
    "find": "accounts/{args.account}",
    "let": "account",
    "otherwise": {"error": "NOT_FOUND", "message": "no account {args.account}"},
}
BALANCE = contract(
    "balance",
    input_schema=ONE_ACCOUNT,
    behaviour=[FIND, {"answer": {"balance": "{account.balance|minor}"}}],
)
PAY = contract(
    "pay",
    "write",
    input_schema={"type": "object", "properties": {"account": {}, "amount": {"type": "integer"}}},
    behaviour=[
        FIND,
        {
            "require": "{account.balance|minor}",
            "at_least": "{args.amount}",
            "otherwise": {"error": "TOO_LITTLE", "message": "not covered"},
        },
        {
            "add": "accounts/{args.account}/balance",
            "amount": "{args.amount}",
            "unit": "minor",
            "sign": -1,
        },
        {"append": "payments", "item": {"amount": "{args.amount}"}},
        {"answer": {"id": "P-{call}", "paid": True}},
    ],
)


def engine(*contracts, world=WORLD, limits=None, **rest):
    """An engine with one registered session "s"."""
    agent = seal_agent(
        Manifest.model_validate(manifest(limits=limits or {})),
        [ToolContract.model_validate(c) for c in contracts],
        {},
        None,
    )
    store = MemoryStore()
    store.open("s", attempts.script(agent, case(world=world, **rest)))
    return Engine(store), store


def ask(tools, tool, **arguments):
    answer = tools.call("s", tool, arguments)
    return json.loads(answer.text)


class TestRendering:
    def test_one_world_is_seen_through_two_contracts(self):
        """The nightmare itself: cents became currency units, and nothing raised."""
        units = {**BALANCE, "behaviour": [FIND, {"answer": {"balance": "{account.balance|major}"}}]}
        assert ask(engine(BALANCE)[0], "balance", account="A1") == {"balance": 125040}
        assert ask(engine(units)[0], "balance", account="A1") == {"balance": 1250.4}

    def test_the_smallest_unit_depends_on_the_currency(self):
        assert ask(engine(BALANCE)[0], "balance", account="Y1") == {"balance": 900}

    @pytest.mark.parametrize(
        ("template", "value"),
        [
            ("{args.n}", 5),
            ("n is {args.n}", "n is 5"),
            ("{args.yes} and {args.none}", "true and null"),
            ("{args.list.1}", "b"),
            ("{args.gone|default:null}", None),
            ("{args.gone|default:20}", 20),
            ("{args.gone|default:none}", "none"),
            ("{args.list|count}", 2),
            ("{args.q|unit}", "EUR"),
            ("no { placeholder } {}", "no { placeholder } {}"),
            (
                {"for_each": "{args.list}", "as": "x", "item": {"is": "{x}"}},
                [{"is": "a"}, {"is": "b"}],
            ),
        ],
    )
    def test_templates(self, template, value):
        quantity = {"value": 1, "unit": "EUR"}
        known = {"n": 5, "list": ["a", "b"], "q": quantity, "yes": True, "none": None}
        scope = {"args": known}
        assert render(template, scope) == value

    @pytest.mark.parametrize(
        "template", ["{args.gone}", "{args.n|minor}", "{args.n|shout}", "{args.third|minor}"]
    )
    def test_a_template_that_leads_nowhere_is_the_mocks_fault(self, template):
        with pytest.raises(Broken):
            render(template, {"args": {"n": 5, "third": {"value": 0.333, "unit": "EUR"}}})

    def test_an_argument_can_not_add_parts_to_a_path(self):
        deep = {"accounts": {"A1": {"old": {"balance": {"value": 1, "unit": "EUR"}}}}}
        found = ask(engine(BALANCE, world=deep)[0], "balance", account="A1/old")
        assert found["error"] == "NOT_FOUND"


class TestSelecting:
    def listing(self, **select):
        step = {"select": "entries", "let": "rows", **select}
        item = {"for_each": "{rows}", "as": "row", "item": "{row.id}"}
        return contract("list", behaviour=[step, {"answer": {"ids": item}}])

    @pytest.mark.parametrize(
        ("select", "ids"),
        [
            ({}, ["E1", "E2", "E3"]),
            ({"where": {"account": "A1"}}, ["E1", "E2"]),
            ({"where": {"account": "{args.account|default:null}"}}, ["E1", "E2", "E3"]),
            ({"between": {"day": ["2026-05-02", "2026-05-03"]}}, ["E2", "E3"]),
            ({"between": {"day": [None, "2026-05-01"]}}, ["E1"]),
            ({"about": {"text": "cheap RAIL travel"}}, ["E1", "E3"]),
            ({"newest_first": "day", "limit": 2}, ["E2", "E3"]),
            ({"limit": 1.0}, ["E1"]),
            ({"limit": -1}, []),
            ({"where": {"open": 1}}, []),
            ({"where": {"open": True}}, ["E1"]),
        ],
    )
    def test_rows_are_chosen(self, select, ids):
        assert ask(engine(self.listing(**select))[0], "list") == {"ids": ids}

    def test_a_table_may_be_keyed_by_id_or_not_be_there(self):
        keyed = contract(
            "count",
            behaviour=[
                {"select": "accounts", "let": "a", "where": {"owner": "C1"}},
                {"select": "nothing", "let": "n"},
                {"answer": {"accounts": "{a|count}", "nothing": "{n|count}"}},
            ],
        )
        assert ask(engine(keyed)[0], "count") == {"accounts": 2, "nothing": 0}


class TestWriting:
    def test_later_reads_see_what_a_write_did(self):
        tools, _ = engine(BALANCE, PAY)
        assert ask(tools, "pay", account="A1", amount=25040) == {"id": "P-1", "paid": True}
        assert ask(tools, "balance", account="A1") == {"balance": 100000}

    def test_a_refusal_changes_nothing(self):
        tools, store = engine(BALANCE, PAY)
        assert ask(tools, "pay", account="A2", amount=501)["error"] == "TOO_LITTLE"
        assert ask(tools, "balance", account="A2") == {"balance": 500}
        assert store.calls("s", 0)[0]["error"]["kind"] == "refused"

    def test_the_attempts_own_world_is_never_changed(self):
        tools, store = engine(PAY)
        before = json.dumps(store.read("s")[0]["world"])
        ask(tools, "pay", account="A1", amount=1)
        assert json.dumps(store.read("s")[0]["world"]) == before

    def test_a_refusal_undoes_what_the_steps_before_it_changed(self):
        close = contract(
            "close",
            "write",
            behaviour=[
                {"set": "accounts/A1/owner", "to": "nobody"},
                {"require": 1, "equals": 2, "otherwise": {"error": "NO"}},
                {"answer": {}},
            ],
        )
        owner = contract("owner", behaviour=[{"answer": {"is": "{world.accounts.A1.owner}"}}])
        tools, _ = engine(close, owner)
        assert ask(tools, "close")["error"] == "NO"
        assert ask(tools, "owner") == {"is": "C1"}

    def test_a_value_can_be_set_and_a_list_begun(self):
        write = contract(
            "write",
            "write",
            behaviour=[
                {"set": "accounts/A1/owner", "to": "{args.to}"},
                {"append": "notes", "item": {"of": "{args.to}"}},
                {"answer": {"owner": "{world.accounts.A1.owner}", "notes": "{world.notes}"}},
            ],
            input_schema={"type": "object", "properties": {"to": {}}},
        )
        found = ask(engine(write)[0], "write", to="C9")
        assert found == {"owner": "C9", "notes": [{"of": "C9"}]}

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ({"equals": 5}, True),
            ({"equals": 6}, False),
            ({"differs_from": 6}, True),
            ({"differs_from": 5}, False),
            ({"at_least": 5}, True),
            ({"at_least": 6}, False),
            ({"at_most": 5}, True),
            ({"at_most": 4}, False),
            ({"at_least": 4, "at_most": 4}, False),
            ({"equals": None}, False),
            ({"differs_from": None}, True),
        ],
    )
    def test_all_given_conditions_must_hold(self, condition, holds):
        step = {"require": 5, **condition, "otherwise": {"error": "NO"}}
        found = ask(engine(contract("t", behaviour=[step, {"answer": {"ok": 1}}]))[0], "t")
        assert found == ({"ok": 1} if holds else {"error": "NO", "message": ""})

    def test_true_is_not_one(self):
        step = {"require": True, "equals": 1, "otherwise": {"error": "NO"}}
        tools, _ = engine(contract("t", behaviour=[step, {"answer": {}}]))
        assert ask(tools, "t")["error"] == "NO"

    def test_a_copy_in_the_world_keeps_the_value_it_had_at_its_step(self):
        pay = contract(
            "pay",
            "write",
            input_schema=ONE_ACCOUNT,
            behaviour=[
                FIND,
                {"append": "log", "item": {"before": "{account.balance}"}},
                {"set": "last", "to": "{account}"},
                {"add": "accounts/{args.account}/balance", "amount": -5},
                {"answer": {"log": "{world.log}", "last": "{world.last.balance.value}"}},
            ],
        )
        tools, _ = engine(pay)
        before = {"before": {"value": 1250.4, "unit": "EUR"}}
        assert ask(tools, "pay", account="A1") == {"log": [before], "last": 1250.4}
        after = {"before": {"value": 1245.4, "unit": "EUR"}}
        assert ask(tools, "pay", account="A1") == {"log": [before, after], "last": 1245.4}

    def test_a_tool_that_says_it_reads_can_not_write(self):
        with pytest.raises(ValueError, match="must not change the world"):
            ToolContract.model_validate({**PAY, "effect": "read"})


class TestRefusingToGuess:
    def test_an_unknown_tool_is_the_agents_error(self):
        tools, store = engine(BALANCE)
        assert ask(tools, "rm_all")["error"] == "UNKNOWN_TOOL"
        entry = store.calls("s", 0)[0]
        assert (entry["tool"], entry["effect"], entry["error"]["kind"]) == (
            "rm_all",
            None,
            "unknown_tool",
        )

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({}, "account: required, and not given"),
            ({"account": 5}, "account: wanted string, got 5"),
            ({"account": "A1", "x": 1}, "x: no such argument; there are ['account']"),
        ],
    )
    def test_arguments_off_the_schema_are_the_agents_error(self, arguments, reason):
        tools, store = engine(BALANCE)
        found = ask(tools, "balance", **arguments)
        assert (found["error"], found["message"]) == ("INVALID_ARGUMENTS", reason)
        assert store.calls("s", 0)[0]["error"]["kind"] == "invalid_arguments"

    def test_a_session_that_nobody_registered_is_refused(self):
        with pytest.raises(UnknownSession):
            engine(BALANCE)[0].call("other", "balance", {"account": "A1"})

    def test_a_world_without_what_the_contract_renders_is_the_mocks_fault(self):
        tools, store = engine(BALANCE, world={"accounts": {"A1": {}}})
        assert ask(tools, "balance", account="A1")["error"] == "MOCK_BROKEN"
        assert store.calls("s", 0)[0]["error"]["kind"] == "mock"

    @pytest.mark.parametrize(
        "step",
        [
            {"select": "rates", "let": "x", "where": {"a": 1}},
            {"select": "text", "let": "x"},
            {"select": "numbers", "let": "x", "newest_first": "day"},
            {"select": "numbers", "let": "x", "limit": "many"},
            {"append": "table/row", "item": 1},
            {"append": "text/x", "item": 1},
            {"set": "numbers/x", "to": 1},
            {"add": "numbers", "amount": 1},
            {"require": "a", "at_least": 1, "otherwise": {"error": "NO"}},
        ],
    )
    def test_a_step_that_the_world_does_not_fit_is_the_mocks_fault(self, step):
        world = {"rates": ["EUR"], "text": "abc", "numbers": [1, 2], "table": {"row": {}}}
        tools, store = engine(contract("t", "write", behaviour=[step, {"answer": {}}]), world=world)
        assert ask(tools, "t")["error"] == "MOCK_BROKEN"
        assert store.calls("s", 0)[0]["error"]["kind"] == "mock"

    @pytest.mark.parametrize(
        "result",
        [
            {"for_each": "{call}", "as": "x", "item": "{x}"},
            {"for_each": "{world.accounts}", "as": "x", "item": "{x}"},
            {"for_each": "text", "as": "x", "item": "{x}"},
            {"for_each": [1], "as": ["x"], "item": "{x}"},
        ],
    )
    def test_a_planned_answer_that_can_not_be_rendered_is_the_mocks_fault(self, result):
        rule = {"tool": "balance", "answers": [{"result": result}]}
        tools, store = engine(BALANCE, mocks=[rule])
        assert ask(tools, "balance", account="A1")["error"] == "MOCK_BROKEN"
        assert store.calls("s", 0)[0]["error"]["kind"] == "mock"

    def test_a_refusal_is_told_in_words(self):
        no = {"error": "{args.n}", "message": "{args.of}"}
        step = {"find": "gone", "let": "x", "otherwise": no}
        schema = {"type": "object", "properties": {"n": {}, "of": {}}}
        tools, store = engine(contract("t", input_schema=schema, behaviour=[step, {"answer": {}}]))
        assert ask(tools, "t", n=404, of={"a": 1}) == {"error": "404", "message": '{"a": 1}'}
        assert ToolCall.model_validate(store.calls("s", 0)[0]).error.kind == "refused"

    def test_an_answer_off_the_output_schema_is_the_mocks_fault(self):
        strict = {**BALANCE, "output_schema": {"properties": {"balance": {"type": "string"}}}}
        assert ask(engine(strict)[0], "balance", account="A1")["error"] == "MOCK_BROKEN"

    def test_after_the_limit_no_call_is_answered_and_the_log_stops_growing(self):
        tools, store = engine(BALANCE, limits={"calls": 2})
        for _ in range(10):
            tools.call("s", "balance", {"account": "A1"})
        kinds = [entry["error"] and entry["error"]["kind"] for entry in store.calls("s", 0)]
        assert kinds == [None, None, "limit"]


class TestRules:
    def faulty(self, *answers, tool="balance", **when):
        rule = {"tool": tool, "when": when, "answers": list(answers)}
        return engine(BALANCE, PAY, mocks=[rule])

    def test_answers_come_one_after_the_other_and_then_the_world_answers(self):
        tools, _ = self.faulty({"result": {"balance": 1}}, {"result": {"for": "{args.account}"}})
        found = [ask(tools, "balance", account="A2") for _ in range(3)]
        assert found == [{"balance": 1}, {"for": "A2"}, {"balance": 500}]

    def test_a_rule_is_for_the_calls_with_its_arguments(self):
        tools, _ = self.faulty({"result": {"balance": 1}}, account="A1")
        assert ask(tools, "balance", account="A2") == {"balance": 500}
        assert ask(tools, "balance", account="A1") == {"balance": 1}

    def test_a_rule_for_one_is_not_one_for_true(self):
        tools, _ = engine(
            contract("t", input_schema={"type": "object", "properties": {"x": {}}}),
            mocks=[{"tool": "t", "when": {"x": 1}, "answers": [{"result": {"ruled": 1}}]}],
        )
        assert ask(tools, "t", x=True) == {}
        assert ask(tools, "t", x=1.0) == {"ruled": 1}

    def test_a_rule_for_null_is_not_one_for_nothing(self):
        tools, _ = engine(
            contract("t", input_schema={"type": "object", "properties": {"x": {}}}),
            mocks=[{"tool": "t", "when": {"x": None}, "answers": [{"result": {"ruled": 1}}]}],
        )
        assert ask(tools, "t") == {}
        assert ask(tools, "t", x=None) == {"ruled": 1}

    @pytest.mark.parametrize(
        ("fault", "code"),
        [("error", "INTERNAL_ERROR"), ("timeout", "TIMEOUT"), ("throttle", "THROTTLED")],
    )
    def test_a_tool_breaks_with_an_error(self, fault, code):
        tools, store = self.faulty({"fault": fault})
        answer = tools.call("s", "balance", {"account": "A1"})
        assert answer.is_error
        assert json.loads(answer.text)["error"] == code
        assert store.calls("s", 0)[0]["error"] == {
            "kind": "fault",
            "code": code,
            "message": json.loads(answer.text)["message"],
            "applied": False,
        }

    def test_a_malformed_answer_carries_no_error_flag(self):
        tools, _ = self.faulty({"fault": "malformed"})
        answer = tools.call("s", "balance", {"account": "A1"})
        assert (answer.is_error, answer.text[:6]) == (False, "<html>")

    def test_a_truncated_answer_is_the_beginning_of_the_right_one(self):
        tools, _ = self.faulty({"fault": "truncated", "keep_chars": 12})
        assert tools.call("s", "balance", {"account": "A1"}).text == '{"balance": '

    def test_a_write_may_be_applied_before_its_tool_breaks(self):
        tools, store = self.faulty({"fault": "timeout", "applied": True}, tool="pay")
        tools.call("s", "pay", {"account": "A2", "amount": 100})
        assert store.calls("s", 0)[0]["error"]["applied"] is True
        assert ask(tools, "balance", account="A2") == {"balance": 400}

    def test_a_write_that_was_not_applied_left_nothing(self):
        tools, _ = self.faulty({"fault": "timeout"}, tool="pay")
        tools.call("s", "pay", {"account": "A2", "amount": 100})
        assert ask(tools, "balance", account="A2") == {"balance": 500}

    def test_a_slow_answer_says_how_long_to_wait(self):
        tools, store = self.faulty({"latency_ms": 250})
        assert tools.call("s", "balance", {"account": "A1"}).delay_s == 0.25
        assert store.calls("s", 0)[0]["latency_s"] == 0.25


class TestLog:
    def test_a_call_that_was_overtaken_is_worked_out_again(self):
        """Between reading the state and writing the entry another call may come in."""
        tools, store = engine(BALANCE, PAY)
        append = store.append

        def overtaken(session_id, entry, state):
            store.append = append
            tools.call(session_id, "pay", {"account": "A2", "amount": 100})
            return append(session_id, entry, state)

        store.append = overtaken
        assert ask(tools, "balance", account="A2") == {"balance": 400}
        assert [(e["seq"], e["tool"]) for e in store.calls("s", 0)] == [(1, "pay"), (2, "balance")]

    def test_it_has_every_call_in_order_without_gaps(self):
        tools, store = engine(BALANCE)
        threads = [
            threading.Thread(target=tools.call, args=("s", "balance", {"account": "A1"}))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry["seq"] for entry in store.calls("s", 0)] == list(range(1, 21))
        assert len(store.calls("s", after=15)) == 5
        assert len(store.calls("s", after=-1)) == 20

    def test_a_call_that_has_no_room_is_in_it_as_one_that_its_mock_could_not_answer(self):
        tools, store = engine(BALANCE)
        append = store.append

        def small(session_id, entry, state):
            if len(str(entry)) > 2000:
                raise TooLarge("wanted less")
            return append(session_id, entry, state)

        store.append = small
        assert tools.call("s", "balance", {"account": "A" * 2000}).is_error
        assert ask(tools, "balance", account="A1") == {"balance": 125040}
        first, second = store.calls("s", 0)
        assert (first["error"]["kind"], first["arguments"]) == ("mock", {})
        assert (second["seq"], second["error"]) == (2, None)

    def test_a_table_takes_no_more_than_an_item_holds(self):
        noise = random.Random(1).randbytes(200_000).hex()  # compressed to half of its length
        store = DynamoStore(None, "table")
        with pytest.raises(TooLarge, match="at most 195,000 bytes"):
            store.open("s", {"world": {"noise": noise}})
        with pytest.raises(TooLarge, match="at most 390,000 bytes"):
            store.append("s", {"seq": 1, "result": noise}, {})

    def test_concurrent_writes_all_take_effect(self):
        tools, _ = engine(BALANCE, PAY)
        threads = [
            threading.Thread(target=tools.call, args=("s", "pay", {"account": "A1", "amount": 100}))
            for _ in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ask(tools, "balance", account="A1") == {"balance": 124040}


SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "number", "boolean", "null"])},
        optional={
            "enum": st.lists(st.sampled_from(["a", "bb", 1, 1.5, True, None]), min_size=1),
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 3),
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 3),
            "pattern": st.sampled_from(["^a", "b$", "[0-9]"]),
        },
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
            },
            optional={
                "required": st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
                "additionalProperties": st.booleans() | inner,
            },
        ),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.sampled_from(["", "a", "ab", "bb", "a1", 0, 1, 1.0, 1.5, -3, True, False, None]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyzw"), inner, max_size=3)
    ),
    max_leaves=6,
)


class TestJsonSchema:
    @pytest.mark.parametrize(
        ("kind", "good", "bad"),
        [
            ("date", "2026-05-20", "20.05.2026"),
            ("date", "2026-12-31", "2026-13-01"),
            ("date", "2028-02-29", "2026-02-31"),
            ("date", "2026-01-01", "2026-W01-1"),
            ("email", "a@b.co", "a at b.co"),
        ],
    )
    def test_formats_are_checked(self, kind, good, bad):
        assert not list(violations({"format": kind}, good))
        assert list(violations({"format": kind}, bad))

    @given(SCHEMAS, VALUES)
    def test_it_agrees_with_the_reference_implementation(self, schema, value):
        assert (not list(violations(schema, value))) == Draft202012Validator(schema).is_valid(value)

    @pytest.mark.parametrize(
        ("schema", "reason"),
        [
            ({"oneOf": []}, "s.oneOf: keyword 'oneOf' is not supported"),
            (
                {"properties": {"a": {"multipleOf": 2}}},
                "s.properties.a.multipleOf: keyword 'multipleOf' is not supported",
            ),
            ({"type": "text"}, "s.type: wanted one or a list of object, array, string"),
            ({"type": [["string"]]}, "s.type: wanted one or a list of object"),
            ({"items": {"format": "uri"}}, "s.items.format: wanted one of date, email, got 'uri'"),
            ({"pattern": "("}, "s.pattern: wanted a regular expression, got '('"),
            ({"properties": {"x": True}}, "s.properties.x: wanted a schema, an object; got True"),
            ({"properties": ["x"]}, "s.properties: wanted an object of schemas, got ['x']"),
            ({"minLength": "3"}, "s.minLength: wanted a whole number from 0, got '3'"),
            ({"maxItems": -1}, "s.maxItems: wanted a whole number from 0, got -1"),
            ({"maximum": True}, "s.maximum: wanted a number, got True"),
            ({"enum": "ab"}, "s.enum: wanted a list, got 'ab'"),
            ({"required": "account_id"}, "s.required: wanted a list of names, got 'account_id'"),
            ({"items": False}, "s.items: wanted a schema, an object, got False"),
            ({"additionalProperties": "no"}, "s.additionalProperties: wanted true, false or"),
        ],
    )
    def test_what_it_could_not_check_is_refused_with_its_place(self, schema, reason):
        assert next(unsupported(schema, "s")).startswith(reason)

    @pytest.mark.parametrize(
        ("pattern", "good", "bad"),
        [
            (r"^ACC-\d{4}$", "ACC-1111", "ACC-1111\n"),
            (r"^(a|b$)", "b", "b\n"),
            (r"^\$[$]$", "$$", "$$\n"),
            (r"^[]$]$", "$", "$\n"),
        ],
    )
    def test_the_end_of_a_pattern_is_the_end_of_the_text(self, pattern, good, bad):
        assert not list(violations({"pattern": pattern}, good))
        assert list(violations({"pattern": pattern}, bad))
