"""What the kit makes of a framework's turn, and where it sends an agent for its tools."""

from types import SimpleNamespace

import pytest

from driftgate.agentkit import replies, tools


def human(text="Well?"):
    return SimpleNamespace(type="human", text=text)


def ai(text="", tokens=(10, 2), **metadata):
    usage = dict(zip(("input_tokens", "output_tokens"), tokens, strict=True)) if tokens else None
    return SimpleNamespace(type="ai", text=text, usage_metadata=usage, response_metadata=metadata)


ANSWERED = SimpleNamespace(type="tool", text="7")


class TestLangChain:
    def test_the_steps_of_the_latest_turn_alone_are_counted(self):
        told = replies.from_langchain(
            [human(), ai("Which?", (100, 50)), human(), ai(), ANSWERED, ai("Seven.", (20, 3))]
        )
        assert told["result"] == "Seven."
        assert told["usage"] == {"input_tokens": 30, "output_tokens": 5}

    def test_tokens_of_which_a_step_tells_nothing_are_not_known(self):
        told = replies.from_langchain([human(), ai(tokens=None), ANSWERED, ai("Seven.")])
        assert told["usage"] == {"input_tokens": None, "output_tokens": None}

    @pytest.mark.parametrize(
        ("metadata", "told"),
        [
            ({"stopReason": "end_turn", "model_name": "nova"}, ("end_turn", "nova")),  # Bedrock
            ({"stop_reason": "end_turn", "model": "claude"}, ("end_turn", "claude")),  # Anthropic
            ({"finish_reason": "stop", "model_name": "gpt"}, ("stop", "gpt")),  # OpenAI
            ({}, (None, None)),
        ],
    )
    def test_why_it_stopped_and_its_model_are_read_as_each_provider_writes_them(
        self, metadata, told
    ):
        reply = replies.from_langchain([human(), ai("Seven.", **metadata)])
        assert (reply["stop_reason"], reply["model"]) == told

    def test_an_earlier_answer_is_none_to_this_turn(self):
        with pytest.raises(ValueError, match="wanted a message of the agent after the user's last"):
            replies.from_langchain([human(), ai("Seven."), human()])


class TestStrands:
    def result(self, tokens):
        usage = dict(zip(("inputTokens", "outputTokens", "totalTokens"), tokens, strict=True))
        turn = SimpleNamespace(usage=usage)

        class Result(SimpleNamespace):
            def __str__(self):
                return "Seven.\n"

        return Result(stop_reason="end_turn", metrics=SimpleNamespace(latest_agent_invocation=turn))

    def test_the_latest_turn_is_told(self):
        assert replies.from_strands(self.result((30, 5, 35)), model="nova") == {
            "result": "Seven.",
            "model": "nova",
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 30, "output_tokens": 5},
        }

    def test_a_model_that_counts_nothing_is_no_model_that_reads_nothing(self):
        told = replies.from_strands(self.result((0, 0, 0)))
        assert told["usage"] == {"input_tokens": None, "output_tokens": None}


class TestTools:
    def test_the_evaluation_goes_before_the_agents_own(self, monkeypatch):
        monkeypatch.setenv(tools.URL_VARIABLE, "http://mocks")
        assert tools.url("https://gateway") == "http://mocks"
        monkeypatch.delenv(tools.URL_VARIABLE)
        assert tools.url("https://gateway") == "https://gateway"

    def test_an_agent_without_tools_is_told(self, monkeypatch):
        monkeypatch.delenv(tools.URL_VARIABLE, raising=False)
        with pytest.raises(ValueError, match="DRIFTGATE_TOOLS_URL, got neither"):
            tools.url(None)

    def test_no_header_is_sent_outside_a_session(self):
        assert tools.headers("s-1") == {"x-driftgate-session": "s-1"}
        assert tools.headers(None) == {}
