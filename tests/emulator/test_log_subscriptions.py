"""Subscribed functions get the log events they want, in batches, until they have taken them."""

import time

import pytest
from botocore.exceptions import ClientError

from local.deploy import deploy
from tests.emulator.conftest import RUNTIME, eventually
from tests.emulator.test_cloudformation import Assembly, stack

# The first time it fails; then it says what came.
CODE = """
import base64, gzip, json
calls = []
def handler(event, context):
    batch = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    calls.append(batch)
    if "fail" in batch["logStream"] and len(calls) == 1:
        raise ValueError("try again")
    print(json.dumps(batch))
"""
WANTED = '{"attributes": {"session.id": "s-1"}}'
UNWANTED = '{"attributes": {"session_id": "s-2"}}'
PATTERN = '"session.id"'


class Logs:
    def __init__(self, cloud):
        self.cloud = cloud
        self.api = cloud.instance.client("logs")

    def group(self, *streams):
        name = f"/spans/{time.time_ns()}"
        self.api.create_log_group(logGroupName=name)
        for stream in streams:
            self.api.create_log_stream(logGroupName=name, logStreamName=stream)
        return name

    def function(self, service="logs", **options):
        made = self.cloud.function(CODE)
        if service:
            self.cloud.allow(made, service, **options)
        return made

    def subscribe(self, group, function, name="spans", pattern=PATTERN):
        self.api.put_subscription_filter(
            logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=function
        )

    def put(self, group, stream, *messages):
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": message} for message in messages]
        self.api.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture(scope="module")
def logs(cloud):
    return Logs(cloud)


def refusal(logs, *arguments, **options):
    with pytest.raises(ClientError) as caught:
        logs.subscribe(*arguments, **options)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_function_gets_what_matches_in_one_batch(logs):
    group, function = logs.group("s"), logs.function()
    logs.subscribe(group, function)
    logs.put(group, "s", WANTED, UNWANTED, WANTED)
    (batch,) = eventually(lambda: logs.cloud.printed(function))
    events = batch.pop("logEvents")
    assert batch == {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": group,
        "logStream": "s",
        "subscriptionFilters": ["spans"],
    }
    assert [one["message"] for one in events] == [WANTED, WANTED]
    assert len({one["id"] for one in events}) == 2


def test_a_batch_that_fails_is_delivered_again(logs):
    group, function = logs.group("fail"), logs.function()
    logs.subscribe(group, function)
    logs.put(group, "fail", WANTED)
    (batch,) = eventually(lambda: logs.cloud.printed(function))
    assert [one["message"] for one in batch["logEvents"]] == [WANTED]


def test_a_group_has_two_filters_at_most(logs):
    group, function = logs.group(), logs.function()
    for name in ("first", "second", "second"):
        logs.subscribe(group, function, name)
    assert refusal(logs, group, function, "third") == (
        "LimitExceededException",
        "Resource limit exceeded.",
    )
    logs.api.delete_subscription_filter(logGroupName=group, filterName="first")
    logs.subscribe(group, function, "third")
    found = logs.api.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert [one["filterName"] for one in found] == ["second", "third"]
    assert found[0]["destinationArn"] == function


def test_a_function_must_let_the_logs_in(logs):
    group = logs.group()
    for function in (
        logs.function(service=None),
        logs.function("events"),
        logs.function(SourceArn="arn:aws:logs:us-east-1:000000000000:log-group:other:*"),
        "arn:aws:lambda:us-east-1:000000000000:function:nobody",
    ):
        code, message = refusal(logs, group, function)
        assert code == "InvalidParameterException"
        assert message.startswith("Could not execute the lambda function")
    here = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    logs.subscribe(group, logs.function(SourceArn=here))


def test_a_permission_that_was_taken_away_ends_delivery(logs):
    group, function, other = logs.group("s"), logs.function(), logs.function()
    logs.subscribe(group, function, "first")
    logs.subscribe(group, other, "second")
    logs.cloud.lambdas.remove_permission(FunctionName=function, StatementId="service")
    logs.put(group, "s", WANTED)
    eventually(lambda: logs.cloud.printed(other))
    assert logs.cloud.printed(function) == []


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("session.id", "Invalid character"), ('{ $.a = "b" }', "terms alone")],
)
def test_a_pattern_that_is_not_understood_is_refused(logs, pattern, said):
    code, message = refusal(logs, logs.group(), logs.function(), pattern=pattern)
    assert code == "InvalidParameterException"
    assert said in message


def test_a_function_can_not_be_fed_with_its_own_logs(logs):
    function = logs.function()
    group = f"/aws/lambda/{function.split(':')[-1]}"
    logs.api.create_log_group(logGroupName=group)
    assert "reserved for the function logs" in refusal(logs, group, function, pattern="")[1]


def test_templates_subscribe_too(logs, cloud, tmp_path):
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": RUNTIME,
            "Handler": "index.handler",
            "Role": "arn:aws:iam::000000000000:role/any",
            "Code": {"ZipFile": CODE},
        },
    }
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Fn::GetAtt": ["Function", "Arn"]},
            "Principal": "logs.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["Group", "Arn"]},
        },
    }
    subscription = {
        "Type": "AWS::Logs::SubscriptionFilter",
        "DependsOn": ["Permission"],
        "Properties": {
            "LogGroupName": {"Ref": "Group"},
            "FilterPattern": PATTERN,
            "DestinationArn": {"Fn::GetAtt": ["Function", "Arn"]},
        },
    }
    resources = {
        "Subscription": subscription,
        "Permission": permission,
        "Function": function,
        "Group": {"Type": "AWS::Logs::LogGroup"},
    }
    outputs = {"Group": {"Ref": "Group"}, "Function": {"Ref": "Function"}}
    assembly = Assembly(tmp_path / "cdk.out").write(spans=stack(resources, outputs))
    names = deploy(assembly, cloud.instance)[0].outputs
    logs.api.create_log_stream(logGroupName=names["Group"], logStreamName="s")
    logs.put(names["Group"], "s", UNWANTED, WANTED)
    (batch,) = eventually(lambda: logs.cloud.printed(names["Function"]))
    assert [one["message"] for one in batch["logEvents"]] == [WANTED]


def test_the_bare_emulator_takes_a_third_filter(bare):
    logs = Logs(bare)
    group = logs.group()
    for name in ("first", "second", "third"):
        logs.subscribe(group, logs.function(service=None), name)
