"""The agent of a shop, on LangGraph."""

import asyncio
import os

from bedrock_agentcore.runtime import BedrockAgentCoreApp
from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.checkpoint.memory import InMemorySaver
from model import chat_model

from driftgate.agentkit import replies, tools
from driftgate.agentkit.repeats import Repeats

PROMPT = "You help a shop's customers. Its tools count in cents; say totals as 12.34 EUR."

app = BedrockAgentCoreApp()
repeats = Repeats()
memory = InMemorySaver()


@app.entrypoint
def invoke(payload, context):
    session_id = context.session_id
    return repeats.answer(session_id, payload, lambda: asyncio.run(turn(payload, session_id)))


async def turn(payload, session_id):
    url, headers = tools.url(os.environ.get("GATEWAY_URL")), tools.headers(session_id)
    shop = MultiServerMCPClient({"shop": {"transport": "http", "url": url, "headers": headers}})
    agent = create_agent(
        chat_model(), await shop.get_tools(), system_prompt=PROMPT, checkpointer=memory
    )
    said = {"messages": [{"role": "user", "content": payload["prompt"]}]}
    result = await agent.ainvoke(said, {"configurable": {"thread_id": session_id}})
    return replies.from_langchain(result["messages"])


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8080")))
