"""What must outlive a deployment: keys, buckets, the registry, and who may publish."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from driftgate.names import LEDGER_INDEXES
from stacks.constructs.findings import acknowledge
from stacks.constructs.principals import lambda_service, service
from stacks.environments import Environment


class DataStack(Stack):
    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, termination_protection=environment.retain_data, **kwargs)
        self._environment = environment
        self._removal = RemovalPolicy.RETAIN if environment.retain_data else RemovalPolicy.DESTROY
        self.key = self._new_key("Key", "Driftgate: records, runs, registry, alarms")
        self._let_announce(self.key)
        traces_key = self._new_key("TracesKey", "Driftgate: traces of production")

        self.records = self._new_bucket(
            "Records",
            self.key,
            versioned=True,
            object_lock_enabled=True,
            object_lock_default_retention=self._retention(),
        )
        self.runs = self._new_bucket("Runs", self.key, expires_after_days=90)
        # Not locked, and with a key of its own: what a person said must be erasable.
        self.traces = self._new_bucket("Traces", traces_key, expires_after_days=30)

        self.registry = self._new_table("Registry", self.key)
        # Rows about sessions expire a little later than their traces, and have the same key.
        self.sessions = self._new_table("Sessions", traces_key, expires=True)
        self.reviews = self._new_table("Reviews", traces_key)
        # Rotation would give everybody a new name, and nothing could be compared any more.
        self.pseudonyms = secretsmanager.Secret(
            self,
            "Pseudonyms",
            description="Driftgate: the key of the pseudonyms in redacted traces",
            encryption_key=traces_key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=self._removal,
        )
        acknowledge(
            self.pseudonyms,
            "SMG4",
            "A new key would give everybody a new pseudonym, and arguments would not compare.",
        )
        self.ledger = self._new_ledger()
        # Here and not beside its function, because the policy of the records names it.
        self.publisher = iam.Role(
            self,
            "Publisher",
            assumed_by=lambda_service(self),
            description="PublishDataset, the only writer of datasets outside local and dev",
        )
        self._keep_records()

        CfnOutput(self, "RegistryTable", value=self.registry.table_name)
        CfnOutput(self, "LedgerTable", value=self.ledger.table_name)
        CfnOutput(self, "RecordsBucket", value=self.records.bucket_name)
        CfnOutput(self, "RunsBucket", value=self.runs.bucket_name)
        CfnOutput(self, "TracesBucket", value=self.traces.bucket_name)
        CfnOutput(self, "SessionsTable", value=self.sessions.table_name)
        CfnOutput(self, "ReviewsTable", value=self.reviews.table_name)

    def _new_key(self, id: str, description: str) -> kms.Key:
        return kms.Key(
            self,
            id,
            description=description,
            enable_key_rotation=True,
            removal_policy=self._removal,
        )

    def _new_ledger(self) -> dynamodb.Table:
        """A row for every trial; and by what it is asked for, each index with all of it by time.

        The adapter spreads an index's keys by day and shard.
        """
        table = self._new_table("Ledger", self.key)
        for name in LEDGER_INDEXES:
            table.add_global_secondary_index(
                index_name=name,
                partition_key=dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING),
                sort_key=dynamodb.Attribute(name="place", type=dynamodb.AttributeType.STRING),
            )
        return table

    def _let_announce(self, key: kms.Key) -> None:
        """Topics under this key take messages of alarms and of rules, which need it themselves."""
        for name in ("cloudwatch", "events"):
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[service(self, f"{name}.amazonaws.com")],
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=["*"],
                )
            )

    def _new_table(self, id: str, key: kms.Key, *, expires: bool = False) -> dynamodb.Table:
        """Rows under a kind and a name.

        Not TableV2: with a key of ours it must know its region, and these templates know none.
        """
        return dynamodb.Table(
            self,
            id,
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires_at" if expires else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self._environment.retain_data,
            removal_policy=self._removal,
        )

    def _new_bucket(
        self, id: str, key: kms.Key, *, expires_after_days: int | None = None, **kwargs: Any
    ) -> s3.Bucket:
        rules = [s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1))]
        if expires_after_days:
            rules.append(s3.LifecycleRule(expiration=Duration.days(expires_after_days)))
        bucket = s3.Bucket(
            self,
            id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=rules,
            removal_policy=self._removal,
            **kwargs,
        )
        acknowledge(
            bucket,
            "S1",
            "A log of accesses would be one more bucket to keep; who wants one switches on "
            "CloudTrail's data events, as docs/deploy.md says.",
        )
        return bucket

    def _retention(self) -> s3.ObjectLockRetention:
        duration = Duration.days(self._environment.lock_days)
        if self._environment.lock_mode == "COMPLIANCE":
            return s3.ObjectLockRetention.compliance(duration)
        return s3.ObjectLockRetention.governance(duration)

    def _keep_records(self) -> None:
        """Say who may not do what to a record, whatever their own policies allow."""
        # Keys are content hashes and run ids, so a second write is a mistake or an attack. The
        # requests of a multipart upload that create nothing can't carry the header.
        self._deny(
            "WriteOnceOnly",
            ["s3:PutObject"],
            ["*"],
            {
                "Null": {"s3:if-none-match": "true"},
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        )
        if self._environment.publisher_only:
            self._deny(
                "OnlyThePublisherWritesDatasets",
                ["s3:PutObject"],
                ["datasets/*"],
                {"ArnNotEquals": {"aws:PrincipalArn": self.publisher.role_arn}},
            )
        if self._environment.retain_data:
            # Also the plain delete, which only hides a version: a hidden verdict reads as none.
            self._deny(
                "NobodyDeletes",
                ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"],
                ["*"],
            )

    def _deny(
        self,
        sid: str,
        actions: list[str],
        patterns: list[str],
        conditions: dict[str, Any] | None = None,
    ) -> None:
        self.records.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=actions,
                resources=[self.records.arn_for_objects(pattern) for pattern in patterns],
                conditions=conditions,
            )
        )
