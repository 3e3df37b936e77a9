"""The watch over production: what takes in spans, and the state machine of its windows. Delete and
rebuild it at will; what it knows is in the data stack."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnOutput, Duration, Stack, TimeZone
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from driftgate import settings
from stacks.constructs import grants
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.functions import FunctionFactory
from stacks.constructs.layers import LockedLayer
from stacks.constructs.principals import service
from stacks.constructs.state_machine import AslStateMachine
from stacks.data import DataStack
from stacks.environments import Environment


class OnlineStack(Stack):
    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, data: DataStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, id, termination_protection=environment.retain_data, **kwargs)
        self._environment = environment
        self._data = data
        self._function = FunctionFactory(self, "Functions", environment=environment, key=data.key)
        self._boto3 = LockedLayer(self, "Boto3", lock="boto3", environment=environment)
        self._redaction = LockedLayer(self, "Redaction", lock="redaction", environment=environment)
        self.undelivered = self._queue()

        self.failed = self._function.failed
        self.ingest_spans = self._ingest_spans()
        self.online_eval = AslStateMachine(
            self,
            "OnlineEval",
            file="online_eval.asl.json",
            functions={
                "ListWindows": self._list_windows(),
                "CloseSessions": self._close_sessions(),
                "SampleSessions": self._sample_sessions(),
                "JudgeSession": self._judge_session(),
                "PublishWindow": self._publish_window(),
            },
            environment=environment,
        )
        self._tick()
        self._every_night(self._calibrate_monitors())
        mine_failures = self._mine_failures()
        self._on("QualityRegressed", mine_failures)
        self._on("SessionsFlagged", mine_failures)
        self._on("ConversationFeedback", self._record_feedback())

        CfnOutput(self, "IngestSpansArn", value=self.ingest_spans.function_arn)
        CfnOutput(self, "OnlineEvalArn", value=self.online_eval.state_machine_arn)
        CfnOutput(self, "Watch", value=environment.watch.model_dump_json())

    def _queue(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._data.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(queue, "SQS3", "It is itself where events go that nobody could take.")
        return queue

    def _tick(self) -> None:
        """Every minute at most: a tick with nothing to do is one short execution."""
        role = iam.Role(self, "TickRole", assumed_by=service(self, "scheduler.amazonaws.com"))
        grants.use_key(role, self._data.key, "sqs", "kms:Decrypt", "kms:GenerateDataKey")
        minutes = max(1, self._environment.watch.clockwork.window_s // 60)
        scheduler.Schedule(
            self,
            "Tick",
            description="Driftgate looks at production",
            enabled=self._environment.ticks,
            schedule=scheduler.ScheduleExpression.rate(Duration.minutes(minutes)),
            target=scheduler_targets.StepFunctionsStartExecution(
                self.online_eval,
                role=role,
                dead_letter_queue=self.undelivered,
                max_event_age=Duration.minutes(5),
                retry_attempts=2,
            ),
        )

    def _every_night(self, function: lambda_.Function) -> None:
        role = iam.Role(self, "NightRole", assumed_by=service(self, "scheduler.amazonaws.com"))
        grants.use_key(role, self._data.key, "sqs", "kms:Decrypt", "kms:GenerateDataKey")
        scheduler.Schedule(
            self,
            "Calibrate",
            description="Driftgate sets the thresholds of its monitors",
            enabled=self._environment.ticks,
            schedule=scheduler.ScheduleExpression.cron(
                minute="30", hour="1", time_zone=TimeZone.ETC_UTC
            ),
            target=scheduler_targets.LambdaInvoke(
                function,
                role=role,
                input=scheduler.ScheduleTargetInput.from_object({}),
                dead_letter_queue=self.undelivered,
                max_event_age=Duration.hours(2),
                retry_attempts=2,
            ),
        )
        acknowledge_wildcard(role, f"{function.function_arn}:*", "Versions of one function.")

    def _on(self, detail_type: str, function: lambda_.Function) -> None:
        """Let a function hear of an event. Feedback may come from whoever may put events here."""
        source = None if detail_type == "ConversationFeedback" else ["driftgate"]
        own = None if source is None else {"environment": [self._environment.name]}
        events.Rule(
            self,
            detail_type,
            event_pattern=events.EventPattern(source=source, detail_type=[detail_type], detail=own),
            targets=[
                targets.LambdaFunction(
                    function,
                    dead_letter_queue=self.undelivered,
                    max_event_age=Duration.hours(24),
                    retry_attempts=20,
                )
            ],
        )

    def _ingest_spans(self) -> lambda_.Function:
        function = self._function(
            "IngestSpans",
            settings.IngestSpansSettings(**self._common(), **self._registry()),
            timeout=Duration.minutes(1),
            memory_mb=512,
            traced=False,  # its spans would come back to it
        )
        role = _role(function)
        grants.read_rows(role, self._data.registry)
        self._put(role, "fragments/*", rows=("session", "due"))
        function.add_permission(
            "Logs",
            principal=service(self, "logs.amazonaws.com"),
            source_account=self.account,
        )
        return function

    def _list_windows(self) -> lambda_.Function:
        function = self._function(
            "ListWindows",
            settings.ListWindowsSettings(**self._common(), **self._registry()),
            timeout=Duration.minutes(1),
        )
        grants.read_rows(_role(function), self._data.registry)
        self._put(_role(function), rows=("turn",))
        return function

    def _close_sessions(self) -> lambda_.Function:
        function = self._function(
            "CloseSessions",
            settings.CloseSessionsSettings(
                **self._common(),
                **self._registry(),
                pseudonyms_secret=self._data.pseudonyms.secret_arn,
            ),
            timeout=Duration.minutes(2),
            memory_mb=1024,
            layers=[self._redaction],
        )
        role = _role(function)
        self._read_agents(role)
        grants.get_objects(role, self._data.traces, "fragments/*", "traces/*")
        grants.list_objects(role, self._data.traces, "fragments/*", "traces/*")
        self._put(role, "traces/*", rows=("session", "closed"))
        grants.read_secret(role, self._data.pseudonyms)
        self._find_entities(role)
        return function

    def _find_entities(self, role: iam.IRole) -> None:
        """Ask the service that the environment names, if it names one."""
        service, _, rest = self._environment.watch.finder.partition(":")
        if service == "guardrail":
            guardrail = self.format_arn(
                service="bedrock", resource="guardrail", resource_name=rest.partition(":")[0]
            )
            self._allow(role, "bedrock:ApplyGuardrail", guardrail)
        elif service == "comprehend":
            self._allow(role, "comprehend:DetectPiiEntities", "*")
            acknowledge_wildcard(role, "*", "Finding entities in a text has no resource.")

    def _allow(self, role: iam.IRole, action: str, resource: str) -> None:
        statement = iam.PolicyStatement(actions=[action], resources=[resource])
        role.add_to_principal_policy(statement)

    def _sample_sessions(self) -> lambda_.Function:
        function = self._function(
            "SampleSessions",
            settings.SampleSessionsSettings(**self._common()),
            timeout=Duration.minutes(1),
        )
        self._put(_role(function), rows=("sampled",))
        self._read_windows(_role(function))
        return function

    def _judge_session(self) -> lambda_.Function:
        function = self._function(
            "JudgeSession",
            settings.JudgeSessionSettings(**self._common(), **self._registry()),
            timeout=Duration.seconds(85),  # a judge has 60 to answer, and then says that it did not
            layers=[self._boto3],
        )
        role = _role(function)
        self._read_agents(role)
        grants.get_objects(role, self._data.traces, "traces/*")
        grants.list_objects(role, self._data.traces, "traces/*")
        self._put(role, rows=("judged",))
        grants.ask_judges(role, self._environment.watch.judge.model)
        return function

    def _publish_window(self) -> lambda_.Function:
        function = self._function(
            "PublishWindow",
            settings.PublishWindowSettings(**self._common()),
            timeout=Duration.minutes(1),
            memory_mb=1024,
        )
        role = _role(function)
        self._put(role, "windows/*", rows=("state", "turn", "history"))
        self._read_windows(role)
        bus = self.format_arn(service="events", resource="event-bus", resource_name="default")
        self._allow(role, "events:PutEvents", bus)
        return function

    def _calibrate_monitors(self) -> lambda_.Function:
        function = self._function(
            "CalibrateMonitors",
            settings.CalibrateMonitorsSettings(**self._common(), **self._registry()),
            timeout=Duration.minutes(15),
            memory_mb=2048,
            layers=[LockedLayer(self, "Numpy", lock="numpy", environment=self._environment)],
        )
        role = _role(function)
        grants.read_rows(role, self._data.registry)
        self._put(role, rows=("thresholds",))
        self._read_windows(role)
        return function

    def _mine_failures(self) -> lambda_.Function:
        function = self._function(
            "MineFailures",
            settings.MineFailuresSettings(
                **self._common(), reviews_table=self._data.reviews.table_name
            ),
            timeout=Duration.minutes(1),
        )
        role = _role(function)
        grants.get_objects(role, self._data.traces, "traces/*")
        grants.list_objects(role, self._data.traces, "traces/*")
        grants.read_rows(role, self._data.sessions)
        grants.read_rows(role, self._data.reviews)
        grants.put_rows_of(role, self._data.reviews, "candidate")
        return function

    def _record_feedback(self) -> lambda_.Function:
        function = self._function(
            "RecordFeedback",
            settings.RecordFeedbackSettings(**self._common()),
            timeout=Duration.minutes(1),
        )
        self._put(_role(function), rows=("feedback", "heard"))
        return function

    def _common(self) -> dict[str, str]:
        return {
            "environment": self._environment.name,
            "sessions_table": self._data.sessions.table_name,
            "traces_bucket": self._data.traces.bucket_name,
            "watch": self._environment.watch.model_dump_json(),
        }

    def _registry(self) -> dict[str, str]:
        return {
            "registry_table": self._data.registry.table_name,
            "records_bucket": self._data.records.bucket_name,
        }

    def _put(self, role: iam.IRole, *objects: str, rows: Sequence[str]) -> None:
        """Read the rows of sessions, and put rows of these kinds and objects under these keys."""
        grants.read_rows(role, self._data.sessions)
        grants.put_rows_of(role, self._data.sessions, *rows)
        if objects:
            grants.put_objects(role, self._data.traces, *objects)

    def _read_windows(self, role: iam.IRole) -> None:
        grants.get_objects(role, self._data.traces, "windows/*")
        grants.list_objects(role, self._data.traces, "windows/*")

    def _read_agents(self, role: iam.IRole) -> None:
        grants.read_rows(role, self._data.registry)
        grants.get_objects(role, self._data.records, "agents/*")
        grants.list_objects(role, self._data.records, "agents/*")


def _role(function: lambda_.Function) -> iam.IRole:
    assert function.role is not None
    return function.role
