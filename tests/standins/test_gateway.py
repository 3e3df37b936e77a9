"""The Gateway's MCP face as an MCP client sees it, and what reaches the function behind it."""

import asyncio
import json
import re
import sys
import textwrap
import threading

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from starlette.responses import JSONResponse

from driftgate import attempts, registry
from driftgate.gateway_tools import MEMBERS, TYPES
from local.standins.gateway import listed
from local.standins.wire import CONTROL_PLANE, service
from mock_tools.interception import intercept
from tests.builders import case, contract, manifest
from tests.conftest import ROOT
from tests.standins.conftest import WORLD, wait_until

TARGET = "/lambda-target"  # in the path of the gateway without an interceptor


def ask(standins, action, headers=None, version="1.0.0", mode="auto", variant=TARGET):
    """Do something with a client of the clerk's gateway."""
    url = f"{standins.url}/gateways/clerk/{version}{variant}/mcp"

    async def with_client():
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            try:
                return await action(client)
            except MCPError as error:  # raised in here it would come out in groups
                return error

    result = asyncio.run(with_client())
    if isinstance(result, MCPError):
        raise result
    return result


def call(standins, tool, arguments, headers=None, **rest):
    """Call a tool once: the text, whether it is an error, and what reached the function."""
    before = len(standins.endpoint.calls)
    result = ask(standins, lambda client: client.call_tool(tool, arguments), headers, **rest)
    (part,) = result.content
    assert len(standins.endpoint.calls) == before + 1
    return part.text, result.is_error, standins.endpoint.calls[-1]


@pytest.fixture
def headers(attempt):
    return {"x-driftgate-session": attempt, "baggage": "session.id=b"}


def version(*contracts):
    return registry.seal_agent(
        registry.Manifest.model_validate(manifest()),
        [registry.ToolContract.model_validate(content) for content in contracts],
        {},
        None,
    )


class TestToolsOfATarget:
    @pytest.mark.parametrize("mode", ["legacy", "auto"])
    def test_the_versions_tools_are_listed_with_what_a_target_can_say_of_them(self, standins, mode):
        result = ask(standins, lambda client: client.list_tools(), mode=mode)

        assert [tool.model_dump(exclude_none=True) for tool in result.tools] == [
            {
                "name": "mock___balance",
                "description": "The balance of an account, in cents.",
                "input_schema": {
                    "type": "object",
                    "properties": {
                        "account": {"type": "string", "description": "Which one."},
                        "months": {"type": "array", "items": {"type": "integer"}},
                    },
                    "required": ["account"],
                },
            }
        ]

    def test_a_version_that_is_not_published_has_no_tools(self, standins):
        with pytest.raises(MCPError, match=r"clerk 9\.0\.0 is not published"):
            ask(standins, lambda client: client.list_tools(), version="9.0.0")

    def test_a_tool_stands_under_the_target_that_its_contract_names(self):
        orders = {**contract("pay"), "gateway_target": "orders"}

        assert [tool.name for tool in listed(version(orders))] == ["orders___pay"]

    def test_a_name_has_at_most_64_characters_with_its_target(self):
        assert [len(tool.name) for tool in listed(version(contract("t" * 57)))] == [64]
        with pytest.raises(ValueError, match="wanted at most 64 characters, got 65"):
            listed(version(contract("t" * 58)))

    def test_the_schema_language_is_that_of_the_services_model(self):
        shape = service(CONTROL_PLANE).shape_for("SchemaDefinition")

        assert set(MEMBERS) == set(shape.members)
        assert set(TYPES) == set(shape.members["type"].enum)

    def test_a_schema_that_no_target_can_have_is_refused(self):
        schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}

        with pytest.raises(ValueError, match=r"mock___pay: input_schema\.a\.type: wanted one of"):
            listed(version(contract("pay", input_schema=schema)))


class TestCallsOfATarget:
    @pytest.mark.parametrize("mode", ["legacy", "auto"])
    def test_the_function_gets_the_arguments_alone_and_gateways_context(
        self, standins, headers, mode
    ):
        text, is_error, got = call(
            standins, "mock___balance", {"account": "A1"}, {**headers, "x-other": "1"}, mode=mode
        )

        assert (json.loads(text), is_error) == ({"balance": 1250}, False)
        assert (got["function"], got["event"]) == ("call-tool", {"account": "A1"})
        custom = got["context"].pop("custom")
        assert got["context"] == {}
        assert custom.pop("bedrockAgentCoreAwsRequestId")
        assert isinstance(custom.pop("bedrockAgentCoreMcpMessageId"), str)
        assert custom == {
            "bedrockAgentCoreToolName": "mock___balance",
            "bedrockAgentCoreTargetId": "mock",
            "bedrockAgentCoreGatewayId": "clerk-1.0.0",
            "bedrockAgentCoreMessageVersion": "1.0",
            "bedrockAgentCorePropagatedHeaders": headers,
        }

    def test_what_a_tool_refuses_is_an_answer_like_others(self, standins, headers):
        text, is_error, _ = call(standins, "mock___balance", {"account": "A9"}, headers)

        assert not is_error
        assert json.loads(text) == {"error": "NOT_FOUND", "message": "no A9, größer"}

    @pytest.mark.parametrize(
        ("returned", "text"),
        [
            ("as it is: größer", "as it is: größer"),
            ({"size": "größer", "n": [1, None]}, '{"size": "größer", "n": [1, null]}'),
            (None, "null"),
        ],
    )
    def test_a_text_stays_as_it_is_and_all_else_is_json(self, standins, headers, returned, text):
        assert call(standins, "mock___say", {"what": returned}, headers)[:2] == (text, False)

    def test_what_is_no_json_is_an_error(self, standins, headers):
        text, is_error, _ = call(standins, "mock___page", {}, headers)

        assert is_error
        assert "JSONDecodeError" in text

    def test_a_call_without_a_session_is_an_error_with_the_functions_message(self, standins):
        text, is_error, got = call(standins, "mock___balance", {"account": "A1"})

        assert (text, is_error) == ("no attempt is registered for session ''", True)
        assert got["context"]["custom"]["bedrockAgentCorePropagatedHeaders"] == {}

    def test_a_name_without_its_target_reaches_no_function(self, standins, headers):
        before = len(standins.endpoint.calls)
        with pytest.raises(MCPError, match="Unknown tool: balance"):
            call(standins, "balance", {"account": "A1"}, headers)
        assert len(standins.endpoint.calls) == before

    def test_a_slow_function_holds_up_nobody_else(self, standins, headers):
        before = len(standins.endpoint.calls)
        standins.endpoint.hold = threading.Event()
        caller = threading.Thread(
            target=call, args=(standins, "mock___balance", {"account": "A1"}, headers)
        )
        try:
            caller.start()
            wait_until(lambda: len(standins.endpoint.calls) > before)

            assert httpx2.get(f"{standins.url}/standin/health", timeout=20).status_code == 200
            assert caller.is_alive()
        finally:
            standins.endpoint.hold.set()
            caller.join(30)
            standins.endpoint.hold = None


def post(standins, body, headers=None):
    """A request as it is, to the gateway with the interceptor: the status and the answer."""
    answer = httpx2.post(
        f"{standins.url}/gateways/clerk/1.0.0/mcp",
        content=json.dumps(body),
        headers={
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **(headers or {}),
        },
        timeout=30,
    )
    return answer.status_code, answer.json() if answer.content else None


def asking(method, params=None, id=7):
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}


class TestAnInterceptor:
    """What it answers itself; that it is sent what Gateway documents, and is obeyed."""

    @pytest.fixture
    def untouched(self, standins):
        """No call reaches the target's function."""
        before = len(standins.endpoint.calls)
        yield
        assert len(standins.endpoint.calls) == before

    @pytest.mark.parametrize("mode", ["legacy", "auto"])
    def test_an_agent_sees_its_own_versions_whole_schemas(self, standins, headers, mode, untouched):
        result = ask(standins, lambda client: client.list_tools(), headers, mode=mode, variant="")

        (tool,) = result.tools
        schema = registry.load_agent("clerk", "1.0.0", standins.registry).contracts[0].input_schema
        assert (tool.name, tool.input_schema) == ("mock___balance", schema)
        assert schema["properties"]["account"]["pattern"]  # which no target could have

    @pytest.mark.parametrize("mode", ["legacy", "auto"])
    def test_a_call_is_answered_from_the_attempts_world_and_logged(
        self, standins, headers, attempt, mode, untouched
    ):
        (text, is_error) = intercepted(standins, headers, {"account": "A1"}, mode=mode)

        assert (json.loads(text), is_error) == ({"balance": 1250}, False)
        (logged,) = standins.store.calls(attempt, after=0)
        assert (logged["tool"], logged["arguments"]) == ("balance", {"account": "A1"})

    def test_what_a_tool_refuses_is_flagged_as_an_error(self, standins, headers, untouched):
        text, is_error = intercepted(standins, headers, {"account": "A9"})

        assert is_error
        assert json.loads(text) == {"error": "NOT_FOUND", "message": "no A9, größer"}

    def test_a_session_is_known_by_the_baggage_too(self, standins, attempt, untouched):
        carried = {"baggage": f"user=u,session.id={attempt}"}

        assert not intercepted(standins, carried, {"account": "A1"})[1]

    @pytest.mark.parametrize("carried", [{}, {"x-driftgate-session": "nobody"}])
    def test_a_call_of_no_attempt_is_an_error_result(self, standins, carried, untouched):
        text, is_error = intercepted(standins, carried, {"account": "A1"})

        assert is_error
        assert text.startswith("no attempt is registered for session")

    def test_a_list_for_no_attempt_says_which_header_was_wanted(self, standins, untouched):
        with pytest.raises(MCPError, match="for session ''; wanted it in x-driftgate-session"):
            ask(standins, lambda client: client.list_tools(), variant="")

    def test_a_tool_of_another_target_is_unknown_and_counts_as_the_agents_call(
        self, standins, headers, attempt, untouched
    ):
        text, is_error = intercepted(standins, headers, {}, tool="orders___balance")

        assert is_error
        assert json.loads(text)["error"] == "UNKNOWN_TOOL"
        assert [c["tool"] for c in standins.store.calls(attempt, 0)] == ["orders___balance"]

    def test_a_tool_is_called_under_the_target_that_its_contract_names(
        self, standins, headers, attempt, untouched
    ):
        named = version({**contract("pay"), "gateway_target": "orders"})
        standins.store.open(attempt, attempts.script(named, case(world=WORLD)))

        listing = ask(standins, lambda client: client.list_tools(), headers, variant="")
        assert [tool.name for tool in listing.tools] == ["orders___pay"]
        assert not intercepted(standins, headers, {}, tool="orders___pay")[1]
        assert intercepted(standins, headers, {}, tool="mock___pay")[1]
        assert [c["tool"] for c in standins.store.calls(attempt, 0)] == ["pay", "mock___pay"]

    def test_a_client_may_sign_as_the_guide_says(self, standins, headers, untouched, monkeypatch):
        guide = (ROOT / "docs" / "sandbox.md").read_text()
        (code,) = re.findall(r"```python\n( +import boto3.*?)```", guide, re.S)
        monkeypatch.setitem(sys.modules, "httpx", httpx2)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "eu-central-1")
        there = {}
        exec(textwrap.dedent(code), there)  # noqa: S102  as its reader would

        answer = httpx2.post(
            f"{standins.url}/gateways/clerk/1.0.0/mcp",
            json=asking("tools/list"),
            headers=headers,
            auth=there["Signed"](),
            timeout=30,
        )
        assert "tools" in answer.json()["result"]
        sent = standins.endpoint.intercepted[-1]["mcp"]["gatewayRequest"]["headers"]
        assert "/eu-central-1/bedrock-agentcore/aws4_request" in sent["authorization"]
        assert sent["x-driftgate-session"] == headers["x-driftgate-session"]

    def test_the_event_is_the_documented_one(self, standins, headers, untouched):
        body = asking("tools/call", {"name": "mock___balance", "arguments": {"account": "A1"}})
        post(standins, body, headers)

        event = standins.endpoint.intercepted[-1]
        request = event["mcp"].pop("gatewayRequest")
        assert event == {
            "interceptorInputVersion": "1.0",
            "mcp": {"rawGatewayRequest": {"body": json.dumps(body)}},
        }
        assert request["headers"].items() >= headers.items()
        assert {**request, "headers": None} == {
            "path": "/mcp",
            "httpMethod": "POST",
            "headers": None,
            "body": body,
        }

    def test_an_answer_has_the_requests_id(self, standins, headers, untouched):
        for id in (3, "a-text"):
            body = asking("tools/call", {"name": "mock___balance", "arguments": {}}, id)
            status, answer = post(standins, body, headers)
            assert (status, answer["id"], answer["result"]["isError"]) == (200, id, True)

    @pytest.mark.parametrize(
        ("params", "code"),
        [({"arguments": {}}, -32602), ({"name": "mock___balance", "arguments": [1]}, -32602)],
    )
    def test_a_call_in_another_form_is_refused(self, standins, headers, params, code, untouched):
        _, answer = post(standins, asking("tools/call", params), headers)

        assert (answer["id"], answer["error"]["code"]) == (7, code)

    def test_no_other_request_about_tools_passes(self, standins, headers, untouched):
        _, answer = post(standins, asking("tools/forget"), headers)

        assert answer["error"] == {"code": -32601, "message": "no tools/forget in an evaluation"}

    def test_a_batch_is_refused_request_by_request(self, standins, headers, untouched):
        call = asking("tools/call", {"name": "mock___balance", "arguments": {"account": "A1"}})
        _, answer = post(standins, [call, asking("ping", id=8), {"method": "notified"}], headers)

        assert [(one["id"], one["error"]["code"]) for one in answer] == [(7, -32600), (8, -32600)]
        assert "not in a JSON-RPC batch" in answer[0]["error"]["message"]

    def test_the_rest_of_the_protocol_goes_through(self, standins, untouched):
        before = len(standins.endpoint.intercepted)
        status, answer = post(standins, asking("ping"))

        assert (status, answer["result"]) == (200, {})
        assert len(standins.endpoint.intercepted) == before + 1

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            (JSONResponse({"mcp": {}}), "wanted interceptorOutputVersion 1.0"),
            (
                JSONResponse({"interceptorOutputVersion": "1.0", "mcp": {"response": {}}}),
                "wanted a transformed request or response",
            ),
            (
                JSONResponse(
                    {"errorMessage": "no table"}, headers={"x-amz-function-error": "Unhandled"}
                ),
                "no table",
            ),
        ],
    )
    def test_no_request_passes_an_interceptor_that_fails(
        self, standins, headers, broken, said, untouched
    ):
        standins.endpoint.broken = broken
        try:
            status, answer = post(standins, asking("tools/call"), headers)
        finally:
            standins.endpoint.broken = None
        assert (status, answer["id"], answer["error"]["code"]) == (500, 7, -32603)
        assert said in answer["error"]["message"]


def intercepted(standins, headers, arguments, tool="mock___balance", mode="auto"):
    """Call a tool through the interceptor: the text, and whether it is an error."""
    result = ask(standins, lambda c: c.call_tool(tool, arguments), headers, mode=mode, variant="")
    (part,) = result.content
    return part.text, result.is_error


def test_headers_are_known_however_they_are_written(standins, attempt):
    request = {"headers": {"X-Driftgate-Session": attempt}, "body": asking("tools/list")}
    output, _ = intercept({"mcp": {"gatewayRequest": request}}, standins.endpoint.engine)

    (tool,) = output["mcp"]["transformedGatewayResponse"]["body"]["result"]["tools"]
    assert tool["name"] == "mock___balance"


def test_a_planned_delay_is_told_to_who_answers(standins, attempt):
    slow = {"tool": "balance", "answers": [{"result": {"balance": 1}, "latency_ms": 1500}]}
    agent = registry.load_agent("clerk", "1.0.0", standins.registry)
    standins.store.open(attempt, attempts.script(agent, case(world=WORLD, mocks=[slow])))
    body = asking("tools/call", {"name": "mock___balance", "arguments": {"account": "A1"}})
    request = {"headers": {"x-driftgate-session": attempt}, "body": body}

    assert intercept({"mcp": {"gatewayRequest": request}}, standins.endpoint.engine)[1] == 1.5
