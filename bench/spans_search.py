"""What recorded spans hold, counted without reading them: by what stands in their text.

It shares no code with `driftgate.traces` and knows no framework: it looks for words that mark a
tool's span, for the ids of calls, wherever they stand, and for what an error looks like. What a
person counted in the files that we know stands in `spans_counted.json`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

Q = r"\\*\""  # a quotation mark, in JSON, or in JSON within JSON
_TOOL_SPAN = re.compile(
    r'"gen_ai\.operation\.name": "execute_tool"|"[a-z]+\.span\.kind": "(?:TOOL|tool)"'
)
_SPAN_ID = re.compile(r'"span(?:Id|_id)": "([^"]+)"')
_CALL_IDS = (
    re.compile(
        rf"(?:toolUseId|tool_call_id|gen_ai\.tool\.call\.id|tool\.id|call_id|tool_call\.id)"
        rf"(?:{Q}: {Q}|=\\*')([\w-]+)"
    ),
    re.compile(rf"{Q}type{Q}: ?{Q}tool_call(?:_response)?{Q}[^{{}}]*?{Q}id{Q}: ?{Q}([\w-]+)"),
    re.compile(rf"{Q}function_call{Q}: ?{{{Q}id{Q}: ?{Q}([\w-]+)"),
)
_ERROR = re.compile(
    rf'"code": "ERROR"|{Q}status{Q}: {Q}error|"gen_ai\.t\w+\.status": "(?:err|fail)'
)
_ARGUMENTS = re.compile(
    r"gen_ai\.tool\.call\.arguments|tool_call_args|input\.value|input_str|gen_ai\.tool\.message"
    r'|"role": "tool"|"input": \{"messages"|"input": "'
)
_RESULT = re.compile(
    r"gen_ai\.tool\.call\.result|tool_response\"|output\.value|gen_ai\.choice"
    r'|"output": \{"messages"|"output": "'
)


class Found(NamedTuple):
    """Span ids of tools, by what the text has of them, and the ids of all calls."""

    tools: set[str]
    failed: set[str]
    with_arguments: set[str]
    with_result: set[str]
    call_ids: set[str]


def search(paths: list[Path]) -> Found:
    texts: dict[str, list[str]] = defaultdict(list)
    ids: set[str] = set()
    for path in paths:
        for record in _records(json.loads(path.read_text(encoding="utf-8"))):
            text = json.dumps(record, ensure_ascii=False)
            found = (id for pattern in _CALL_IDS for id in pattern.findall(text))
            ids |= {id for id in found if not id.startswith("fc_")}  # OpenAI's ids of items
            if of := _SPAN_ID.search(text):
                texts[of[1]].append(text)
    tools = {id for id, told in texts.items() if any(map(_TOOL_SPAN.search, told))}

    def having(pattern: re.Pattern[str]) -> set[str]:
        return {id for id in tools if any(map(pattern.search, texts[id]))}

    return Found(tools, having(_ERROR), having(_ARGUMENTS), having(_RESULT), ids)


def _records(value: Any) -> Iterator[Any]:
    """A span id is looked for in one record at a time, so lists and wrappers are opened."""
    if isinstance(value, list):
        for inner in value:
            yield from _records(inner)
    elif isinstance(value, dict) and ("raw_otel_json" in value or "spans" in value):
        yield from _records(value.get("raw_otel_json", value.get("spans")))
    else:
        yield value
