"""What goes over the wire is what botocore's model says, both ways and at any depth."""

import json
import re
from datetime import UTC, datetime

import pytest

from local.standins.wire import CONTROL_PLANE, ServiceError, operation

WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
JOB = {
    "batchEvaluationId": "nightly-Ab12345678",
    "batchEvaluationArn": "arn:x",
    "batchEvaluationName": "nightly",
    "status": "COMPLETED",
    "createdAt": WHEN,
}
DATASET = {
    "datasetArn": "arn:aws:bedrock-agentcore:us-east-1:123456789012:dataset/a",
    "datasetId": "a",
}


def answer(name, members, plane="bedrock-agentcore"):
    return json.loads(operation(name, plane).answer(members).body)


def wrong(members):
    with pytest.raises(ServiceError) as raised:
        answer("GetBatchEvaluation", {**JOB, **members})
    return str(raised.value)


def test_moments_are_written_as_each_model_says():
    assert answer("GetBatchEvaluation", JOB)["createdAt"] == "2026-11-20T12:00:00+00:00"
    created = {**DATASET, "status": "CREATING", "createdAt": WHEN}
    seconds = answer("CreateDataset", created, CONTROL_PLANE)["createdAt"]
    assert seconds == WHEN.timestamp()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"status": "DONE"}, "'status' failed .* enum value set"),
        ({"evaluators": [{}]}, r"'evaluators\.0\.evaluatorId' .* must not be null"),
        ({"evaluationResults": {"numberOfSessionsFailed": "3"}}, "wanted a integer at .* got str"),
        ({"evaluationResults": {"total": 3}}, r"extraneous key \[evaluationResults\.total\]"),
        ({"insightResults": [{}] * 51}, "'insightResults' .* less than or equal to 50"),
        ({"outputConfig": {}}, "one member of the union OutputConfig"),
        ({"createdAt": True}, "wanted a timestamp at createdAt, got bool"),
    ],
)
def test_a_response_that_the_model_does_not_allow_is_not_sent(members, said):
    assert re.search(said, wrong(members))


def test_a_response_without_what_it_must_have_is_not_sent():
    with pytest.raises(ServiceError, match=r"'status' failed .* must not be null"):
        answer("StopBatchEvaluation", {key: JOB[key] for key in ("batchEvaluationId",)})


def test_a_document_may_hold_anything():
    examples = [{"scenario_id": 1, "turns": [None, {"x": [1.5]}]}]
    members = {**DATASET, "datasetVersion": "1", "examples": examples}
    assert answer("ListDatasetExamples", members, CONTROL_PLANE)["examples"] == examples
