"""Recorded trajectories of other benchmarks, translated once into cases and traces.

A source is a folder with cases.jsonl, runs/<name>.jsonl (both may be gzipped) and tools.json. What
such a source means is said here in the words of a case; no metric knows where a case comes from.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from driftgate import canonical
from driftgate.errors import BadInput
from driftgate.matching import normal
from driftgate.schemas.cases import Adversarial, Case, ExpectedCall, ForbiddenCall, Provenance, Turn
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.matchers import (
    Absent,
    AnyMatcher,
    Contains,
    Exact,
    JsonSubset,
    List,
    Number,
    Object,
    OneOf,
    OutputMatcher,
    SetOf,
    Text,
    WrittenNumber,
)
from driftgate.schemas.record import Effect, explain
from driftgate.schemas.traces import Ending, Trace

Row = dict[str, Any]
Translated = TypeVar("Translated")


class Recorded(NamedTuple):
    """A recorded run: what happened, and what the source said of it (None: nothing)."""

    trace: Trace
    reward: float | None
    outcome: Row


@dataclass(frozen=True)
class Source:
    """A folder of recorded trajectories, its cases translated."""

    name: str
    cases: dict[str, Case]
    runs: dict[str, Path]
    _tasks: dict[str, "_Task"]

    def header(self) -> DatasetHeader:
        """A header that names every tool of the cases."""
        tools: dict[str, Effect] = {}
        for case in self.cases.values():
            for _, pattern in case.patterns():
                tools.setdefault(pattern.tool, "read")
                if getattr(pattern, "effect", "") == "write":
                    tools[pattern.tool] = "write"
        return DatasetHeader(
            name=re.sub(r"[^a-z0-9_-]", "-", self.name.lower()),
            version="1.0.0",
            owner="external",
            changelog="Imported from recorded trajectories.",
            tools=tools,
        )

    def read_run(self, name: str) -> Iterator[Recorded]:
        """Its trials, one by one. Raises BadInput with file and line."""
        return _read_lines(self.runs[name], self._recorded)

    def _recorded(self, row: Row) -> Recorded:
        return Recorded(
            trace=_trace(row, self._tasks[row["case_id"]]),
            reward=row.get("reward"),
            outcome=row.get("outcome") or {},
        )


@dataclass(frozen=True)
class _Task:
    """What reading a run needs to know of its case."""

    case_id: str
    effects: dict[str, Effect]  # those that the toolset states
    multi_turn: bool
    tool_of: dict[str, str]  # the tool that another name stands for


def read_source(folder: Path) -> Source:
    """Read and translate the cases of a source; its runs are read one by one later.

    Raises:
        BadInput: the folder has no cases.jsonl or runs, or a line of its cases is not one.
    """
    cases_file = next(iter(sorted(folder.glob("cases.jsonl*"))), None)
    runs = {path.name.split(".jsonl")[0]: path for path in sorted(folder.glob("runs/*.jsonl*"))}
    if cases_file is None or not runs:
        raise BadInput(f"{folder}: wanted cases.jsonl[.gz] and runs/*.jsonl[.gz]")
    effects = _effects(folder / "tools.json", folder.name)
    tasks: dict[str, _Task] = {}
    once = _Once()

    def read(row: Row) -> Case:
        stated = effects.get(row.get("toolset") or "", {})
        case = _case(row, stated, once)
        tasks[row["case_id"]] = _Task(
            case.case_id, stated, bool(row.get("multi_turn")), _tool_of(row)
        )
        return case

    cases = {case.case_id: case for case in _read_lines(cases_file, read)}
    return Source(folder.name, cases, runs, tasks)


def _read_lines(path: Path, translated: Callable[[Row], Translated]) -> Iterator[Translated]:
    data = path.read_bytes()
    try:
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: not gzipped: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield translated(canonical.load(line))
        except ValidationError as error:
            raise BadInput(f"{path}:{number}: {explain(error)}") from error
        except KeyError as error:
            raise BadInput(f"{path}:{number}: wanted {error}, it is not there") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise BadInput(f"{path}:{number}: not a line of this form: {error}") from error


def _effects(path: Path, toolset: str) -> dict[str, dict[str, Effect]]:
    """The effect of each tool, by toolset. In a toolset with stated effects, `generic` (calculate,
    think, hand over to a person) changes nothing.
    """
    if not path.exists():
        return {}
    try:
        content = canonical.load(path.read_bytes())
        toolsets = content if isinstance(content, dict) else {toolset: content}
        return {
            name: {tool["name"]: "write" if tool["effect"] == "write" else "read" for tool in tools}
            for name, tools in toolsets.items()
        }
    except (ValueError, LookupError, TypeError) as error:
        wanted = "wanted a list of tools, or lists by toolset, each tool with name and effect"
        raise BadInput(f"{path}: {wanted}: {error!r}") from error


def case_id(raw: str) -> str:
    return re.sub(r"[^a-z0-9._-]", ".", raw.lower())


def _tool_of(row: Row) -> dict[str, str]:
    """Some interfaces take no dots in a tool's name, and send `a_b` for `a.b`."""
    offered = [tool["name"] for tool in row.get("tools", ())]
    spelled = [re.sub(r"[^\w-]", "_", name) for name in offered]
    return {
        name: tool
        for name, tool in zip(spelled, offered, strict=True)
        if name not in offered and spelled.count(name) == 1
    }


def _case(row: Row, stated: dict[str, Effect], once: "_Once") -> Case:
    """A source that states neither what its reward is computed from nor what else would do gives
    one way to do the task. Then only what any way must have in common is expected.
    """
    asked = None if "reward_basis" in row else normal(row.get("input") or "")
    calls, outputs = row.get("expected_calls", ()), row.get("expected_outputs", ())
    return Case(
        case_id=case_id(row["case_id"]),
        task_type=re.sub(r"[^a-z0-9_-]", "-", row.get("category", "other").lower()),
        critical=bool(row.get("critical")),
        provenance=Provenance(kind="external", author=row["source"], origin=row["case_id"]),
        turns=(Turn(user=row["input"] or "(no text)"),),
        expected_calls=once(
            (row.get("toolset"), calls, asked),
            lambda: (_expected(call, stated, asked) for call in calls),
        ),
        forbidden_calls=once(
            (_is_attack(row), row.get("attacker_goal"), row.get("forbidden_calls")),
            lambda: _forbidden(row),
        ),
        expected_outputs=once(
            (outputs, asked),
            lambda: (text for whole in outputs for text in _essence(whole, asked)),
        ),
        adversarial=_adversarial(row),
    )


class _Once:
    """Translates what cases have in common once: hundreds of attacks are made on one task."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, ...]] = {}

    def __call__(self, part: Any, translate: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
        key = repr(part)  # it tells 1, 1.0, "1" and true apart, as JSON does
        if key not in self._made:
            self._made[key] = tuple(translate())
        return self._made[key]


def _expected(call: Row, stated: dict[str, Effect], asked: str | None) -> ExpectedCall:
    """A call whose effect nobody states may change state, so it is expected as a write."""
    any_extra = call.get("compare_args") is not None
    arguments: dict[str, AnyMatcher]
    if "arg_alternatives" in call:
        arguments = {name: _accepted(values) for name, values in call["arg_alternatives"].items()}
    elif call.get("compare_args") is not None:
        arguments = {
            name: _value(call["args"][name]) if name in call["args"] else Absent()
            for name in call["compare_args"]
        }
    elif asked is None:
        arguments = {name: _value(value) for name, value in call["args"].items()}
    else:
        any_extra = True
        arguments = {n: m for n, value in call["args"].items() if (m := _common(value, asked))}
    return ExpectedCall(
        tool=call["name"],
        effect=stated.get(call["name"], "read" if call["effect"] == "read" else "write"),
        arguments=arguments,
        extra_arguments="allowed" if any_extra else "forbidden",
    )


def _value(value: Any) -> AnyMatcher:
    """An argument as the reference has it; objects may carry more, which the tools ignore."""
    match value:
        case dict():
            return JsonSubset(fields={name: _value(inner) for name, inner in value.items()})
        case list():
            return List(items=tuple(_value(item) for item in value))
        case bool() | str() | None:
            return Exact(value=value)
    return Number(value=value)


def _accepted(values: list[Any]) -> AnyMatcher:
    """One of several accepted values; an empty text among them means that it may be left out."""
    options = [_spelled(value) for value in values]
    may_be_absent = "" in values or not values
    return OneOf(options=(*options, Absent()) if may_be_absent else tuple(options))


def _spelled(value: Any) -> AnyMatcher:
    """An accepted value, whatever its spelling; nested objects hold lists of accepted values."""
    match value:
        case dict():
            fields = {
                name: _accepted(inner if isinstance(inner, list) else [inner])
                for name, inner in value.items()
            }
            return Object(fields=fields)
        case list():
            return List(items=tuple(_spelled(item) for item in value))
        case str():
            return Text(value=value, ignore_punctuation=True)
    return _value(value)


def _common(value: Any, asked: str) -> AnyMatcher | None:
    """How to recognise a value that any way to do the task has: a number, an identifier, a time, or
    words of the user. Other words are one way to put it, and a flag is a detail.
    """
    match value:
        case bool() | None:
            return None
        case int() | float():
            return Number(value=value)
        case str() if value.strip() and (normal(value) in asked or _IDENTIFIER.fullmatch(value)):
            return Contains(value=value)
        case list():
            items = tuple(matcher for item in value if (matcher := _common(item, asked)))
            return SetOf(items=items, extra="allowed") if items else None
        case dict():
            fields = {name: m for name, inner in value.items() if (m := _common(inner, asked))}
            return JsonSubset(fields=fields) if fields else None
    return None


_IDENTIFIER = re.compile(r"\S*[\d@]\S*|\d{4}-\d\d-\d\d \d\d:\d\d")


def _essence(text: str, asked: str | None) -> Iterator[OutputMatcher]:
    """What a reply must hold of an expected output: all of it; of one of several ways to put it,
    the words with a digit, or all of it where there are none. Numbers of list items don't count.
    """
    if asked is None:
        yield _output(text)
        return
    text = _LIST_ITEM.sub(" ", text).strip()
    facts = [word for word in _WORD.findall(text) if any(map(str.isdigit, word))]
    for fact in facts or ([text] if text else []):
        yield Contains(value=fact)


_LIST_ITEM = re.compile(r"(?<!\S)\d\.(?!\d)")
_WORD = re.compile(r"\w(?:\S*\w)?")


def _output(text: str) -> OutputMatcher:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return WrittenNumber(value=float(text) if "." in text else int(text))
    return Contains(value=text)


def _is_attack(row: Row) -> bool:
    """Whether somebody wants something done. Of an attack that wants nothing to be done (`dos`)
    agentdojo lists another one's calls all the same, and its success is a task that failed.
    """
    return "attack" in row and not row["attack"].endswith("dos")


def _adversarial(row: Row) -> Adversarial | None:
    if not _is_attack(row):
        return None
    return Adversarial(
        kind="indirect_injection", criterion="instructions_held", strategy=row["attack"]
    )


def _forbidden(row: Row) -> Iterator[ForbiddenCall]:
    """The attacker's own calls, identified by those arguments that the attacker dictated."""
    calls = row.get("forbidden_calls", ()) if _is_attack(row) else ()
    goal = normal(row.get("attacker_goal", ""))
    writes = [call for call in calls if call["effect"] == "write"]
    found = False
    for call in writes or calls:
        arguments = {n: m for n, value in call["args"].items() if (m := _dictated(value, goal))}
        if arguments:
            found = True
            yield ForbiddenCall(tool=call["name"], arguments=arguments, reason=row["attacker_goal"])
    if not found:
        for call in writes or calls:
            yield ForbiddenCall(tool=call["name"], reason=row["attacker_goal"])


def _dictated(value: Any, goal: str) -> AnyMatcher | None:
    """How to recognise an argument by what the attacker's goal says of it, if anything."""
    match value:
        case list():
            named = [item for item in value if isinstance(item, str) and _names(goal, item)]
            return Contains(value=named[0]) if named else None
        case str() if value and _names(goal, value):
            return Contains(value=value)
        case str():
            address = next((a for a in _ADDRESS.findall(goal) if a in normal(value)), None)
            return Contains(value=address) if address else None
    return None


def _names(text: str, value: str) -> bool:
    """Whether a text has the value by itself: `34` is not named by an address with 2134 in it."""
    return bool(re.search(rf"(?<!\w){re.escape(normal(value))}(?!\w)", text))


_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w|www\.[\w./-]+\w")


def _trace(row: Row, task: _Task) -> Trace:
    """Made from a plain dict, checked at once, which is faster than record by record."""
    usage = row.get("usage") or {}
    turns = max(row.get("user_turns") or 1, 1)
    whole = turns == 1 and not task.multi_turn
    return Trace.model_validate(
        {
            "case_id": task.case_id,
            "trial": row["trial"] + 1,
            "messages": [{"turn": 1, "role": "assistant", "text": row.get("final") or ""}],
            "calls": [_call(seq, call, task) for seq, call in enumerate(row["calls"], 1)],
            "ending": _ending((row.get("outcome") or {}).get("termination")),
            "model": row["model"],
            "usage": {
                "input_tokens": usage.get("prompt_tokens"),
                "output_tokens": usage.get("completion_tokens"),
            },
            "cost_usd": row.get("cost_usd"),
            "latency_s": row.get("latency_s"),
            "not_recorded": ("results",) if whole else ("messages", "results"),
        }
    )


def _call(seq: int, call: Row, task: _Task) -> Row:
    error = None
    if call["error"]:
        error = {"kind": "unknown", "message": str(call.get("error_msg") or "")}
    return {
        "seq": seq,
        "turn": max(call.get("turn") or 1, 1),
        "tool": task.tool_of.get(call["name"], call["name"]),
        "arguments": call["args"] if isinstance(call["args"], dict) else None,
        "effect": task.effects.get(call["name"]),
        "result": call.get("result"),
        "error": error,
    }


def _ending(termination: str | None) -> Ending:
    if termination is None or termination.endswith("_stop"):
        return Ending()
    kind = "limit" if termination.startswith("max_") else "agent_error"
    return Ending(kind=kind, detail=termination)
