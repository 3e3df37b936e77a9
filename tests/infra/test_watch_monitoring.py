"""What must stay true of the alarms on production, of who is told, and of the dashboards."""

import dataclasses
import json
import re
import subprocess
import sys
from math import comb
from pathlib import Path

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from driftgate import names, watch_costs
from stacks.constructs.alarms import RUNBOOK, alarm_period
from stacks.environments import ENVIRONMENTS, WatchedAgent
from stacks.platform import build
from tests.infra import test_monitoring
from tests.infra.conftest import NO_BUNDLING
from tests.infra.reading import Synthesized, flat

ROOT = Path(__file__).parents[2]
SUPPORT = WatchedAgent(name="support")
LOANS = WatchedAgent(name="loans", escalation_rate=0.6, silent_windows=5)
ALARMS = {  # of an agent: metric, statistic, comparison, threshold, of how many, without news
    "QualityFell": (names.CUSUM_RATIO, "Maximum", "GreaterThanOrEqualTo", 1, (1, 1), "ignore"),
    "ToolSlower": (names.LATENCY_RATIO, "Maximum", "GreaterThanOrEqualTo", 1, (1, 1), "ignore"),
    "TurnLimit": (names.TURN_LIMIT_RATE, "Average", "GreaterThan", 0.1, (8, 12), "notBreaching"),
    "UnrecoveredErrors": (
        *(names.UNRECOVERED_ERROR_RATE, "Average", "GreaterThan", 0.1, (8, 12), "notBreaching"),
    ),
    "Escalations": (names.ESCALATION_RATE, "Average", "GreaterThan", 0.3, (8, 12), "notBreaching"),
    "JudgeFaults": (names.JUDGE_FAULT_RATE, "Average", "GreaterThan", 0.2, (8, 12), "notBreaching"),
    "NotWatched": (names.WINDOWS_PUBLISHED, "Sum", "LessThan", 1, (3, 3), "breaching"),
    "BudgetUsed": (names.BUDGET_USED, "Maximum", "GreaterThanOrEqualTo", 1, (1, 1), "ignore"),
    "ComplaintsUnread": (names.NEGATIVE_COVERAGE, "Minimum", "LessThan", 1, (1, 1), "notBreaching"),
}
WAKING = set(ALARMS) - {"BudgetUsed", "ComplaintsUnread"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Production with two agents and a budget for judging, accepted by cdk-nag."""
    folder = tmp_path_factory.mktemp("watched")
    prod = ENVIRONMENTS["prod"]
    sampling = prod.watch.sampling.model_copy(update={"judgments_per_day": 5000})
    with pytest.MonkeyPatch.context() as patch:
        wanted = dataclasses.replace(
            prod,
            watched_agents=(SUPPORT, LOANS),
            silent_hours=12,
            watch=prod.watch.model_copy(update={"sampling": sampling}),
        )
        patch.setitem(ENVIRONMENTS, "prod", wanted)
        app = build({**NO_BUNDLING, "environment": "prod"}, outdir=str(folder))
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        app.synth()
    return Synthesized(folder, "prod")


def of_type(stacks, kind):
    return [found["Properties"] for found in stacks.resources("Monitoring", kind).values()]


def of_agent(stacks, agent):
    prefix = f"Driftgate-{stacks.environment}-agent-{agent}-"
    return {
        alarm["AlarmName"].removeprefix(prefix): alarm
        for alarm in of_type(stacks, "AWS::CloudWatch::Alarm")
        if alarm.get("AlarmName", "").startswith(prefix)
    }


def platform(stacks):
    found = stacks.resources("Monitoring", "AWS::CloudWatch::Alarm")
    return {
        re.sub(r"[0-9A-F]{8}$", "", id): alarm["Properties"]
        for id, alarm in found.items()
        if "AlarmName" not in alarm["Properties"]
    }


def composites(stacks):
    found = of_type(stacks, "AWS::CloudWatch::CompositeAlarm")
    return {alarm["AlarmName"]: alarm for alarm in found}


def dashboards(stacks):
    return {
        board.get("DashboardName"): flat(board["DashboardBody"])
        for board in of_type(stacks, "AWS::CloudWatch::Dashboard")
    }


def searched(body, metric):
    """The dimensions of each search for a metric, and what it is narrowed down to."""
    found = re.findall(
        rf"SEARCH\('{{Driftgate,([\w,]+)}} MetricName=\\*\"{metric}\\*\"(.*?)'", body
    )
    return {(by, where.replace("\\", "").strip()) for by, where in found}


def test_an_agents_alarm_states_what_it_looks_at_and_what_no_news_means(watched):
    found = of_agent(watched, "support")
    assert found.keys() == ALARMS.keys()
    for name, (metric, statistic, comparison, threshold, of_them, missing) in ALARMS.items():
        alarm = found[name]
        assert (alarm["MetricName"], alarm["Statistic"]) == (metric, statistic), name
        assert alarm["ComparisonOperator"] == f"{comparison}Threshold", name
        periods = alarm["EvaluationPeriods"]
        needed = alarm.get("DatapointsToAlarm", periods)
        assert (alarm["Threshold"], (needed, periods)) == (threshold, of_them), name
        assert alarm["TreatMissingData"] == missing, name


def test_an_alarm_knows_the_agent_and_the_environment_and_no_version_type_or_tool(watched):
    for agent in ("support", "loans"):
        for name, alarm in of_agent(watched, agent).items():
            told = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
            assert told == {"agent": agent, "monitor": "online-prod"}, name


def test_an_agent_may_have_limits_of_its_own(watched):
    loans = of_agent(watched, "loans")
    assert loans["Escalations"]["Threshold"] == 0.6
    assert loans["NotWatched"]["EvaluationPeriods"] == 5
    assert loans["TurnLimit"]["Threshold"] == of_agent(watched, "support")["TurnLimit"]["Threshold"]


def test_one_alarm_of_an_agent_wakes_and_single_ones_are_quiet(watched):
    found = composites(watched)
    assert found.keys() == {"Driftgate-prod-agent-support", "Driftgate-prod-agent-loans"}
    for name, alarm in found.items():
        assert "Alarms" in flat(*alarm["AlarmActions"]), name
        assert "Alarms" in flat(*alarm["OKActions"]), name
    for agent in ("support", "loans"):
        for name, alarm in of_agent(watched, agent).items():
            assert "AlarmActions" not in alarm, name


def test_it_wakes_for_what_the_agent_does_and_for_a_blind_watch_and_not_for_a_budget(watched):
    rule = flat(composites(watched)["Driftgate-prod-agent-support"]["AlarmRule"])
    ids = watched.resources("Monitoring", "AWS::CloudWatch::Alarm")
    names_of = {id: alarm["Properties"].get("AlarmName", "") for id, alarm in ids.items()}
    within = {names_of[id] for id in re.findall(r'ALARM\("(\w+)"\)', rule)}
    assert within == {f"Driftgate-prod-agent-support-{name}" for name in WAKING}
    assert "AND" not in rule


def test_alarms_on_a_budget_are_there_where_there_is_one(watched, local):
    assert {"BudgetUsed", "ComplaintsUnread"} <= of_agent(watched, "support").keys()
    assert not {"BudgetUsed", "ComplaintsUnread"} & of_agent(local, "support").keys()


def test_where_nothing_ticks_by_itself_nobody_waits_for_it(watched, local):
    assert "NotWatched" in of_agent(watched, "support")
    assert "NotWatched" not in of_agent(local, "support")
    assert "NoSpans" in platform(watched)
    assert "NoSpans" not in platform(local)


def test_a_period_is_the_environments_window_as_cloudwatch_takes_it(watched, local):
    assert {alarm["Period"] for alarm in of_agent(watched, "support").values()} == {300}
    assert ENVIRONMENTS["local"].watch.clockwork.window_s == 4
    assert {alarm["Period"] for alarm in of_agent(local, "support").values()} == {10}


def test_a_rate_of_a_fifth_of_its_limit_is_less_than_one_alarm_in_a_month_whatever_the_traffic():
    """An alarm begins with a window above the limit that pushes one below it out of the last 12."""
    agent, windows_a_month = WatchedAgent(name="any"), 30 * 24 * 12
    within, needed = agent.windows - 1, agent.windows_above
    for limit in (agent.turn_limit_rate, agent.judge_fault_rate, agent.escalation_rate):
        for sessions in range(1, 200):
            above = share_above(limit, sessions, usual=limit / 5)
            seven_before = comb(within, needed - 1) * above ** (needed - 1)
            begins = seven_before * (1 - above) ** (within - needed + 1) * above * (1 - above)
            assert begins * windows_a_month < 1, (limit, sessions)


def share_above(limit, sessions, usual):
    """Of windows with so many sessions, those whose rate is above the limit by chance."""
    below = (
        comb(sessions, bad) * usual**bad * (1 - usual) ** (sessions - bad)
        for bad in range(sessions + 1)
        if bad / sessions <= limit + 1e-9
    )
    return max(0.0, 1 - sum(below))


@pytest.mark.parametrize(
    ("window_s", "period"),
    [(1, 10), (10, 10), (11, 20), (30, 30), (31, 60), (60, 60), (61, 120), (3600, 3600)],
)
def test_a_window_fits_in_its_period(window_s, period):
    assert alarm_period(window_s).to_seconds() == period


def test_what_all_agents_share_has_alarms_without_any_of_them(prod):
    found = platform(prod)
    wanted = {
        "IngestFails": ("Errors", 3),
        "IngestThrottled": ("Throttles", 3),
        "SpansUnreadable": (names.SPANS_UNREADABLE, 3),
        "OnlineEvalFailed": ("ExecutionsFailed", 1),
        "OnlineEvalTimedOut": ("ExecutionsTimedOut", 1),
        "EventsNotTaken": ("ApproximateNumberOfMessagesVisible", 1),
        "CallsNotTaken": ("ApproximateNumberOfMessagesVisible", 1),
        "StartsNotTaken": ("ApproximateNumberOfMessagesVisible", 1),
    }
    for name, (metric, periods) in wanted.items():
        alarm = found[name]
        assert (alarm["MetricName"], alarm["EvaluationPeriods"]) == (metric, periods), name
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert "Alarms" in flat(*alarm["AlarmActions"]), name


def test_silence_of_all_agents_for_hours_is_an_alarm_where_hours_are_stated(watched, prod):
    alarm = platform(watched)["NoSpans"]
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == (
        "Invocations",
        "LessThanThreshold",
    )
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, 12)
    assert alarm["TreatMissingData"] == "breaching"
    assert "NoSpans" not in platform(prod)


def test_a_message_that_nobody_takes_is_kept_and_every_such_queue_has_an_alarm(watched):
    queues = {
        flat(alarm["Dimensions"][0]["Value"])
        for alarm in platform(watched).values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    own = set(watched.resources("Monitoring", "AWS::SQS::Queue"))
    of_online = set(watched.resources("Online", "AWS::SQS::Queue"))
    assert len(queues) == len(own) + len(of_online) == 3
    for queue in own | of_online:
        assert any(queue in flattened for flattened in queues), queue


def test_what_is_behind_an_alarm_is_told_to_who_reads_it(watched):
    rules = {
        rule["EventPattern"]["detail-type"][0]: rule
        for rule in of_type(watched, "AWS::Events::Rule")
    }
    assert rules["QualityRegressed"]["EventPattern"] == {
        "source": ["driftgate"],
        "detail-type": ["QualityRegressed"],
        "detail": {"environment": ["prod"]},
    }
    assert rules["CloudWatch Alarm State Change"]["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {
            "alarmName": [{"prefix": "Driftgate-prod-agent-"}],
            "state": {"value": ["ALARM"]},
        },
    }
    for kind, rule in rules.items():
        (target,) = rule["Targets"]
        assert flat(target["Arn"]).startswith("Changes"), kind
        assert flat(target["DeadLetterConfig"]["Arn"]).startswith("Undelivered"), kind
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, kind
        assert not {"Input", "InputPath", "InputTransformer"} & target.keys(), kind


def test_the_queue_takes_what_the_rules_could_not_deliver(watched):
    allowed = [
        flat(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        for policy in of_type(watched, "AWS::SQS::QueuePolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "events.amazonaws.com" in json.dumps(statement["Principal"])
    ]
    assert sorted(re.sub(r"[0-9A-F]{8}$", "", arn) for arn in allowed) == [
        "AgentAlarmed",
        "QualityRegressed",
    ]


def test_topics_trust_alarms_and_rules_of_this_account_alone(watched):
    for policy in of_type(watched, "AWS::SNS::TopicPolicy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                account = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
                assert account == {"Ref": "AWS::AccountId"}


def test_an_agents_dashboard_shows_versions_task_types_and_tools_and_never_a_type_by_tool(watched):
    body = dashboards(watched)["Driftgate-prod-agent-support"]
    mine = 'agent="support"'
    by_version, by_type, by_tool = (
        ("agent,version", mine),
        ("agent,version,task_type", mine),
        ("agent,version,tool", mine),
    )
    assert searched(body, names.QUALITY) == {by_version, by_type, by_tool}
    assert searched(body, names.SESSIONS) == {by_version, by_type, by_tool}
    assert searched(body, names.QUALITY_LOWER) == searched(body, names.QUALITY_UPPER)
    assert searched(body, names.QUALITY_LOWER) == {by_version}
    assert searched(body, names.LATENCY_P50) == searched(body, names.LATENCY_P95) == {by_tool}
    shown = (
        *(names.CUSUM_RATIO, names.LATENCY_RATIO, names.COVERAGE, names.NEGATIVE_COVERAGE),
        *(names.TURN_LIMIT_RATE, names.UNRECOVERED_ERROR_RATE, names.ESCALATION_RATE),
        *(names.JUDGE_FAULT_RATE, names.BUDGET_USED),
    )
    for metric in shown:
        assert f'"Driftgate","{metric}","agent","support","monitor","online-prod"' in body, metric


def test_an_agents_dashboard_shows_the_state_of_each_of_its_alarms(watched):
    widgets = json.loads(dashboards(watched)["Driftgate-prod-agent-support"])["widgets"]
    (states,) = [one for one in widgets if one["type"] == "alarm"]
    assert len(states["properties"]["alarms"]) == len(ALARMS) + 1


def test_a_series_is_called_by_what_it_is_of(watched):
    """Or a graph has a dozen lines of the same name."""
    body = dashboards(watched)["Driftgate-prod-agent-support"]
    searches = [
        metric[0]
        for widget in json.loads(body)["widgets"]
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], dict)
    ]
    assert (
        len(searches) == 3 + 1 + 4 + 2
    )  # quality with limits, sessions, by type and tool, latency
    for one in searches:
        by = re.search(r"Driftgate,([\w,]+)}", one["expression"])[1].split(",")
        called = re.findall(r"PROP\('Dim\.(\w+)'\)", one["label"])
        assert called == [dimension for dimension in by if dimension != "agent"]


def test_the_platforms_dashboard_shows_all_that_functions_count_and_any_agent(prod):
    body = dashboards(prod)["Driftgate-prod-watch"]
    counted = (
        *(names.SPANS_INGESTED, names.SPANS_LATE, names.SPANS_DROPPED, names.SPANS_UNREADABLE),
        *(names.SPANS_UNKNOWN, names.SESSIONS_CLOSED, names.CANDIDATES_FOUND),
        *(names.JUDGMENTS_MADE, names.JUDGE_FAULTS),
    )
    for metric in counted:
        assert f'"Driftgate","{metric}","service"' in body, metric
    ours = {("agent,monitor", 'monitor="online-prod"')}
    assert searched(body, names.BUDGET_USED) == searched(body, names.CUSUM_RATIO) == ours
    assert "ExecutionsFailed" in body
    assert "Throttles" in body


def test_every_alarm_names_a_section_and_every_section_belongs_to_an_alarm(synthesized, watched):
    named = set()
    for stacks in [watched, *map(synthesized, ("local", "prod"))]:
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            for alarm in of_type(stacks, kind):
                where, section = re.search(r"(\S+)#(\S+)$", alarm["AlarmDescription"]).groups()
                assert where == RUNBOOK
                named.add(section)
    page = (ROOT / RUNBOOK).read_text()
    sections = {
        title.lower().replace(" ", "-").replace("'", "").replace(",", "")
        for title in re.findall(r"^## (.+)$", page, re.MULTILINE)
    }
    assert named == sections - {"what-no-alarm-tells"}


def test_cfn_lint_finds_nothing_in_the_alarms_of_agents(watched):
    template = watched.folder / "Driftgate-prod-Monitoring.template.json"
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [cfn_lint, "--", str(template)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_cost_model_counts_the_alarms_and_dashboards_that_there_are(local):
    """In an environment without a budget for judging, hours of silence, or a heartbeat."""
    shared = {name for name in platform(local) if name not in test_monitoring.ALARMS}
    assert len(shared) == watch_costs.ALARMS_OF_PLATFORM
    assert len(of_agent(local, "support")) + 1 == watch_costs.ALARMS_OF_AGENT
    assert len(dashboards(local)) == 3  # the gate's, the watch's, and the agent's
