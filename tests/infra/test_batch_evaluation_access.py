"""What a caller of batch evaluation may do, statement by statement."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam

from stacks.constructs.batch_evaluation_access import BatchEvaluationAccess
from tests.infra.reading import listed

JOBS = {
    f"bedrock-agentcore:{operation}"
    for operation in (
        *("StartBatchEvaluation", "GetBatchEvaluation", "ListBatchEvaluations"),
        *("StopBatchEvaluation", "DeleteBatchEvaluation"),
    )
}
LOGS = {
    *("logs:GetLogEvents", "logs:FilterLogEvents"),
    *("logs:StartQuery", "logs:GetQueryResults"),
}
MODELS = {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
GROUPS = {
    "arn:aws:logs:*:*:log-group:/aws/bedrock-agentcore/runtimes/*",
    "arn:aws:logs:*:*:log-group:/aws/bedrock-agentcore/evaluations/*",
}


def statements(*, spans=False, **options):
    """The policy's statements: (actions, resources) each."""
    stack = cdk.Stack(cdk.App(), "Access")
    role = iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal())
    access = BatchEvaluationAccess(stack, "Batches", roles=[role], **options)
    if spans:
        access.grant_read_spans()
    template = assertions.Template.from_stack(stack).to_json()["Resources"]
    (policy,) = [r for r in template.values() if r["Type"] == "AWS::IAM::Policy"]
    assert [r["Type"] for r in template.values()].count("AWS::IAM::Role") == 1
    text = json.dumps(policy["Properties"]["PolicyDocument"]["Statement"])
    text = text.replace('{"Ref": "AWS::Partition"}', '"aws"')
    return [_read(statement) for statement in json.loads(text)]


def _read(statement):
    assert statement.keys() == {"Action", "Effect", "Resource"}
    assert statement["Effect"] == "Allow"
    resources = {
        resource if isinstance(resource, str) else "".join(resource["Fn::Join"][1])
        for resource in listed(statement["Resource"])
    }
    return set(listed(statement["Action"])), resources


def test_a_caller_works_on_jobs_and_reads_two_families_of_log_groups_and_no_more():
    assert statements() == [
        (JOBS, {"arn:aws:bedrock-agentcore:*:*:batch-evaluate/*"}),
        (LOGS, GROUPS),
    ]


def test_models_are_invoked_for_evaluators_of_ones_own_alone():
    *others, models = statements(custom_evaluators=True)
    assert models == (
        MODELS,
        {"arn:aws:bedrock:*::foundation-model/*", "arn:aws:bedrock:*:*:inference-profile/*"},
    )
    assert others == statements()


def test_reading_spans_is_a_grant_of_its_own():
    *others, spans = statements(spans=True)
    assert spans == (
        LOGS,
        {"arn:aws:logs:*:*:log-group:aws/spans", "arn:aws:logs:*:*:log-group:aws/spans:*"},
    )
    assert others == statements()


@pytest.mark.parametrize(
    ("operations", "allowed"),
    [
        (("Get",), [{"bedrock-agentcore:GetBatchEvaluation"}, LOGS]),
        ((), [LOGS]),
    ],
)
def test_who_needs_less_gets_less(operations, allowed):
    assert [actions for actions, _ in statements(operations=operations)] == allowed


def test_no_role_is_made_for_the_service():
    stack = cdk.Stack(cdk.App(), "Access")
    own = iam.Role.from_role_arn(stack, "Ci", "arn:aws:iam::123456789012:role/ci")
    BatchEvaluationAccess(stack, "Batches", roles=[own])
    assertions.Template.from_stack(stack).resource_count_is("AWS::IAM::Role", 0)
