"""Stacks: what the emulator's CloudFormation would drop or refuse, and deploying an assembly."""

import json

import pytest
from botocore.exceptions import ClientError

from driftgate.errors import BadInput, InfrastructureFailed
from local.deploy import deploy
from tests.emulator.conftest import RUNTIME, eventually, one_task

BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {
        "VersioningConfiguration": {"Status": "Enabled"},
        "ObjectLockEnabled": True,
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3}},
        },
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "BucketKeyEnabled": True,
                    "ServerSideEncryptionByDefault": {
                        "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
                        "SSEAlgorithm": "aws:kms",
                    },
                }
            ]
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Status": "Enabled",
                    "Prefix": "runs/",
                    "ExpirationInDays": 400,
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                }
            ]
        },
    },
}
TABLE = {
    "Type": "AWS::DynamoDB::GlobalTable",
    "Properties": {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "Replicas": [
            {
                "Region": "us-east-1",
                "DeletionProtectionEnabled": True,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            }
        ],
    },
}
QUEUE = {"Type": "AWS::SQS::Queue"}
CODE = """
import time
def handler(event, context):
    if "slow" in event:
        time.sleep(1)
        return "done"
    raise ValueError("never")
"""
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": RUNTIME,
        "Handler": "index.handler",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Code": {"ZipFile": CODE},
        "Timeout": 5,
        "ReservedConcurrentExecutions": 1,
        "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
    },
}
DATA = {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}, "Bucket": BUCKET, "Table": TABLE}


def stack(resources, outputs=None):
    return {
        "Resources": resources,
        "Outputs": {
            name: {"Value": value, "Export": {"Name": name}}
            for name, value in (outputs or {}).items()
        },
    }


class Assembly:
    """A cloud assembly as synthesis writes it: stacks, each needing the ones before it."""

    def __init__(self, folder, environment="aws://unknown-account/unknown-region"):
        self.folder = folder
        self._environment = environment
        folder.mkdir(exist_ok=True)

    def write(self, **stacks):
        artifacts = {}
        for name, template in reversed(stacks.items()):  # the order of the file means nothing
            (self.folder / f"{name}.json").write_text(json.dumps(template))
            destination = {
                "bucketName": "assets-${AWS::AccountId}-${AWS::Region}",
                "objectKey": f"{name}-{hash(json.dumps(template))}.json",
            }
            file = {
                "source": {"path": f"{name}.json", "packaging": "file"},
                "destinations": {"here": destination},
            }
            (self.folder / f"{name}.assets.json").write_text(json.dumps({"files": {"t": file}}))
            artifacts[f"{name}.assets"] = {
                "type": "cdk:asset-manifest",
                "properties": {"file": f"{name}.assets.json"},
            }
            url = f"s3://{destination['bucketName']}/{destination['objectKey']}"
            before = list(stacks)[: list(stacks).index(name)]
            artifacts[name] = {
                "type": "aws:cloudformation:stack",
                "environment": self._environment,
                "properties": {"stackTemplateAssetObjectUrl": url, "tags": {"project": "test"}},
                "dependencies": [f"{name}.assets", *before],
            }
        (self.folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        return self.folder


@pytest.fixture
def assembly(tmp_path):
    return Assembly(tmp_path / "cdk.out")


@pytest.fixture
def fresh(cloud, home):
    """The emulator without stacks of another test."""
    home.reset("filled")
    return cloud


class TestProperties:
    def test_a_bucket_is_locked_encrypted_and_expires(self, fresh, assembly):
        folder = assembly.write(data=stack(DATA, {"Name": {"Ref": "Bucket"}}))
        bucket = deploy(folder, fresh.instance)[0].outputs["Name"]
        version = fresh.s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]

        with pytest.raises(ClientError, match="object lock"):
            fresh.s3.delete_object(Bucket=bucket, Key="a", VersionId=version)
        assert fresh.s3.head_object(Bucket=bucket, Key="a")["ServerSideEncryption"] == "aws:kms"
        (rule,) = fresh.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert rule["Expiration"] == {"Days": 400}
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}

    def test_a_table_recovers_forgets_and_is_protected(self, fresh, assembly):
        folder = assembly.write(data=stack(DATA, {"Name": {"Ref": "Table"}}))
        name = deploy(folder, fresh.instance)[0].outputs["Name"]
        dynamodb = fresh.instance.client("dynamodb")
        backups = dynamodb.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
        with pytest.raises(ClientError, match="protected against deletion"):
            dynamodb.delete_table(TableName=name)

    def test_a_function_has_its_queue_and_its_limit(self, fresh, assembly):
        resources = {"Queue": QUEUE, "Function": FUNCTION}
        outputs = {"Name": {"Ref": "Function"}, "Url": {"Ref": "Queue"}}
        found = deploy(assembly.write(app=stack(resources, outputs)), fresh.instance)[0].outputs
        name = found["Name"]
        fresh.lambdas.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"id": 7}')
        sqs = fresh.instance.client("sqs")
        messages = eventually(lambda: sqs.receive_message(QueueUrl=found["Url"]).get("Messages"))
        # AWS sends the event as it is, the emulator wraps it like a destination's.
        assert json.loads(messages[0]["Body"])["requestPayload"] == {"id": 7}

        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        refused = "Lambda.TooManyRequestsException"
        caught = {"ErrorEquals": [refused], "ResultPath": "$", "Next": "Caught"}
        branch = one_task(arn, Parameters={"slow": True}, Catch=[caught])
        both = {"Type": "Parallel", "Branches": [branch, branch], "End": True}
        outcomes = fresh.output({"StartAt": "B", "States": {"B": both}})
        assert "done" in outcomes
        assert [one["Error"] for one in outcomes if one != "done"] == [refused]

    def test_the_bare_emulator_drops_the_lock(self, bare, assembly):
        folder = assembly.write(data=stack(DATA, {"Name": {"Ref": "Bucket"}}))
        bucket = deploy(folder, bare.instance)[0].outputs["Name"]
        with pytest.raises(ClientError, match="does not exist"):
            bare.s3.get_object_lock_configuration(Bucket=bucket)


class TestTypes:
    GATEWAY = {
        "Type": "AWS::BedrockAgentCore::Gateway",
        "Properties": {"Name": "tools", "ProtocolType": "MCP", "AuthorizerType": "AWS_IAM"},
    }

    def test_a_type_with_a_stand_in_deploys_and_the_log_says_that_nothing_is_there(
        self, fresh, home, assembly
    ):
        outputs = {"Arn": {"Fn::GetAtt": ["Gateway", "GatewayArn"]}}
        folder = assembly.write(app=stack({"Gateway": self.GATEWAY}, outputs))
        assert "nothing" in deploy(folder, fresh.instance)[0].outputs["Arn"]
        log = home.log_path("filled").read_text()
        assert "AWS::BedrockAgentCore::Gateway Gateway in app: NOTHING WAS CREATED" in log

    def test_the_bare_emulator_refuses_it(self, bare, assembly):
        with pytest.raises(InfrastructureFailed, match="Gateway"):
            deploy(assembly.write(gateway=stack({"Gateway": self.GATEWAY})), bare.instance)


class TestDeploy:
    def test_stacks_come_in_order_and_without_changes_nothing_is_done(self, fresh, assembly):
        queue = stack({"Queue": QUEUE}, {"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}})
        second = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "second"}}
        rule = {**second, "Metadata": {"first": {"Fn::ImportValue": "Arn"}}}
        folder = assembly.write(first=queue, second=stack({"Queue": rule}))
        told = []
        results = deploy(folder, fresh.instance, tell=told.append)
        assert [(one.name, one.result) for one in results] == [
            ("first", "created"),
            ("second", "created"),
        ]
        assert told[0].startswith("first: created in ")

        again = deploy(folder, fresh.instance)
        assert {one.result for one in again} == {"no changes"}
        assert again[0].outputs == results[0].outputs

        queue["Resources"]["Another"] = QUEUE
        folder = assembly.write(first=queue, second=stack({"Queue": rule}))
        changed = deploy(folder, fresh.instance)
        assert [one.result for one in changed] == ["updated", "no changes"]

    def test_a_failure_names_the_resource_and_the_reason_and_can_be_mended(self, fresh, assembly):
        broken = {"Type": "AWS::Nothing::AtAll"}
        folder = assembly.write(app=stack({"Queue": QUEUE, "Broken": broken}))
        with pytest.raises(InfrastructureFailed, match=r"Nothing::AtAll") as caught:
            deploy(folder, fresh.instance)
        assert caught.value.exit_code == 3

        mended = deploy(assembly.write(app=stack({"Queue": QUEUE})), fresh.instance)
        assert mended[0].result == "created"

    def test_only_what_is_named_is_deployed(self, fresh, assembly):
        folder = assembly.write(one=stack({"Queue": QUEUE}), two=stack({"Queue": QUEUE}))
        results = deploy(folder, fresh.instance, only=["one"])
        assert [one.name for one in results] == ["one"]
        with pytest.raises(BadInput, match="has no stack three"):
            deploy(folder, fresh.instance, only=["three"])

    def test_what_is_meant_for_another_account_is_refused(self, cloud, tmp_path):
        elsewhere = Assembly(tmp_path / "out", "aws://111122223333/us-east-1")
        folder = elsewhere.write(app=stack({"Queue": QUEUE}))
        with pytest.raises(BadInput, match="for aws://111122223333/us-east-1, not for"):
            deploy(folder, cloud.instance)

    def test_a_folder_that_is_no_assembly_is_bad_input(self, cloud, tmp_path):
        with pytest.raises(BadInput, match="wanted a cloud assembly"):
            deploy(tmp_path, cloud.instance)
