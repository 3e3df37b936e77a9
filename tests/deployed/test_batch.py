"""A batch evaluation by the deployed state machine, under its functions' own roles."""

from driftgate import batch
from driftgate.schemas.batches import BatchRow
from tests.conftest import TELLER
from tests.deployed.conftest import until
from tests.standins.telemetry import GROUP, SERVICE, put, spans

IN_ORDER = "Builtin.TrajectoryInOrderMatch"


def start(cloud, file, *words):
    source = ("--service", SERVICE, "--log-group", GROUP, "--sessions", file)
    return cloud(
        *("batch", "start", *source, "--dataset", TELLER / "dataset", "--evaluator", IN_ORDER),
        *("--environment", "local", "--json", *words),
    )


def test_it_waits_for_telemetry_starts_waits_reads_back_and_records(cloud, tmp_path):
    file = tmp_path / "sessions.txt"
    file.write_text("deployed-1 pays\ndeployed-2 pays\n")
    logs = cloud.instance.client("logs")
    put(logs, spans("deployed-1", "pay"))
    started = start(cloud, file, "--state-machine")
    assert started.code == 0, started.err
    states = cloud.instance.client("stepfunctions")

    def events():
        history = states.get_execution_history(executionArn=started.json["execution"])
        return [event["type"] for event in history["events"]]

    until(lambda: "TaskFailed" in events())  # the second session is not there yet
    put(logs, spans("deployed-2", "balance"))

    def ended():
        found = states.describe_execution(executionArn=started.json["execution"])
        return found if found["status"] != "RUNNING" else None

    found = until(ended, timeout_s=120)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    row = BatchRow.model_validate(
        cloud.deployment.registry.row(f"batch/{started.json['batch_id']}")
    )
    assert (row.outcome, row.scored, row.unscored) == ("COMPLETED", 2, 0)
    report = batch.load_report(row.report_key, cloud.deployment.runs)
    values = {s.session_id: s.scores[IN_ORDER].value for s in report.sessions}
    assert values == {"deployed-1": 1, "deployed-2": 0}
    again = cloud("batch", "wait", row.batch_id, "--environment", "local", "--json")
    assert (again.code, again.json["outcome"]) == (0, "COMPLETED")


def test_the_laptop_has_no_state_machine(cloud, tmp_path):
    file = tmp_path / "sessions.txt"
    file.write_text("s1\n")
    done = cloud(
        *("batch", "start", "--service", "a.b", "--log-group", "g", "--sessions", file),
        *("--evaluator", IN_ORDER, "--state-machine"),
    )
    assert done.code == 2
    assert "wanted --environment that is deployed" in done.err
