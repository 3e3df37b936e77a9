"""A scripted stand-in for a language model, with the interface of a Strands model.

It is no model: `policy.py` decides by rules. But it decides from what a model gets, and nothing
else: the messages, the tools' descriptions and schemas, and the system prompt. Its noise (phrasing,
an extra look-up, a rare slip) is drawn from a seed, so that trials differ and can be repeated.
"""

import json
import math
import random
from collections.abc import AsyncGenerator
from typing import Any

from strands.models.model import Model
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolSpec

from support.chat import ToolUse
from support.policy import decide


class ScriptedModel(Model):
    """Counts one token for four characters, as nothing else can be counted."""

    def __init__(self, seed: int, slip_rate: float) -> None:
        self._seed = seed
        self._slip_rate = slip_rate

    def update_config(self, **model_config: Any) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        return {"model_id": "scripted"}

    def structured_output(self, *arguments: Any, **options: Any) -> Any:
        raise RuntimeError("the scripted model gives no structured output")

    async def stream(
        self,
        messages: list[Any],
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **options: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        turns = sum(
            "text" in block for m in messages if m["role"] == "user" for block in m["content"]
        )
        noise = random.Random(f"{self._seed}|{turns}")  # noqa: S311  the same at every step of a turn
        decision = decide(messages, tool_specs or [], system_prompt or "", noise, self._slip_rate)
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(decision, ToolUse):
            call_id = f"call-{turns}-{len(messages)}"
            written = json.dumps(decision.arguments)
            start: Any = {"toolUse": {"name": decision.tool, "toolUseId": call_id}}
            yield {"contentBlockStart": {"start": start}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": written}}}}
        else:
            written = decision
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": written}}}
        yield {"contentBlockStop": {}}
        stop: Any = "tool_use" if isinstance(decision, ToolUse) else "end_turn"
        yield {"messageStop": {"stopReason": stop}}
        read = len(system_prompt or "") + len(json.dumps([messages, tool_specs], default=str))
        tokens = (math.ceil(read / 4), math.ceil(len(written) / 4))
        yield {
            "metadata": {
                "usage": {
                    "inputTokens": tokens[0],
                    "outputTokens": tokens[1],
                    "totalTokens": sum(tokens),
                },
                "metrics": {"latencyMs": 0},
            }
        }
