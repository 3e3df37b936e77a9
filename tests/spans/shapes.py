"""The story: a reader asks whether a book is in and wants it reserved. The first tool finds it, the
second fails, and the agent says both. Three calls of a model, 330 tokens in and 63 out.
"""

from collections.abc import Callable
from typing import Any

from tests.spans.records import Row, beside, dumps, event, flat, said, span

SYSTEM = "You are a librarian."
ASKED = "Is Dune in? Reserve it for 14 days."
REPLY = "Dune is on shelf 3, but it can't be reserved: the desk is closed."
FOUND = {"book_id": "B-7", "shelf": 3}
CLOSED = "the desk is closed"
REFUSED = f"Error: {CLOSED}"
MODEL = "model-x"
CALLS: tuple[tuple[str, str, Row], ...] = (
    ("call-1", "find_book", {"title": "Dune"}),
    ("call-2", "reserve_book", {"book_id": "B-7", "days": 14}),
)
TOKENS = ((100, 20), (110, 21), (120, 22))
RESULTS = (dumps(FOUND), REFUSED)
# Steps: agent from 0 to 6; models at 1, 3, 5; tools at 2, 4.

ASKING = [[call] for call in CALLS]


def usage(number: int) -> Row:
    told, answered = TOKENS[number]
    return {"gen_ai.usage.input_tokens": told, "gen_ai.usage.output_tokens": answered}


# Strands


STRANDS = "strands.telemetry.tracer"


def blocks(until: int) -> list[Row]:
    """Bedrock's messages before the model's call of this number."""
    told = [{"role": "user", "content": [{"text": ASKED}]}]
    for number in range(until):
        result = {"toolUseId": CALLS[number][0], "content": [{"text": RESULTS[number]}]}
        result["status"] = ("success", "error")[number]
        told += [
            {"role": "assistant", "content": asked_blocks(number)},
            {"role": "user", "content": [{"toolResult": result}]},
        ]
    return told


def asked_blocks(number: int) -> list[Row]:
    if number == 2:
        return [{"text": REPLY}]
    id, tool, arguments = CALLS[number]
    return [{"toolUse": {"toolUseId": id, "name": tool, "input": arguments}}]


def stop(number: int) -> str:
    return "end_turn" if number == 2 else "tool_use"


def strands_legacy(in_parts: bool) -> list[Row]:
    def write(of: Row, inputs: list[tuple[str, Any]], output: Row) -> list[Row]:
        """What was said, as events within the span, or as an event record beside it."""
        if not in_parts:
            moment = of["endTimeUnixNano"]
            of["events"] += [
                event(f"gen_ai.{role}.message", moment - 9 + n, {"content": content})
                for n, (role, content) in enumerate(inputs)
            ]
            of["events"].append(event("gen_ai.choice", moment, output))
            return [of]
        last = dict(inputs)  # of each role, and what the assistant had said is an output too
        written = [{"role": role, "content": {"content": text}} for role, text in last.items()]
        messages = [message for message in written if message["role"] != "assistant"]
        outputs = [message for message in written if message["role"] == "assistant"]
        outputs.append({"role": "assistant", "content": output})
        return [of, beside(of, said(messages, outputs))]

    about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": MODEL}
    agent = span(
        "a0", scope=STRANDS, name="invoke_agent Librarian", at=0, lasts=6, attributes=about
    )
    agent["attributes"] |= {"gen_ai.usage.input_tokens": 330, "gen_ai.usage.output_tokens": 63}
    first = [("system", dumps([{"text": SYSTEM}])), ("user", dumps([{"text": ASKED}]))]
    found = write(agent, first, {"message": REPLY, "finish_reason": "end_turn"})
    for number in range(3):
        cycle = span(
            f"c{number}", "a0", scope=STRANDS, name="execute_event_loop_cycle", at=2 * number + 1
        )
        chat = span(
            f"b{number}",
            f"c{number}",
            scope=STRANDS,
            name="chat",
            at=2 * number + 1,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODEL,
                **usage(number),
            },
        )
        roles = {"tool": "tool", "user": "user", "assistant": "assistant"}
        inputs = []
        for message in blocks(number):
            is_result = "toolResult" in message["content"][0]
            role = roles["tool" if is_result else message["role"]]
            inputs.append((role, dumps(message["content"])))
        asked = {"message": dumps(asked_blocks(number)), "finish_reason": stop(number)}
        found += [cycle, *write(chat, inputs, asked)]
    for number, (id, tool, arguments) in enumerate(CALLS):
        made = strands_tool(number, id, tool)
        told = dumps([{"text": RESULTS[number]}])
        if in_parts:
            ask = {
                "role": "tool",
                "content": {"role": "tool", "content": dumps(arguments), "id": id},
            }
            answer = {"role": "assistant", "content": {"message": told, "id": id}}
            found += [made, beside(made, said([ask], [answer]))]
        else:
            found += write(made, [("tool", dumps(arguments))], {"message": told, "id": id})
    return found


def strands_tool(number: int, id: str, tool: str, attributes: Row | None = None) -> Row:
    return span(
        f"d{number}",
        f"c{number}",
        scope=STRANDS,
        name=f"execute_tool {tool}",
        at=2 * number + 2,
        error=CLOSED if number else "",
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": id,
            "gen_ai.tool.status": "error" if number else "success",
            **(attributes or {}),
        },
    )


# OpenTelemetry's parts: Strands latest, LangChain by ADOT, OpenAI Agents, and generic ones


def parts(until: int) -> list[Row]:
    told = [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]
    for number in range(until):
        result = {"type": "tool_call_response", "id": CALLS[number][0]}
        told += [
            {"role": "assistant", "parts": asked_parts(number)},
            {"role": "tool", "parts": [{**result, "response": RESULTS[number]}]},
        ]
    return told


def asked_parts(number: int) -> list[Row]:
    if number == 2:
        return [{"type": "text", "content": REPLY}]
    id, tool, arguments = CALLS[number]
    return [{"type": "tool_call", "id": id, "name": tool, "arguments": arguments}]


def output_parts(number: int) -> list[Row]:
    return [{"role": "assistant", "parts": asked_parts(number), "finish_reason": stop(number)}]


DETAILS = "gen_ai.client.inference.operation.details"
Write = Callable[[Row, list[Row], list[Row]], list[Row]]


def in_attributes(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
    of["attributes"] |= {
        "gen_ai.input.messages": dumps(inputs),
        "gen_ai.output.messages": dumps(outputs),
    }
    return [of]


def in_details(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
    moment = of["endTimeUnixNano"]
    of["events"] += [
        event(DETAILS, moment - 1, {"gen_ai.input.messages": dumps(inputs)}),
        event(DETAILS, moment, {"gen_ai.output.messages": dumps(outputs)}),
    ]
    return [of]


def in_record(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
    """Split mode: the attributes' JSON as the content of one message a side."""
    told = said(
        [
            {"role": "user", "content": dumps(inputs)},
            {"role": "system", "content": dumps([{"type": "text", "content": SYSTEM}])},
        ],
        [{"role": "assistant", "content": dumps(outputs)}],
    )
    return [of, beside(of, told)]


def with_parts(scope: str, write: Write, chat: str = "chat") -> list[Row]:
    """An agent, its models and tools, by the conventions; arguments and results in attributes."""
    agent = span("a0", scope=scope, name="invoke_agent Librarian", at=0, lasts=6)
    agent["attributes"] |= {"gen_ai.operation.name": "invoke_agent"}
    found = write(agent, parts(0), output_parts(2))
    for number in range(3):
        model = span(f"b{number}", "a0", scope=scope, name=f"chat {MODEL}", at=2 * number + 1)
        model["attributes"] |= {
            "gen_ai.operation.name": chat,
            "gen_ai.request.model": MODEL,
            "gen_ai.response.finish_reasons": [stop(number)],
            **usage(number),
        }
        found += write(model, parts(number), output_parts(number))
    for number, (id, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            "a0",
            scope=scope,
            name=f"execute_tool {tool}",
            at=2 * number + 2,
            error=CLOSED if number else "",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                "gen_ai.tool.call.arguments": dumps(arguments),
            },
        )
        if not number:
            made["attributes"]["gen_ai.tool.call.result"] = RESULTS[0]
        if scope != ADOT_LANGCHAIN:
            made["attributes"]["gen_ai.tool.call.id"] = id
        elif not number:
            made["attributes"]["gen_ai.tool.call.result"] = (
                f"content={RESULTS[0]!r} name={tool!r} tool_call_id={id!r}"
            )
        if write is in_details:
            ask = [{"role": "tool", "parts": asked_parts(number)}]
            answer = {
                "type": "tool_call_response",
                "id": id,
                "response": [{"text": RESULTS[number]}],
            }
            write(made, ask, [{"role": "tool", "parts": [answer]}])
        found.append(made)
    return found


ADOT_LANGCHAIN = "amazon.opentelemetry.distro.instrumentation.langchain"
OPENAI_AGENTS = "opentelemetry.instrumentation.openai_agents"


def openai_agents_as_text() -> list[Row]:
    """What a model asked for stands in its output as Python shows the object."""

    def write(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
        for message in outputs:
            message["parts"] = [
                {
                    "type": "text",
                    "content": "ResponseFunctionToolCall("
                    f"arguments={dumps(part['arguments'])!r}, call_id={part['id']!r}, "
                    f"name={part['name']!r}, type='function_call', status='completed')",
                }
                if part["type"] == "tool_call"
                else part
                for part in message["parts"]
            ]
        return in_attributes(of, inputs, outputs)

    found = with_parts(OPENAI_AGENTS, write)
    for one in found:
        one["attributes"].pop("gen_ai.tool.call.id", None)
    return found


def deprecated() -> list[Row]:
    """gen_ai.prompt and gen_ai.completion, and no span of an agent."""

    def write(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
        of["attributes"] |= {
            "gen_ai.prompt": dumps(inputs),
            "gen_ai.completion": dumps(outputs),
        }
        return [of]

    return [one for one in with_parts("my-app", write) if one["spanId"] != "a0"]


def indexed() -> list[Row]:
    """gen_ai.prompt.0.content and gen_ai.completion.0.tool_calls.0.name, by older libraries."""

    def write(of: Row, inputs: list[Row], outputs: list[Row]) -> list[Row]:
        of["attributes"] |= dict(flat("gen_ai.prompt", [as_chat(m) for m in inputs]))
        for number, message in enumerate(as_chat(m) for m in outputs):
            of["attributes"] |= dict(flat(f"gen_ai.completion.{number}", message))
        return [of]

    return [one for one in with_parts("my-app", write) if one["spanId"] != "a0"]


def as_chat(message: Row) -> Row:
    chat: Row = {"role": message["role"]}
    for part in message["parts"]:
        if part["type"] == "text":
            chat["content"] = part["content"]
        elif part["type"] == "tool_call":
            call = {"id": part["id"], "name": part["name"], "arguments": dumps(part["arguments"])}
            chat["tool_calls"] = [call]
        else:
            chat |= {"tool_call_id": part["id"], "content": part["response"]}
    if "finish_reason" in message:
        chat["finish_reason"] = message["finish_reason"]
    return chat


# botocore alone: an agent that asks Bedrock by itself, without a framework


BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"


def botocore(parents: bool = False) -> list[Row]:
    """Args:
    parents: its spans stand within a framework's spans b0 to b2.
    """
    found = []
    for number in range(3):
        parent = f"b{number}" if parents else ""
        of = span(
            f"e{number}",
            parent,
            scope=BOTOCORE,
            name=f"chat {MODEL}",
            at=2 * number + 1,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": MODEL,
                "aws.auth.account.access_key": "ASIA" + "EXAMPLE" * 2 + "XY",
                **usage(number),
            },
        )
        found.append(of)
        for at, message in enumerate(blocks(number)):
            name = f"gen_ai.{message['role']}.message"
            record = beside(of, {"content": message["content"]}, name)
            found.append({**record, "timeUnixNano": of["startTimeUnixNano"] + at})
        choice = {"role": "assistant", "content": asked_blocks(number)}
        body = {"message": choice, "index": 0, "finish_reason": stop(number)}
        found.append(beside(of, body, "gen_ai.choice"))
    return found


# LangGraph through opentelemetry-instrumentation-langchain


LANGCHAIN = "opentelemetry.instrumentation.langchain"


def constructors(until: int) -> list[Row]:
    told = [constructor("HumanMessage", "human", content=ASKED)]
    for number in range(until):
        told += [asked_constructor(number), answered_constructor(number)]
    return told


def constructor(kind: str, type: str, /, **kwargs: Any) -> Row:
    id = ["langchain", "schema", "messages", kind]
    return {"lc": 1, "type": "constructor", "id": id, "kwargs": {**kwargs, "type": type}}


def asked_constructor(number: int) -> Row:
    about = {"stopReason": stop(number)}
    if number == 2:
        return constructor("AIMessage", "ai", content=REPLY, response_metadata=about)
    id, tool, arguments = CALLS[number]
    call = {"name": tool, "args": arguments, "id": id, "type": "tool_call"}
    return constructor("AIMessage", "ai", content="", tool_calls=[call], response_metadata=about)


def answered_constructor(number: int) -> Row:
    id, tool, _ = CALLS[number]
    status = ("success", "error")[number]
    return constructor(
        "ToolMessage", "tool", content=RESULTS[number], name=tool, tool_call_id=id, status=status
    )


def langchain(new: bool, in_parts: bool) -> list[Row]:
    def write(of: Row, given: Row, returned: Row | None) -> list[Row]:
        if in_parts:
            inputs = [{"role": "user", "content": dumps(given)}]
            outputs = [{"role": "assistant", "content": dumps(returned)}] if returned else []
            return [of, beside(of, said(inputs, outputs))]
        of["attributes"]["traceloop.entity.input"] = dumps(given)
        if returned:
            of["attributes"]["traceloop.entity.output"] = dumps(returned)
        return [of]

    root = span("a0", scope=LANGCHAIN, name="LangGraph.workflow", at=0, lasts=6)
    root["attributes"] |= {"traceloop.span.kind": "workflow", "traceloop.entity.name": "LangGraph"}
    whole = [*constructors(2), asked_constructor(2)]
    found = write(
        root,
        {"inputs": {"messages": [["system", SYSTEM], ["user", ASKED]]}},
        {"outputs": {"messages": whole}},
    )
    for number in range(3):
        task = span(f"c{number}", "a0", scope=LANGCHAIN, name="agent.task", at=2 * number + 1)
        task["attributes"] |= {"traceloop.span.kind": "task", "traceloop.entity.name": "agent"}
        given = {"inputs": {"messages": constructors(number)}}
        returned = {"outputs": {"messages": [asked_constructor(number)]}}
        found += write(task, given, returned)
        model = span(f"b{number}", f"c{number}", scope=LANGCHAIN, name="chat", at=2 * number + 1)
        model["attributes"] |= {"gen_ai.request.model": MODEL, **usage(number)}
        if new:
            model["attributes"] |= {"gen_ai.operation.name": "chat"}
            found += in_attributes(model, parts(number), output_parts(number))
        else:
            model["attributes"] |= {"llm.request.type": "chat", "gen_ai.prompt.0.role": "user"}
            inputs = [{"role": "unknown", "content": ASKED}]
            found += [model, beside(model, said(inputs, []))]
    for number, (_, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            "a0",
            scope=LANGCHAIN,
            name=f"{tool}.tool",
            at=2 * number + 2,
            error=CLOSED if number else "",
            attributes={"traceloop.span.kind": "tool", "traceloop.entity.name": tool},
        )
        given = {"input_str": str(arguments), "inputs": arguments, "metadata": {"step": number}}
        output = {"output": answered_constructor(0), "kwargs": {"name": tool}}
        if new:
            made["attributes"] |= {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
            }
            made["attributes"]["gen_ai.tool.call.arguments"] = dumps(given)
            if not number:
                made["attributes"]["gen_ai.tool.call.result"] = dumps(output)
            found.append(made)
        else:
            found += write(made, given, None if number else output)
    return found


# OpenInference: LangGraph, OpenAI Agents, the Claude Agent SDK


def openinference_langchain(in_parts: bool) -> list[Row]:
    """A tool with one argument is given its bare value."""
    scope = "openinference.instrumentation.langchain"

    def write(of: Row, value: str, output: str | None, /, **told: list[Row]) -> list[Row]:
        if not in_parts:
            of["attributes"] |= {"input.value": value, "input.mime_type": "application/json"}
            if output is not None:
                of["attributes"] |= {"output.value": output}
            for name, messages in told.items():
                spelled = [{"message": message} for message in messages]
                of["attributes"] |= dict(flat(f"llm.{name}_messages", spelled))
            return [of]
        texts = [
            {"role": "user", "content": message["content"]}
            for message in told.get("input", ())
            if message.get("content")
        ]
        outputs = [{"role": "assistant", "content": output}] if output is not None else []
        inputs = [{"role": "user", "content": value}, *texts]
        for name, messages in told.items():
            spelled = [{"message": message} for message in messages]
            of["attributes"] |= {
                key: value
                for key, value in flat(f"llm.{name}_messages", spelled)
                if not key.endswith("message.content")
            }
        return [of, beside(of, said(inputs, outputs))]

    root = span("a0", scope=scope, name="LangGraph", at=0, lasts=6)
    root["attributes"]["openinference.span.kind"] = "CHAIN"
    whole = [as_data(m) for m in (*constructors(2), asked_constructor(2))]
    found = write(
        root,
        dumps({"messages": [["system", SYSTEM], ["user", ASKED]]}),
        dumps({"messages": whole}),
    )
    for number in range(3):
        node = span(f"c{number}", "a0", scope=scope, name="agent", at=2 * number + 1)
        node["attributes"]["openinference.span.kind"] = "AGENT"
        found += write(
            node,
            dumps({"messages": [as_data(m) for m in constructors(number)]}),
            dumps({"messages": [as_data(asked_constructor(number))]}),
        )
        model = span(f"b{number}", f"c{number}", scope=scope, name="Chat", at=2 * number + 1)
        model["attributes"] |= {
            "openinference.span.kind": "LLM",
            "llm.model_name": MODEL,
            "llm.token_count.prompt": TOKENS[number][0],
            "llm.token_count.completion": TOKENS[number][1],
        }
        generation = {"text": REPLY if number == 2 else "", "message": asked_constructor(number)}
        found += write(
            model,
            dumps({"messages": [constructors(number)]}),
            dumps({"generations": [[generation]], "type": "LLMResult"}),
            input=[{"role": "system", "content": SYSTEM}, *map(as_function, parts(number))],
            output=[as_function(m) for m in output_parts(number)],
        )
    for number, (_, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            "a0",
            scope=scope,
            name=tool,
            at=2 * number + 2,
            error=CLOSED if number else "",
            attributes={"openinference.span.kind": "TOOL", "tool.name": tool},
        )
        bare = next(iter(arguments.values())) if len(arguments) == 1 else dumps(arguments)
        found += write(made, bare, None if number else dumps(as_data(answered_constructor(0))))
    return found


def as_data(message: Row) -> Row:
    return {"type": message["kwargs"]["type"], "data": message["kwargs"]}


def as_function(message: Row) -> Row:
    """OpenInference's message: calls are functions, each in an object of its own."""
    chat = as_chat(message)
    chat.pop("finish_reason", None)
    if "tool_calls" in chat:
        chat["tool_calls"] = [
            {
                "tool_call": {
                    "id": call["id"],
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
            }
            for call in chat["tool_calls"]
        ]
    return chat


def openai_agents_openinference() -> list[Row]:
    scope = "openinference.instrumentation.openai_agents"
    found = [span("a0", scope=scope, name="Agent workflow", at=0, lasts=6)]
    found[0]["attributes"]["openinference.span.kind"] = "AGENT"
    for number in range(3):
        model = span(f"b{number}", "a0", scope=scope, name="response", at=2 * number + 1)
        model["attributes"] |= {
            "openinference.span.kind": "LLM",
            "llm.model_name": MODEL,
            "llm.token_count.prompt": TOKENS[number][0],
            "llm.token_count.completion": TOKENS[number][1],
            "input.value": dumps([{"role": "user", "content": ASKED}]),
        }
        for side, messages in (("input", parts(number)), ("output", output_parts(number))):
            spelled = [{"message": as_function(message)} for message in messages]
            model["attributes"] |= dict(flat(f"llm.{side}_messages", spelled))
        found.append(model)
    for number, (_, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            "a0",
            scope=scope,
            name=tool,
            at=2 * number + 2,
            error=CLOSED if number else "",
            attributes={
                "openinference.span.kind": "TOOL",
                "tool.name": tool,
                "input.value": dumps(arguments),
            },
        )
        if not number:
            made["attributes"]["output.value"] = RESULTS[0]
        found.append(made)
    return found


def claude() -> list[Row]:
    """One span for the whole conversation, and one for each tool."""
    scope = "openinference.instrumentation.claude_agent_sdk"
    root = span("a0", scope=scope, name="ClaudeAgentSDK.query", at=0, lasts=6)
    root["attributes"] |= {
        "openinference.span.kind": "AGENT",
        "llm.model_name": MODEL,
        "input.value": ASKED,
        "input.mime_type": "text/plain",
        "output.value": REPLY,
        "output.mime_type": "text/plain",
        "llm.token_count.prompt": 330,
        "llm.token_count.completion": 63,
    }
    found = [root]
    for number, (id, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            "a0",
            scope=scope,
            name=tool,
            at=2 * number + 2,
            error=CLOSED if number else "",
            exception=False,
            attributes={
                "openinference.span.kind": "TOOL",
                "tool.id": id,
                "tool.name": tool,
                "input.value": dumps(arguments),
                "output.value": RESULTS[number],
            },
        )
        found.append(made)
    return found


# Google's ADK


def adk() -> list[Row]:
    scope = "gcp.vertex.agent"
    found = [
        span("a0", scope=scope, name="invocation", at=0, lasts=6),
        span("a1", "a0", scope=scope, name="invoke_agent librarian", at=0, lasts=6),
    ]
    found[1]["attributes"]["gen_ai.operation.name"] = "invoke_agent"
    for number in range(3):
        request = {"model": MODEL, "contents": [as_content(m) for m in parts(number)]}
        response = {"content": as_content(output_parts(number)[0]), "finish_reason": "STOP"}
        model = span(f"b{number}", "a1", scope=scope, name="call_llm", at=2 * number + 1)
        model["attributes"] |= {
            "gen_ai.request.model": MODEL,
            "gen_ai.response.finish_reasons": [stop(number)],
            "gcp.vertex.agent.llm_request": dumps(request),
            "gcp.vertex.agent.llm_response": dumps(response),
            **usage(number),
        }
        inner = span(
            f"e{number}", f"b{number}", scope=scope, name="generate_content", at=2 * number + 1
        )
        inner["attributes"] |= {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.request.model": MODEL,
            **usage(number),
        }
        found += [model, inner]
    for number, (id, tool, arguments) in enumerate(CALLS):
        made = span(
            f"d{number}",
            f"e{number}",
            scope=scope,
            name=f"execute_tool {tool}",
            at=2 * number + 2,
            error=CLOSED if number else "",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                "gen_ai.tool.call.id": id,
                "gcp.vertex.agent.tool_call_args": dumps(arguments),
            },
        )
        if not number:
            made["attributes"]["gcp.vertex.agent.tool_response"] = RESULTS[0]
        found.append(made)
    return found


def as_content(message: Row) -> Row:
    told = []
    for part in message["parts"]:
        if part["type"] == "text":
            told.append({"text": part["content"]})
        elif part["type"] == "tool_call":
            call = {"id": part["id"], "name": part["name"], "args": part["arguments"]}
            told.append({"function_call": call})
        else:
            told.append({"function_response": {"id": part["id"], "response": part["response"]}})
    return {"role": {"assistant": "model"}.get(message["role"], "user"), "parts": told}


SHAPES: dict[str, Callable[[], list[Row]]] = {
    "Strands, legacy, unified": lambda: strands_legacy(in_parts=False),
    "Strands, legacy, split": lambda: strands_legacy(in_parts=True),
    "Strands, latest, unified": lambda: with_parts(STRANDS, in_details),
    "Strands, latest, split": lambda: with_parts(STRANDS, in_record),
    "Strands and botocore, split": lambda: strands_legacy(in_parts=True) + botocore(parents=True),
    "ADOT's LangChain, unified": lambda: with_parts(ADOT_LANGCHAIN, in_attributes),
    "ADOT's LangChain, split": lambda: with_parts(ADOT_LANGCHAIN, in_record),
    "LangChain 0.62, unified": lambda: langchain(new=True, in_parts=False),
    "LangChain 0.62, split": lambda: langchain(new=True, in_parts=True),
    "LangChain 0.48, unified": lambda: langchain(new=False, in_parts=False),
    "LangChain 0.48, split": lambda: langchain(new=False, in_parts=True),
    "OpenInference LangChain, unified": lambda: openinference_langchain(in_parts=False),
    "OpenInference LangChain, split": lambda: openinference_langchain(in_parts=True),
    "OpenAI Agents": lambda: with_parts(OPENAI_AGENTS, in_attributes),
    "OpenAI Agents, calls as text": openai_agents_as_text,
    "OpenInference OpenAI Agents": openai_agents_openinference,
    "Claude Agent SDK": claude,
    "ADK": adk,
    "gen_ai": lambda: with_parts("my-app", in_attributes),
    "gen_ai, details in events": lambda: with_parts("my-app", in_details),
    "gen_ai, prompt and completion": deprecated,
    "gen_ai, numbered prompts": indexed,
    "botocore alone": botocore,
}
