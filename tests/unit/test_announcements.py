"""What the event bus is told: valid under the published schemas, and small enough to be told."""

import json

import pytest
from jsonschema import Draft202012Validator

from driftgate.announcements import announced
from driftgate.schemas.events import Announcement
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import RunRow, Verdict
from tests.conftest import ROOT
from tests.golden.make import golden_bytes, run, share

ENTRY_BYTES = 256 * 1024  # PutEvents takes no more in one request


def told(golden):
    verdict = Verdict.model_validate_json(golden_bytes(golden)[1])
    return verdict, announced(verdict, row_of(verdict), "verdicts/teller/x.json")


def row_of(verdict):
    return RunRow(
        run_id=verdict.run_id,
        finished_at="2026-11-20T00:00:00+00:00",
        environment="dev",
        agent="teller",
        version="2.0.0",
        digest="2" * 64,
        baseline="1.0.0",
        dataset="bank@1.0.0",
        cases=verdict.cases,
        of_cases=verdict.dataset.count,
        outcome=verdict.outcome,
        effective=verdict.effective,
    )


def schema(name):
    return json.loads((ROOT / "docs/events" / f"{name}.schema.json").read_text())


def test_a_pass_is_told_as_completed_alone():
    _, events = told(run(1, "PASS", look=1))
    assert [event.detail_type for event in events] == ["EvaluationCompleted"]


@pytest.mark.parametrize("mode", ["blocking", "advisory"])
def test_a_block_is_told_with_what_failed_whatever_the_mode_makes_of_it(mode):
    golden = run(1, "BLOCK", share("candidate", 0.5, 1), look=1, mode=mode)
    verdict, (completed, blocked) = told(golden)
    assert (completed.detail_type, blocked.detail_type) == ("EvaluationCompleted", "GateBlocked")
    assert blocked.detail.effective == verdict.effective
    assert blocked.detail.failed[0].stratum == "all cases"
    assert blocked.detail.case_ids == tuple(case.case_id for case in verdict.broken)


def test_entries_have_the_names_of_put_events_and_details_that_keep_their_schemas():
    _, events = told(run(1, "BLOCK", share("candidate", 0.5, 1), look=1))
    for event in events:
        entry = event.model_dump(mode="json")
        assert entry.keys() == {"Source", "DetailType", "Detail"}
        Draft202012Validator(schema(entry["DetailType"])).validate(entry["Detail"])
        assert Announcement.model_validate(entry) == event


def test_the_schema_refuses_a_field_that_it_does_not_know():
    _, (_, blocked) = told(run(1, "BLOCK", share("candidate", 0.5, 1), look=1))
    detail = blocked.detail.model_dump(mode="json")
    validator = Draft202012Validator(schema("GateBlocked"))
    assert validator.is_valid(detail)
    assert not validator.is_valid({**detail, "colour": "red"})
    assert not validator.is_valid({k: v for k, v in detail.items() if k != "case_ids"})


def test_with_ten_thousand_broken_cases_of_the_longest_ids_it_still_fits_and_says_how_many():
    verdict, _ = told(run(1, "BLOCK", share("candidate", 0.5, 1), look=1))
    one, failed = verdict.broken[0], next(c for c in verdict.criteria if c.ok is False)
    broken = tuple(one.model_copy(update={"case_id": f"{n:0128}"}) for n in range(10_000))
    criteria = tuple(
        failed.model_copy(update={"stratum": f"task type {n:063}"}) for n in range(1000)
    )
    large = verdict.model_copy(
        update={"broken": broken, "criteria": criteria, "reason": "ü" * 10_000}
    )
    _, blocked = announced(large, row_of(large), "verdicts/teller/x.json")
    assert (blocked.detail.all_cases, blocked.detail.all_failed) == (10_000, 1000)
    assert blocked.detail.case_ids[0] == broken[0].case_id
    both = announced(large, row_of(large), "verdicts/teller/x.json")
    assert sum(len(event.model_dump_json().encode()) for event in both) < ENTRY_BYTES / 2


def test_a_block_without_a_baseline_names_the_failing_cases():
    failing = share("candidate", 1.0, 1)
    golden = run(1, "BLOCK", failing, arms=("candidate",), looks=(2,), min_task_success=0.9)
    verdict, (_, blocked) = told(golden)
    assert not verdict.broken
    assert blocked.detail.all_cases == verdict.cases == len(blocked.detail.case_ids)
    assert Policy(min_task_success=0.9) == verdict.policy
