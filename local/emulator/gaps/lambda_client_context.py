"""The emulator drops Invoke's ClientContext; AWS passes it to the handler of a synchronous call as
`context.client_context`, which is how the Gateway says which tool is meant."""

import base64
import binascii
import json
from contextvars import ContextVar
from typing import Any

from ministack.services import lambda_svc

HEADER = "x-amz-client-context"
current: ContextVar[dict[str, Any] | None] = ContextVar("client_context", default=None)


def apply() -> None:
    original = lambda_svc._invoke
    names = original.__code__.co_varnames[: original.__code__.co_argcount]
    assert names[:3] == ("name", "event", "headers"), f"_invoke now takes {names}"

    async def invoke(name: str, event: Any, headers: dict[str, str], *rest: Any) -> Any:
        sent = next((text for key, text in headers.items() if key.lower() == HEADER), None)
        try:
            current.set(None if sent is None else decode(sent))
        except ValueError:
            return lambda_svc.error_response_json(
                "InvalidRequestContentException",
                "Client context must be a valid Base64-encoded JSON object.",
                400,
            )
        return await original(name, event, headers, *rest)

    lambda_svc._invoke = invoke


def decode(text: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, dict):
        raise ValueError(f"wanted an object, got {text!r}")
    return found
