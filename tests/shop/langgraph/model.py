"""The model of the shop's agent: one by rules, with the interface of a LangChain chat model."""

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from policy import Result, Use, decide, tokens


def chat_model():
    return ScriptedChat()


class ScriptedChat(BaseChatModel):
    @property
    def _llm_type(self):
        return "scripted"

    @property
    def _identifying_params(self):
        return {"model": "scripted"}  # what instrumentors call it

    def bind_tools(self, tools, **options):
        return self.bind(tools=[tool.name for tool in tools], **options)

    def _generate(self, messages, stop=None, run_manager=None, **options):
        prompt = "".join(m.text for m in messages if m.type == "system")
        said = [message.text for message in messages if message.type == "human"]
        asked = max(n for n, message in enumerate(messages) if message.type == "human")
        results = [
            Result(m.name, m.text, m.status == "error")
            for m in messages[asked:]
            if m.type == "tool"
        ]
        step = decide(prompt, said, results)
        message = AIMessage(
            content="" if isinstance(step, Use) else step,
            tool_calls=[_call(step, len(messages))] if isinstance(step, Use) else [],
            usage_metadata=_usage([m.text for m in messages], str(step)),
            response_metadata={
                "stop_reason": "tool_use" if isinstance(step, Use) else "end_turn",
                "model_name": "scripted",
            },
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def _call(use, number):
    return {"name": use.tool, "args": use.arguments, "id": f"call-{number}", "type": "tool_call"}


def _usage(read, written):
    into, out = tokens(*read), tokens(written)
    return {"input_tokens": into, "output_tokens": out, "total_tokens": into + out}
