"""The emulator's CloudFormation drops properties without a word; on AWS a bucket is locked,
encrypted and expires, a table recovers and forgets, a function has its queue and its limit."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from ministack.core.responses import get_region
from ministack.services.cloudformation import provisioners, stacks

ROOT_KEY = "test"
Properties = dict[str, Any]


def apply() -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    dropped = {
        "AWS::S3::Bucket": (complete_bucket, "BucketEncryption"),
        "AWS::DynamoDB::GlobalTable": (complete_table, "PointInTimeRecoverySpecification"),
        "AWS::Lambda::Function": (complete_function, "ReservedConcurrentExecutions"),
    }
    for kind, (complete, example) in dropped.items():
        create, update = handlers[kind]["create"], handlers[kind]["update"]
        assert example not in create.__code__.co_consts, f"{kind} now has {example}"
        handlers[kind] = {
            **handlers[kind],
            "create": created(create, complete),
            "update": updated(update, complete),
        }

    in_thread = stacks._runs_on_worker_thread
    assert "Custom::" in in_thread.__code__.co_consts, "resources are no longer made in threads"
    # The others are made in the thread that answers, and would wait for themselves.
    stacks._runs_on_worker_thread = lambda kind: kind in dropped or in_thread(kind)


def created(
    original: Callable[..., Any], complete: Callable[[str, Properties], None]
) -> Callable[..., Any]:
    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        result = original(logical_id, properties, stack)
        complete(result[0], properties)
        return result

    return create


def updated(
    original: Callable[..., Any], complete: Callable[[str, Properties], None]
) -> Callable[..., Any]:
    def update(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Any:
        result = original(physical_id, old, new, *rest)
        complete(result[0], new)
        return result

    return update


@cache
def client(service: str, region: str) -> Any:
    """The emulator's own API."""
    url = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    return boto3.Session(ROOT_KEY, ROOT_KEY, region_name=region).client(service, endpoint_url=url)


def complete_bucket(name: str, properties: Properties) -> None:
    s3 = client("s3", get_region())
    if properties.get("ObjectLockEnabled"):
        lock = properties.get("ObjectLockConfiguration", {"ObjectLockEnabled": "Enabled"})
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=numbers(lock))
    if encryption := properties.get("BucketEncryption"):
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": truth(rule.get("BucketKeyEnabled", False)),
            }
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if lifecycle := properties.get("LifecycleConfiguration"):
        s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={"Rules": [lifecycle_rule(rule) for rule in lifecycle["Rules"]]},
        )


def lifecycle_rule(given: Properties) -> Properties:
    rule: Properties = {"Status": given["Status"], "Filter": {"Prefix": given.get("Prefix", "")}}
    if "Id" in given:
        rule["ID"] = given["Id"]
    if "ExpirationInDays" in given:
        rule["Expiration"] = {"Days": int(given["ExpirationInDays"])}
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in given:
            rule[name] = numbers(given[name])
    return rule


def complete_table(name: str, properties: Properties) -> None:
    here = get_region()
    dynamodb = client("dynamodb", here)
    replica: Properties = next(one for one in properties["Replicas"] if one["Region"] == here)
    if recovery := replica.get("PointInTimeRecoverySpecification"):
        dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={
                "PointInTimeRecoveryEnabled": truth(recovery["PointInTimeRecoveryEnabled"])
            },
        )
    if "DeletionProtectionEnabled" in replica:
        dynamodb.update_table(
            TableName=name, DeletionProtectionEnabled=truth(replica["DeletionProtectionEnabled"])
        )
    if expiry := properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={
                "AttributeName": expiry["AttributeName"],
                "Enabled": truth(expiry["Enabled"]),
            },
        )


def complete_function(name: str, properties: Properties) -> None:
    functions = client("lambda", get_region())
    if queue := properties.get("DeadLetterConfig"):
        functions.update_function_configuration(FunctionName=name, DeadLetterConfig=queue)
    if "ReservedConcurrentExecutions" in properties:
        functions.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=int(properties["ReservedConcurrentExecutions"]),
        )


def numbers(value: Any) -> Any:
    """Templates may write numbers as text, the API does not take them."""
    if isinstance(value, dict):
        return {name: numbers(each) for name, each in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def truth(value: Any) -> bool:
    return str(value).lower() == "true"
