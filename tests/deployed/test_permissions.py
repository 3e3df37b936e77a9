"""Every function works with its own role (all tests here run so), and with no more than that."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

FORBIDDEN = {
    "PlanRun": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "Preflight": ("dynamodb", "get_item", {"TableName": "RegistryTable"}),
    "RunCase": ("s3", "get_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "ScoreCase": ("s3", "put_object", {"Bucket": "RunsBucket", "Key": "runs/r/traces/x"}),
    "DecideGate": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "PublishRun": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "datasets/x"}),
    "PublishDataset": ("s3", "put_object", {"Bucket": "RecordsBucket", "Key": "verdicts/x"}),
    "CallTool": ("dynamodb", "query", {"TableName": "RegistryTable"}),
}
REST = {
    "put_object": {"Body": b"", "IfNoneMatch": "*"},
    "get_item": {"Key": {"pk": {"S": "agent"}, "sk": {"S": "teller/1.0.0"}}},
    "query": {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "agent"}},
    },
}


def roles(cloud):
    functions = cloud.instance.client("lambda").list_functions()["Functions"]
    found = {name: f["Role"] for f in functions for name in FORBIDDEN if name in f["FunctionName"]}
    assert found.keys() == FORBIDDEN.keys()
    return found


def as_role(cloud, role, service):
    session = cloud.instance.client("sts").assume_role(RoleArn=role, RoleSessionName="test")
    keys = session["Credentials"]
    return boto3.client(
        service,
        endpoint_url=cloud.instance.endpoint_url,
        region_name=cloud.instance.region,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@pytest.mark.parametrize("function", FORBIDDEN)
def test_a_function_is_refused_what_is_not_its_own(cloud, function):
    service, call, names = FORBIDDEN[function]
    outputs = cloud.deployment.outputs
    words = {name: outputs.get(value, value) for name, value in names.items()}
    client = as_role(cloud, roles(cloud)[function], service)
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(client, call)(**words, **REST.get(call, {}))


def test_a_role_is_allowed_what_is_its_own(cloud):
    """The other half: without it, a refusal of everything would pass too."""
    client = as_role(cloud, roles(cloud)["PlanRun"], "dynamodb")
    table = cloud.deployment.outputs["RegistryTable"]
    rows = client.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "dataset"}},
    )["Items"]
    assert json.loads(rows[0]["row"]["S"])["name"] == "bank"
