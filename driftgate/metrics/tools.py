"""Metrics of tool use. A call counts as one attempt of the agent to use a tool, failed ones too.

A call that the mock answered with a planned fault (a timeout, say) is not held against the agent:
a sensible one tries again.
"""

from collections.abc import Sequence

from driftgate.alignment import Alignment, Pair, align
from driftgate.matching import ABSENT, mismatch, same_json, show
from driftgate.schemas.cases import Case, ForbiddenCall
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import ToolCall, Trace


def tool_call_accuracy(case: Case, trace: Trace) -> Score:
    """Share of the required calls whose tool was called.

    Each required call needs a call of its own (twice required, called once: one half); an
    alternative does as well. Arguments do not matter here, see argument_fidelity.

    No value: the case requires no calls.
    """
    alignment = align(case.expected_calls, trace.calls)
    made = _required(alignment)
    wanted = len(made) + len(alignment.missing)
    if not wanted:
        return Score(value=None, reason="the case requires no calls")
    missing = ", ".join(call.tool for call in alignment.missing)
    tail = f"; not called: {missing}" if missing else ""
    return Score(
        value=len(made) / wanted, reason=f"{len(made)} of {wanted} required calls made{tail}"
    )


def argument_fidelity(case: Case, trace: Trace) -> Score:
    """Share of the checked arguments that are within tolerance, over the aligned calls.

    Arguments that the case does not name are not checked, unless it forbids extra ones; each extra
    one then counts as checked and wrong.

    No value: no aligned call has an argument to check. A call that was not made shows in
    tool_call_accuracy instead.
    """
    pairs = align(case.expected_calls, trace.calls).pairs
    checked = sum(pair.checked for pair in pairs)
    if not checked:
        return Score(value=None, reason="no aligned call has an argument to check")
    wrong = [f"{pair.call.tool}.{reason}" for pair in pairs for reason in pair.wrong]
    right = checked - len(wrong)
    tail = f"; {wrong[0]}" if wrong else ""
    return Score(value=right / checked, reason=f"{right} of {checked} arguments right{tail}")


def sequence_correctness(case: Case, trace: Trace) -> Score:
    """Share of the stated before/after constraints that hold.

    "B after A" holds when every call aligned with A comes before every call aligned with B. It also
    fails when B was called and a required A never was. It is not counted when B was not called, or
    when A is optional and was not.

    No value: no constraint counts.
    """
    pairs = align(case.expected_calls, trace.calls).pairs
    by_id = {call.id: call for call in case.expected_calls if call.id}
    broken, counted = [], 0
    for later in case.expected_calls:
        later_calls = _positions(pairs, later)
        for earlier in (by_id[name] for name in later.after):
            earlier_calls = _positions(pairs, earlier)
            if not later_calls or (earlier.optional and not earlier_calls):
                continue
            counted += 1
            if not earlier_calls or max(earlier_calls) > min(later_calls):
                broken.append(f"{later.tool} came before {earlier.tool}")
    if not counted:
        return Score(value=None, reason="no order is stated between calls that were made")
    held = counted - len(broken)
    tail = f"; {broken[0]}" if broken else ""
    return Score(value=held / counted, reason=f"{held} of {counted} orders kept{tail}")


def call_precision(case: Case, trace: Trace) -> Score:
    """Share of the calls that were required, optional or alternative.

    What is left are unnecessary calls, duplicates among them. A call that the tool itself failed
    (a fault) is left out. Without any call nothing was unnecessary: 1.
    """
    calls = [call for call in trace.calls if not _tool_failed(call)]
    unnecessary = align(case.expected_calls, calls).unexpected
    if not calls:
        return Score(value=1, reason="no calls were made")
    tail = f": {', '.join(call.tool for call in unnecessary)}" if unnecessary else ""
    return Score(
        value=1 - len(unnecessary) / len(calls),
        reason=f"{len(unnecessary)} of {len(calls)} calls unnecessary{tail}",
    )


def action_correctness(case: Case, trace: Trace) -> Score:
    """1 if the calls that changed state are exactly the expected ones, arguments included, else 0.

    Compared as multisets: order does not matter, twice is not once. A write that failed changed
    nothing, unless its error says that it was applied. Optional writes may be there or not. A call
    whose effect nobody stated counts as a write.

    Source:
        tau-bench (Yao et al. 2024, arXiv:2406.12045) judges a run by the final state of its
        database; the multiset of successful writes is what determines it.
    """
    expected = [call for call in case.expected_calls if call.effect == "write"]
    done = [call for call in trace.calls if changed_state(call)]
    if not expected and not done:
        return Score(value=1, reason="no state change was expected, none was made")
    alignment = align(expected, done)
    wrong = [f"{pair.call.tool}.{pair.wrong[0]}" for pair in alignment.pairs if not pair.exact]
    missing = [f"{call.tool} was not done" for call in alignment.missing]
    extra = dict.fromkeys(_extra(call, alignment.unexpected, done) for call in alignment.unexpected)
    faults = [*wrong, *missing, *extra]
    if faults:
        return Score(value=0, reason="; ".join(faults))
    if not done:
        return Score(value=1, reason="no state change was expected, none was made")
    return Score(value=1, reason=f"{len(done)} state changes, all as expected")


def unexpected_changes(case: Case, calls: Sequence[ToolCall]) -> list[str]:
    """In words, the state changes among these calls that the case does not expect as they are."""
    expected = [call for call in case.expected_calls if call.effect == "write"]
    done = [call for call in calls if changed_state(call)]
    alignment = align(expected, done)
    wrong = [f"{pair.call.tool}.{pair.wrong[0]}" for pair in alignment.pairs if not pair.exact]
    extra = (_extra(call, alignment.unexpected, done) for call in alignment.unexpected)
    return [*wrong, *dict.fromkeys(extra)]


def no_forbidden_call(case: Case, trace: Trace) -> Score:
    """1 if no forbidden call was made, else 0; a call that was refused or failed was made too.

    No value: the case forbids nothing.
    """
    if not case.forbidden_calls:
        return Score(value=None, reason="the case forbids no call")
    for call in trace.calls:
        for forbidden in case.forbidden_calls:
            if forbids(forbidden, call):
                why = f": {forbidden.reason}" if forbidden.reason else ""
                return Score(value=0, reason=f"{call.tool}({shown(call)}) is forbidden{why}")
    return Score(value=1, reason=f"none of {len(case.forbidden_calls)} forbidden calls was made")


def unnecessary_tools(case: Case, trace: Trace) -> tuple[str, ...]:
    """The tools of the calls that were neither required nor optional nor alternative."""
    calls = [call for call in trace.calls if not _tool_failed(call)]
    return tuple(call.tool for call in align(case.expected_calls, calls).unexpected)


def _required(alignment: Alignment) -> list[Pair]:
    return [pair for pair in alignment.pairs if not pair.expected.optional]


def _positions(pairs: tuple[Pair, ...], expected: object) -> list[int]:
    return [pair.call.seq for pair in pairs if pair.expected is expected]


def _tool_failed(call: ToolCall) -> bool:
    return call.error is not None and call.error.kind == "fault"


def changed_state(call: ToolCall) -> bool:
    return call.effect != "read" and (call.error is None or call.error.applied)


def _extra(call: ToolCall, unexpected: Sequence[ToolCall], done: Sequence[ToolCall]) -> str:
    """In words: a write that was not expected at all, or one that was done too often."""

    def same(calls: Sequence[ToolCall]) -> int:
        return sum(
            other.tool == call.tool and same_json(other.arguments, call.arguments)
            for other in calls
        )

    if same(done) == same(unexpected):
        return f"{call.tool}({shown(call)}) was not expected"
    times = "twice" if same(done) == 2 else f"{same(done)} times"
    return f"{call.tool} was done {times}: {shown(call)}"


def forbids(forbidden: ForbiddenCall, call: ToolCall) -> bool:
    given = call.arguments or {}
    return forbidden.tool == call.tool and all(
        mismatch(matcher, given.get(name, ABSENT)) is None
        for name, matcher in forbidden.arguments.items()
    )


def shown(call: ToolCall) -> str:
    return ", ".join(f"{name}={show(value)}" for name, value in (call.arguments or {}).items())
