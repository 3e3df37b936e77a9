"""What sessions cost by what becomes of them after a conversation.

A session of AgentCore Runtime is paid for its processor only while that computes, but for its
memory from its start until it has ended: an agent that answered in half a minute and is left alone
costs its memory for the idle timeout, fifteen minutes by default.
"""

from driftgate.schemas.costs import Prices, SessionCost, SessionPolicy, SessionUse

PRICES = Prices(
    effective="2026-09-26",
    source="AWS's pricing pages as quoted by others, us-east-1; check them for your region",
    runtime_vcpu_hour=0.0895,
    runtime_gb_hour=0.00945,
)
HOUR_S = 3600
SHORTEST_IDLE_S = 60  # that AgentCore Runtime takes


def compared(use: SessionUse, idle_s: float) -> tuple[SessionCost, ...]:
    """Sessions left to their idle timeout as it is, to the shortest one, reused, and stopped."""
    return (
        of_sessions(use, "leave", idle_s=idle_s),
        of_sessions(use, "leave", idle_s=SHORTEST_IDLE_S),
        of_sessions(use, "reuse_lane"),
        of_sessions(use, "stop_after_case"),
    )


def of_sessions(
    use: SessionUse, policy: SessionPolicy, prices: Prices = PRICES, *, idle_s: float = 900
) -> SessionCost:
    """The cost of a day's conversations.

    Args:
        idle_s: the runtime's idle timeout, which is waited for where sessions are left.
    """
    sessions = min(use.lanes, use.calls) if policy == "reuse_lane" else use.calls
    busy = use.calls * use.seconds + sessions * use.start_s
    left = sessions * idle_s if policy == "leave" else 0
    memory_s = busy + left
    return SessionCost(
        policy=policy,
        idle_s=idle_s if policy == "leave" else None,
        sessions=sessions,
        memory_s=memory_s,
        memory_usd=memory_s / HOUR_S * use.memory_gb * prices.runtime_gb_hour,
        cpu_usd=busy * use.active / HOUR_S * use.vcpus * prices.runtime_vcpu_hour,
    )
