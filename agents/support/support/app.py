"""The agent's server: one Strands agent per session, its tools over MCP, its model by environment.

SUPPORT_MODEL    `scripted`, `scripted-weak`, `scripted-noisy`, or the id of a Bedrock model
SUPPORT_PROMPT   the system prompt's file
GATEWAY_URL      the MCP endpoint of its tools
PORT             where to serve
SPANS_FILE       where its spans are written, if it does not run on AgentCore
"""

import logging
import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from strands import Agent
from strands.models.model import Model
from strands.tools.mcp import MCPClient
from strands.types.content import Message

from support.scripted import ScriptedModel
from support.strength import STRENGTHS
from support.telemetry import write_spans

SESSIONS_KEPT = 1000
PRICES = {  # USD for a million tokens in and out; made up, as the models are
    "scripted": (1.0, 5.0),
    "scripted-weak": (0.2, 1.0),
    "scripted-noisy": (0.8, 4.0),
}

app = BedrockAgentCoreApp()
histories: OrderedDict[str, list[Message]] = OrderedDict()
lock = Lock()


@app.entrypoint
def answer(payload: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one turn: `prompt` in, `result` with usage, model and stop reason out."""
    history = session_history(context.session_id)
    tools = MCPClient(
        url=os.environ["GATEWAY_URL"],
        headers={
            "x-driftgate-session": context.session_id
        },  # lets an evaluation tell attempts apart
    )
    with tools:
        agent = Agent(
            model=model(payload.get("seed", 0)),
            system_prompt=Path(os.environ["SUPPORT_PROMPT"]).read_text(),
            messages=history,
            tools=tools.list_tools_sync(),
            callback_handler=None,
            trace_attributes={"session.id": context.session_id},
        )
        result = agent(payload["prompt"])
    usage = result.metrics.accumulated_usage
    tokens = {"input": usage["inputTokens"], "output": usage["outputTokens"]}
    return {
        "result": str(result).strip(),
        "model": os.environ["SUPPORT_MODEL"],
        "stop_reason": result.stop_reason,
        "usage": {**tokens, "cost_usd": cost_usd(**tokens)},
    }


def cost_usd(input: int, output: int) -> float | None:
    """What the tokens cost, or None where the model's price is not known."""
    price = PRICES.get(os.environ["SUPPORT_MODEL"])
    return None if price is None else (input * price[0] + output * price[1]) / 1e6


def session_history(session_id: str) -> list[Message]:
    """The messages of a session so far; the agent adds to the list."""
    with lock:
        history = histories.setdefault(session_id, [])
        histories.move_to_end(session_id)
        if len(histories) > SESSIONS_KEPT:
            histories.popitem(last=False)
        return history


def model(seed: int) -> Model:
    name = os.environ["SUPPORT_MODEL"]
    if name in STRENGTHS:
        return ScriptedModel(seed, float(os.environ.get("SUPPORT_SLIP_RATE", "0")), name)
    from strands.models import BedrockModel

    return BedrockModel(model_id=name)


if __name__ == "__main__":
    write_spans()
    logging.getLogger("bedrock_agentcore.app").setLevel(logging.WARNING)
    app.run(port=int(os.environ["PORT"]))
