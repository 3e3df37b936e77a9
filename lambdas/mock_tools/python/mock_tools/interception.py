"""What a Gateway's REQUEST interceptor says to a request: tools are answered here, not by a target.

The rest of MCP (initialize, ping, notifications) passes through. Whatever asks for tools is
answered or refused, so that no real target can be reached however a request is formed.
"""

from typing import Any

from mock_tools.attempts import UnknownSession
from mock_tools.engine import Engine
from mock_tools.sessions import SESSION_HEADER, session_id

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602  # of JSON-RPC


def intercept(event: dict[str, Any], engine: Engine) -> tuple[dict[str, Any], float]:
    """The interceptor's output, and for how many seconds it is to be held back.

    Args:
        event: as Gateway sends it, with the request's headers (passRequestHeaders).
        engine: has the attempts.
    """
    request = event["mcp"]["gatewayRequest"]
    body = request.get("body")
    headers = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
    if isinstance(body, list):
        asking = [one for one in body if isinstance(one, dict) and "id" in one]
        refused = [_problem(one, INVALID_REQUEST, _NO_BATCHES) for one in asking]
        return _answered(refused or _problem(body, INVALID_REQUEST, _NO_BATCHES)), 0.0
    if not isinstance(body, dict) or not str(body.get("method")).startswith("tools/"):
        return _output({"transformedGatewayRequest": {"body": body}}), 0.0
    answer, delay_s = _about_tools(body, session_id(headers), engine)
    return _answered(answer), delay_s


# Wanted by MCP 2026-07-28; clients of earlier versions pass over what they don't know.
_COMPLETE = {"resultType": "complete"}
_NOT_KEPT = {"ttlMs": 0, "cacheScope": "private"}  # another attempt may have other tools
_NO_BATCHES = "requests are taken one by one, not in a JSON-RPC batch"


def _about_tools(
    body: dict[str, Any], session: str, engine: Engine
) -> tuple[dict[str, Any], float]:
    method, params = body["method"], body.get("params", {})
    if method == "tools/list":
        try:
            tools = [_listed(tool) for tool in engine.tools(session)]
            return _result(body, {"tools": tools, **_NOT_KEPT}), 0.0
        except UnknownSession as error:
            return _problem(body, INVALID_REQUEST, f"{error}; wanted it in {SESSION_HEADER}"), 0.0
    if method != "tools/call":
        return _problem(body, METHOD_NOT_FOUND, f"no {method} in an evaluation"), 0.0
    named = isinstance(params, dict) and isinstance(params.get("name"), str)
    arguments = params.get("arguments") or {} if named else None
    if not isinstance(arguments, dict):
        said = "wanted params with a name and an object of arguments"
        return _problem(body, INVALID_PARAMS, said), 0.0
    try:
        answer = engine.call(session, params["name"], arguments, as_listed=True)
    except UnknownSession as error:
        return _result(body, _content(str(error), True)), 0.0
    return _result(body, _content(answer.text, answer.is_error)), answer.delay_s


def _listed(tool: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": tool["listed_as"],
        "description": tool["description"],
        "inputSchema": tool["input_schema"],
    }


def _content(text: str, is_error: bool) -> dict[str, Any]:
    return {"isError": is_error, "content": [{"type": "text", "text": text}]}


def _result(body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": body.get("id"), "result": {**result, **_COMPLETE}}


def _problem(body: Any, code: int, message: str) -> dict[str, Any]:
    of = body.get("id") if isinstance(body, dict) else None
    return {"jsonrpc": "2.0", "id": of, "error": {"code": code, "message": message}}


def _answered(body: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    response = {"statusCode": 200, "headers": headers, "body": body}
    return _output({"transformedGatewayResponse": response})


def _output(mcp: dict[str, Any]) -> dict[str, Any]:
    return {"interceptorOutputVersion": "1.0", "mcp": mcp}
