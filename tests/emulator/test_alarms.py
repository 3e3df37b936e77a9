"""Alarms change with time and data, and everybody who is to know is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.deploy import deploy
from tests.emulator.conftest import eventually
from tests.emulator.test_cloudformation import Assembly, stack

SAY = """
import json
def handler(event, context):
    print(json.dumps(event))
"""


class Watch:
    """Metrics and alarms of one namespace, and a queue of all that is told of alarms."""

    def __init__(self, cloud, namespace):
        self.cloud = cloud
        self.namespace = namespace
        self.api = cloud.instance.client("cloudwatch")
        self.sqs = cloud.instance.client("sqs")
        self._read = []

    def put(self, metric, *values, minutes_ago=1, **dimensions):
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        datum = {
            "MetricName": metric,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Timestamp": minute - timedelta(minutes=minutes_ago) + timedelta(seconds=1),
            "Values": [float(value) for value in values],
        }
        self.api.put_metric_data(Namespace=self.namespace, MetricData=[datum])

    def alarm(self, name, metric=None, **options):
        measured = {
            "Namespace": self.namespace,
            "MetricName": metric,
            "Statistic": "Average",
            "Period": 60,
        }
        if "Metrics" in options:
            measured = {}
        if "ExtendedStatistic" in options:
            del measured["Statistic"]
        rule = {
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 5.0,
            "EvaluationPeriods": 1,
        }
        self.api.put_metric_alarm(AlarmName=name, **{**measured, **rule, **options})

    def describe(self, name):
        found = self.api.describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return (found["MetricAlarms"] + found["CompositeAlarms"])[0]

    def states(self, *names):
        return [self.describe(name)["StateValue"] for name in names]

    def await_states(self, **expected):
        return eventually(lambda: self.states(*expected) == list(expected.values()))

    def messages(self, url, count):
        found = []

        def look():
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            found.extend(json.loads(one["Body"]) for one in answer.get("Messages", ()))
            return len(found) >= count

        eventually(look)
        return found


def query(name, metric, namespace, **options):
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": []},
        "Period": 60,
        "Stat": "Sum",
    }
    return {"Id": name, "MetricStat": stat, "ReturnData": False, **options}


def dimensions(**given):
    return [{"Name": key, "Value": value} for key, value in given.items()]


@pytest.fixture(scope="module")
def watch(cloud):
    return Watch(cloud, "States")


def test_an_alarm_is_in_the_state_of_its_own_metric(watch):
    watch.put("Lag", 1, 9, agent="support", monitor="m")
    watch.put("Lag", 1, agent="billing", monitor="m")
    watch.put("Lag", 99)
    support = dimensions(agent="support", monitor="m")
    for statistic, name in (("Maximum", "maximum"), ("Minimum", "minimum"), ("Sum", "sum")):
        watch.alarm(name, "Lag", Dimensions=support, Statistic=statistic)
    watch.alarm("count", "Lag", Dimensions=support, Statistic="SampleCount", Threshold=1.0)
    watch.alarm("percentile", "Lag", Dimensions=support, ExtendedStatistic="p99")
    watch.alarm("billing", "Lag", Dimensions=dimensions(agent="billing", monitor="m"))
    watch.alarm("nobody", "Lag", Dimensions=dimensions(agent="nobody", monitor="m"))
    watch.alarm("half", "Lag", Dimensions=dimensions(agent="support"), TreatMissingData="breaching")
    watch.alarm("unheard", "Lag", Dimensions=support, Unit="Seconds", TreatMissingData="ignore")
    watch.await_states(
        maximum="ALARM",
        minimum="OK",
        sum="ALARM",
        count="ALARM",
        percentile="ALARM",
        billing="OK",
        nobody="INSUFFICIENT_DATA",
        half="ALARM",
        unheard="INSUFFICIENT_DATA",
    )
    found = watch.describe("sum")
    assert found["StateReason"].startswith(
        "Threshold Crossed: 1 out of the last 1 datapoints [10.0 ("
    )
    assert json.loads(found["StateReasonData"])["recentDatapoints"] == [10.0]


def test_a_period_may_be_of_ten_seconds(watch):
    now = datetime.now(UTC)
    data = [
        {"MetricName": "Quick", "Timestamp": now - timedelta(seconds=ago), "Value": value}
        for ago, value in ((20, 1.0), (10, 9.0))
    ]
    watch.api.put_metric_data(Namespace="States", MetricData=data)
    watch.alarm("quick", "Quick", Period=10)
    watch.await_states(quick="ALARM")


def test_so_many_of_so_many_points_must_breach(watch):
    for ago, value in ((4, 9), (3, 9), (2, 1), (1, 9)):
        watch.put("Mixed", value, minutes_ago=ago)
    watch.alarm("three", "Mixed", EvaluationPeriods=3)
    watch.alarm("two", "Mixed", EvaluationPeriods=3, DatapointsToAlarm=2)
    watch.await_states(three="OK", two="ALARM")


def test_an_alarm_computes_over_metrics(watch):
    watch.put("Faults", 3)
    watch.put("Faults", 3, minutes_ago=0)  # so that a minute may end meanwhile
    watch.put("Faults", 8, minutes_ago=2)
    watch.put("Runs", 4)
    watch.put("Runs", 100, minutes_ago=2)
    faults, runs = query("m1", "Faults", "States"), query("m2", "Runs", "States")
    watch.alarm("rate", Metrics=[faults, runs, {"Id": "e", "Expression": "m1 / m2"}], Threshold=0.5)
    enough = {"Id": "e", "Expression": "IF(m2 > 10, m1 / m2)"}
    watch.alarm("enough", Metrics=[faults, runs, enough], Threshold=0.5)
    worst = {"Id": "e", "Expression": "MAX(FILL([m1, never], 0))"}
    never = query("never", "Never", "States")
    watch.alarm("worst", Metrics=[faults, never, worst], Threshold=2.0)
    watch.await_states(rate="ALARM", enough="OK", worst="ALARM")
    assert "Period" not in watch.describe("rate")
    assert watch.describe("rate")["Metrics"][2]["Expression"] == "m1 / m2"


def test_a_composite_alarm_follows_its_rule(watch):
    for name in ("left", "right"):
        watch.alarm(name, "Nothing")
    rules = {
        "both": 'ALARM("left") AND ALARM("right")',
        "either": "ALARM(left) OR ALARM(right)",
        "neither": "NOT (ALARM(left) OR ALARM(right))",
    }
    for name, rule in rules.items():
        watch.api.put_composite_alarm(AlarmName=name, AlarmRule=rule)
    assert watch.states(*rules) == ["OK", "OK", "ALARM"]
    watch.put("Nothing", 9)
    watch.await_states(both="ALARM", either="ALARM", neither="OK")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Period": 60, "EvaluationPeriods": 2000}, "too long"),
        ({"EvaluationPeriods": 2, "DatapointsToAlarm": 3}, "DatapointsToAlarm"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "with a number alone"),
        ({"TreatMissingData": "never"}, "TreatMissingData"),
        ({"ExtendedStatistic": "tm99"}, "percentile"),
    ],
)
def test_an_alarm_that_would_not_do_what_it_says_is_refused(watch, options, said):
    with pytest.raises(ClientError, match=said):
        watch.alarm("refused", "Lag", **options)


def test_math_that_can_not_be_computed_is_refused(watch):
    metric = query("m", "Lag", "States")
    for expression, said in (("m + x", "'x'"), ("RATE(m)", "RATE"), ("MAX(m)", "is a number")):
        with pytest.raises(ClientError, match=said):
            watch.alarm("refused", Metrics=[metric, {"Id": "e", "Expression": expression}])


@pytest.fixture(scope="module")
def told(cloud):
    """An alarm that changed thrice, by data and by hand, and what came of it where."""
    watch = Watch(cloud, "Told")
    sns, events = cloud.instance.client("sns"), cloud.instance.client("events")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    by_topic, by_bus = cloud.queue(), cloud.queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=by_topic[1])
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [{"prefix": "told"}], "state": {"value": ["ALARM", "OK"]}},
    }
    events.put_rule(Name="alarms", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="alarms", Targets=[{"Id": "q", "Arn": by_bus[1]}])
    functions = {}
    for name, service in (
        ("action", "lambda.alarms.cloudwatch"),
        ("subscriber", "sns"),
        ("stranger", None),
    ):
        functions[name] = cloud.function(SAY)
        if service:
            cloud.allow(functions[name], service)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=functions["subscriber"])
    actions = [topic, functions["action"], functions["stranger"]]
    watch.put("Drift", 9, agent="support")
    watch.alarm(
        "told",
        "Drift",
        Dimensions=dimensions(agent="support"),
        AlarmDescription="Drifts. docs/operations.md#drift",
        AlarmActions=actions,
        OKActions=[topic],
    )
    watch.await_states(told="ALARM")
    watch.put("Drift", -9, agent="support")
    watch.await_states(told="OK")
    watch.api.set_alarm_state(AlarmName="told", StateValue="ALARM", StateReason="a drill")
    return watch, topic, by_topic[0], by_bus[0], functions


def test_topics_are_told_as_by_aws(told):
    watch, topic, url, _, _ = told
    first, second, third = sorted(watch.messages(url, 3), key=lambda one: one["Timestamp"])[:3]
    assert first["Subject"] == 'ALARM: "told" in US East (N. Virginia)'
    said = json.loads(first["Message"])
    assert {
        name: said[name]
        for name in ("AlarmName", "NewStateValue", "OldStateValue", "Region", "AlarmDescription")
    } == {
        "AlarmName": "told",
        "NewStateValue": "ALARM",
        "OldStateValue": "INSUFFICIENT_DATA",
        "Region": "US East (N. Virginia)",
        "AlarmDescription": "Drifts. docs/operations.md#drift",
    }
    assert said["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:told"
    assert said["OKActions"] == [topic]
    assert said["Trigger"] == {
        "MetricName": "Drift",
        "Namespace": "Told",
        "StatisticType": "Statistic",
        "Statistic": "AVERAGE",
        "Unit": None,
        "Dimensions": [{"value": "support", "name": "agent"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }
    assert json.loads(second["Message"])["NewStateValue"] == "OK"
    assert json.loads(third["Message"])["NewStateReason"] == "a drill"


def test_the_default_bus_is_told_as_by_aws(told):
    watch, _, _, url, _ = told
    events = watch.messages(url, 3)
    assert [one["detail"]["state"]["value"] for one in events[:3]] == ["ALARM", "OK", "ALARM"]
    event = events[1]
    assert event["source"] == "aws.cloudwatch"
    assert event["resources"] == ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:told"]
    detail = event["detail"]
    assert detail["previousState"] == events[0]["detail"]["state"]
    assert "threshold (5.0)" in detail["state"]["reason"]
    assert json.loads(detail["state"]["reasonData"])["threshold"] == 5.0
    (metric,) = detail["configuration"].pop("metrics")
    assert detail["configuration"] == {"description": "Drifts. docs/operations.md#drift"}
    assert metric["metricStat"] == {
        "metric": {"namespace": "Told", "name": "Drift", "dimensions": {"agent": "support"}},
        "period": 60,
        "stat": "Average",
    }
    assert "reasonData" not in events[2]["detail"]["state"]


def test_functions_are_called_if_their_policy_lets_the_caller_in(told):
    watch, topic, _, _, functions = told
    action = eventually(lambda: watch.cloud.printed(functions["action"]))[0]
    assert action["alarmArn"].endswith(":alarm:told")
    assert action["alarmData"]["state"]["value"] == "ALARM"
    notice = eventually(lambda: watch.cloud.printed(functions["subscriber"]))[0]["Records"][0][
        "Sns"
    ]
    assert notice["TopicArn"] == topic
    assert json.loads(notice["Message"])["AlarmName"] == "told"
    assert watch.cloud.printed(functions["stranger"]) == []


def test_what_was_set_by_hand_lasts_until_data_say_otherwise(told):
    told[0].await_states(told="OK")


def test_templates_may_have_math_and_composite_alarms(cloud, tmp_path):
    watch = Watch(cloud, "Templates")
    watch.put("Faults", 3)
    watch.put("Runs", 4)
    stat = {"Metric": {"Namespace": "Templates", "MetricName": "Faults"}, "Period": "60"}
    rate = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": "0.5",
            "EvaluationPeriods": "1",
            "TreatMissingData": "notBreaching",
            "Metrics": [
                {"Id": "m1", "MetricStat": {**stat, "Stat": "Sum"}, "ReturnData": "false"},
                query("m2", "Runs", "Templates"),
                {"Id": "e", "Expression": "m1 / m2"},
            ],
        },
    }
    rule = {"Fn::Join": ["", ['ALARM("', {"Fn::GetAtt": ["Rate", "Arn"]}, '")']]}
    whole = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": rule}}
    resources = {"Whole": whole, "Rate": rate}
    assembly = Assembly(tmp_path / "cdk.out")
    template = stack(resources, {"Whole": {"Ref": "Whole"}, "Rate": {"Ref": "Rate"}})
    names = deploy(assembly.write(alarms=template), cloud.instance)[0].outputs
    watch.await_states(**{names["Rate"]: "ALARM", names["Whole"]: "ALARM"})

    whole["Properties"]["AlarmRule"] = {"Fn::Join": ["", ["NOT ", rule]]}
    deploy(assembly.write(alarms=template), cloud.instance)
    watch.await_states(**{names["Whole"]: "OK"})

    formation = cloud.instance.client("cloudformation")
    formation.delete_stack(StackName="alarms")
    eventually(lambda: not watch.api.describe_alarms(AlarmNames=[names["Rate"]])["MetricAlarms"])


def test_the_bare_emulator_mixes_dimensions(bare):
    watch = Watch(bare, "Bare")
    watch.put("Lag", 99, minutes_ago=0)
    watch.alarm("mixed", "Lag", Dimensions=dimensions(agent="other"))
    assert watch.states("mixed") == ["ALARM"]
