"""Events reach what a rule names, as the rule shapes them, or end with the dead letters."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from tests.emulator.conftest import eventually

PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
FLAKY = """
import json
calls = []
def handler(event, context):
    calls.append(event)
    if len(calls) == 1:
        raise ValueError("try again")
    print(json.dumps(event["detail"]))
"""


class Bus:
    def __init__(self, cloud):
        self.cloud = cloud
        self.events = cloud.instance.client("events")
        self.sqs = cloud.instance.client("sqs")

    def rule(self, pattern, *targets):
        name = f"r-{uuid.uuid4().hex[:8]}"
        arn = self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
        listed = [{"Id": str(number), **target} for number, target in enumerate(targets)]
        self.events.put_targets(Rule=name, Targets=listed)
        return arn

    def send(self, *details, kind="GateBlocked"):
        entries = [
            {"Source": "driftgate", "DetailType": kind, "Detail": json.dumps(detail)}
            for detail in details
        ]
        assert self.events.put_events(Entries=entries)["FailedEntryCount"] == 0

    def messages(self, url):
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return answer.get("Messages", [])


@pytest.fixture
def bus(cloud):
    return Bus(cloud)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ({"agent": [{"prefix": "sup"}]}, [1, 2]),
        ({"agent": [{"anything-but": ["support"]}]}, [2, 3]),
        ({"drop": [{"numeric": [">", 5, "<=", 20]}]}, [2]),
        ({"version": [{"exists": False}]}, [1, 3]),
        ({"agent": ["support"], "drop": [1.0]}, [1]),
    ],
)
def test_a_rule_picks_events_by_their_content(bus, wanted, met):
    url, arn = bus.cloud.queue()
    kind = uuid.uuid4().hex
    bus.rule({"source": ["driftgate"], "detail-type": [kind], "detail": wanted}, {"Arn": arn})
    bus.send(
        {"id": 1, "agent": "support", "drop": 1},
        {"id": 2, "agent": "supper", "drop": 20, "version": "2"},
        {"id": 3, "agent": "billing", "drop": 21},
        kind=kind,
    )
    got = [json.loads(one["Body"])["detail"]["id"] for one in bus.messages(url)]
    assert sorted(got) == met


def test_all_targets_of_a_rule_are_reached_each_in_its_form(bus, cloud):
    url, arn = bus.cloud.queue()
    by_topic, by_topic_arn = bus.cloud.queue()
    sns = cloud.instance.client("sns")
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=by_topic_arn)
    machine = cloud.states.create_state_machine(
        name="mine-failures", definition=json.dumps(PASS), roleArn="arn:aws:iam::0:role/any"
    )["stateMachineArn"]
    function = cloud.function(FLAKY)
    cloud.allow(function, "events")
    shaped = {
        "InputPathsMap": {"agent": "$.detail.agent", "at": "$.time"},
        "InputTemplate": '{"agent": <agent>, "text": "blocked: <agent>"}',
    }
    kind = uuid.uuid4().hex
    bus.rule(
        {"detail-type": [kind]},
        {"Arn": arn, "InputTransformer": shaped},
        {"Arn": topic},
        {"Arn": machine, "RoleArn": "arn:aws:iam::000000000000:role/any"},
        {"Arn": function},
    )
    bus.send({"agent": "support"}, kind=kind)

    (shaped_message,) = eventually(lambda: bus.messages(url))
    assert json.loads(shaped_message["Body"]) == {"agent": "support", "text": "blocked: support"}
    (notice,) = eventually(lambda: bus.messages(by_topic))
    event = json.loads(json.loads(notice["Body"])["Message"])
    assert event["detail"] == {"agent": "support"}
    started = eventually(
        lambda: cloud.states.list_executions(stateMachineArn=machine)["executions"]
    )
    given = cloud.states.describe_execution(executionArn=started[0]["executionArn"])["input"]
    assert json.loads(given)["detail-type"] == kind
    # The first call failed, so the event is delivered again.
    assert eventually(lambda: cloud.printed(function)) == [{"agent": "support"}]


def test_what_can_not_be_delivered_is_a_dead_letter(bus, cloud):
    url, dead_letters = bus.cloud.queue()
    stranger = cloud.function("def handler(event, context): pass")
    missing = "arn:aws:sqs:us-east-1:000000000000:nobody"
    kind = uuid.uuid4().hex
    letters = {"DeadLetterConfig": {"Arn": dead_letters}}
    rule = bus.rule(
        {"detail-type": [kind]}, {"Arn": missing, **letters}, {"Arn": stranger, **letters}
    )
    bus.send({"agent": "support"}, kind=kind)
    found = eventually(lambda: bus.messages(url))
    said = {
        one["MessageAttributes"]["TARGET_ARN"]["StringValue"]: (
            one["MessageAttributes"]["ERROR_CODE"]["StringValue"],
            one["MessageAttributes"]["RULE_ARN"]["StringValue"],
            json.loads(one["Body"])["detail"],
        )
        for one in found
    }
    assert said == {
        missing: ("NO_RESOURCE", rule, {"agent": "support"}),
        stranger: ("NO_PERMISSIONS", rule, {"agent": "support"}),
    }


def test_the_bare_emulator_loses_it(bare):
    bus = Bus(bare)
    url, dead_letters = bus.cloud.queue()
    missing = "arn:aws:sqs:us-east-1:000000000000:nobody"
    letters = {"DeadLetterConfig": {"Arn": dead_letters}}
    bus.rule({"source": ["driftgate"]}, {"Arn": missing, **letters})
    bus.send({"at": datetime.now(UTC).isoformat()})
    assert bus.messages(url) == []
