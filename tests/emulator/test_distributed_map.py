"""A Distributed Map over a JSONL in S3, as the evaluation uses it."""

import json
import time
import uuid

import pytest

from tests.emulator.conftest import eventually

READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSONL"},
    "Parameters": {"Bucket.$": "$.bucket", "Key.$": "$.key"},
}
MARK = """
import pathlib, time, uuid
class Broken(Exception):
    pass
def handler(event, context):
    (pathlib.Path(event["folder"]) / f"{event['id']}-{uuid.uuid4().hex}").touch()
    time.sleep(event.get("seconds", 0))
    if event["id"].startswith("broken"):
        raise Broken(event["id"])
    return event
"""


def mapping(function, states=None, **fields):
    work = {"Type": "Task", "Resource": function, "End": True}
    return {
        "StartAt": "M",
        "States": {
            "M": {
                "Type": "Map",
                "ItemReader": READER,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Work",
                    "States": states or {"Work": work},
                },
                "ItemSelector": {
                    "id.$": "$$.Map.Item.Value.id",
                    "index.$": "$$.Map.Item.Index",
                    "folder.$": "$.folder",
                    "seconds.$": "$.seconds",
                },
                "MaxConcurrency": 4,
                "ToleratedFailurePercentage": 100,
                "End": True,
                **fields,
            }
        },
    }


class Items:
    """Items in a bucket, and a folder in which their calls leave marks."""

    def __init__(self, cloud, folder, *ids, seconds=0):
        bucket = f"b-{uuid.uuid4().hex[:8]}"
        cloud.s3.create_bucket(Bucket=bucket)
        lines = "".join(f"{json.dumps({'id': name})}\n" for name in ids)
        cloud.s3.put_object(Bucket=bucket, Key="plan/items.jsonl", Body=lines.encode())
        self.folder = folder
        self.given = {
            **{"bucket": bucket, "key": "plan/items.jsonl"},
            **{"folder": str(folder), "seconds": seconds},
        }

    def called(self):
        return sorted(path.name.rpartition("-")[0] for path in self.folder.iterdir())


def map_run(cloud, execution):
    (found,) = cloud.states.list_map_runs(executionArn=execution)["mapRuns"]
    return cloud.states.describe_map_run(mapRunArn=found["mapRunArn"])


def counts(run):
    return {name: number for name, number in run["itemCounts"].items() if number}


def test_each_item_is_read_selected_and_run_once(cloud, tmp_path):
    items = Items(cloud, tmp_path, "a", "b", "c")
    output = cloud.output(mapping(cloud.function(MARK)), items.given)

    assert [(item["id"], item["index"]) for item in output] == [("a", 0), ("b", 1), ("c", 2)]
    assert items.called() == ["a", "b", "c"]


def test_children_retry_and_catch_by_name_and_failures_are_counted(cloud, tmp_path):
    items = Items(cloud, tmp_path, "a", "broken-1", "broken-2")
    retry = [{"ErrorEquals": ["Broken"], "IntervalSeconds": 0, "MaxAttempts": 1}]
    work = {"Type": "Task", "Resource": cloud.function(MARK), "Retry": retry, "End": True}
    execution = cloud.begin(mapping("", {"Work": work}), items.given)

    assert cloud.ended(execution)["status"] == "SUCCEEDED"
    run = map_run(cloud, execution)
    assert (run["status"], counts(run)) == ("SUCCEEDED", {"total": 3, "succeeded": 1, "failed": 2})
    assert items.called() == ["a", "broken-1", "broken-1", "broken-2", "broken-2"]

    catch = [{"ErrorEquals": ["Broken"], "ResultPath": "$.error", "Next": "Told"}]
    states = {"Work": {**work, "Catch": catch}, "Told": {"Type": "Pass", "End": True}}
    output = cloud.output(mapping("", states), items.given)
    assert [item.get("error", {}).get("Error") for item in output] == [None, "Broken", "Broken"]


def test_without_tolerance_the_first_failure_ends_the_run(cloud, tmp_path):
    items = Items(cloud, tmp_path, "broken", *"abcdef", seconds=0.2)
    machine = mapping(cloud.function(MARK), ToleratedFailurePercentage=0, MaxConcurrency=1)
    execution = cloud.begin(machine, items.given)

    assert cloud.ended(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    assert counts(map_run(cloud, execution)) == {"total": 7, "failed": 1, "aborted": 6}
    assert items.called() == ["broken"]


def test_the_limit_of_concurrency_comes_from_the_input(cloud, tmp_path):
    items = Items(cloud, tmp_path, *"abcd", seconds=0.3)
    machine = mapping(cloud.function(MARK), MaxConcurrencyPath="$.at_once")
    del machine["States"]["M"]["MaxConcurrency"]
    start = time.monotonic()
    execution = cloud.begin(machine, {**items.given, "at_once": 1})

    assert cloud.ended(execution)["status"] == "SUCCEEDED"
    assert time.monotonic() - start > 4 * 0.3
    assert map_run(cloud, execution)["maxConcurrency"] == 1


def stop_in_the_middle(cloud, items):
    execution = cloud.begin(mapping(cloud.function(MARK), MaxConcurrency=2), items.given)
    eventually(lambda: len(items.called()) >= 2)
    cloud.states.stop_execution(executionArn=execution)
    return execution


def test_stopping_ends_the_run_at_once_and_starts_no_child(cloud, tmp_path):
    items = Items(cloud, tmp_path, *"abcdefgh", seconds=1)
    execution = stop_in_the_middle(cloud, items)
    run = map_run(cloud, execution)
    assert (run["status"], counts(run)) == ("ABORTED", {"total": 8, "aborted": 8})

    time.sleep(1.5)
    assert items.called() == ["a", "b"]
    assert cloud.ended(execution)["status"] == "ABORTED"
    children = cloud.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert [child["status"] for child in children] == ["ABORTED", "ABORTED"]


def test_the_bare_emulator_runs_all_children_of_a_stopped_execution(bare, tmp_path):
    items = Items(bare, tmp_path, *"abcd", seconds=0.3)
    stop_in_the_middle(bare, items)
    eventually(lambda: items.called() == ["a", "b", "c", "d"])


def test_a_timeout_of_the_machine_ends_the_children(cloud, tmp_path):
    items = Items(cloud, tmp_path, *"abcdefgh", seconds=0.6)
    machine = {**mapping(cloud.function(MARK), MaxConcurrency=1), "TimeoutSeconds": 1}
    execution = cloud.begin(machine, items.given)

    assert cloud.ended(execution)["status"] == "TIMED_OUT"
    assert map_run(cloud, execution)["status"] == "ABORTED"
    eventually(items.called)  # on a busy machine the first call comes late
    begun = len(items.called())
    time.sleep(0.8)
    assert len(items.called()) == begun


def test_a_child_sees_its_own_execution(cloud, tmp_path):
    items = Items(cloud, tmp_path, "a")
    states = {
        "Work": {"Type": "Pass", "Parameters": {"me.$": "$$.Execution.Id"}, "End": True},
    }
    execution = cloud.begin(mapping("", states, Label="Cases"), items.given)
    (child,) = json.loads(cloud.ended(execution)["output"])
    assert child["me"].startswith(execution.rpartition(":")[0] + "/Cases:")


@pytest.mark.parametrize("field", ["ItemBatcher", "ResultWriter"])
def test_what_is_not_there_is_refused_not_ignored(cloud, tmp_path, field):
    items = Items(cloud, tmp_path, "a")
    found = cloud.run(mapping(cloud.function(MARK), **{field: {}}), items.given)
    assert (found["status"], found["error"]) == ("FAILED", "States.Runtime")
    assert field in found["cause"]
