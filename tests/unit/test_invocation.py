import pytest

from driftgate.errors import AgentContractBroken
from driftgate.invocation import MAX_REPLY_BYTES, fill, read_body, read_reply
from driftgate.schemas.manifests import Invocation

JSON_TYPE, SSE_TYPE = "application/json", "text/event-stream; charset=utf-8"


def invocation(**response):
    return Invocation.model_validate(
        {"request": {"prompt": "{{turn}}"}, "response": {"final_response": "/answer", **response}}
    )


def test_a_request_takes_the_turn_as_text_and_a_lone_variable_with_its_type():
    template = {"messages": [{"content": "User: {{turn}}"}], "seed": "{{seed}}", "deep": {"n": 1}}
    assert fill(template, {"turn": "hi {{seed}}", "seed": 7}) == {
        "messages": [{"content": "User: hi {{seed}}"}],
        "seed": 7,
        "deep": {"n": 1},
    }


def test_values_are_read_where_the_manifest_points():
    reply = read_reply(
        invocation(
            input_tokens="/usage/in",
            cost_usd="/usage/usd",
            stop_reason="/a~1b/0",
            findings="/findings",
            output_tokens="/usage/out",
        ),
        JSON_TYPE,
        '{"answer": "yes", "usage": {"in": 5, "usd": 0.1}, "a/b": ["end"], "findings": [{"x": 1}]}',
    )
    assert (reply.text, reply.input_tokens, reply.cost_usd) == ("yes", 5, 0.1)
    assert (reply.stop_reason, reply.findings) == ("end", [{"x": 1}])
    assert reply.output_tokens is None  # selected, not there: missing


def test_a_reply_that_is_one_text_is_pointed_at_as_a_whole():
    assert read_reply(invocation(final_response=""), JSON_TYPE, '"hello"').text == "hello"


class TestStreams:
    BODY = (
        'data: {"type": "delta", "text": "Hel"}\r\n\r\n'
        ": a comment\n\n"
        'event: x\ndata: {"type": "delta",\ndata:  "text": "lo"}\n\n'
        'data: {"type": "usage", "in": 3}\n\ndata: {"type": "usage", "in": 5}\n\n'
    )

    def test_parts_are_joined_and_of_others_the_last_counts(self):
        wanted = invocation(
            final_response={"pointer": "/text", "take": "joined", "where": {"/type": "delta"}},
            input_tokens="/in",
        )
        reply = read_reply(wanted, SSE_TYPE, self.BODY)
        assert (reply.text, reply.input_tokens) == ("Hello", 5)

    def test_only_what_has_all_the_values_of_where_counts(self):
        events = (
            '{"type": "delta", "channel": "thinking", "text": "He asks. "}',
            '{"type": "delta", "channel": "final", "text": "Hello"}',
            '{"type": "error", "channel": "final", "text": " oops"}',
            '{"type": "delta", "text": " nowhere"}',
        )
        where = {"/type": "delta", "/channel": "final"}
        wanted = invocation(final_response={"pointer": "/text", "take": "joined", "where": where})
        body = "".join(f"data: {event}\n\n" for event in events)
        assert read_reply(wanted, SSE_TYPE, body).text == "Hello"

    def test_the_first_may_count_and_data_may_be_plain_text(self):
        first = invocation(final_response={"pointer": "/text", "take": "first"})
        assert read_reply(first, SSE_TYPE, self.BODY).text == "Hel"
        plain = invocation(final_response={"pointer": "", "take": "joined"})
        assert read_reply(plain, SSE_TYPE, "data: Hel\n\ndata: lo\n\n").text == "Hello"

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_a_line_ends_where_the_standard_says_and_nowhere_else(self, end):
        plain = invocation(final_response={"pointer": "", "take": "joined"})
        body = f"data: Hel\u2028{end}{end}data: lo\x85{end}data: !"
        assert read_reply(plain, SSE_TYPE, body).text == "Hel\u2028lo\x85\n!"


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (JSON_TYPE, "<html>502</html>", "the reply is not JSON .*<html>502"),
        (JSON_TYPE, "", "the reply is not JSON"),
        (
            JSON_TYPE,
            "[" * 5000 + "]" * 5000,
            "not JSON that can be read .*recursion",
        ),
        (JSON_TYPE, '{"text": "hi"}', "final_response: wanted a text at '/answer' of the reply"),
        (JSON_TYPE, '{"answer": {"text": "hi"}}', "final_response: wanted a text"),
        (JSON_TYPE, '{"answer": "hi", "usage": "many"}', "invocation.response: .*input_tokens"),
        (SSE_TYPE, "data: [DONE]\n\n", "final_response: wanted a text"),
    ],
)
def test_a_reply_off_the_contract_is_refused_with_what_came(content_type, body, reason):
    with pytest.raises(AgentContractBroken, match=f"(?s){reason}"):
        read_reply(invocation(input_tokens="/usage"), content_type, body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cost_usd", "-0.5"),
        ("cost_usd", "1e300"),
        ("input_tokens", "-1"),
        ("input_tokens", f"1{'0' * 400}"),
        ("findings", "[" * 3000 + "]" * 3000),
        ("findings", "[" * 150 + "]" * 150),
        ("findings", f"1{'0' * 5000}"),
    ],
)
@pytest.mark.parametrize("content_type", [JSON_TYPE, SSE_TYPE])
def test_a_number_or_a_depth_that_no_honest_reply_has_is_off_the_contract(
    content_type, field, value
):
    body = f'{{"answer": "hi", "{field}": {value}}}'
    with pytest.raises(AgentContractBroken):
        read_reply(
            invocation(**{field: f"/{field}"}),
            content_type,
            body if content_type == JSON_TYPE else f"data: {body}\n\n",
        )


def test_a_body_that_goes_on_is_given_up_before_it_fills_the_memory():
    taken = []
    endless = iter(lambda: taken.append(1) or b"x" * 65536, None)
    with pytest.raises(AgentContractBroken, match="more than 6,000,000 bytes"):
        read_body(endless, lambda: False)
    assert len(taken) == MAX_REPLY_BYTES // 65536 + 1
    with pytest.raises(TimeoutError):
        read_body(endless, lambda: True)
