"""What was said to a model and by it, in any of the forms in which messages are written.

OpenTelemetry's parts, Bedrock's and Anthropic's blocks, OpenAI's chat messages and response items,
LangChain's serialised classes, Gemini's contents, and OpenInference's numbered attributes: they
differ in the names of the same few things.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from driftgate.traces.literals import from_json, repr_fields, structure

Row = dict[str, Any]
ROLES = {
    **dict.fromkeys(("user", "human", "HumanMessage", "HumanMessageChunk"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "AIMessage", "AIMessageChunk"), "assistant"),
    **dict.fromkeys(("tool", "function", "ToolMessage", "ToolMessageChunk"), "tool"),
    **dict.fromkeys(("system", "developer", "SystemMessage"), "system"),
}
MISSING: Any = object()  # None is something that a tool may return


class Asked(NamedTuple):
    """A call that a model asked for."""

    id: str
    tool: str
    arguments: Any  # MISSING where they are not told


class Answered(NamedTuple):
    """What a model was told about a call that it had asked for."""

    id: str
    result: Any
    failed: bool


class Said(NamedTuple):
    role: str  # user, assistant, tool, system, or nothing where it is not told
    text: str = ""
    asked: tuple[Asked, ...] = ()
    answered: tuple[Answered, ...] = ()
    finish: str = ""


def messages(value: Any, role: str = "", batches: int = 3) -> list[Said]:
    """The messages that a value holds: one, a list of them, or the content of one.

    Args:
        role: whose content it is, where it does not say so itself.
        batches: so often lists of messages may stand in a list.
    """
    if isinstance(value, str):
        return [Said(role, value)] if value else []
    if isinstance(value, dict):
        return [_message(value, role)]
    if not isinstance(value, list) or not value:
        return []
    if any(map(_is_message, value)):
        return [_message(item, role) for item in map(_row, value) if item]
    if batches and isinstance(value[0], list):
        batch = (messages(inner, role, batches - 1) for inner in value if isinstance(inner, list))
        return [said for found in batch for said in found]
    found = _content(value, role)
    return [found] if found.text or found.asked or found.answered else []


def _is_message(item: Any) -> bool:
    if not isinstance(item, dict):
        return bool(_row(item))
    return (
        "role" in item
        or "kwargs" in item
        or "message" in item
        or "data" in item
        or bool(_role(item.get("type")))
        or item.get("type") in ("function_call", "function_call_output")
    )


def _row(item: Any) -> Row:
    """A message as an object; LangChain's short form is a list of its role and text."""
    if isinstance(item, list) and len(item) == 2 and all(isinstance(p, str) for p in item):
        return {"role": item[0], "content": item[1]} if item[0] in ROLES else {}
    return item if isinstance(item, dict) else {}


def _message(row: Row, role: str) -> Said:
    if isinstance(row.get("message"), dict):  # OpenInference's, and a choice of Bedrock's
        finish = row.get("finish_reason")
        said = _message(row["message"], role)
        return said._replace(finish=said.finish or (finish if isinstance(finish, str) else ""))
    kind = row.get("type")
    if isinstance(row.get("kwargs"), dict):  # LangChain's
        name, row = row.get("id"), row["kwargs"]
        kind = row.get("type") or (name[-1] if isinstance(name, list) and name else "")
    elif isinstance(row.get("data"), dict):
        row = row["data"]
    if kind == "function_call":
        return Said("assistant", asked=tuple(_asked(row)))
    if kind == "function_call_output":
        return Said("tool", answered=(_answered(row.get("call_id"), row.get("output")),))
    role = _role(row.get("role")) or _role(kind) or role
    content = next((row[n] for n in ("parts", "contents", "content", "text") if row.get(n)), None)
    said = _content(content, role)
    asked = [*said.asked]
    calls = row.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        asked += (a for a in _asked(call) if not a.id or all(a.id != known.id for known in asked))
    answered = said.answered
    if role == "tool" and not answered and not asked:
        call_id = next((row[n] for n in ("tool_call_id", "id") if row.get(n)), "")
        answered = (_answered(call_id, content, failed=row.get("status") == "error"),)
    return Said(role, said.text, tuple(asked), answered, _finish(row))


def _role(value: Any) -> str:
    return ROLES.get(value, "") if isinstance(value, str) else ""


def _finish(row: Row) -> str:
    about = row.get("response_metadata")
    known = about if isinstance(about, dict) else {}
    for value in (row.get("finish_reason"), known.get("stopReason"), known.get("finish_reason")):
        if isinstance(value, str) and value:
            return value
    return ""


def _content(value: Any, role: str) -> Said:
    """One message's content: a text, or blocks with texts, calls and results."""
    if isinstance(value, str):
        return Said(role, value)
    texts: list[str] = []
    asked: list[Asked] = []
    answered: list[Answered] = []
    for block in value if isinstance(value, list) else [value]:
        if isinstance(block, str):
            texts.append(block)
        if not isinstance(block, dict):
            continue
        inner = block.get("message_content")
        block = inner if isinstance(inner, dict) else block
        if text := _block_text(block):
            texts.append(text)
        elif answer := _block_answer(block):
            answered.append(answer)
        else:
            asked += _asked(block)
    return Said(role, "\n".join(texts), tuple(asked), tuple(answered))


def _block_text(block: Row) -> str:
    if block.get("type") in ("reasoning", "thinking", "tool_call_response", "tool_result"):
        return ""
    if block.get("thought") is True:  # Gemini's
        return ""
    text = block.get("text", block.get("content"))
    return text if isinstance(text, str) else ""


def _block_answer(block: Row) -> Answered | None:
    kind = block.get("type")
    if isinstance(inner := block.get("toolResult"), dict):
        content = inner.get("content")
        return _answered(inner.get("toolUseId"), content, failed=inner.get("status") == "error")
    if kind == "tool_result":
        return _answered(
            block.get("tool_use_id"), block.get("content"), failed=block.get("is_error") is True
        )
    if kind == "tool_call_response":
        result = next((block[n] for n in ("response", "result", "content") if n in block), MISSING)
        return _answered(block.get("id"), result)
    if isinstance(inner := block.get("function_response"), dict):
        return _answered(inner.get("id"), inner.get("response", MISSING))
    return None


def _answered(id: Any, content: Any, failed: bool = False) -> Answered:
    return Answered(
        id if isinstance(id, str) else "",
        outcome(content),
        failed or (isinstance(content, dict) and content.get("isError") is True),
    )


def _asked(call: Any) -> Iterator[Asked]:
    if not isinstance(call, dict):
        return
    for wrapper in ("tool_call", "toolUse", "function_call"):
        if isinstance(call.get(wrapper), dict):
            call = call[wrapper]
    function = call.get("function")
    about = function if isinstance(function, dict) else call
    name = about.get("name")
    if not isinstance(name, str) or not name:
        return
    found = (about[n] for n in ("arguments", "args", "input", "parameters") if n in about)
    id = next((call[n] for n in ("call_id", "toolUseId", "id") if call.get(n)), "")
    yield Asked(id if isinstance(id, str) else "", name, arguments(next(found, MISSING)))


def arguments(value: Any) -> Any:
    """Arguments as an object; MISSING where there are none, the text where it is no object."""
    if value is MISSING or value is None:
        return MISSING
    found = structure(value)
    return found if isinstance(found, dict) or value != "" else MISSING


def outcome(value: Any) -> Any:
    """What a tool returned, out of the blocks in which it was told, and as JSON where it is JSON.

    A single block stands for itself, several become a list.
    """
    if isinstance(value, str):
        found = from_json(value)
        return outcome(found) if found is not value and _is_blocks(found) else found
    if not _is_blocks(value):
        return value
    told = [_block(block) for block in value]
    return told[0] if len(told) == 1 else told


def _is_blocks(value: Any) -> bool:
    """Blocks say what they are by their one name, or by a type; others are just a list."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(b, dict)
            and (b.keys() in ({"text"}, {"json"}) or (b.get("type") == "text" and "text" in b))
            for b in value
        )
    )


def _block(block: Row) -> Any:
    if "json" in block:
        return block["json"]
    return from_json(block["text"]) if isinstance(block["text"], str) else block["text"]


def numbered(attributes: Row, prefix: str) -> list[Row]:
    """Attributes like llm.input_messages.0.message.role as the list of objects that they spell."""
    tree: Row = {}
    for name, value in attributes.items():
        if isinstance(name, str) and name.startswith(prefix):
            _set(tree, name[len(prefix) :].split("."), value)
    found = _listed(tree)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _set(tree: Row, path: list[str], value: Any) -> None:
    for depth, step in enumerate(path):
        if depth == len(path) - 1 or depth > 12:
            tree.setdefault(step, value)
        else:
            below = tree.setdefault(step, {})
            if not isinstance(below, dict):
                return
            tree = below


def _listed(tree: Any) -> Any:
    """Objects whose names are all numbers are lists."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isascii() and name.isdecimal() and len(name) < 7 for name in tree):
        return [_listed(tree[name]) for name in sorted(tree, key=int)]
    return {name: _listed(inner) for name, inner in tree.items()}


def asked_in_repr(text: str) -> list[Asked]:
    """Calls in the text of OpenAI's response items: one line each, as Python shows the object."""
    return [
        Asked(fields.get("call_id", ""), fields["name"], arguments(fields.get("arguments", "")))
        for part in text.split("ResponseFunctionToolCall(")[1:]
        if "name" in (fields := repr_fields(part))
    ]


def last_text(said: Iterable[Said], role: str) -> str:
    """The latest text of a role."""
    found = ""
    for message in said:
        if message.role == role and message.text.strip():
            found = message.text
    return found
