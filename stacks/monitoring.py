"""Whether Driftgate itself can be trusted: the gate is tried on a schedule, and alarms say how it
stands. Delete and rebuild it at will."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack, TimeZone
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from driftgate import names
from stacks.constructs import grants
from stacks.constructs.findings import acknowledge
from stacks.constructs.principals import service
from stacks.data import DataStack
from stacks.environments import Environment
from stacks.evaluation import EvaluationStack

# One try a night, so that the budget of a try is that of the night. In UTC.
NIGHTS = {"aa": "MON-FRI", "tool": "SAT", "broad": "SUN"}
HOUR = "2"
ATTACK_DAY, ATTACK_HOUR = "SUN", "12"  # once a week, when nobody waits for a gate
SILENT_DAYS = 2  # nights without a try until somebody is told
ALLOWED = 0.05  # false blocks: what the calibrated rule promises, as driftgate/drills.py has it
DAY = Duration.days(1)
RUNBOOK = "docs/operations.md"


class MonitoringStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        data: DataStack,
        evaluation: EvaluationStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, termination_protection=environment.retain_data, **kwargs)
        self._environment = environment
        self._data = data
        self._evaluation = evaluation
        self.alarms = self._topic()
        self._schedule()
        self._gate_alarms()
        self._dashboard()
        CfnOutput(self, "AlarmTopicArn", value=self.alarms.topic_arn)

    def _topic(self) -> sns.Topic:
        """Where alarms go. Who wants to be woken subscribes to it."""
        topic = sns.Topic(self, "Alarms", master_key=self._data.key, enforce_ssl=True)
        for name in ("cloudwatch", "events"):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[service(self, f"{name}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                )
            )
        return topic

    def _schedule(self) -> None:
        undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._data.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(undelivered, "SQS3", "It is itself where starts go that nobody could take.")
        role = iam.Role(self, "SchedulerRole", assumed_by=service(self, "scheduler.amazonaws.com"))
        grants.use_key(role, self._data.key, "sqs", "kms:Decrypt", "kms:GenerateDataKey")
        for kind, days in NIGHTS.items():
            scheduler.Schedule(
                self,
                f"Try{kind.capitalize()}",
                description=f"Driftgate tries its gate: {kind}",
                enabled=self._environment.gate_tries.scheduled,
                schedule=scheduler.ScheduleExpression.cron(
                    minute="0", hour=HOUR, week_day=days, time_zone=TimeZone.ETC_UTC
                ),
                target=targets.StepFunctionsStartExecution(
                    self._evaluation.try_gate,
                    role=role,
                    input=scheduler.ScheduleTargetInput.from_object({"kind": kind}),
                    dead_letter_queue=undelivered,
                    max_event_age=Duration.hours(2),
                    retry_attempts=5,
                ),
            )

        scheduler.Schedule(
            self,
            "AttackBaselines",
            description="Driftgate attacks what is in production",
            enabled=self._environment.gate_tries.scheduled,
            schedule=scheduler.ScheduleExpression.cron(
                minute="0", hour=ATTACK_HOUR, week_day=ATTACK_DAY, time_zone=TimeZone.ETC_UTC
            ),
            target=targets.StepFunctionsStartExecution(
                self._evaluation.attack_baselines,
                role=role,
                dead_letter_queue=undelivered,
                max_event_age=Duration.hours(2),
                retry_attempts=5,
            ),
        )

    def _gate_alarms(self) -> None:
        """On the worst of all agents, so that none has to be known here."""
        above, below = (
            cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        )
        self._alarm(
            "FalseBlocks",
            self._of_all(names.FALSE_BLOCK_RATE_LOWER, "Maximum"),
            above,
            ALLOWED,
            "The gate blocks unchanged versions certainly more often than it may",
            "the-gate-blocks-unchanged-versions-too-often",
            # Nothing new is known, so what was known stands.
            missing=cloudwatch.TreatMissingData.IGNORE,
        )
        self._alarm(
            "DrillMissed",
            self._of_all(names.DRILLS_MISSED, "Maximum"),
            above,
            0,
            "The last drill of an agent was not blocked",
            "a-drill-was-missed",
            missing=cloudwatch.TreatMissingData.IGNORE,
        )
        self._alarm(
            "TryFailed",
            self._evaluation.try_gate.metric_failed(period=Duration.minutes(5), statistic="Sum"),
            above,
            0,
            "The gate could not be tried",
            "the-gate-was-not-tried",
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self._alarm(
            "AttackGotThrough",
            self._evaluation.attack_baselines.metric_failed(
                period=Duration.minutes(5), statistic="Sum"
            ),
            above,
            0,
            "A version in production fell under attack, or could not be attacked",
            "a-version-in-production-fell-under-attack",
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._environment.gate_tries.scheduled:
            self._alarm(
                "NothingTried",
                self._of_all(names.TRY_ENDED, "Sum"),
                below,
                1,
                f"The gate was not tried for {SILENT_DAYS} days",
                "the-gate-was-not-tried",
                periods=SILENT_DAYS,
                missing=cloudwatch.TreatMissingData.BREACHING,
            )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.Metric,
        comparison: cloudwatch.ComparisonOperator,
        threshold: float,
        said: str,
        section: str,
        *,
        missing: cloudwatch.TreatMissingData,
        periods: int = 1,
    ) -> None:
        alarm = metric.create_alarm(
            self,
            id,
            alarm_description=f"{said}. What to do: {RUNBOOK}#{section}",
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.alarms))
        alarm.add_ok_action(actions.SnsAction(self.alarms))

    def _of_all(self, metric: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=names.METRIC_NAMESPACE,
            metric_name=metric,
            dimensions_map={
                "agent": names.ALL_AGENTS,
                "monitor": names.gate_monitor(self._environment.name),
            },
            period=DAY,
            statistic=statistic,
        )

    def _dashboard(self) -> None:
        dashboard = cloudwatch.Dashboard(self, "Gate", default_interval=Duration.days(90))
        dashboard.add_widgets(
            self._graph("Rate of false blocks", names.FALSE_BLOCK_RATE, share=True),
            self._graph("at least (95 %)", names.FALSE_BLOCK_RATE_LOWER, share=True),
            self._graph("at most (95 %)", names.FALSE_BLOCK_RATE_UPPER, share=True),
        )
        dashboard.add_widgets(
            self._graph("A/A runs that count", names.AA_RUNS),
            self._graph("of them blocked", names.FALSE_BLOCKS),
            self._graph("Drills: 1 is blocked, 0 is missed", names.DRILL_BLOCKED),
        )
        dashboard.add_widgets(
            self._graph("Trials spent", names.SPENT_TRIALS),
            self._graph("Tries that failed", names.TRY_FAILED),
        )

    def _graph(self, title: str, metric: str, *, share: bool = False) -> cloudwatch.GraphWidget:
        """A line for each agent that there is by then."""
        schema = f"{{{names.METRIC_NAMESPACE},agent,monitor}}"
        monitor = names.gate_monitor(self._environment.name)
        wanted = f'MetricName="{metric}" monitor="{monitor}"'
        lines = cloudwatch.MathExpression(
            expression=f"SEARCH('{schema} {wanted}', 'Maximum', {DAY.to_seconds()})",
            using_metrics={},
            period=DAY,
            label="",
        )
        allowed = [cloudwatch.HorizontalAnnotation(value=ALLOWED, label="allowed")]
        return cloudwatch.GraphWidget(
            title=title, left=[lines], width=8, left_annotations=allowed if share else []
        )
