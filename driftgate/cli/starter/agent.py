"""The agent under test. This one answers without any model, so that it runs at once: put your
own in its place.
"""

import json
import re
from typing import Any

from driftgate.agentkit.serve import Context, ToolFailed


def answer(payload: dict[str, Any], context: Context) -> dict[str, str]:
    """One turn: the request of agent.yaml comes in, the reply it describes goes out."""
    order = re.search(r"O-\d{4}", payload["prompt"])
    if order is None:
        return {"answer": "Which order do you mean? Its number looks like O-1001."}
    try:
        found = json.loads(context.tools.call("get_order", order_id=order[0]))
    except ToolFailed:
        return {"answer": f"There is no order {order[0]}."}
    total = found["total"] / 100  # the shop counts in cents
    return {"answer": f"Order {order[0]} costs {total:.2f} {found['currency']}."}
