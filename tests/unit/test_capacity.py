"""How many trials run at a time, worked out by hand."""

import pytest

from driftgate import capacity
from driftgate.schemas.capacity import Quotas


def test_no_more_trials_run_at_a_time_than_the_target_needs():
    # 100 trials of 10 s within 130 s: the slowest takes 30, so ten at a time take 100 + 30.
    chosen = capacity.choose([100], 10, Quotas(), target_s=130)
    assert (chosen.concurrency, chosen.wall_s, chosen.limited_by) == (10, 130, "")


def test_each_look_waits_for_its_slowest_trial():
    chosen = capacity.choose([100, 0, 100], 10, Quotas(), target_s=260)
    assert (chosen.concurrency, chosen.wall_s) == (10, 260)


@pytest.mark.parametrize(
    ("quotas", "seconds", "concurrency", "limited_by"),
    [
        (Quotas(active_sessions=5), 10, 5, "the quota of active sessions"),
        (Quotas(new_sessions_per_s=0.5), 10, 5, "the quota of new sessions a second"),
        (Quotas(functions=4), 10, 4, "the concurrency of functions"),
        (Quotas(), 100, 100, "the number of trials"),
    ],
)
def test_what_can_not_be_met_takes_what_there_is_and_says_what_limits_it(
    quotas, seconds, concurrency, limited_by
):
    chosen = capacity.choose([100], seconds, quotas, target_s=100)
    assert (chosen.concurrency, chosen.limited_by) == (concurrency, limited_by)
    assert chosen.wall_s == (100 / concurrency + 3) * seconds


def test_sessions_that_end_at_once_are_not_started_faster_than_allowed():
    assert capacity.choose([1000], 0.01, Quotas(), target_s=0.1).concurrency == 1
