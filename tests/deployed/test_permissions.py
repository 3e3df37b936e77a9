"""Every function works with its own role (all tests here run so), and with no more than that."""

import io
import json
import uuid
import zipfile

import pytest

PROBE = """
import boto3
def handler(event, context):
    answer = getattr(boto3.client(event["service"]), event["call"])(**event["words"])
    return answer.get("Count")
"""
FORBIDDEN = {
    "PlanRun": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "TakeLease": ("s3", "get_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "Preflight": ("dynamodb", "get_item", {"TableName": "RegistryTable"}),
    "RunCase": ("s3", "get_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "ScoreCase": ("s3", "put_object", {"Bucket": "RunsBucket", "Key": "runs/r/traces/x"}),
    "ProveJudge": ("s3", "put_object", {"Bucket": "RunsBucket", "Key": "runs/r/judgments/x"}),
    "JudgeCase": ("s3", "put_object", {"Bucket": "RunsBucket", "Key": "runs/r/scores/x"}),
    "DecideGate": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "PublishRun": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "PublishDataset": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "ChooseDrill": ("s3", "put_object", {"Bucket": "RunsBucket", "Key": "runs/x"}),
    "RecordDrill": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "CallTool": ("dynamodb", "query", {"TableName": "RegistryTable"}),
    "InterceptTools": ("dynamodb", "query", {"TableName": "RegistryTable"}),
    "AnswerPipeline": ("s3", "get_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
}
REST = {
    "put_object": {"Body": "", "IfNoneMatch": "*"},
    "get_item": {"Key": {"pk": {"S": "agent"}, "sk": {"S": "teller/1.0.0"}}},
    "query": {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "dataset"}},
    },
}


def roles(cloud):
    functions = cloud.instance.client("lambda").list_functions()["Functions"]
    found = {name: f["Role"] for f in functions for name in FORBIDDEN if name in f["FunctionName"]}
    assert found.keys() == FORBIDDEN.keys()
    return found


def ask_as(cloud, role, service, call, words):
    """What a call answers a function that has this role: only a function can take it on."""
    functions = cloud.instance.client("lambda")
    name = f"probe-{uuid.uuid4().hex[:8]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("probe.py", PROBE)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="probe.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
    )
    event = {"service": service, "call": call, "words": words}
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    functions.delete_function(FunctionName=name)
    return json.loads(answer["Payload"].read())


@pytest.mark.parametrize("function", FORBIDDEN)
def test_a_function_is_refused_what_is_not_its_own(cloud, function):
    service, call, names = FORBIDDEN[function]
    outputs = cloud.deployment.outputs
    words = {name: outputs.get(value, value) for name, value in names.items()}
    answer = ask_as(cloud, roles(cloud)[function], service, call, {**words, **REST.get(call, {})})
    assert "AccessDenied" in answer["errorMessage"]


def test_a_role_is_allowed_what_is_its_own(cloud):
    """The other half: without it, a refusal of everything would pass too."""
    words = {"TableName": cloud.deployment.outputs["RegistryTable"], **REST["query"]}
    assert ask_as(cloud, roles(cloud)["PlanRun"], "dynamodb", "query", words) > 0
