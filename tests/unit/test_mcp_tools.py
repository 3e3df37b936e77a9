"""Drafts of contracts, from what MCP servers list."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mcp_types
import pytest

from driftgate.adapters.mcp_tools import draft, drafts, read
from driftgate.errors import BadInput


def tool(name="get_order", annotations=None, description="An order.", **schema):
    return mcp_types.Tool(
        name=name,
        description=description,
        input_schema={"type": "object", **schema},
        annotations=mcp_types.ToolAnnotations(read_only_hint=annotations),
    )


def fields(**properties):
    return draft(tool(properties=properties)).contract.input_schema["properties"]


@pytest.mark.parametrize(("hint", "effect"), [(True, "read"), (False, "write"), (None, "write")])
def test_what_does_not_say_that_it_only_reads_may_write(hint, effect):
    assert draft(tool(annotations=hint)).contract.effect == effect


def test_a_gateways_target_is_no_part_of_the_name():
    assert draft(tool("orders___get_order")).contract.tool == "get_order"


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(BadInput, match="two of the tools are named get_order; wanted one"):
        drafts([tool("orders___get_order"), tool("stock___get_order")])


def test_a_name_that_no_contract_can_have_is_told():
    with pytest.raises(BadInput, match="tool get order: no contract can be made of it"):
        draft(tool("get order"))


def test_a_value_that_may_be_null_stays_checked():
    reason = {"enum": ["late", "broken"], "type": "string"}
    assert fields(
        n={"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None},
        reason={"anyOf": [reason, {"type": "null"}]},
    ) == {
        "n": {"type": ["integer", "null"], "minimum": 1, "default": None},
        "reason": {"type": ["string", "null"], "enum": ["late", "broken", None]},
    }


def test_what_is_defined_once_stands_where_it_is_used():
    size = {"enum": ["S", "L"], "type": "string"}
    ref = {"$ref": "#/$defs/Size"}
    schema = draft(tool(properties={"a": ref, "b": ref}, **{"$defs": {"Size": size}}))
    assert schema.contract.input_schema == {
        "type": "object",
        "properties": {"a": size, "b": size},
    }
    assert schema.left_out == ()


def test_what_no_mock_can_check_is_left_out_and_told():
    found = draft(
        tool(
            properties={
                "id": {"oneOf": [{"type": "string"}, {"type": "integer"}], "title": "Id"},
                "lines": {"type": "array", "items": {"type": "object", "minProperties": 1}},
                "tree": {"$ref": "#/$defs/Tree"},
            },
            required=["id"],
            **{"$defs": {"Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}}}}},
        )
    )
    assert found.contract.input_schema == {
        "type": "object",
        "properties": {
            "id": {"title": "Id"},
            "lines": {"type": "array", "items": {"type": "object"}},
            "tree": {},
        },
        "required": ["id"],
    }
    assert found.left_out == (
        "input_schema.properties.id.oneOf",
        "input_schema.properties.lines.items.minProperties",
        "input_schema.properties.tree.$ref",
    )


def test_a_gateway_that_lets_nobody_in_is_told_and_has_got_the_headers():
    came = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(self.headers["authorization"])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *values):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mcp"
        with pytest.raises(BadInput, match=r"wanted an MCP server's tools, got HTTP 401"):
            read(url, {"authorization": "Bearer secret"})
        server.shutdown()
    assert came[0] == "Bearer secret"
