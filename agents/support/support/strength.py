"""Scripted models of different strength: what one does otherwise than the policy would have it.

The weak one plans badly: it looks at the help first, which nobody asked for, and gives up before
calls that it should make. The noisy one is as capable as the plain one, but looks many things up
twice. What they do beside the policy's plan, an aside, the policy does not see.
"""

import random
from typing import Any, NamedTuple

from support.chat import ToolUse, results_of_this_turn, spoken

ASIDE = "aside-"  # what the ids of such calls begin with
READS = ("get_", "find_", "list_", "search_")
HELP = "search_help"


class Strength(NamedTuple):
    """Chances, each in [0, 1]."""

    gives_up: float = 0.0  # before a call
    looks_aside: float = 0.0  # before the first call of a turn
    looks_again: float = 0.0  # at what it looked up just now


STRENGTHS = {
    "scripted": Strength(),
    "scripted-weak": Strength(gives_up=0.35, looks_aside=0.5),
    "scripted-noisy": Strength(looks_again=0.4),
}


def without_asides(messages: list[Any]) -> list[Any]:
    """The conversation as the policy knows it."""
    kept = []
    for message in messages:
        content = [block for block in message["content"] if not _is_aside(block)]
        if content:
            kept.append({**message, "content": content})
    return kept


def _is_aside(block: Any) -> bool:
    id = block.get("toolUse", block.get("toolResult", {})).get("toolUseId", "")
    return bool(id.startswith(ASIDE))


def next_step(
    decision: ToolUse | str,
    messages: list[Any],
    tools: list[Any],
    noise: random.Random,
    strength: Strength,
) -> tuple[ToolUse | str, bool]:
    """What it does instead of the policy's decision, and whether that is an aside."""
    again = _last_look(messages)
    if again is not None and noise.random() < strength.looks_again:
        return again, True
    if not isinstance(decision, ToolUse):
        return decision, False
    fresh = not results_of_this_turn(messages)
    offers_help = any(tool["name"] == HELP for tool in tools)
    if fresh and offers_help and noise.random() < strength.looks_aside:
        wish = [text for role, text in spoken(messages) if role == "user"][-1]
        return ToolUse(HELP, {"query": wish[:60]}), True
    if noise.random() < strength.gives_up:
        return "I'm not sure about that; please ask again later.", False
    return decision, False


def _last_look(messages: list[Any]) -> ToolUse | None:
    """The reading call whose result came last, unless that was an aside already."""
    if not messages or not any("toolResult" in block for block in messages[-1]["content"]):
        return None
    uses = [block["toolUse"] for block in messages[-2]["content"] if "toolUse" in block]
    last = uses[-1] if uses else None
    if last is None or last["toolUseId"].startswith(ASIDE) or not last["name"].startswith(READS):
        return None
    return ToolUse(last["name"], last["input"])
