"""Metrics, on cases and traces short enough to score by eye."""

import pytest

from driftgate.metrics import METRICS
from driftgate.metrics.efficiency import efficiency
from driftgate.schemas.traces import Ending, Usage
from tests.builders import call, case, expect, trace


def score(metric, wanted, actual):
    return METRICS[metric].score(wanted, actual)


class TestToolCallAccuracy:
    def test_a_tool_required_twice_must_be_called_twice(self):
        wanted = case(expect("find"), expect("find"), expect("pay", "write"))
        found = score("tool_call_accuracy", wanted, trace(call("find"), call("pay", "write")))
        assert (found.value, found.reason) == (
            2 / 3,
            "2 of 3 required calls made; not called: find",
        )

    def test_extra_calls_do_not_raise_it(self):
        found = score("tool_call_accuracy", case(expect("a"), expect("b")), trace(*[call("a")] * 3))
        assert found.value == 1 / 2

    def test_optional_calls_are_not_counted(self):
        wanted = case(expect("a"), expect("b", optional=True))
        found = score("tool_call_accuracy", wanted, trace(call("a")))
        assert (found.value, found.reason) == (1, "1 of 1 required calls made")
        found = score("tool_call_accuracy", wanted, trace(call("b")))
        assert (found.value, found.reason) == (0, "0 of 1 required calls made; not called: a")

    def test_every_call_that_is_missing_is_named(self):
        found = score("tool_call_accuracy", case(expect("a"), expect("b")), trace())
        assert (found.value, found.reason) == (0, "0 of 2 required calls made; not called: a, b")

    def test_without_required_calls_there_is_no_value(self):
        found = score("tool_call_accuracy", case(), trace(call("a")))
        assert (found.value, found.reason) == (None, "the case requires no calls")


class TestArgumentFidelity:
    def test_it_is_the_share_of_checked_arguments(self):
        wanted = case(expect("pay", args={"to": "A", "n": 5}), expect("log", args={"k": 1}))
        found = score(
            "argument_fidelity", wanted, trace(call("pay", to="A", n=6), call("log", k=1))
        )
        assert (found.value, found.reason) == (
            2 / 3,
            "2 of 3 arguments right; pay.n: wanted 5, got 6",
        )

    def test_a_call_that_was_not_made_is_not_an_argument_gone_wrong(self):
        found = score("argument_fidelity", case(expect("pay", args={"n": 5})), trace())
        assert (found.value, found.reason) == (None, "no aligned call has an argument to check")

    def test_a_call_with_every_argument_right_is_right(self):
        found = score(
            "argument_fidelity", case(expect("pay", args={"n": 5})), trace(call("pay", n=5))
        )
        assert (found.value, found.reason) == (1, "1 of 1 arguments right")


class TestSequenceCorrectness:
    ORDERED = case(expect("check", id="check"), expect("pay", "write", after=["check"]))

    def test_a_call_after_the_one_it_follows_is_in_order(self):
        right = trace(call("check"), call("pay", "write"))
        found = score("sequence_correctness", self.ORDERED, right)
        assert (found.value, found.reason) == (1, "1 of 1 orders kept")

    def test_a_call_before_the_one_it_follows_is_not(self):
        wrong = trace(call("pay", "write"), call("check"))
        found = score("sequence_correctness", self.ORDERED, wrong)
        assert (found.value, found.reason) == (0, "0 of 1 orders kept; pay came before check")

    def test_a_call_whose_forerunner_never_came_is_not(self):
        found = score("sequence_correctness", self.ORDERED, trace(call("pay", "write")))
        assert found.value == 0

    def test_every_call_of_the_first_comes_before_every_call_of_the_second(self):
        wanted = case(expect("check", id="check", times=2), expect("pay", "write", after=["check"]))
        between = trace(call("check"), call("pay", "write"), call("check"))
        assert score("sequence_correctness", wanted, between).value == 0
        after = trace(call("check"), call("check"), call("pay", "write"))
        assert score("sequence_correctness", wanted, after).value == 1

    def test_where_the_later_call_was_not_made_no_order_is_broken(self):
        found = score("sequence_correctness", self.ORDERED, trace(call("check")))
        assert (found.value, found.reason) == (
            None,
            "no order is stated between calls that were made",
        )

    def test_an_optional_forerunner_may_be_left_out(self):
        wanted = case(expect("a", id="a", optional=True), expect("b", after=["a"]))
        assert score("sequence_correctness", wanted, trace(call("b"))).value is None
        wanted = case(
            expect("a", id="a", optional=True), expect("b", id="b"), expect("c", after=["a", "b"])
        )
        found = score("sequence_correctness", wanted, trace(call("b"), call("c")))
        assert (found.value, found.reason) == (1, "1 of 1 orders kept")

    def test_one_of_two_orders_kept_is_a_half(self):
        wanted = case(expect("a", id="a"), expect("b", id="b"), expect("c", after=["a", "b"]))
        found = score("sequence_correctness", wanted, trace(call("a"), call("c"), call("b")))
        assert found.value == 1 / 2


class TestCallPrecision:
    def test_unnecessary_and_repeated_calls_lower_it(self):
        found = score("call_precision", case(expect("a")), trace(call("a"), call("a"), call("x")))
        assert (found.value, found.reason) == (
            pytest.approx(1 / 3),
            "2 of 3 calls unnecessary: a, x",
        )

    def test_optional_and_alternative_calls_do_not(self):
        wanted = case(expect("a", alternatives=[{"tool": "b"}]), expect("c", optional=True))
        found = score("call_precision", wanted, trace(call("b"), call("c")))
        assert (found.value, found.reason) == (1, "0 of 2 calls unnecessary")

    def test_a_call_that_the_tool_failed_is_not_held_against_the_agent(self):
        retried = trace(call("a", error="fault"), call("a"))
        assert score("call_precision", case(expect("a")), retried).value == 1

    def test_a_call_with_arguments_off_the_schema_is(self):
        sloppy = trace(call("a", error="invalid_arguments"), call("a"))
        assert score("call_precision", case(expect("a")), sloppy).value == 1 / 2

    def test_without_calls_nothing_was_unnecessary(self):
        found = score("call_precision", case(), trace())
        assert (found.value, found.reason) == (1, "no calls were made")


class TestActionCorrectness:
    PAY = expect("pay", "write", args={"n": 5})

    def test_the_expected_write_and_any_reads_are_right(self):
        done = trace(call("find"), call("pay", "write", n=5))
        found = score("action_correctness", case(self.PAY), done)
        assert (found.value, found.reason) == (1, "1 state changes, all as expected")

    @pytest.mark.parametrize(
        ("calls", "reason"),
        [
            ([], "pay was not done"),
            ([call("pay", "write", n=6)], "pay.n: wanted 5, got 6"),
            ([call("pay", "write", n=5)] * 2, "pay was done twice: n=5"),
            ([call("pay", "write", n=5)] * 4, "pay was done 4 times: n=5"),
            ([call("pay", "write", n=6)] * 2, "pay.n: wanted 5, got 6; pay was done twice: n=6"),
            (
                [call("pay", "write", n=5), *[call("rm", "write")] * 2],
                "rm() was not expected",
            ),
            (
                [call("pay", "write", n=5), call("pay", "write", n=7)],
                "pay(n=7) was not expected",
            ),
            (
                [
                    call("pay", "write", n=5),
                    call("pay", "write", "refused", n=5),
                    call("rm", "write"),
                ],
                "rm() was not expected",
            ),
            ([call("pay", "write", n=5), call("rm", "write")], "rm() was not expected"),
            ([call("pay", "write", "refused", n=5)], "pay was not done"),
            ([call("pay", "write", n=5), call("mystery", None)], "mystery() was not expected"),
            (
                [call("pay", "write", n=6), call("rm", "write", x=1, y=2)],
                "pay.n: wanted 5, got 6; rm(x=1, y=2) was not expected",
            ),
        ],
    )
    def test_anything_else_is_wrong(self, calls, reason):
        found = score("action_correctness", case(self.PAY), trace(*calls))
        assert (found.value, found.reason) == (0, reason)

    def test_order_does_not_matter(self):
        wanted = case(self.PAY, expect("pay", "write", args={"n": 7}))
        done = trace(call("pay", "write", n=7), call("pay", "write", n=5))
        assert score("action_correctness", wanted, done).value == 1

    def test_a_write_that_failed_and_was_done_again_is_one_write(self):
        done = trace(call("pay", "write", "fault", n=5), call("pay", "write", n=5))
        assert score("action_correctness", case(self.PAY), done).value == 1

    def test_a_write_that_was_applied_before_its_tool_broke_counts(self):
        broke = call("pay", "write", "fault", n=5)
        applied = broke.model_copy(
            update={"error": broke.error.model_copy(update={"applied": True})}
        )
        twice = trace(applied, call("pay", "write", n=5))
        assert score("action_correctness", case(self.PAY), twice).value == 0

    def test_an_optional_write_may_be_there_or_not_but_not_with_other_arguments(self):
        wanted = case({**self.PAY, "optional": True})
        without = score("action_correctness", wanted, trace())
        assert (without.value, without.reason) == (
            1,
            "no state change was expected, none was made",
        )
        assert score("action_correctness", wanted, trace(call("pay", "write", n=5))).value == 1
        assert score("action_correctness", wanted, trace(call("pay", "write", n=6))).value == 0

    def test_nothing_to_do_and_nothing_done_is_right(self):
        found = score("action_correctness", case(), trace(call("find")))
        assert (found.value, found.reason) == (1, "no state change was expected, none was made")

    def test_where_no_state_change_is_expected_one_is_a_fault(self):
        found = score("action_correctness", case(), trace(call("pay", "write", n=5)))
        assert found.value == 0
        assert "pay" in found.reason


class TestNoForbiddenCall:
    FORBIDS = case(forbidden_calls=[{"tool": "pay", "arguments": {"to": "Eve"}, "reason": "fraud"}])

    def test_the_arguments_that_identify_it_decide(self):
        found = score("no_forbidden_call", self.FORBIDS, trace(call("pay", to="Bob")))
        assert (found.value, found.reason) == (1, "none of 1 forbidden calls was made")
        found = score("no_forbidden_call", self.FORBIDS, trace(call("pay", to="Eve", n=1)))
        assert (found.value, found.reason) == (0, "pay(to='Eve', n=1) is forbidden: fraud")

    def test_an_attempt_that_was_refused_is_still_an_attempt(self):
        tried = trace(call("pay", "write", "refused", to="Eve"))
        assert score("no_forbidden_call", self.FORBIDS, tried).value == 0

    def test_a_call_can_be_forbidden_without_an_argument(self):
        forbids = case(
            forbidden_calls=[{"tool": "pay", "arguments": {"limit": {"match": "absent"}}}]
        )
        found = score("no_forbidden_call", forbids, trace(call("pay", to="Bob")))
        assert (found.value, found.reason) == (0, "pay(to='Bob') is forbidden")
        assert score("no_forbidden_call", forbids, trace(call("pay", limit=None))).value == 1

    def test_any_call_of_a_forbidden_tool_is_one_even_if_its_arguments_could_not_be_read(self):
        unreadable = trace(call("pay").model_copy(update={"arguments": None}))
        found = score("no_forbidden_call", case(forbidden_calls=[{"tool": "pay"}]), unreadable)
        assert (found.value, found.reason) == (0, "pay() is forbidden")

    def test_without_forbidden_calls_there_is_no_value(self):
        found = score("no_forbidden_call", case(), trace())
        assert (found.value, found.reason) == (None, "the case forbids no call")


class TestOutputCorrectness:
    TWO_TURNS = case(
        turns=[{"user": "a", "expected_outputs": ["one"]}, {"user": "b", "expected_outputs": [2]}]
    )

    def test_every_output_must_come_in_its_turn(self):
        found = score("output_correctness", self.TWO_TURNS, trace(says=["One.", "It is 2."]))
        assert (found.value, found.reason) == (1, "all of 2 expected outputs reached the user")
        found = score("output_correctness", self.TWO_TURNS, trace(says=["It is 2.", "One."]))
        assert (found.value, found.reason) == (
            0,
            "in the reply to turn 1: wanted something with 'one', got 'It is 2.'; "
            "in the reply to turn 2: wanted 2, found no numbers",
        )

    def test_outputs_of_turns_and_of_the_case_are_all_expected(self):
        wanted = self.TWO_TURNS.model_copy(
            update={"expected_outputs": case(expected_outputs=[3]).expected_outputs}
        )
        found = score("output_correctness", wanted, trace(says=["One.", "2 and 3"]))
        assert (found.value, found.reason) == (1, "all of 3 expected outputs reached the user")

    def test_without_expected_outputs_there_is_no_value(self):
        found = score("output_correctness", case(), trace(says="Hello"))
        assert (found.value, found.reason) == (None, "the case expects no outputs")

    def test_an_output_of_the_case_may_come_in_any_reply(self):
        wanted = case(expected_outputs=["done"], turns=[{"user": "a"}, {"user": "b"}])
        assert score("output_correctness", wanted, trace(says=["Done!", "Bye"])).value == 1

    def test_where_not_all_messages_are_recorded_silence_proves_nothing(self):
        wanted = case(expected_outputs=["done"])
        partly = trace(says="Bye", not_recorded=("messages",))
        found = score("output_correctness", wanted, partly)
        silent = "in any reply: wanted something with 'done', got 'Bye'"
        assert (found.value, found.reason) == (None, f"not all messages are recorded; {silent}")
        found = score("output_correctness", wanted, trace(says="Bye"))
        assert (found.value, found.reason) == (0, silent)

    def test_other_gaps_of_a_recording_do_not_excuse_silence(self):
        partly = trace(says="Bye", not_recorded=("results",))
        assert score("output_correctness", case(expected_outputs=["done"]), partly).value == 0

    def test_what_the_user_said_has_not_reached_the_user(self):
        said = trace(says="Bye")
        echo = said.messages[0].model_copy(update={"role": "user", "text": "done"})
        parrot = said.model_copy(update={"messages": (echo, *said.messages)})
        assert score("output_correctness", case(expected_outputs=["done"]), parrot).value == 0


class TestTaskSuccess:
    WANTED = case(
        expect("pay", "write"), expected_outputs=["done"], forbidden_calls=[{"tool": "rm"}]
    )
    GOOD = call("pay", "write")

    def test_it_needs_action_output_and_no_forbidden_call(self):
        found = score("task_success", self.WANTED, trace(self.GOOD, says="done"))
        assert (found.value, found.reason) == (
            1,
            "1 state changes, all as expected; all of 1 expected outputs reached the user; "
            "none of 1 forbidden calls was made",
        )
        assert score("task_success", self.WANTED, trace(says="done")).value == 0
        assert score("task_success", self.WANTED, trace(self.GOOD, says="no")).value == 0
        removed = trace(self.GOOD, call("rm"), says="done")
        assert score("task_success", self.WANTED, removed).value == 0

    def test_everything_that_went_wrong_is_said(self):
        found = score("task_success", self.WANTED, trace(call("rm"), says="no"))
        assert (found.value, found.reason) == (
            0,
            "pay was not done; in any reply: wanted something with 'done', got 'no'; "
            "rm() is forbidden",
        )

    def test_without_outputs_to_expect_the_state_alone_decides(self):
        found = score("task_success", case(expect("pay", "write")), trace(self.GOOD))
        assert (found.value, found.reason) == (1, "1 state changes, all as expected")

    @pytest.mark.parametrize(
        ("kind", "what"), [("limit", "ran into a limit"), ("agent_error", "the agent broke off")]
    )
    def test_an_agent_that_did_not_finish_has_failed(self, kind, what):
        ended = trace(self.GOOD, says="done", ending=Ending(kind=kind, detail="31 calls"))
        found = score("task_success", self.WANTED, ended)
        assert (found.value, found.reason) == (0, f"{what}: 31 calls")

    def test_what_is_known_to_be_wrong_decides_even_if_the_rest_is_open(self):
        partly = trace(says="?", not_recorded=("messages",))
        assert score("task_success", self.WANTED, partly).value == 0

    def test_what_can_not_be_proven_is_not_success(self):
        partly = trace(self.GOOD, says="?", not_recorded=("messages",))
        found = score("task_success", self.WANTED, partly)
        assert (found.value, found.reason) == (
            None,
            "not all messages are recorded; in any reply: wanted something with 'done', got '?'",
        )

    def test_an_output_of_a_turn_that_can_not_be_proven_is_not_success_either(self):
        wanted = case(turns=[{"user": "a", "expected_outputs": ["done"]}])
        partly = trace(says="?", not_recorded=("messages",))
        assert score("task_success", wanted, partly).value is None

    def test_reading_the_right_things_is_not_needed_for_success(self):
        assert score("task_success", case(expect("find")), trace()).value == 1


def test_what_a_trial_took_is_what_its_trace_says():
    usage = Usage(input_tokens=5, output_tokens=7)
    spent = efficiency(case(), trace(call("a"), usage=usage, cost_usd=0.25, latency_s=1.5))
    assert (spent.input_tokens, spent.output_tokens) == (5, 7)
    assert (spent.cost_usd, spent.latency_s) == (0.25, 1.5)
    assert (spent.steps, spent.unnecessary_calls) == (1, 1)


def test_what_an_agent_does_not_report_is_missing_not_zero():
    spent = efficiency(case(expect("a")), trace(call("a"), call("x"), usage=Usage(input_tokens=5)))
    assert (spent.steps, spent.unnecessary_calls, spent.unnecessary_tools) == (2, 1, ("x",))
    assert (spent.input_tokens, spent.output_tokens, spent.cost_usd) == (5, None, None)


def test_a_call_that_the_tool_failed_was_not_unnecessary():
    retried = trace(call("a", error="fault"), call("a"))
    assert efficiency(case(expect("a")), retried).unnecessary_calls == 0


def test_every_score_lies_between_0_and_1_and_says_why():
    wanted = TestTaskSuccess.WANTED
    for metric in METRICS.values():
        found = metric.score(wanted, trace(call("pay", "write"), call("x"), says="no"))
        assert found.value is None or 0 <= found.value <= 1
        assert found.reason
