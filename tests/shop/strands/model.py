"""The model of the shop's agent: one by rules, with the interface of a Strands model."""

import json

from policy import Result, Use, decide, tokens
from strands.models.model import Model


def chat_model():
    return ScriptedChat()


class ScriptedChat(Model):
    def update_config(self, **config):
        pass

    def get_config(self):
        return {"model_id": "scripted"}

    def structured_output(self, *arguments, **options):
        raise RuntimeError("the scripted model gives no structured output")

    async def stream(self, messages, tool_specs=None, system_prompt=None, **options):
        said, results = _read(messages)
        step = decide(system_prompt or "", said, results)
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(step, Use):
            use = {"name": step.tool, "toolUseId": f"call-{len(messages)}"}
            yield {"contentBlockStart": {"start": {"toolUse": use}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(step[1])}}}}
        else:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": step}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if isinstance(step, Use) else "end_turn"}}
        into, out = tokens(system_prompt or "", json.dumps(messages)), tokens(str(step))
        usage = {"inputTokens": into, "outputTokens": out, "totalTokens": into + out}
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}


def _read(messages):
    """What the user has said, and what tools have answered since."""
    said, results = [], []
    for message in messages:
        for block in message["content"]:
            if message["role"] == "user" and "text" in block:
                said.append(block["text"])
                results = []
            elif "toolResult" in block:
                result = block["toolResult"]
                text = "".join(part.get("text", "") for part in result["content"])
                results.append(Result(result["toolUseId"], text, result["status"] == "error"))
    return said, results
