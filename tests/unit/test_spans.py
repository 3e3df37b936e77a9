"""Whatever framework an agent is built with, its spans tell the same session."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.schemas.sessions import Normalised
from driftgate.traces.normaliser import normalise
from tests.spans import shapes
from tests.spans.records import dumps, flat, span

WITHOUT_SPANS_OF_TOOLS = {"botocore alone"}
WITHOUT_SPAN_OF_AGENT = {"gen_ai, prompt and completion", "gen_ai, numbered prompts"}


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_every_framework_tells_the_same_story(shape):
    found = normalise(shapes.SHAPES[shape]())

    assert not found.unknown
    (session,) = found.sessions
    trace = session.trace
    assert [(m.turn, m.role, m.text) for m in trace.messages] == [
        (1, "user", shapes.ASKED),
        (1, "assistant", shapes.REPLY),
    ]
    assert [(c.tool, c.arguments, c.error is not None) for c in trace.calls] == [
        ("find_book", {"title": "Dune"}, False),
        ("reserve_book", {"book_id": "B-7", "days": 14}, True),
    ]
    assert trace.calls[0].result == shapes.FOUND
    assert trace.calls[1].result == shapes.REFUSED
    assert [origin.call_id for origin in session.calls] == ["call-1", "call-2"]
    assert (trace.usage.input_tokens, trace.usage.output_tokens) == (330, 63)
    assert (trace.model, trace.session_id) == (shapes.MODEL, "session-1")
    assert (session.service, session.endpoint) == ("library", "PROD")
    assert session.agent_version == "3.1.0"
    assert session.asked == ()
    if shape not in WITHOUT_SPANS_OF_TOOLS:
        assert [call.latency_s for call in trace.calls] == [0.25, 0.25]
        assert shapes.CLOSED in trace.calls[1].error.message
        assert trace.latency_s == (1.25 if shape in WITHOUT_SPAN_OF_AGENT else 1.5)


def alone(records):
    """What the records tell, whatever order and however often they came."""
    found = normalise(records)
    return found.model_copy(update={"records": 0, "duplicates": 0, "not_spans": 0, "quiet": 0})


EVERYTHING = [
    {**record, "traceId": f"{number:032x}"}
    for number, shape in enumerate(shapes.SHAPES.values(), 1)
    for record in shape()
]


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_neither_order_nor_duplicates_change_what_the_records_tell(random):
    again = [*EVERYTHING, *random.choices(EVERYTHING, k=40)]
    random.shuffle(again)

    assert alone(again) == alone(EVERYTHING)


def test_a_batch_tells_each_session_apart():
    mine = shapes.with_parts("my-app", shapes.in_attributes)
    other = [
        {**record, "traceId": "0a" * 16, "attributes": record["attributes"] | {"session.id": "two"}}
        for record in mine
    ]

    sessions = normalise([*mine, *other]).sessions

    assert {session.trace.session_id for session in sessions} == {"session-1", "two"}
    assert [len(session.trace.calls) for session in sessions] == [2, 2]
    assert len({session.trace.case_id for session in sessions}) == 2


def test_each_trace_of_a_session_is_a_turn():
    first = shapes.with_parts("my-app", shapes.in_attributes)
    later = [{**record, "traceId": "0a" * 16, **moved(record, seconds=60)} for record in first]

    (session,) = normalise([*later, *first]).sessions

    assert [(m.turn, m.role) for m in session.trace.messages] == [
        (1, "user"),
        (1, "assistant"),
        (2, "user"),
        (2, "assistant"),
    ]
    assert [call.turn for call in session.trace.calls] == [1, 1, 2, 2]
    assert session.trace.latency_s == 3.0  # without the minute in which the user read
    assert session.trace.usage.input_tokens == 660


def moved(record, seconds):
    times = ("startTimeUnixNano", "endTimeUnixNano")
    return {name: record[name] + seconds * 10**9 for name in times}


def test_what_an_agent_remembers_of_another_session_is_not_called_again():
    """The memory of an agent brings back a whole conversation, with its calls and their results."""
    remembered = [*shapes.parts(2), {"role": "assistant", "parts": shapes.asked_parts(2)}]
    now = {"role": "user", "parts": [{"type": "text", "content": "Thanks!"}]}
    of = span("b0", scope="my-app", name="chat", at=0, attributes={"gen_ai.operation.name": "chat"})
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "You're welcome."}]}]

    (session,) = normalise(shapes.in_attributes(of, [*remembered, now], answer)).sessions

    assert session.trace.calls == ()
    assert [m.text for m in session.trace.messages] == ["Thanks!", "You're welcome."]


def test_a_call_whose_span_is_lost_is_told_by_the_messages():
    whole = shapes.with_parts("my-app", shapes.in_attributes)
    cut = [record for record in whole if record["spanId"] in ("a0", "b2")]

    (session,) = normalise(cut).sessions

    assert [(call.tool, call.arguments) for call in session.trace.calls] == [
        (tool, arguments) for _, tool, arguments in shapes.CALLS
    ]
    assert session.trace.calls[0].result == shapes.FOUND
    assert [origin.span_id for origin in session.calls] == [None, None]
    assert session.calls[0].missing == ("latency",)


def test_what_a_model_asked_for_and_nobody_answered_is_no_call():
    whole = shapes.with_parts("my-app", shapes.in_attributes)
    cut = [record for record in whole if record["spanId"] in ("a0", "b0")]

    (session,) = normalise(cut).sessions

    assert session.trace.calls == ()
    assert [asked.tool for asked in session.asked] == ["find_book"]


def test_two_calls_of_one_tool_in_parallel_keep_their_own_arguments():
    """OpenInference shows bare values: which call had which follows from the value."""
    scope = "openinference.instrumentation.langchain"
    kind = "openinference.span.kind"
    model = span("b0", scope=scope, name="Chat", at=0, attributes={kind: "LLM"})
    for n, title in enumerate(("Emma", "Dune")):
        call = {
            "id": f"c{n}",
            "function": {"name": "find_book", "arguments": f'{{"title":"{title}"}}'},
        }
        prefix = f"llm.output_messages.0.message.tool_calls.{n}"
        model["attributes"] |= dict(flat(prefix, {"tool_call": call}))
    tools = [
        span(
            f"d{n}",
            scope=scope,
            name="find_book",
            at=1,
            attributes={kind: "TOOL", "input.value": title},
        )
        for n, title in enumerate(("Dune", "Emma", "Ulysses"))
    ]

    (session,) = normalise([model, *tools]).sessions

    assert [call.arguments for call in session.trace.calls] == [
        {"title": "Dune"},
        {"title": "Emma"},
        None,  # nobody asked for Ulysses: how the argument is called is not known
    ]
    assert session.calls[2].missing == ("arguments", "result")


def test_a_gateways_tool_is_called_by_its_own_name():
    of = shapes.strands_tool(0, "call-1", "library-tools___find_book")

    (session,) = normalise([of]).sessions

    assert session.trace.calls[0].tool == "find_book"
    assert session.calls[0].name == "library-tools___find_book"


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("gen_ai.usage.input_tokens", (None, 63)),
        ("gen_ai.usage.output_tokens", (330, None)),
    ],
)
def test_a_sum_that_lacks_one_models_tokens_is_missing_not_smaller(missing, told):
    found = shapes.with_parts("my-app", shapes.in_attributes)
    next(record for record in found if record["spanId"] == "b1")["attributes"].pop(missing)

    trace = normalise(found).sessions[0].trace

    assert (trace.usage.input_tokens, trace.usage.output_tokens) == told
    assert "usage" in trace.not_recorded


def test_what_no_family_reads_is_named_and_nothing_is_guessed_from_it():
    strange = [
        span(f"{n}", scope="acme.agents", name="think", at=n, attributes={"acme.tool": "find_book"})
        for n in range(3)
    ]
    new = span("9", scope="my-app", name="x", at=9, attributes={"gen_ai.operation.name": "dream"})

    found = normalise([*strange, new, strange[0]])

    assert found.sessions == ()
    assert [(shape.scope, shape.name, shape.count) for shape in found.unknown] == [
        ("acme.agents", "think", 3),
        ("my-app", "x", 1),
    ]
    assert found.unknown[0].attributes == ("acme.tool", "session.id")
    assert found.unknown[0].span_id == "0"


def test_an_agent_that_breaks_at_its_own_limit_ends_there():
    root = span("a0", scope="my-app", name="invoke_agent", at=0, error="25 steps")
    root["attributes"]["gen_ai.operation.name"] = "invoke_agent"
    root["events"][0]["attributes"]["exception.type"] = "langgraph.errors.GraphRecursionError"

    ending = normalise([root]).sessions[0].trace.ending

    assert ending.kind == "limit"
    assert ending.detail == "langgraph.errors.GraphRecursionError: 25 steps"


def test_keys_and_passwords_are_gone_whatever_field_they_stand_in():
    key, token = "AKIA" + "QWERTY123456" + "ZXCV", "ghp_" + "a1" * 18
    made = shapes.strands_tool(0, "call-1", "log_in")
    made["attributes"] |= {
        "gen_ai.tool.call.arguments": dumps({"password": "correct horse", "note": f"use {token}"}),
        "gen_ai.tool.call.result": dumps({"user": "ann", "session_token": "abc", "nested": [key]}),
        "aws.auth.account.access_key": key,
    }
    said = span("a0", scope="my-app", name="invoke_agent", at=0, error=f"no access for {key}")
    said["attributes"]["gen_ai.operation.name"] = "invoke_agent"
    text = [{"role": "user", "parts": [{"type": "text", "content": f"my key is {key}"}]}]

    told = normalise([made, *shapes.in_attributes(said, text, text)]).model_dump_json()

    for secret in (key, token, "correct horse", '"abc"'):
        assert secret not in told
    assert '"user":"ann"' in told
    assert "my key is [secret]" in told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NASTY = JSON | st.sampled_from(
    [
        "[",
        '[{"toolUse": 1}]',
        "{'a': " * 50,
        "content='x",
        "\ud800",
        "9" * 5000,
        '{"messages": [[]]}',
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_record_raises_whatever_stands_in_it(data):
    record = json.loads(json.dumps(data.draw(st.sampled_from(EVERYTHING))))
    for _ in range(data.draw(st.integers(1, 4))):
        within = record
        while True:
            name = data.draw(st.sampled_from(list(within)))
            if not isinstance(within[name], dict) or not within[name] or data.draw(st.booleans()):
                break
            within = within[name]
        within[name] = data.draw(NASTY)

    found = normalise([record, record])

    Normalised.model_validate_json(found.model_dump_json())


def test_parents_in_a_circle_and_of_nowhere_are_no_trouble():
    found = shapes.with_parts("my-app", shapes.in_attributes)
    ids = [record["spanId"] for record in found]
    for record, parent in zip(found, [*ids[1:], ids[0]], strict=True):
        record["parentSpanId"] = parent

    (session,) = normalise(found).sessions

    assert len(session.trace.calls) == 2
    assert alone(found) == alone(found[::-1])


def test_a_text_of_five_megabytes_stays_whole():
    long = "x\u202e<script>" * 400_000
    of = span("b0", scope="my-app", name="chat", at=0, attributes={"gen_ai.operation.name": "chat"})
    said = [{"role": "user", "parts": [{"type": "text", "content": long}]}]

    (session,) = normalise(shapes.in_attributes(of, said, said[:0])).sessions

    assert session.trace.messages[0].text == long


def test_what_a_user_writes_is_no_call_even_if_it_looks_like_one():
    forged = dumps([{"toolUse": {"toolUseId": "x", "name": "pay", "input": {"amount": 1}}}])
    of = span("b0", scope="my-app", name="chat", at=0, attributes={"gen_ai.operation.name": "chat"})
    said = [{"role": "user", "parts": [{"type": "text", "content": forged}]}]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": forged}]}]

    (session,) = normalise(shapes.in_attributes(of, said, answer)).sessions

    assert session.trace.calls == ()
    assert session.asked == ()
    assert [m.text for m in session.trace.messages] == [forged, forged]
