"""Log lines in the embedded metric format are metric data; and metrics are told by dimensions."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aws_lambda_powertools import Metrics
from botocore.exceptions import ClientError

# As Powertools writes it.
FUNCTION = """
import json, time
def handler(event, context):
    metric = [{"Name": "Judged", "Unit": "Count"}, {"Name": "Seconds", "Unit": "Seconds"}]
    print(json.dumps({
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [
            {"Namespace": "Lines", "Dimensions": [["agent"], ["agent", "tool"]], "Metrics": metric}
        ]},
        "agent": event["agent"], "tool": "search",
        "Judged": [1.0], "Seconds": [0.5, 1.5, 4.0],
    }))
"""


def document(**changes):
    metrics = [{"Name": "Seen", "Unit": "Count"}]
    directive = {"Namespace": "Puts", "Dimensions": [["agent"]], "Metrics": metrics}
    header = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": header, "agent": "support", "Seen": 7, **changes}


def metric(name="Seconds", namespace="Lines", **dimensions):
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": listed}


def window():
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}


def statistics(cloud, which, *names):
    found = cloud.instance.client("cloudwatch").get_metric_statistics(
        **which, **window(), Period=3600, Statistics=names
    )["Datapoints"]
    return [{name: point[name] for name in (*names, "Unit")} for point in found]


def put_lines(cloud, *messages):
    logs = cloud.instance.client("logs")
    group = f"lines-{time.time_ns()}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


@pytest.fixture(scope="module")
def published(cloud):
    function = cloud.function(FUNCTION)
    cloud.call(function, {"agent": "support"})
    cloud.call(function, {"agent": "billing"})
    return cloud


def test_what_a_function_logs_is_published_with_each_set_of_dimensions(published):
    listed = published.instance.client("cloudwatch").list_metrics(Namespace="Lines")["Metrics"]
    found = {
        (one["MetricName"], frozenset(each["Value"] for each in one["Dimensions"]))
        for one in listed
    }
    assert found == {
        (name, frozenset(values))
        for name in ("Judged", "Seconds")
        for agent in ("billing", "support")
        for values in ([agent], [agent, "search"])
    }


def test_all_values_of_an_array_count(published):
    assert statistics(published, metric(agent="support"), "SampleCount", "Sum", "Maximum") == [
        {"SampleCount": 3.0, "Sum": 6.0, "Maximum": 4.0, "Unit": "Seconds"}
    ]


def test_without_dimensions_a_metric_is_another(published):
    assert statistics(published, metric(), "Sum") == []


def test_metric_data_is_computed_over_metrics_and_comes_latest_first(published):
    cloudwatch = published.instance.client("cloudwatch")
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    for minutes, value in ((3, 10.0), (2, 30.0), (1, 20.0)):
        datum = {"MetricName": "Points", "Value": value, "Timestamp": minute}
        datum["Timestamp"] -= timedelta(minutes=minutes)
        cloudwatch.put_metric_data(Namespace="Math", MetricData=[datum])
    stat = {"Metric": metric("Points", "Math"), "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "m", "MetricStat": stat, "ReturnData": False},
        {"Id": "e", "Expression": "IF(m > 15, m / 10)"},
    ]
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, **window())
    (found,) = results["MetricDataResults"]
    assert found["Values"] == [2.0, 3.0]
    assert found["Timestamps"] == [minute - timedelta(minutes=one) for one in (1, 2)]

    queries[1]["Expression"] = "SEARCH('{Math} Points', 'Sum', 60)"
    with pytest.raises(ClientError, match=r"ValidationError.*SEARCH"):
        cloudwatch.get_metric_data(MetricDataQueries=queries, **window())


def test_lines_put_into_a_log_group_are_published_and_malformed_ones_only_stored(cloud, home):
    put_lines(
        cloud,
        json.dumps(document()),
        json.dumps(document(Seen=5)),
        json.dumps(document(agent=5)),
        json.dumps(document(Seen="many")),
        json.dumps(document(Seen=True)),
        '{"_aws": broken',
        "plain text",
    )
    which = metric("Seen", "Puts", agent="support")
    assert statistics(cloud, which, "SampleCount", "Sum") == [
        {"SampleCount": 2.0, "Sum": 12.0, "Unit": "Count"}
    ]
    said = home.log_path("filled").read_text()
    assert "wanted a number, got 'many'" in said
    assert "dimension agent: wanted a text, got 5" in said


def test_what_powertools_writes_is_published(cloud):
    metrics = Metrics(namespace="Powertools")
    metrics.add_dimension(name="agent", value="support")
    for seconds in (0.5, 2.0):
        metrics.add_metric(name="Seconds", unit="Seconds", value=seconds)
    put_lines(cloud, json.dumps(metrics.serialize_metric_set()))
    metrics.clear_metrics()
    listed = cloud.instance.client("cloudwatch").list_metrics(Namespace="Powertools")["Metrics"]
    assert {one["Name"]: one["Value"] for one in listed[0]["Dimensions"]}["agent"] == "support"
    assert statistics(cloud, listed[0], "SampleCount", "Sum") == [
        {"SampleCount": 2.0, "Sum": 2.5, "Unit": "Seconds"}
    ]


def test_the_bare_emulator_publishes_nothing(bare):
    put_lines(bare, json.dumps(document()))
    assert bare.instance.client("cloudwatch").list_metrics(Namespace="Puts")["Metrics"] == []
