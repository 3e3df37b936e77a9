"""The deployed gate is tried: recorded, measured, and nobody's verdict."""

import json

import pytest

from driftgate import names
from tests.conftest import TELLER
from tests.deployed.conftest import until
from tests.deployed.test_offline_eval import HERE, teller
from tests.integration.test_drills import asks

WHO_READS_VERDICTS = ("run/", "head/", "validated/", "override-use/")


@pytest.fixture(scope="module")
def desk(cloud, tmp_path_factory):
    """An agent `desk` with a baseline and twelve cases that ask for a balance, and who listens."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "dataset").mkdir()
    header = (TELLER / "dataset" / "dataset.yaml").read_text().replace("name: bank", "name: desk")
    (folder / "dataset" / "dataset.yaml").write_text(header)
    lines = "".join(f"{json.dumps(asks(number))}\n" for number in range(12))
    (folder / "dataset" / "cases.jsonl").write_text(lines)
    assert cloud("dataset", "publish", folder / "dataset", *HERE).code == 0
    changes = {"agent: teller": "agent: desk", "bank@1.0.0": "desk@1.0.0"}
    published = cloud("agent", "publish", teller(folder / "desk", "1.0.0", **changes), *HERE)
    assert published.code == 0, published.err
    assert cloud("agent", "promote", "desk@1.0.0", *HERE).code == 0
    cloud.listen("drilled")
    return cloud


def metrics(cloud, run_id):
    """What RecordDrill emitted in the invocation that recorded a run, by agent."""
    logs = cloud.instance.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    (group,) = [name for name in groups if "RecordDrill" in name]

    def lines():
        events = logs.filter_log_events(logGroupName=group)["events"]
        told = [json.loads(e["message"]) for e in events if e["message"].startswith("{")]
        end = [i for i, line in enumerate(told) if line.get("run_id") == run_id]
        return told[: end[0]] if end else None

    emitted = [line for line in until(lines) if "_aws" in line][-2:]
    for line in emitted:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Dimensions"] == [["agent", "monitor"]]
        assert line["monitor"] == "gate-local"
    return {line["agent"]: line for line in emitted}


def test_a_try_is_recorded_and_measured_and_nobodys_verdict(desk):
    stored, records = desk.deployment.registry, desk.deployment.records
    before = {prefix: stored.rows(prefix) for prefix in WHO_READS_VERDICTS}
    kept = records.keys("verdicts/")

    same = desk("gate", "aa", "desk", *HERE, "--cases", 10, "--trials", 1, "--json")
    assert (same.code, same.json["cases"], same.json["fell"]) == (0, 10, []), same.err
    told = metrics(desk, same.json["run_id"])
    assert told["desk"][names.AA_RUNS] == [1.0]
    assert told["desk"][names.SPENT_TRIALS] == [20.0]
    assert told["ALL"][names.TRY_ENDED] == [1.0]

    met = desk("gate", "drill", "desk", *HERE, "--trials", 1, "--json")
    assert (met.code, met.json["outcome"]) == (0, "BLOCK"), met.err
    assert met.json["broken"] == "balance answers in another unit"
    told = metrics(desk, met.json["run_id"])
    assert told["desk"][names.DRILL_BLOCKED] == [1.0]
    assert told["ALL"][names.DRILLS_MISSED] == [0.0]

    assert {prefix: stored.rows(prefix) for prefix in WHO_READS_VERDICTS} == before
    assert records.keys("verdicts/") == kept
    health = desk("gate", "health", "desk", *HERE, "--json")
    assert (health.code, health.json[0]["aa_runs"]) == (0, 1), health.err
    shown = desk("report", met.json["run_id"], *HERE, "--json")
    assert (shown.code, shown.json["outcome"]) == (0, "BLOCK"), shown.err

    heard = desk.instance.client("sqs")
    queue = heard.get_queue_url(QueueName="drilled")["QueueUrl"]
    assert not heard.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")
    run = desk("run", "--agent", "desk@1.0.0", *HERE, "--no-baseline", "--trials", 1)
    assert run.code == 0, run.err
    told = until(lambda: heard.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages"))
    assert json.loads(told[0]["Body"])["detail-type"] == "EvaluationCompleted"


def test_trials_of_a_try_stand_for_no_baselines(desk):
    """The A/A run had these cases and this version; only the ordinary run may lend its trials."""
    words = ("run", "--agent", "desk@1.0.0", "--baseline", "desk@1.0.0", "--stored-baseline")
    done = desk(*words, *HERE, "--trials", 1, "--json")
    lender = done.json["baseline_run"]
    assert desk.deployment.registry.row(f"run/{lender}") is not None, done.err


def test_an_agent_that_can_not_be_tried_is_told_in_the_words_of_the_function(desk):
    unknown = desk("gate", "aa", "nobody", *HERE)
    assert (unknown.code, "wanted nobody with a baseline in local" in unknown.err) == (2, True)
    missing = desk("gate", "drill", "desk", *HERE, "--tool", "pay")
    assert (missing.code, "got pay, there are balance" in missing.err) == (2, True), missing.err
