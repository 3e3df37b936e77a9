"""Recorded runs as a peer is given them, and the loop in which it scores them on request."""

import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
VIEWS = ("all", "worked", "writes")


class Trial(NamedTuple):
    """A recorded run of a case, reduced to the calls of one view."""

    case_id: str
    model: str
    number: int
    input: str
    expected: list[Row]
    called: list[Row]
    reward: float | None


class Verdict(NamedTuple):
    case_id: str
    model: str
    number: int
    success: bool | None


Scorer = Callable[[Path], Iterator[NamedTuple]]


def read_trials(folder: Path, view: str) -> Iterator[Trial]:
    """The trials of a corpus, in the order of its files.

    Args:
        folder: cases.jsonl and runs/*.jsonl, both may be gzipped, and tools.json.
        view: "all" calls; those that "worked"; or "writes", those that worked and whose tool nobody
            states to be a read. For all of them, a tool whose name an interface could not take
            (`a.b`, sent as `a_b`) has its name back.
    """
    reads = _reads(folder / "tools.json", folder.name)
    cases = {case["case_id"]: case for case in _rows(next(folder.glob("cases.jsonl*")))}
    kept = {
        case_id: reads.get(case.get("toolset") or "", set()) if view == "writes" else set()
        for case_id, case in cases.items()
    }
    names = {case_id: _tool_of(case) for case_id, case in cases.items()}
    expected = {
        case_id: [call for call in case["expected_calls"] if call["name"] not in kept[case_id]]
        for case_id, case in cases.items()
    }
    for path in sorted(folder.glob("runs/*.jsonl*")):
        for run in _rows(path):
            case_id = run["case_id"]
            called = [
                {**call, "name": names[case_id].get(call["name"], call["name"])}
                for call in run["calls"]
                if (view == "all" or not call["error"]) and call["name"] not in kept[case_id]
            ]
            yield Trial(
                case_id,
                run["model"],
                run["trial"],
                cases[case_id]["input"],
                expected[case_id],
                called,
                run.get("reward"),
            )


def accepts(call: Row, arguments: Any) -> bool:
    """Whether the source accepts these arguments of an expected call: one of its alternatives each,
    those that it compares, or all of them.
    """
    if not isinstance(arguments, dict):
        return False
    if "arg_alternatives" in call:
        accepted = call["arg_alternatives"]
        return arguments.keys() <= accepted.keys() and all(
            _is_one_of(arguments[name], values) if name in arguments else "" in values
            for name, values in accepted.items()
        )
    if call.get("compare_args") is not None:
        return all(arguments.get(name) == call["args"].get(name) for name in call["compare_args"])
    return bool(arguments == call["args"])


def serve(methods: Mapping[str, Scorer]) -> None:
    """Score on request until the input ends: a line asks for a corpus by a method, a line answers.

    What is timed begins with reading the corpus from disk and ends with the verdicts written, one
    JSON line each. Imports lie before it.
    """
    print(json.dumps(list(methods)), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        wall, cpu, count = time.perf_counter(), time.process_time(), 0
        with Path(request["verdicts"]).open("w", encoding="utf-8") as file:
            for verdict in methods[request["method"]](Path(request["folder"])):
                file.write(json.dumps(verdict) + "\n")
                count += 1
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall_s": wall, "cpu_s": cpu, "trials": count}), flush=True)


def _rows(path: Path) -> Iterator[Row]:
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
        yield json.loads(line)


def _reads(path: Path, toolset: str) -> dict[str, set[str]]:
    if not path.exists():
        return {}
    content = json.loads(path.read_bytes())
    toolsets = content if isinstance(content, dict) else {toolset: content}
    return {
        name: {tool["name"] for tool in tools if tool["effect"] != "write"}
        for name, tools in toolsets.items()
    }


def _tool_of(case: Row) -> dict[str, str]:
    names = [tool["name"] for tool in case.get("tools", ())]
    return {re.sub(r"[^\w-]", "_", name): name for name in names if "." in name}


def _is_one_of(value: Any, accepted: list[Any]) -> bool:
    if isinstance(value, dict):
        return any(
            isinstance(option, dict)
            and value.keys() == option.keys()
            and all(_is_one_of(inner, option[name]) for name, inner in value.items())
            for option in accepted
        )
    return value in accepted
