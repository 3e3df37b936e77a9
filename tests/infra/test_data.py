"""What must outlive every deployment, and what must not be possible with it."""

import pytest

from driftgate import names
from stacks.environments import ENVIRONMENTS
from tests.infra.reading import STACKS, flat, listed

STATEFUL = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key")
KEPT = ["staging", "prod"]
LOOSE = ["local", "dev"]


def bucket(stacks, name):
    (found,) = [
        resource["Properties"]
        for id, resource in stacks.resources("Data", "AWS::S3::Bucket").items()
        if id.startswith(name)
    ]
    return found


def denials(stacks, action):
    """The statements that deny an action on the records to some, by their name."""
    return {
        statement["Sid"]: statement
        for id, statement in stacks.policies()
        if id.startswith("RecordsPolicy")
        and statement["Effect"] == "Deny"
        and action in listed(statement["Action"])
    }


@pytest.mark.parametrize("environment", KEPT)
def test_data_survives_the_deletion_of_its_stack(synthesized, environment):
    for id, resource in synthesized(environment).resources("Data", *STATEFUL).items():
        assert resource["DeletionPolicy"] == "Retain", id
        assert resource["UpdateReplacePolicy"] == "Retain", id


@pytest.mark.parametrize("environment", KEPT)
def test_no_table_can_be_deleted_while_it_is_protected(synthesized, environment):
    tables = synthesized(environment).resources("Data", "AWS::DynamoDB::Table")
    assert len(tables) == 4
    for id, table in tables.items():
        assert table["Properties"]["DeletionProtectionEnabled"] is True, id


def test_every_table_can_be_restored_to_any_second(prod):
    for id, table in prod.resources("Data", "AWS::DynamoDB::Table").items():
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True, id


def test_the_ledger_is_found_by_every_index_that_the_adapter_asks(prod):
    (table,) = (
        table["Properties"]
        for id, table in prod.resources("Data", "AWS::DynamoDB::Table").items()
        if id.startswith("Ledger")
    )
    indexes = {one["IndexName"]: one for one in table["GlobalSecondaryIndexes"]}
    assert set(indexes) == set(names.LEDGER_INDEXES)
    for name, index in indexes.items():
        keys = [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]]
        assert keys == [(name, "HASH"), ("place", "RANGE")]
        assert index["Projection"] == {"ProjectionType": "ALL"}


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_logical_ids_of_what_holds_data_never_change(synthesized, environment):
    """A new id is a new and empty bucket, table or key. Change this with a migration or never."""
    assert set(synthesized(environment).resources("Data", *STATEFUL)) == {
        "Key961B73FD",
        "TracesKey2A1DD087",
        "Records091F6ECA",
        "RunsE45A2291",
        "TracesF050D86D",
        "Registry4DB9CCA5",
        "Sessions8896A56D",
        "ReviewsAA74421E",
        "LedgerB7379752",
    }


@pytest.mark.parametrize("environment", list(ENVIRONMENTS))
def test_nothing_travels_unencrypted(synthesized, environment):
    stacks = synthesized(environment)
    holders = {
        *stacks.resources("Data", "AWS::S3::Bucket"),
        *(id for stack in STACKS for id in stacks.resources(stack, "AWS::SQS::Queue")),
    }
    refused = {
        flat(resource)
        for _, statement in stacks.policies()
        if statement["Effect"] == "Deny"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and listed(statement["Action"]) in (["s3:*"], ["sqs:*"])
        for resource in listed(statement["Resource"])
    }
    assert holders <= refused


def test_nothing_lies_unencrypted(prod):
    keys = {
        name: flat(
            bucket(prod, name)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
                "ServerSideEncryptionByDefault"
            ]["KMSMasterKeyID"]
        )
        for name in ("Records", "Runs", "Traces")
    }
    assert keys == {
        "Records": "Key961B73FD",
        "Runs": "Key961B73FD",
        "Traces": "TracesKey2A1DD087",
    }
    for stack in STACKS:
        for table in prod.resources(stack, "AWS::DynamoDB::Table").values():
            assert table["Properties"]["SSESpecification"]["SSEType"] == "KMS"
        for holder in prod.resources(stack, "AWS::SQS::Queue", "AWS::SNS::Topic").values():
            assert "Key961B73FD" in flat(holder["Properties"]["KmsMasterKeyId"])
    for key in prod.resources("Data", "AWS::KMS::Key").values():
        assert key["Properties"]["EnableKeyRotation"] is True


@pytest.mark.parametrize("name", ["Records", "Runs", "Traces"])
def test_no_bucket_can_be_made_public(prod, name):
    assert set(bucket(prod, name)["PublicAccessBlockConfiguration"].values()) == {True}


@pytest.mark.parametrize(
    ("environment", "mode", "days"),
    [
        ("local", "GOVERNANCE", 1),
        ("dev", "GOVERNANCE", 1),
        ("staging", "GOVERNANCE", 30),
        ("prod", "COMPLIANCE", 365),
    ],
)
def test_a_record_is_locked_for_a_year_in_production_and_shorter_elsewhere(
    synthesized, environment, mode, days
):
    rule = bucket(synthesized(environment), "Records")["ObjectLockConfiguration"]["Rule"]
    assert rule["DefaultRetention"] == {"Mode": mode, "Days": days}


@pytest.mark.parametrize(("name", "days"), [("Runs", 90), ("Traces", 30)])
def test_what_people_said_can_be_erased_and_is_forgotten_by_itself(prod, name, days):
    properties = bucket(prod, name)
    rules = properties["LifecycleConfiguration"]["Rules"]

    assert "ObjectLockConfiguration" not in properties
    assert "VersioningConfiguration" not in properties  # a version would outlive its deletion
    assert days in [rule.get("ExpirationInDays") for rule in rules]


@pytest.mark.parametrize("environment", KEPT)
def test_only_the_publisher_writes_datasets(synthesized, environment):
    stacks = synthesized(environment)
    denial = denials(stacks, "s3:PutObject")["OnlyThePublisherWritesDatasets"]
    (others,) = denial["Condition"]["ArnNotEquals"].items()

    assert denial["Principal"] == {"AWS": "*"}
    assert flat(denial["Resource"]) == "Records091F6ECA/datasets/*"
    assert (others[0], flat(others[1])) == ("aws:PrincipalArn", "PublisherF0355618")
    assert "PublisherF0355618" in str(stacks.functions()["publish_dataset"]["Role"])


@pytest.mark.parametrize("environment", LOOSE)
def test_where_people_try_things_out_they_publish_themselves(synthesized, environment):
    assert "OnlyThePublisherWritesDatasets" not in denials(synthesized(environment), "s3:PutObject")


def test_a_record_is_written_once(prod):
    denial = denials(prod, "s3:PutObject")["WriteOnceOnly"]

    assert flat(denial["Resource"]) == "Records091F6ECA/*"
    assert denial["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }


@pytest.mark.parametrize("environment", KEPT)
@pytest.mark.parametrize(
    "action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
)
def test_nobody_deletes_a_record_or_hides_it(synthesized, environment, action):
    denial = denials(synthesized(environment), action)["NobodyDeletes"]

    assert denial["Principal"] == {"AWS": "*"}
    assert flat(denial["Resource"]) == "Records091F6ECA/*"
    assert "Condition" not in denial
