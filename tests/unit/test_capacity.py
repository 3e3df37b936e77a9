"""How many trials run at a time, worked out by hand."""

import boto3
import pytest
from botocore.stub import Stubber

from driftgate import capacity
from driftgate.adapters import quotas
from driftgate.schemas.capacity import Quotas


def test_no_more_trials_run_at_a_time_than_the_target_needs():
    # 100 trials of 10 s within 130 s: the slowest takes 30, so ten at a time take 100 + 30.
    chosen = capacity.choose([100], 10, Quotas(target_s=130))
    assert (chosen.concurrency, chosen.wall_s, chosen.limited_by) == (10, 130, "")
    assert not chosen.warning


def test_each_look_waits_for_its_slowest_trial():
    chosen = capacity.choose([100, 0, 100], 10, Quotas(target_s=260))
    assert (chosen.trials, chosen.concurrency, chosen.wall_s) == (200, 10, 260)


@pytest.mark.parametrize(
    ("quotas", "seconds", "concurrency", "limited_by"),
    [
        (Quotas(active_sessions=5, target_s=100), 10, 5, "the quota of active sessions"),
        (Quotas(new_sessions_per_s=0.5, target_s=100), 10, 5, "the quota of new sessions a second"),
        (Quotas(functions=4, target_s=100), 10, 4, "the concurrency of functions"),
        (Quotas(target_s=100), 100, 100, "the number of trials"),
    ],
)
def test_what_can_not_be_met_takes_what_there_is_and_says_what_limits_it(
    quotas, seconds, concurrency, limited_by
):
    chosen = capacity.choose([100], seconds, quotas)
    assert (chosen.concurrency, chosen.limited_by) == (concurrency, limited_by)
    assert chosen.wall_s == (100 / concurrency + 3) * seconds
    assert chosen.warning.endswith(f"wanted 100 s; limited by {limited_by}")


def test_sessions_that_end_at_once_are_not_started_faster_than_allowed():
    assert capacity.choose([1000], 0.01, Quotas(target_s=0.1)).concurrency == 1


def test_the_looks_of_a_run_add_up_to_all_its_trials():
    # 3 cases in 2 arms: 6 trials of each case and arm make 6 * 2, then 6 and 12 more.
    run = capacity.of_run(3, 2, (2, 3, 5), 1.0, Quotas())
    assert run.trials == 3 * 2 * 5
    assert run.wall_s == pytest.approx((12 + 6 + 12) / run.concurrency + 3 * 3)


def test_a_trial_that_nobody_measured_is_assumed_to_last_and_says_so():
    assumed = capacity.of_run(200, 2, (2, 3, 5), None, Quotas())
    assert (assumed.seconds, assumed.measured, "is assumed" in str(assumed)) == (35, False, True)
    assert assumed.concurrency == capacity.of_run(200, 2, (2, 3, 5), 35.0, Quotas()).concurrency


def test_a_run_whose_trials_are_all_stored_has_no_trial_to_wait_for():
    assert capacity.of_run(10, 0, (1,), None, Quotas()).wall_s == 0


def with_account(limits, asked=None):
    client = boto3.client(
        "lambda", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y"
    )
    with Stubber(client) as stub:
        if isinstance(limits, str):
            stub.add_client_error("get_account_settings", limits)
        else:
            stub.add_response("get_account_settings", {"AccountLimit": limits})
        return quotas.with_functions(asked or Quotas(), client)


def test_of_a_new_accounts_ten_functions_some_are_left_for_the_tools_of_the_agents():
    found = with_account({"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10})
    assert found.functions == 7
    chosen = capacity.of_run(200, 2, (2, 3, 5), 35.0, found)
    assert (chosen.concurrency, chosen.limited_by) == (7, "the concurrency of functions")
    assert "wanted 10 min" in chosen.warning


def test_who_may_not_ask_the_account_knows_nothing_of_its_functions():
    assert with_account("AccessDeniedException").functions is None


def test_what_is_reserved_is_not_asked_for():
    assert with_account("Unused", Quotas(functions=300)).functions == 300
