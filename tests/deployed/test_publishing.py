"""What holds for versions in a directory holds for versions in S3 and DynamoDB."""

import json
import re
import subprocess
import uuid

import pytest

from driftgate.adapters.aws import DynamoRegistry, S3Artifacts
from driftgate.adapters.local import LocalArtifacts
from tests.conftest import ROOT, Stored
from tests.unit import test_evidence
from tests.unit.test_evidence import Kept, with_versions
from tests.unit.test_overrides import TestOverrides
from tests.unit.test_publishing import TestChains, TestCrashes, TestRaces, TestRuns, TestTampering

__all__ = ["TestChains", "TestCrashes", "TestRaces", "TestRuns", "TestTampering"]
__all__ += ["TestOverrides"]


@pytest.fixture
def place(cloud):
    """An empty table beside the deployed one, and a bucket that lets itself be harmed."""
    s3, dynamodb = cloud.instance.client("s3"), cloud.instance.client("dynamodb")
    name = f"publishing-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    keys = ("pk", "HASH"), ("sk", "RANGE")
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    bucket = S3Artifacts(s3, name)
    stored = Stored(
        DynamoRegistry(dynamodb, name, bucket),
        lambda key, data: s3.put_object(Bucket=name, Key=key, Body=data),
        lambda key: s3.delete_object(Bucket=name, Key=key),
    )
    return Kept(stored, bucket)


@pytest.fixture
def stored(place):
    return place.stored


@pytest.fixture
def kept(place):
    return with_versions(place)


@pytest.fixture
def runs(tmp_path):
    return LocalArtifacts(tmp_path / "runs")


class TestChain(test_evidence.TestChain):
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("write", [3, 4, 5])
    def test_after_a_crash_at_any_write_the_next_try_completes_the_same_chain(
        self, kept, runs, write, after
    ):
        """Around the head alone: these writes are slower than a directory's."""
        complete = super().test_after_a_crash_at_any_write_the_next_try_completes_the_same_chain
        complete(kept, runs, write, after, other=True)


def test_of_twenty_publishers_at_once_one_wins_through_the_function_too(cloud, tmp_path):
    """Twenty processes, each with the command line, each with another content."""
    folders = [tmp_path / str(number) for number in range(20)]
    for number, folder in enumerate(folders):
        write(folder, f"question {number}")
    words = [("dataset", "publish", folder, "--environment", "local") for folder in folders]
    running = [
        subprocess.Popen(cloud.command(*each), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for each in words
    ]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in running]
    assert sorted(code for _, code in ends) == [0] + [2] * 19
    for said, code in ends:
        if code:
            assert re.search(r"race@1.0.0 exists with sha256 [0-9a-f]{64}, .* [0-9a-f]{64}", said)
    assert cloud("dataset", "verify", "race@1.0.0", "--environment", "local").code == 0


def write(folder, question):
    folder.mkdir()
    header = "name: race\nversion: 1.0.0\nowner: us\nchangelog: first\ntools: {}\n"
    (folder / "dataset.yaml").write_text(header)
    case = {"case_id": "a", "task_type": "t", "turns": [{"user": question}]}
    (folder / "cases.jsonl").write_text(json.dumps(case) + "\n")
