"""What the shop's agent does next: rules in a model's place, which read what a model would."""

import json
import re
from typing import NamedTuple


class Use(NamedTuple):
    """A tool to call."""

    tool: str
    arguments: dict


class Result(NamedTuple):
    """What a tool answered in this turn."""

    tool: str
    text: str
    failed: bool


def decide(prompt: str, said: list[str], results: list[Result]) -> Use | str:
    """The next step of a turn: a tool to use, or what to tell the user.

    Args:
        said: what the user has said so far, in all turns.
    """
    orders = [order for text in said for order in re.findall(r"O-\d{4}", text)]
    if not orders:
        return "Which order do you mean? Its number looks like O-1001."
    order = orders[-1]
    if not results:
        return Use("get_order", {"order_id": order})
    if results[-1].failed:
        return f"There is no order {order}."
    found = json.loads(results[0].text)
    if "refund" not in said[-1].lower():
        total = found["total"] / (100 if "in cents" in prompt else 1)
        return f"Order {order} costs {total:.2f} {found['currency']}."
    if len(results) == 1:
        return Use("refund_order", {"order_id": order, "amount": found["total"]})
    return f"I have paid you back order {order}."


def tokens(*texts: str) -> int:
    """One for four characters, as nothing else can be counted."""
    return sum(map(len, texts)) // 4 + 1
