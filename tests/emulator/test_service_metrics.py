"""Executions, calls and queues are measured, however they come about."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulator.conftest import eventually, one_task

FAILS = "def handler(event, context): raise ValueError('no')"


def total(cloud, namespace, metric, statistic="Sum", **dimensions):
    now = datetime.now(UTC)
    points = cloud.instance.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=86400,
        Statistics=[statistic],
    )["Datapoints"]
    return sum(point[statistic] for point in points) if points else None


def test_executions_and_the_calls_of_their_tasks_are_counted(cloud):
    function = cloud.function(FAILS)
    ended = cloud.run(one_task(function))
    cloud.call(function)
    cloud.lambdas.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    once = cloud.instance.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError, match="TooManyRequests"):
        once.invoke(FunctionName=function)
    machine = {"StateMachineArn": ended["stateMachineArn"]}
    assert total(cloud, "AWS/States", "ExecutionsStarted", **machine) == 1
    assert total(cloud, "AWS/States", "ExecutionsFailed", **machine) == 1
    assert total(cloud, "AWS/States", "ExecutionsSucceeded", **machine) is None
    name = {"FunctionName": function.split(":")[-1]}
    assert total(cloud, "AWS/Lambda", "Invocations", **name) == 2
    assert total(cloud, "AWS/Lambda", "Errors", **name) == 2
    assert total(cloud, "AWS/Lambda", "Throttles", **name) == 1


def test_a_queue_with_messages_has_its_depth_measured(cloud):
    url, arn = cloud.queue()
    cloud.instance.client("sqs").send_message(QueueUrl=url, MessageBody="dead")
    name = {"QueueName": arn.split(":")[-1]}
    metric = "ApproximateNumberOfMessagesVisible"
    assert eventually(lambda: total(cloud, "AWS/SQS", metric, "Maximum", **name)) == 1
