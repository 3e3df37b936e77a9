"""One attempt's conversation: the user's turns said one after the other, within the limits."""

from collections.abc import Sequence
from typing import TypeVar

from driftgate.errors import InfrastructureFailed
from driftgate.ports import Clock, MockTools, Reply, Session
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion, Limits
from driftgate.schemas.traces import Ending, Message, ToolCall, Trace, Usage

Number = TypeVar("Number", int, float)


def converse(
    session: Session,
    session_id: str,
    agent: AgentVersion,
    case: Case,
    trial: int,
    tools: MockTools,
    clock: Clock,
) -> Trace:
    """Hold the conversation and put its trace together.

    Seconds are limited here, over all turns; calls by the mock tools; tokens and cost between
    turns. An agent at a limit ends there, and has failed.

    Raises:
        InfrastructureFailed: the agent could not be reached or understood, or a mock broke.
    """
    limits = agent.manifest.limits
    messages: list[Message] = []
    calls: list[ToolCall] = []
    replies: list[Reply] = []
    waited_s = 0.0
    for number, turn in enumerate(case.turns, start=1):
        messages.append(Message(turn=number, role="user", text=turn.user))
        asked = clock.monotonic()
        try:
            reply = session.say(turn.user, timeout_s=max(limits.case_s - waited_s, 0.001))
        except TimeoutError:
            ending = Ending(kind="limit", detail=f"no reply within {limits.case_s:g} s")
        except InfrastructureFailed:
            tools.calls(session_id, after=len(calls))  # a broken mock may be what upset the agent
            raise
        else:
            replies.append(reply)
            messages.append(Message(turn=number, role="assistant", text=reply.text))
            ending = _spent(limits, replies)
        waited_s += clock.monotonic() - asked
        fresh = tools.calls(session_id, after=len(calls))
        calls += [call.model_copy(update={"turn": number}) for call in fresh]
        if any(call.error is not None and call.error.kind == "limit" for call in fresh):
            ending = Ending(kind="limit", detail=f"more than {limits.calls} tool calls")
        if ending.kind == "limit":
            break
    last = replies[-1] if replies else Reply(text="")
    return Trace(
        case_id=case.case_id,
        trial=trial,
        session_id=session_id,
        messages=tuple(messages),
        calls=tuple(calls),
        ending=ending,
        stop_reason=last.stop_reason,
        model=last.model,
        usage=Usage(
            input_tokens=_total([reply.input_tokens for reply in replies]),
            output_tokens=_total([reply.output_tokens for reply in replies]),
            cache_read_tokens=_total([reply.cache_read_tokens for reply in replies]),
            cache_write_tokens=_total([reply.cache_write_tokens for reply in replies]),
        ),
        cost_usd=_total([reply.cost_usd for reply in replies]),
        latency_s=round(waited_s, 4),
        findings=last.findings,
        limitations=last.limitations,
    )


def _spent(limits: Limits, replies: Sequence[Reply]) -> Ending:
    """Whether the tokens and the cost that the agent reports are still within its limits."""
    tokens = sum((reply.input_tokens or 0) + (reply.output_tokens or 0) for reply in replies)
    if limits.tokens is not None and tokens > limits.tokens:
        return Ending(kind="limit", detail=f"{tokens} tokens, {limits.tokens} allowed")
    cost = round(sum(reply.cost_usd or 0 for reply in replies), 9)  # three times 0.1 is 0.3
    if limits.cost_usd is not None and cost > limits.cost_usd:
        return Ending(kind="limit", detail=f"{cost:.4f} USD, {limits.cost_usd:.4f} allowed")
    return Ending()


def _total(values: Sequence[Number | None]) -> Number | None:
    """The sum, or None if any part of it was not reported."""
    known = [value for value in values if value is not None]
    return sum(known) if values and len(known) == len(values) else None
