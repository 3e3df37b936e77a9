"""The Gateway's MCP face as an MCP client sees it, and what reaches the function behind it."""

import asyncio
import json
import threading

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from driftgate import registry
from local.standins.gateway import listed
from tests.builders import contract, manifest
from tests.standins.conftest import wait_until


def ask(standins, action, headers=None, version="1.0.0", mode="auto"):
    """Do something with a client of the clerk's gateway."""
    url = f"{standins.url}/gateways/clerk/{version}/mcp"

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


class TestTools:
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

    def test_a_name_has_at_most_64_characters_with_its_target(self):
        assert [len(tool.name) for tool in listed(version(contract("t" * 57)))] == [64]
        with pytest.raises(ValueError, match="wanted at most 64 characters, got 65"):
            listed(version(contract("t" * 58)))

    def test_a_schema_that_no_target_can_have_is_refused(self):
        schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}

        with pytest.raises(ValueError, match=r"mock___pay: input_schema\.a\.type: wanted one of"):
            listed(version(contract("pay", input_schema=schema)))


class TestCalls:
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
