"""The agent of a shop, on Strands."""

import os

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from model import chat_model
from strands import Agent
from strands.tools.mcp import MCPClient

from driftgate.agentkit import replies, tools
from driftgate.agentkit.repeats import Repeats

PROMPT = "You help a shop's customers. Its tools count in cents; say totals as 12.34 EUR."

app = BedrockAgentCoreApp()
repeats = Repeats()
histories = {}


@app.entrypoint
def invoke(payload, context):
    session_id = context.session_id
    return repeats.answer(session_id, payload, lambda: turn(payload, session_id))


def turn(payload, session_id):
    url, headers = tools.url(os.environ.get("GATEWAY_URL")), tools.headers(session_id)
    with MCPClient(url=url, headers=headers) as shop:
        agent = Agent(
            model=chat_model(),
            system_prompt=PROMPT,
            messages=histories.setdefault(session_id, []),
            tools=shop.list_tools_sync(),
            callback_handler=None,
        )
        return replies.from_strands(agent(payload["prompt"]), model="scripted")


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8080")))
