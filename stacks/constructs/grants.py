"""What a function may do: exact actions, on key prefixes of a bucket and kinds of rows of a table.

CDK's own grants speak of `s3:GetObject*` and whole tables.
"""

import re
from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from stacks.constructs.findings import acknowledge_wildcard

# DynamoDB asks for these in the name of whoever reads and writes rows.
_READ_WITH = ("kms:Decrypt", "kms:DescribeKey")
_WRITE_WITH = ("kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")


def get_objects(role: iam.IRole, bucket: s3.IBucket, *patterns: str) -> None:
    _allow_objects(role, "s3:GetObject", bucket, patterns)
    use_key(role, bucket.encryption_key, "s3", "kms:Decrypt")


def put_objects(role: iam.IRole, bucket: s3.IBucket, *patterns: str) -> None:
    _allow_objects(role, "s3:PutObject", bucket, patterns)
    use_key(role, bucket.encryption_key, "s3", "kms:GenerateDataKey")


def list_objects(role: iam.IRole, bucket: s3.IBucket, *patterns: str) -> None:
    """List keys under prefixes, and learn of a key that is asked for that there is none.

    Without the right to list, S3 answers 403 for a missing key. A request for an object has no
    prefix to compare with, so the condition holds only where there is one.
    """
    _allow(
        role,
        ["s3:ListBucket"],
        [bucket.bucket_arn],
        {"StringLikeIfExists": {"s3:prefix": list(patterns)}},
    )


def read_rows(role: iam.IRole, table: dynamodb.ITable) -> None:
    _allow(role, ["dynamodb:GetItem", "dynamodb:Query"], [table.table_arn])
    use_key(role, table.encryption_key, "dynamodb", *_READ_WITH)


def put_rows(role: iam.IRole, table: dynamodb.ITable, *kinds: str) -> None:
    """Put rows whose partition key is one of `kinds`."""
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": list(kinds)}}
    _allow(role, ["dynamodb:PutItem"], [table.table_arn], condition)
    use_key(role, table.encryption_key, "dynamodb", *_READ_WITH, *_WRITE_WITH)


def add_rows(role: iam.IRole, table: dynamodb.ITable) -> None:
    """Put rows and add to sets, without reading any."""
    _allow(role, ["dynamodb:PutItem", "dynamodb:UpdateItem"], [table.table_arn])
    use_key(role, table.encryption_key, "dynamodb", *_READ_WITH, *_WRITE_WITH)


def read_and_write_rows(role: iam.IRole, table: dynamodb.ITable) -> None:
    """All that transactions and conditional updates take, on any row."""
    actions = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    _allow(role, actions, [table.table_arn])
    use_key(role, table.encryption_key, "dynamodb", *_READ_WITH, *_WRITE_WITH)


def put_rows_of(role: iam.IRole, table: dynamodb.ITable, *kinds: str) -> None:
    """Put rows whose partition key begins with one of `kinds` and a dot, or is one of them."""
    keys = [pattern for kind in kinds for pattern in (kind, f"{kind}.*")]
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
    _allow(role, ["dynamodb:PutItem"], [table.table_arn], condition)
    use_key(role, table.encryption_key, "dynamodb", *_READ_WITH, *_WRITE_WITH)


def read_secret(role: iam.IRole, secret: secretsmanager.ISecret) -> None:
    _allow(role, ["secretsmanager:GetSecretValue"], [secret.secret_arn])
    use_key(role, secret.encryption_key, "secretsmanager", "kms:Decrypt")


def write_logs(role: iam.IRole, log_group: logs.ILogGroup) -> None:
    _allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn])


def ask_judges(role: iam.IRole, *judges: str | None) -> None:
    """Invoke these models and evaluators, given by their ids or ARNs, and no others."""
    stack = Stack.of(role)
    models: list[str] = []
    for judge in judges:
        if judge is None:
            continue
        if _EVALUATOR.fullmatch(judge):
            arn = judge
            if not judge.startswith("arn:"):
                builtin = judge.startswith(("Builtin.", "ThirdParty."))
                place = ":" if builtin else f"{stack.region}:{stack.account}"
                arn = f"arn:{stack.partition}:bedrock-agentcore:{place}:evaluator/{judge}"
            _allow(role, ["bedrock-agentcore:Evaluate"], [arn])
        else:
            models += _arns_of_model(stack, judge)
    _allow_models(role, models, "bedrock:InvokeModel")


def invoke_models(role: iam.IRole, *models: str) -> None:
    """Invoke these models, given by their ids or ARNs, also with the answer as a stream."""
    arns = [arn for model in models for arn in _arns_of_model(Stack.of(role), model)]
    _allow_models(role, arns, "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


def _allow_models(role: iam.IRole, arns: Sequence[str], *actions: str) -> None:
    if arns:
        _allow(role, list(actions), arns)
    for arn in arns:
        if "*" in arn:
            acknowledge_wildcard(role, arn, "A profile invokes its model in any of its regions.")


def _arns_of_model(stack: Stack, model: str) -> list[str]:
    """A model of this region; or an inference profile, and its model wherever that is."""
    if model.startswith("arn:"):
        return [model]
    geography, _, name = model.partition(".")
    models = f"arn:{stack.partition}:bedrock"
    if geography in _GEOGRAPHIES:
        profile = f"{models}:{stack.region}:{stack.account}:inference-profile/{model}"
        return [profile, f"{models}:*::foundation-model/{name}"]
    return [f"{models}:{stack.region}::foundation-model/{model}"]


_EVALUATOR = re.compile(
    r"(Builtin|ThirdParty)\..+|[a-zA-Z][a-zA-Z0-9_-]*-[a-zA-Z0-9]{10}|arn:.+:evaluator/.+"
)
_GEOGRAPHIES = ("global", "us", "us-gov", "eu", "apac", "au", "ca", "jp")


def use_key(role: iam.IRole, key: kms.IKey | None, service: str, *actions: str) -> None:
    """Use a key through a service, and not by itself."""
    if key is None:
        raise ValueError(f"{role.node.path} needs {service}'s key, and there is none")
    through = f"{service}.{Stack.of(role).region}.amazonaws.com"
    condition = {"StringEquals": {"kms:ViaService": through}}
    _allow(role, list(actions), [key.key_arn], condition)


def _allow_objects(
    role: iam.IRole, action: str, bucket: s3.IBucket, patterns: Sequence[str]
) -> None:
    arn = bucket.bucket_arn
    if Stack.of(bucket).node.path != Stack.of(role).node.path:
        # CDK would export it by itself, but later than cdk-nag's finding can be named.
        arn = Stack.of(bucket).export_value(arn)
    for pattern in patterns:
        resource = f"{arn}/{pattern}"
        _allow(role, [action], [resource])
        acknowledge_wildcard(
            role, resource, f"Ids are made at run time; {pattern} is the narrowest that has them."
        )


def _allow(
    role: iam.IRole,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: dict[str, Any] | None = None,
) -> None:
    statement = iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
    if not role.add_to_principal_policy(statement).statement_added:
        raise ValueError(f"{role.node.path} takes no policy")
