"""Where an agent's tools are, and who calls them: so that in an evaluation mocks answer.

    MultiServerMCPClient({"shop": {
        "transport": "http",
        "url": tools.url(os.environ.get("GATEWAY_URL")),
        "headers": tools.headers(context.session_id),
    }})

Standard library only.
"""

import os

SESSION_HEADER = "x-driftgate-session"
URL_VARIABLE = "DRIFTGATE_TOOLS_URL"


def url(own: str | None) -> str:
    """The MCP endpoint to use: the evaluation's where there is one, else the agent's own.

    Only who starts the agent can say so, never who talks to it.

    Raises:
        ValueError: there is neither.
    """
    if there := os.environ.get(URL_VARIABLE) or own:
        return there
    raise ValueError(f"wanted the agent's own tools or {URL_VARIABLE}, got neither")


def headers(session_id: str | None) -> dict[str, str]:
    """What each request to the tools must carry, as every attempt has its own world."""
    return {SESSION_HEADER: session_id} if session_id else {}
