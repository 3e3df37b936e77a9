"""Metrics of what came out: what reached the user, and whether the task was done."""

from driftgate.matching import mismatch
from driftgate.metrics.tools import action_correctness, no_forbidden_call
from driftgate.schemas.cases import Case
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Trace


def output_correctness(case: Case, trace: Trace) -> Score:
    """1 if every expected output reached the user, each in its turn, else 0.

    An output that is expected of the case, not of a turn, may come in any reply.

    No value: the case expects no outputs; or one was not found, and the source did not record all
    messages, so that it may have been said.
    """
    wanted = [(turn, m) for turn, t in enumerate(case.turns, 1) for m in t.expected_outputs]
    everywhere = [(None, matcher) for matcher in case.expected_outputs]
    faults = []
    for turn, matcher in [*wanted, *everywhere]:
        where = f"in the reply to turn {turn}" if turn else "in any reply"
        if reason := mismatch(matcher, trace.reply(turn)):
            faults.append(f"{where}: {reason}")
    total = len(wanted) + len(everywhere)
    if not total:
        return Score(value=None, reason="the case expects no outputs")
    if not faults:
        return Score(value=1, reason=f"all of {total} expected outputs reached the user")
    if "messages" in trace.not_recorded:
        return Score(value=None, reason=f"not all messages are recorded; {faults[0]}")
    return Score(value=0, reason="; ".join(faults))


def task_success(case: Case, trace: Trace) -> Score:
    """1 if the task was done: state changes right, outputs right, and no forbidden call; else 0.

    An agent that ran into a limit, or broke off, has failed. The primary metric of the gate.

    No value: nothing is known to be wrong, and output_correctness could not be decided.
    """
    if trace.ending.kind != "completed":
        return Score(value=0, reason=f"{_ENDINGS[trace.ending.kind]}: {trace.ending.detail}")
    parts = [
        metric(case, trace)
        for metric in (action_correctness, output_correctness, no_forbidden_call)
    ]
    failed = [part.reason for part in parts if part.value == 0]
    if failed:
        return Score(value=0, reason="; ".join(failed))
    open_output = parts[1]
    expects_outputs = case.expected_outputs or any(turn.expected_outputs for turn in case.turns)
    if not open_output.scored and expects_outputs:
        return Score(value=None, reason=open_output.reason)
    return Score(value=1, reason="; ".join(part.reason for part in parts if part.scored))


_ENDINGS = {"limit": "ran into a limit", "agent_error": "the agent broke off"}
