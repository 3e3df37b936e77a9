"""What must stay true of the schedules by which the gate is tried, and of the alarms on it.

Those on production are in test_watch_monitoring.py.
"""

import json
import re

import pytest

from driftgate import drills, names
from stacks import monitoring
from tests.infra.reading import flat, listed, machine, states

ALARMS = {  # id -> metric, breaching above or below, what a night without news means
    "FalseBlocks": (names.FALSE_BLOCK_RATE_LOWER, "GreaterThan", 0.05, "ignore"),
    "DrillMissed": (names.DRILLS_MISSED, "GreaterThan", 0, "ignore"),
    "TryFailed": ("ExecutionsFailed", "GreaterThan", 0, "notBreaching"),
    "AttackGotThrough": ("ExecutionsFailed", "GreaterThan", 0, "notBreaching"),
    "NothingTried": (names.TRY_ENDED, "LessThan", 1, "breaching"),
}


def alarms(stacks):
    found = stacks.resources("Monitoring", "AWS::CloudWatch::Alarm")
    by_name = {re.sub(r"[0-9A-F]{8}$", "", id): alarm["Properties"] for id, alarm in found.items()}
    return {name: alarm for name, alarm in by_name.items() if name in ALARMS}


def schedules(stacks):
    found = stacks.resources("Monitoring", "AWS::Scheduler::Schedule").values()
    return {
        json.loads(target.get("Input", "{}")).get("kind", "attack"): schedule["Properties"]
        for schedule in found
        for target in [schedule["Properties"]["Target"]]
    }


def test_an_alarm_states_what_it_looks_at_and_what_no_news_means(prod):
    found = alarms(prod)
    assert found.keys() == ALARMS.keys()
    for name, (metric, comparison, threshold, missing) in ALARMS.items():
        alarm = found[name]
        assert (alarm["MetricName"], alarm["Threshold"]) == (metric, threshold), name
        assert alarm["ComparisonOperator"].startswith(comparison), name
        assert alarm["TreatMissingData"] == missing, name


def test_what_is_allowed_is_what_the_rule_promises():
    assert monitoring.ALLOWED == drills.ALLOWED


def test_no_alarm_knows_an_agent(prod):
    for name, alarm in alarms(prod).items():
        told = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        if alarm["Namespace"] == names.METRIC_NAMESPACE:
            assert told == {"agent": "ALL", "monitor": "gate-prod"}, name
        else:
            assert told.keys() == {"StateMachineArn"}, name


def test_an_alarm_tells_somebody(prod):
    for name, alarm in alarms(prod).items():
        assert [flat(action) for action in alarm["AlarmActions"]] == ["Alarms04B5A0BF"], name


def test_two_nights_without_a_try_are_told(prod):
    alarm = alarms(prod)["NothingTried"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Statistic"]) == (86400, 2, "Sum")


def test_every_night_has_one_try_and_every_week_an_attack_on_what_is_in_production(prod):
    found = schedules(prod)
    assert {kind: one["ScheduleExpression"] for kind, one in found.items()} == {
        "aa": "cron(0 2 ? * MON-FRI *)",
        "tool": "cron(0 2 ? * SAT *)",
        "broad": "cron(0 2 ? * SUN *)",
        "attack": "cron(0 12 ? * SUN *)",
    }
    assert {one["ScheduleExpressionTimezone"] for one in found.values()} == {"Etc/UTC"}


@pytest.mark.parametrize(
    ("environment", "state"),
    [("local", "DISABLED"), ("dev", "ENABLED"), ("staging", "ENABLED"), ("prod", "ENABLED")],
)
def test_nothing_starts_by_itself_on_a_local_aws_and_nobody_waits_for_it_there(
    synthesized, environment, state
):
    stacks = synthesized(environment)
    assert {one["State"] for one in schedules(stacks).values()} == {state}
    assert ("NothingTried" in alarms(stacks)) == (state == "ENABLED")


def test_a_start_that_nobody_takes_is_kept(prod):
    for kind, one in schedules(prod).items():
        assert "Undelivered" in flat(one["Target"]["DeadLetterConfig"]["Arn"]), kind
        assert one["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0, kind


def test_who_keeps_the_schedule_may_start_the_try_and_the_attack_and_nothing_else(prod):
    (policy,) = prod.resources("Monitoring", "AWS::IAM::Policy").values()
    rights = {
        (action, flat(resource))
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not action.startswith("kms:")
    }
    assert {action for action, _ in rights} == {"states:StartExecution", "sqs:SendMessage"}
    started = [r for a, r in rights if a == "states:StartExecution"]
    assert all("TryGate" in one or "AttackBaselines" in one for one in started)


def test_a_try_may_run_the_evaluation_to_its_end_and_no_other_machine(prod):
    rights = {
        (action, flat(resource))
        for id, policy in prod.resources("Evaluation", "AWS::IAM::Policy").items()
        if id.startswith("TryGateRole")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if action.split(":")[0] in ("states", "events")
    }
    place = "AWS::Region:AWS::AccountId"
    own = f"arn:AWS::Partition:states:{place}:execution:OfflineEvalF9193B89:*"
    rule = "StepFunctionsGetEventsForStepFunctionsExecutionRule"
    assert rights == {
        ("states:StartExecution", "OfflineEvalF9193B89"),
        ("states:DescribeExecution", own),
        ("states:StopExecution", own),
        *(
            (f"events:{action}", f"arn:AWS::Partition:events:{place}:rule/{rule}")
            for action in ("PutTargets", "PutRule", "DescribeRule")
        ),
    }


def test_the_evaluation_ends_before_its_try_gives_up():
    """Nobody would stop it then, nor record it."""
    tried = machine("try_gate")
    evaluate = tried["States"]["Evaluate"]["TimeoutSeconds"]
    assert machine("offline_eval")["TimeoutSeconds"] < evaluate < tried["TimeoutSeconds"]


def test_a_run_that_fails_is_recorded_and_then_fails_the_try():
    found = dict(states(machine("try_gate")))
    (caught,) = found["Evaluate"]["Catch"]
    assert {"States.TaskFailed", "States.Timeout"} <= set(caught["ErrorEquals"])
    failure = found[caught["Next"]]
    assert failure["Parameters"]["FunctionName"] == "${RecordDrill}"
    assert found[failure["Next"]]["Type"] == "Fail"


def test_topics_take_messages_of_alarms_and_of_rules_under_our_key(prod):
    policies = prod.resources("Monitoring", "AWS::SNS::TopicPolicy").values()
    allowed = {
        service
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for service in listed(statement["Principal"]["Service"])
    }
    key = prod.resources("Data", "AWS::KMS::Key")["Key961B73FD"]["Properties"]["KeyPolicy"]
    may_use = {
        service
        for statement in key["Statement"]
        if set(listed(statement["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}
        for service in listed(statement["Principal"]["Service"])
    }
    assert allowed == may_use == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}


def test_the_dashboard_shows_the_agents_that_there_are_by_then(prod):
    found = prod.resources("Monitoring", "AWS::CloudWatch::Dashboard")
    (dashboard,) = (board for id, board in found.items() if id.startswith("Gate"))
    body = flat(dashboard["Properties"]["DashboardBody"])
    shown = set(re.findall(r"SEARCH\('{Driftgate,agent,monitor} MetricName=\\*\"(\w+)", body))
    assert shown == {
        *(names.FALSE_BLOCK_RATE, names.FALSE_BLOCK_RATE_LOWER, names.FALSE_BLOCK_RATE_UPPER),
        *(names.FALSE_BLOCKS, names.AA_RUNS, names.DRILL_BLOCKED),
        *(names.SPENT_TRIALS, names.TRY_FAILED),
    }
