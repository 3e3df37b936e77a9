"""What the shop has in production: its orders, served over MCP.

python tests/shop/service.py PORT
"""

import sys
from typing import Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel

Reason = Literal["broken", "late", "unwanted"]


class Order(BaseModel):
    total: int
    currency: str


server = MCPServer("shop")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def get_order(order_id: str) -> Order:
    """The total of an order, in cents."""
    if order_id != "O-1001":
        raise ToolError(f"There is no order {order_id}.")
    return Order(total=124950, currency="EUR")


@server.tool()
def refund_order(order_id: str, amount: int, reason: Reason | None = None) -> str:
    """Pay an order back; the amount in cents."""
    return f"{amount} paid back for {order_id}"


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]), json_response=True, stateless_http=True)
