"""What LangGraph's instrumentors write, as `make spans` recorded it."""

import json

import pytest

from tests.conftest import ROOT

RECORDED = {
    path.stem.removeprefix("langgraph-"): json.loads(path.read_text())
    for path in (ROOT / "tests" / "spans").glob("*.json")
}
MCP = "amazon.opentelemetry.distro.instrumentation.mcp"
CALL = {  # how each writes a call: the attribute and its value
    "opentelemetry": ("gen_ai.operation.name", "execute_tool"),
    "openinference": ("openinference.span.kind", "TOOL"),
}
RESULT = {"opentelemetry": "gen_ai.tool.call.result", "openinference": "output.value"}


@pytest.mark.parametrize("instrumentor", RESULT)
def test_a_call_that_the_tool_refused_is_told_by_its_result_alone(instrumentor):
    spans = [s for s in RECORDED[instrumentor] if f"{instrumentor}.instr" in s["scope"]["name"]]
    name, value = CALL[instrumentor]
    answered, refused = [span for span in spans if span["attributes"].get(name) == value]
    assert answered["status"]["code"] == refused["status"]["code"] != "ERROR"
    told = [span["attributes"][RESULT[instrumentor]] for span in (answered, refused)]
    assert ['"status": "error"' in text for text in told] == [False, True]


@pytest.mark.parametrize("instrumentor", RESULT)
def test_the_distro_writes_each_call_once_more_and_that_it_failed(instrumentor):
    of_mcp = [span for span in RECORDED[instrumentor] if span["scope"]["name"] == MCP]
    calls = [span for span in of_mcp if span["name"] == "mcp tools/call get_order"]
    assert [span["status"]["code"] for span in calls] == ["OK", "ERROR"]


@pytest.mark.parametrize("instrumentor", RESULT)
def test_every_span_is_of_the_session_and_of_one_of_two_traces(instrumentor):
    spans = RECORDED[instrumentor]
    assert len({span["attributes"]["session.id"] for span in spans}) == 1
    assert len({span["traceId"] for span in spans}) == 2
