"""Two traces side by side show the same steps beside each other, and nothing is lost."""

from hypothesis import given
from hypothesis import strategies as st

from driftgate.report.side_by_side import align, leaves, steps
from driftgate.schemas.traces import Message, Trace
from tests.builders import call, trace


def rows(left: Trace, right: Trace) -> list[tuple[str, str]]:
    """Each row as two words; "-" where a side has no such step."""

    def word(step):
        if step is None:
            return "-"
        what = step.what
        return (
            what.text if isinstance(what, Message) else what.tool + str(what.arguments.get("n", ""))
        )

    return [(word(a), word(b)) for a, b in align(list(steps(left)), list(steps(right)))]


def test_equal_steps_stand_side_by_side_and_an_extra_one_alone():
    before = trace(call("find"), call("pay"), says="done")
    after = trace(call("find"), call("look"), call("pay"), says="done")
    assert rows(before, after) == [
        ("find", "find"),
        ("-", "look"),
        ("pay", "pay"),
        ("done", "done"),
    ]


def test_a_call_with_other_arguments_stands_beside_the_call_of_the_same_tool():
    before = trace(call("find"), call("pay", n=1), says="one")
    after = trace(call("pay", n=2), says="two")
    assert rows(before, after) == [("find", "-"), ("pay1", "pay2"), ("one", "two")]


def test_of_several_calls_of_a_tool_the_equal_one_is_the_partner():
    before = trace(call("pay", n=1), call("pay", n=2), call("pay", n=3))
    after = trace(call("pay", n=2))
    assert rows(before, after)[:3] == [("pay1", "-"), ("pay2", "pay2"), ("pay3", "-")]


def test_steps_of_different_turns_are_never_side_by_side():
    before = Trace(case_id="refund", messages=(Message(turn=1, role="assistant", text="a"),))
    after = Trace(case_id="refund", messages=(Message(turn=2, role="assistant", text="a"),))
    assert rows(before, after) == [("a", "-"), ("-", "a")]


def test_a_turn_reads_user_then_calls_then_reply():
    said = (Message(role="assistant", text="hi"), Message(role="user", text="hello"))
    told = trace(call("find")).model_copy(update={"messages": said})
    assert [step.kind for step in steps(told)] == ["user", "call", "reply"]


@given(*[st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=7)] * 2)
def test_every_step_is_shown_once_and_each_side_keeps_its_order(left, right):
    before, after = (
        list(steps(trace(*(call(tool, n=n) for tool, n in side), says="x")))
        for side in (left, right)
    )
    found = list(align(before, after))
    assert [step for step, _ in found if step] == before
    assert [step for _, step in found if step] == after
    assert all((a.kind, a.turn) == (b.kind, b.turn) for a, b in found if a and b)


def test_the_innermost_values_have_a_path_each():
    value = {"a": [1, {"b": "x"}], "c": {}, "d": None, "e": 5.0}
    assert leaves(value) == [
        ("a[0]", "1"),
        ("a[1].b", '"x"'),
        ("c", "{}"),
        ("d", "null"),
        ("e", "5.0"),
    ]
    assert leaves("text") == [("", '"text"')]
