"""Driftgate deployed to a local AWS: real functions, the real state machine, a real agent."""

import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from driftgate.adapters import deployment
from local.instances import DEFAULT, Instances
from tests.conftest import TELLER, Cli


class Cloud(Cli):
    """The command line with a local AWS of its own."""

    @property
    def instance(self):
        return Instances(self.home).get(DEFAULT)

    @property
    def deployment(self):
        return deployment.find("local", self.instance.client)

    def open_sessions(self):
        with urllib.request.urlopen(f"{self.instance.standins_url}/standin/sessions") as answer:
            return json.load(answer)["sessions"]

    def listen(self, name):
        """The URL of a queue that hears from now on what we announce on the event bus."""
        sqs, events = self.instance.client("sqs"), self.instance.client("events")
        arn = f"arn:aws:sqs:{self.instance.region}:{self.instance.account}:{name}"
        rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": ["driftgate"]}))
        let_in = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [let_in]})
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def workers(self, function):
        """The processes that run a function now."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                mine = os.getpgid(int(folder.name)) == self.instance.pid
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            name = next((v for v in environment if v.startswith(b"AWS_LAMBDA_FUNCTION_NAME=")), b"")
            if mine and function.encode() in name:
                found.append(int(folder.name))
        return found


def until(what, timeout_s=60.0):
    """What a condition gives, as soon as it gives something."""
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp("cloud") / "home")
    for words in (("local", "start", "--auth"), ("local", "deploy")):
        done = cloud(*words)
        assert done.code == 0, done.err
    assert cloud("dataset", "publish", TELLER / "dataset", "--environment", "local").code == 0
    yield cloud
    cloud("local", "stop")
