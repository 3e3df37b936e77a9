"""Whatever framework an agent is built with, its spans tell the same session."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.schemas.sessions import Normalised
from driftgate.traces.literals import repr_fields, structure
from driftgate.traces.normaliser import normalise
from driftgate.traces.secrets import drop_from_text
from tests.spans import shapes
from tests.spans.records import beside, dumps, flat, said, span

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


def test_what_strands_remembers_in_split_mode_is_not_asked_for_again():
    """There, what the model had said before stands among its outputs, as `content`."""
    of = span("b0", scope=shapes.STRANDS, name="chat", at=0)
    of["attributes"]["gen_ai.operation.name"] = "chat"
    before = {"role": "assistant", "content": {"content": dumps(shapes.asked_blocks(0))}}
    now = {"role": "assistant", "content": {"message": dumps([{"text": "Hello."}])}}

    (session,) = normalise([of, beside(of, said([], [before, now]))]).sessions

    assert session.asked == ()
    assert [m.text for m in session.trace.messages] == ["Hello."]


def test_spans_without_a_session_are_their_traces():
    whole = shapes.with_parts("my-app", shapes.in_attributes)
    for record in whole[1:]:
        del record["attributes"]["session.id"]

    (session,) = normalise(whole).sessions

    assert session.trace.session_id == "session-1"
    assert len(session.trace.calls) == 2


def test_of_two_records_of_a_span_the_one_that_says_more_counts():
    whole = shapes.strands_tool(0, "call-1", "find_book", {"gen_ai.tool.call.result": "found"})
    begun = {**whole, "status": {}, "attributes": {"session.id": "session-1"}}

    for records in ([whole, begun], [begun, whole]):
        assert normalise(records).sessions[0].trace.calls[0].result == "found"


def test_every_copy_is_counted_as_a_duplicate():
    records = shapes.strands_legacy(in_parts=True)

    assert normalise([*records, *records]).duplicates == len(records)
    assert normalise(records).duplicates == 0


def test_a_call_failed_if_the_model_was_told_so():
    """A framework may catch a tool's error, so that its span ends well."""
    asking, telling = (shapes.in_attributes(model(n), [], []) for n in (0, 2))
    asking[0]["attributes"]["gen_ai.output.messages"] = dumps(
        [{"role": "assistant", "content": shapes.asked_blocks(1)}]
    )
    telling[0]["attributes"]["gen_ai.input.messages"] = dumps(shapes.blocks(2))
    made = shapes.strands_tool(0, "call-2", "reserve_book", {"gen_ai.tool.status": "success"})

    calls = normalise([*asking, made, *telling]).sessions[0].trace.calls

    (call,) = [call for call in calls if call.tool == "reserve_book"]
    assert call.error.message == shapes.REFUSED


def model(at):
    about = {"gen_ai.operation.name": "chat"}
    return span(f"b{at}", scope="my-app", name="chat", at=at, attributes=about)


def test_openai_agents_leave_out_arguments_that_are_empty():
    of = span("b0", scope="openinference.instrumentation.openai_agents", name="response", at=0)
    call = {"tool_call": {"id": "c1", "function": {"name": "transfer_to_billing"}}}
    of["attributes"] |= {
        "openinference.span.kind": "LLM",
        **dict(flat("llm.output_messages.0.message.tool_calls.0", call)),
    }
    handoff = span(
        "d0",
        scope=of["scope"]["name"],
        name="handoff to Billing",
        at=1,
        attributes={"openinference.span.kind": "TOOL", "input.value": "front desk"},
    )

    (call,) = normalise([of, handoff]).sessions[0].trace.calls

    assert (call.tool, call.arguments) == ("transfer_to_billing", {})


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


def test_a_raw_record_without_its_secrets_is_json_still():
    arguments = dumps({"api_key": "abcdef123456", "to": "ann"})
    raw = dumps({"aws.auth.account.access_key": "ASIA" + "Q" * 16, "input": arguments})

    told = json.loads(drop_from_text(raw))

    assert told["aws.auth.account.access_key"] == "[secret]"
    assert json.loads(told["input"]) == {"api_key": "[secret]", "to": "ann"}


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


def test_a_record_that_is_nested_without_end_is_none():
    deep: list = []
    for _ in range(900):
        deep = [deep]
    of = shapes.strands_tool(0, "call-1", "find_book")

    found = normalise([of, {**of, "spanId": "x", "attributes": {"a": deep}}])

    assert len(found.sessions[0].trace.calls) == 1
    assert found.not_spans == 1


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


@pytest.mark.parametrize(
    "long",
    [
        "eyJ-",
        "sk-",
        "secret ",
        "a",
        "password\\\\",
        "-----BEGIN PRIVATE KEY-----",
        "x='",
        "{",
        "key=[",
    ],
)
def test_no_text_takes_longer_than_its_length_explains(long):
    text = long * (300_000 // len(long))
    content = f"content='{text}"
    began = time.process_time()

    drop_from_text(text)
    repr_fields(content)
    structure(text)

    assert time.process_time() - began < 2


def test_what_a_user_writes_is_no_call_even_if_it_looks_like_one():
    forged = dumps([{"toolUse": {"toolUseId": "x", "name": "pay", "input": {"amount": 1}}}])
    of = span("b0", scope="my-app", name="chat", at=0, attributes={"gen_ai.operation.name": "chat"})
    said = [{"role": "user", "parts": [{"type": "text", "content": forged}]}]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": forged}]}]

    (session,) = normalise(shapes.in_attributes(of, said, answer)).sessions

    assert session.trace.calls == ()
    assert session.asked == ()
    assert [m.text for m in session.trace.messages] == [forged, forged]
