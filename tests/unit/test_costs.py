"""What sessions cost, worked out by hand."""

import pytest

from driftgate import costs
from driftgate.schemas.costs import Prices, SessionUse

PRICES = Prices(
    effective="2026-01-01",
    source="made up",
    runtime_vcpu_hour=36.0,  # a cent for a second
    runtime_gb_hour=3.6,  # a tenth of it
)
USE = SessionUse(calls=6, seconds=10, memory_gb=2, vcpus=1, active=0.5, start_s=1, lanes=2)


@pytest.mark.parametrize(
    ("policy", "sessions", "memory_s", "cpu_s"),
    [
        ("leave", 6, 6 * (10 + 1 + 100), 6 * 11 * 0.5),
        ("stop_after_case", 6, 6 * (10 + 1), 6 * 11 * 0.5),
        ("reuse_lane", 2, 6 * 10 + 2 * 1, 62 * 0.5),
    ],
)
def test_memory_is_paid_until_a_session_ends_and_processors_while_they_compute(
    policy, sessions, memory_s, cpu_s
):
    cost = costs.of_sessions(USE, policy, PRICES, idle_s=100)
    assert (cost.sessions, cost.memory_s) == (sessions, memory_s)
    assert cost.memory_usd == pytest.approx(memory_s * 2 * 0.001)
    assert cost.cpu_usd == pytest.approx(cpu_s * 0.01)
    assert cost.usd == pytest.approx(cost.memory_usd + cost.cpu_usd)


def test_there_are_no_more_lanes_than_conversations():
    few = USE.model_copy(update={"lanes": 50})
    assert costs.of_sessions(few, "reuse_lane", PRICES).sessions == 6


def test_sessions_that_end_cost_less_than_a_tenth_of_those_that_are_left():
    study = SessionUse(calls=20, seconds=30, memory_gb=3.22)
    left, short, reused, stopped = costs.compared(study, idle_s=900)
    assert left.usd > short.usd > stopped.usd > reused.usd
    assert max(reused.usd, stopped.usd) < 0.1 * left.usd
