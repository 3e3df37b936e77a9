"""A scripted stand-in for a language model, with the interface of a Strands model.

It is no model: `policy.py` decides by rules. But it decides from what a model gets, and nothing
else: the messages, the tools' descriptions and schemas, and the system prompt. Its noise (phrasing,
an extra look-up, a rare slip) is drawn from a seed, so that trials differ and can be repeated.
"""

import asyncio
import json
import math
import random
from collections.abc import AsyncGenerator
from typing import Any

from strands.models.model import Model
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolSpec

from support.chat import ToolUse, results_of_this_turn, spoken
from support.policy import decide
from support.strength import ASIDE, STRENGTHS, next_step, without_asides

TOKENS_PER_S = 1000  # five times a fast model: it can be measured, and nobody waits for it


class ScriptedModel(Model):
    """Counts one token for four characters, as nothing else can be counted."""

    def __init__(self, seed: int, slip_rate: float, name: str = "scripted") -> None:
        self._seed = seed
        self._slip_rate = slip_rate
        self._name = name

    def update_config(self, **model_config: Any) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        return {"model_id": self._name}

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
        planned = decide(
            without_asides(messages),
            tool_specs or [],
            system_prompt or "",
            noise,
            self._slip_rate,
        )
        own = random.Random(f"{self._name}|{self._seed}|{len(messages)}")  # noqa: S311
        decision, aside = next_step(planned, messages, tool_specs or [], own, STRENGTHS[self._name])
        yield {"messageStart": {"role": "assistant"}}
        thought = thoughts(messages, decision) if "step by step" in (system_prompt or "") else ""
        if thought:
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"reasoningContent": {"text": thought}}}}
            yield {"contentBlockStop": {}}
        if isinstance(decision, ToolUse):
            call_id = f"{ASIDE if aside else ''}call-{turns}-{len(messages)}"
            written = json.dumps(decision.arguments)
            start: Any = {"toolUse": {"name": decision.tool, "toolUseId": call_id}}
            yield {"contentBlockStart": {"start": start}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": written}}}}
        else:
            written = decision
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": written}}}
        yield {"contentBlockStop": {}}
        await asyncio.sleep(math.ceil((len(thought) + len(written)) / 4) / TOKENS_PER_S)
        stop: Any = "tool_use" if isinstance(decision, ToolUse) else "end_turn"
        yield {"messageStop": {"stopReason": stop}}
        read = len(system_prompt or "") + len(json.dumps([messages, tool_specs], default=str))
        tokens = (math.ceil(read / 4), math.ceil((len(thought) + len(written)) / 4))
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


def thoughts(messages: list[Any], decision: ToolUse | str) -> str:
    """What a model writes that is told to think step by step; the customer does not see it."""
    wish = [text for role, text in spoken(messages) if role == "user"][-1]
    results = [text for text, _ in results_of_this_turn(messages)]
    known = " ".join(f"Result {n} says {text}." for n, text in enumerate(results, start=1))
    act = isinstance(decision, ToolUse)
    choice = f"use {decision.tool}" if isinstance(decision, ToolUse) else f"say: {decision}"
    return (
        f'1. The customer writes: "{wish}". What they did not name, I must not guess.\n'
        f"2. What I know already: {known or 'nothing has been looked up in this turn.'}\n"
        "3. What could go wrong: the wrong account or card, a balance that does not cover the "
        "amount, a confirmation that is still missing.\n"
        f"4. I could ask the customer, {'answer already' if act else 'look up more'}, or {choice}. "
        "The last is best.\n"
        "5. The rules allow it, so this is what I do."
    )
