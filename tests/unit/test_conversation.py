"""One attempt, turn by turn, against sessions that say what they are told to."""

import pytest

from driftgate.conversation import converse
from driftgate.errors import AgentUnavailable, MockBroken
from driftgate.ports import Reply
from driftgate.schemas.traces import Usage
from tests.builders import call, case, version

THREE_TURNS = case(turns=[{"user": "one"}, {"user": "two"}, {"user": "three"}])


class Clock:
    """Time passes only while an agent thinks."""

    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        return self.time


class Session:
    """Gives its replies one after the other, each after some seconds; raises what is an error."""

    def __init__(self, clock, *replies, thinks_s=0.0):
        self.clock, self.replies, self.thinks_s = clock, list(replies), thinks_s
        self.asked, self.allowed = [], []

    def say(self, turn, timeout_s):
        self.asked.append(turn)
        self.allowed.append(timeout_s)
        self.clock.time += min(self.thinks_s, timeout_s)
        if self.thinks_s > timeout_s:
            raise TimeoutError
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class Tools:
    """A log that grows by some calls each time it is read."""

    def __init__(self, *batches):
        self.log, self.batches = [], list(batches)

    def calls(self, session_id, after):
        for entry in self.batches.pop(0) if self.batches else ():
            if isinstance(entry, Exception):
                raise entry
            self.log.append(entry.model_copy(update={"seq": len(self.log) + 1}))
        return self.log[after:]


def hold(*replies, tools=None, wanted=THREE_TURNS, thinks_s=0.0, **limits):
    clock = Clock()
    session = Session(clock, *replies, thinks_s=thinks_s)
    agent = version()
    manifest = agent.manifest.model_copy(
        update={"limits": agent.manifest.limits.model_copy(update=limits)}
    )
    agent = agent.model_copy(update={"manifest": manifest})
    trace = converse(session, "s", agent, wanted, 2, tools or Tools(), clock)
    return trace, session


def reply(text, tokens=None, cost=None):
    return Reply(text=text, input_tokens=tokens, output_tokens=tokens, cost_usd=cost)


def test_turns_are_said_in_order_and_calls_belong_to_the_turn_they_were_made_in():
    tools = Tools([call("a")], [], [call("b"), call("c")])
    trace, session = hold(reply("1"), reply("2"), reply("3"), tools=tools)
    assert session.asked == ["one", "two", "three"]
    assert [trace.reply(turn) for turn in (1, 2, 3)] == ["1", "2", "3"]
    assert [(c.seq, c.turn, c.tool) for c in trace.calls] == [(1, 1, "a"), (2, 3, "b"), (3, 3, "c")]
    assert (trace.trial, trace.ending.kind) == (2, "completed")


def test_the_seconds_of_a_case_are_shared_by_its_turns():
    _, session = hold(reply("1"), reply("2"), reply("3"), thinks_s=10, case_s=35)
    assert session.allowed == [35, 25, 15]


def test_what_waiting_cost_is_the_latency():
    trace, _ = hold(reply("1"), reply("2"), reply("3"), thinks_s=1.5)
    assert trace.latency_s == 4.5


def test_an_agent_at_its_last_second_is_stopped_and_what_it_did_is_kept():
    tools = Tools([call("a")], [call("b")])
    trace, session = hold(reply("1"), reply("2"), tools=tools, thinks_s=10, case_s=15)
    assert session.asked == ["one", "two"]
    assert (trace.ending.kind, trace.ending.detail) == ("limit", "no reply within 15 s")
    assert [c.tool for c in trace.calls] == ["a", "b"]


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        ({"tokens": 199}, "200 tokens, 199 allowed"),
        ({"cost_usd": 0.19}, "0.2000 USD, 0.1900 allowed"),
    ],
)
def test_tokens_and_cost_end_a_conversation_between_turns(limits, detail):
    trace, session = hold(reply("1", 50, 0.1), reply("2", 50, 0.1), reply("3", 50, 0.1), **limits)
    assert session.asked == ["one", "two"]
    assert (trace.ending.kind, trace.ending.detail) == ("limit", detail)


@pytest.mark.parametrize("limits", [{"tokens": 300}, {"cost_usd": 0.3}])
def test_an_agent_just_within_its_limits_goes_on(limits):
    trace, _ = hold(reply("1", 50, 0.1), reply("2", 50, 0.1), reply("3", 50, 0.1), **limits)
    assert trace.ending.kind == "completed"


def test_the_limit_of_calls_ends_it_after_the_turn():
    tools = Tools([call("a"), call("a", error="limit")])
    trace, session = hold(reply("1"), tools=tools, calls=1)
    assert session.asked == ["one"]
    assert (trace.ending.kind, trace.ending.detail) == ("limit", "more than 1 tool calls")


def test_a_sum_with_an_unknown_part_is_unknown():
    trace, _ = hold(reply("1", 5, 0.1), reply("2", None, None), reply("3", 5, 0.1))
    assert (trace.usage.input_tokens, trace.cost_usd) == (None, None)
    whole, _ = hold(reply("1", 5, 0.1), reply("2", 5, 0.1), reply("3", 5, 0.1))
    assert (whole.usage.output_tokens, whole.cost_usd) == (15, pytest.approx(0.3))


def test_an_agent_that_never_replied_reported_nothing():
    trace, _ = hold(thinks_s=10, case_s=5)
    assert (trace.usage, trace.cost_usd, trace.reply()) == (Usage(), None, "")


def test_an_agent_that_is_gone_leaves_no_trace():
    with pytest.raises(AgentUnavailable):
        hold(reply("1"), AgentUnavailable("gone"))


def test_a_broken_mock_explains_what_upset_the_agent():
    with pytest.raises(MockBroken):
        hold(AgentUnavailable("HTTP 500"), tools=Tools([MockBroken("no balance")]))
