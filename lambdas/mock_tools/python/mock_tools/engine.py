"""The engine: one attempt's tools, answered call by call and logged in an atomic sequence.

An attempt is what a session id stands for: the contracts its agent sees, the world of its case,
the case's rules for single answers, and a limit of calls. The log belongs to the attempt, so the
agent's trajectory exists without any tracing, and a dead attempt's calls can't reach another's.
"""

import json
from dataclasses import dataclass
from typing import Any

from mock_tools.attempts import Store, TooLarge
from mock_tools.behaviour import Refused, perform
from mock_tools.json_schema import same, violations
from mock_tools.templates import MISFITS, Broken, render

GATEWAY_TARGET = "mock"  # of a contract that names none


@dataclass(frozen=True)
class Answer:
    """What the agent gets for one call: a text, and whether it reports an error."""

    text: str
    is_error: bool
    delay_s: float

    @property
    def value(self) -> Any:
        """The answer for a caller that writes JSON itself: parsed, or the text if it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


def listed_as(contract: dict[str, Any]) -> str:
    """A tool's name at a Gateway: that of its target comes first."""
    return f"{contract.get('gateway_target', GATEWAY_TARGET)}___{contract['tool']}"


def _own_name(contracts: dict[str, Any], called: str) -> str:
    """The tool that a Gateway lists under this name; the name as it is if none is."""
    tool = called.partition("___")[2]
    known = tool in contracts and listed_as(contracts[tool]) == called
    return tool if known else called


class Engine:
    """Tools of every registered attempt. Knows no network: what it can't answer, it refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tools(self, session_id: str) -> list[dict[str, Any]]:
        """Names, description and input schema of each tool of the session's agent version."""
        attempt, _ = self._store.read(session_id)
        return [
            {
                "listed_as": listed_as(contract),
                **{key: contract[key] for key in ("tool", "description", "input_schema")},
            }
            for contract in attempt["contracts"].values()
        ]

    def call(
        self, session_id: str, tool: str, arguments: dict[str, Any], *, as_listed: bool = False
    ) -> Answer:
        """Answer one call, and log it before the agent sees the answer.

        Args:
            as_listed: the tool is called as a Gateway lists it, with its target.
        """
        called = tool
        while True:
            attempt, state = self._store.read(session_id)
            tool = _own_name(attempt["contracts"], called) if as_listed else called
            if state["closed"]:  # the limit is logged once; a looping agent must not grow the log
                return Answer(_problem("STEP_LIMIT", "no more calls in this session"), True, 0.0)
            answer, entry, state_after = respond(attempt, state, tool, arguments)
            try:
                if self._store.append(session_id, entry, state_after):
                    return answer
            except TooLarge as error:  # in the log, so that it does not count against the agent
                answer, entry, state_after = _no_room(entry, state, error)
                if self._store.append(session_id, entry, state_after):
                    return answer


def respond(
    attempt: dict[str, Any], state: dict[str, Any], tool: str, arguments: dict[str, Any]
) -> tuple[Answer, dict[str, Any], dict[str, Any]]:
    """Work out one call: the answer, the log entry, and the state afterwards. Changes nothing."""
    after = {**state, "calls": state["calls"] + 1, "used": dict(state["used"])}
    contract = attempt["contracts"].get(tool)
    entry = {
        "seq": after["calls"],
        "tool": tool,
        "arguments": arguments,
        "effect": contract["effect"] if contract else None,
        "result": None,
        "error": None,
        "latency_s": 0.0,
    }
    try:
        if after["calls"] > attempt["max_calls"]:
            after["closed"] = True
            raise _Stopped("limit", "STEP_LIMIT", f"more than {attempt['max_calls']} calls")
        _check_call(attempt["contracts"], tool, arguments)
        planned = _planned(attempt["mocks"], after["used"], tool, arguments)
        entry["latency_s"] = planned["latency_ms"] / 1000
        if planned["fault"] is None or planned["applied"]:
            entry["result"] = _work(attempt["contracts"][tool], planned, after, arguments)
        if planned["fault"] is not None:
            return _break(entry, planned), entry, after
        return Answer(_json(entry["result"]), False, entry["latency_s"]), entry, after
    except Refused as no:
        stopped = _Stopped("refused", no.code, no.message)
    except Broken as error:
        stopped = _Stopped("mock", "MOCK_BROKEN", f"{tool}: {error}")
    except _Stopped as error:
        stopped = error
    entry["error"] = {**vars(stopped), "applied": False}
    problem = _problem(stopped.code, stopped.message)
    return Answer(problem, True, entry["latency_s"]), entry, after


def _no_room(
    entry: dict[str, Any], state: dict[str, Any], error: TooLarge
) -> tuple[Answer, dict[str, Any], dict[str, Any]]:
    """The same call as one that its mock could not answer, and the state as it was before."""
    stopped = _Stopped("mock", "MOCK_BROKEN", f"{entry['tool'][:100]}: {error}")
    failed = {"arguments": {}, "result": None, "error": {**vars(stopped), "applied": False}}
    answer = Answer(_problem(stopped.code, stopped.message), True, 0.0)
    return (
        answer,
        {**entry, **failed, "tool": entry["tool"][:100]},
        {**state, "calls": entry["seq"]},
    )


class _Stopped(Exception):
    """A call that ends without a result, and the kind of error it is in the log."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.message = message


def _check_call(contracts: dict[str, Any], tool: str, arguments: dict[str, Any]) -> None:
    if tool not in contracts:
        known = ", ".join(sorted(contracts))
        raise _Stopped("unknown_tool", "UNKNOWN_TOOL", f"no tool {tool!r}; there are {known}")
    wrong = "; ".join(violations(contracts[tool]["input_schema"], arguments))
    if wrong:
        raise _Stopped("invalid_arguments", "INVALID_ARGUMENTS", wrong)


def _planned(
    rules: list[dict[str, Any]], used: dict[str, int], tool: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """The answer the case plans for this call: of the first rule that fits and is not used up."""
    for index, rule in enumerate(rules):
        turn = used.get(str(index), 0)
        fits = rule["tool"] == tool and all(
            name in arguments and same(arguments[name], value)
            for name, value in rule["when"].items()
        )
        if fits and turn < len(rule["answers"]):
            used[str(index)] = turn + 1
            planned: dict[str, Any] = rule["answers"][turn]
            return planned
    return {"result": None, "fault": None, "applied": False, "latency_ms": 0}


def _work(
    contract: dict[str, Any],
    planned: dict[str, Any],
    state: dict[str, Any],
    arguments: dict[str, Any],
) -> Any:
    """Do what the tool does, change the state's world, and check the answer as its users would."""
    if planned["result"] is not None:
        scope = {"args": arguments, "world": state["world"], "call": state["calls"]}
        try:
            result = render(planned["result"], scope)
        except MISFITS as error:
            raise Broken(f"the case's answer: {error!r}") from error
    else:
        result, state["world"] = perform(contract, state["world"], arguments, state["calls"])
    wrong = "; ".join(violations(contract["output_schema"], result, "the answer"))
    if wrong:
        raise Broken(f"the mock does not keep its contract's output schema: {wrong}")
    return result


_FAULTS = {
    "error": ("INTERNAL_ERROR", "internal error"),
    "timeout": ("TIMEOUT", "the tool did not answer in time"),
    "throttle": ("THROTTLED", "rate exceeded, try again later"),
    "malformed": ("MALFORMED", "<html><body>502 Bad Gateway</body></html>"),
    "truncated": ("TRUNCATED", ""),
}


def _break(entry: dict[str, Any], planned: dict[str, Any]) -> Answer:
    """Turn the entry into a fault, and say what the agent sees of it."""
    kind = planned["fault"]
    code, message = (
        planned[k] or d for k, d in zip(("code", "message"), _FAULTS[kind], strict=True)
    )
    result, entry["result"] = entry["result"], None
    entry["error"] = {
        "kind": "fault",
        "code": code,
        "message": message,
        "applied": planned["applied"],
    }
    if kind in ("malformed", "truncated"):  # an answer that no parser takes, without an error flag
        entry["result"] = message if kind == "malformed" else _json(result)[: planned["keep_chars"]]
        return Answer(entry["result"], False, entry["latency_s"])
    return Answer(_problem(code, message), True, entry["latency_s"])


def _problem(code: str, message: str) -> str:
    return _json({"error": code, "message": message})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
