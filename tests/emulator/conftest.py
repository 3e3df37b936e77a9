"""A started emulator with our gaps filled, and one without, each with a few verbs."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local import instances
from local.instances import Instance, Instances

RUNTIME = "python3.13"


def archive(files: Mapping[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return data.getvalue()


class Cloud:
    """Functions and state machines made in one line."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.lambdas = instance.client("lambda")
        self.s3 = instance.client("s3")
        self.states = instance.client("stepfunctions")

    def role(self, name: str, service: str, policy: dict[str, Any] | None = None) -> str:
        iam = self.instance.client("iam")
        trust = statement("sts:AssumeRole", Principal={"Service": f"{service}.amazonaws.com"})
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        if policy is not None:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        return str(arn["Arn"])

    def function(self, code: str, *, role: str = "", **options: Any) -> str:
        """The ARN of a new function whose `handler` is in `code`."""
        made = self.lambdas.create_function(
            FunctionName=f"f-{uuid.uuid4().hex[:8]}",
            Runtime=RUNTIME,
            Role=role or "arn:aws:iam::000000000000:role/any",
            Handler="code.handler",
            Code={"ZipFile": archive({"code.py": code})},
            **{"Timeout": 10, **options},
        )
        return str(made["FunctionArn"])

    def allow(self, function: str, service: str, **options: Any) -> None:
        """Let a service call the function, as the function's own policy says."""
        self.lambdas.add_permission(
            FunctionName=function,
            StatementId="service",
            Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com",
            **options,
        )

    def printed(self, function: str) -> list[Any]:
        """What the function has printed as JSON, in lines of their own."""
        logs = self.instance.client("logs")
        group = f"/aws/lambda/{function.split(':')[-1]}"
        try:
            events = logs.filter_log_events(logGroupName=group)["events"]
        except logs.exceptions.ResourceNotFoundException:  # it was never called
            return []
        return [json.loads(one["message"]) for one in events if one["message"].startswith("{")]

    def queue(self) -> tuple[str, str]:
        """The URL and the ARN of a new queue."""
        sqs = self.instance.client("sqs")
        url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(url), str(found["Attributes"]["QueueArn"])

    def call(self, function: str, event: Any = None, **options: Any) -> Any:
        """The function's result, or its error as a dictionary."""
        answer = self.lambdas.invoke(
            FunctionName=function, Payload=json.dumps(event).encode(), **options
        )
        return json.loads(answer["Payload"].read())

    def begin(self, definition: Mapping[str, Any], given: Any = None) -> str:
        """The ARN of a started execution."""
        machine = self.states.create_state_machine(
            name=f"m-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/any",
        )["stateMachineArn"]
        started = self.states.start_execution(stateMachineArn=machine, input=json.dumps(given))
        return str(started["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = dict(self.states.describe_execution(executionArn=execution))
            return None if found["status"] == "RUNNING" else found

        return eventually(look)

    def run(self, definition: Mapping[str, Any], given: Any = None) -> dict[str, Any]:
        return self.ended(self.begin(definition, given))

    def output(self, definition: Mapping[str, Any], given: Any = None) -> Any:
        found = self.run(definition, given)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])


def statement(action: str, effect: str = "Allow", **rest: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": action, **rest}],
    }


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    """What `look` finds once it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing found within {seconds} s")


def one_task(function: str, **fields: Any) -> dict[str, Any]:
    """A machine of one task and a state `Caught`, which its catchers may name."""
    task = {"Type": "Task", "Resource": function, "End": True, **fields}
    return {"StartAt": "T", "States": {"T": task, "Caught": {"Type": "Pass", "End": True}}}


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return Instances(tmp_path_factory.mktemp("emulators"))


@pytest.fixture(scope="session")
def cloud(home):
    """An emulator with its gaps filled."""
    yield Cloud(home.start("filled")[0])
    home.stop("filled")


@pytest.fixture(scope="session")
def bare(home):
    """The same emulator as it comes: what a gap's test says must not hold here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instances, "SERVE", "ministack")
        started, _ = home.start("bare")
    yield Cloud(started)
    home.stop("bare")
