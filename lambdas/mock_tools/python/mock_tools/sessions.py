"""Whose call it is: the attempt's session id, as an agent passes it on to its tools."""

from collections.abc import Mapping
from urllib.parse import unquote

SESSION_HEADER = "x-driftgate-session"


def session_id(headers: Mapping[str, str]) -> str:
    """From our header, or else from the W3C baggage; empty if neither has it.

    Args:
        headers: of the request, names in lower case.
    """
    entries = (entry.partition("=") for entry in headers.get("baggage", "").split(","))
    baggage = {name.strip(): value.partition(";")[0].strip() for name, _, value in entries}
    return headers.get(SESSION_HEADER) or unquote(baggage.get("session.id", ""))
