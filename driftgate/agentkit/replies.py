"""What an agent's framework says of a turn, as the reply that `driftgate init` expects.

    {"result": text, "model": name, "stop_reason": why, "usage": {"input_tokens": n, ...}}

What the framework does not say is None, never zero. Standard library only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Reply = dict[str, Any]
_STOP_REASONS = ("stopReason", "stop_reason", "finish_reason", "done_reason")
_MODELS = ("model_name", "model_id", "model")


def from_langchain(messages: Sequence[Any]) -> Reply:
    """The reply of LangGraph or LangChain.

    Args:
        messages: the conversation, as in `graph.invoke(...)["messages"]`. The latest turn counts
            alone, which is what comes after the user's last message.

    Raises:
        ValueError: the agent has said nothing since.
    """
    asked = max((n for n, message in enumerate(messages) if message.type == "human"), default=-1)
    steps = [message for message in messages[asked + 1 :] if message.type == "ai"]
    if not steps:
        raise ValueError(f"wanted a message of the agent after the user's last one of {asked + 1}")
    usages = [step.usage_metadata or {} for step in steps]
    last = steps[-1].response_metadata
    return _reply(
        str(steps[-1].text),
        _first(last, _MODELS),
        _first(last, _STOP_REASONS),
        _sum(usage.get("input_tokens") for usage in usages),
        _sum(usage.get("output_tokens") for usage in usages),
    )


def from_strands(result: Any, model: str | None = None) -> Reply:
    """The reply of Strands: what `agent(prompt)` returned, an AgentResult, which names no model."""
    turn = result.metrics.latest_agent_invocation  # accumulated_usage has earlier turns in it too
    usage = turn.usage if turn is not None else {}
    told = usage.get("totalTokens", 0) > 0  # a model that counts nothing leaves zeros
    tokens = [usage.get(name) if told else None for name in ("inputTokens", "outputTokens")]
    return _reply(str(result).strip(), model, result.stop_reason, *tokens)


def _reply(
    text: str, model: Any, stop_reason: Any, input_tokens: int | None, output_tokens: int | None
) -> Reply:
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return {"result": text, "model": model, "stop_reason": stop_reason, "usage": usage}


def _first(metadata: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((metadata[name] for name in names if metadata.get(name)), None)


def _sum(counts: Any) -> int | None:
    """None if one is missing: a part of the tokens would look like all of them."""
    known = list(counts)
    return None if None in known else sum(known)
