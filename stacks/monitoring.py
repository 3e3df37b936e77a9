"""Who is told of what: alarms on agents in production, on the watch over them, and on the gate,
which is tried on a schedule. Delete and rebuild it at will."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack, TimeZone
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as events_targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from driftgate import names
from stacks.constructs import grants
from stacks.constructs.agent_monitoring import AgentMonitoring, name_prefix
from stacks.constructs.alarms import ABOVE, BELOW, FINE, STANDS, WRONG, RunbookAlarm
from stacks.constructs.findings import acknowledge
from stacks.constructs.graphs import found, graph
from stacks.constructs.principals import service
from stacks.data import DataStack
from stacks.environments import Environment
from stacks.evaluation import EvaluationStack
from stacks.online import OnlineStack

# One try a night, so that the budget of a try is that of the night. In UTC.
NIGHTS = {"aa": "MON-FRI", "tool": "SAT", "broad": "SUN"}
HOUR = "2"
ATTACK_DAY, ATTACK_HOUR = "SUN", "12"  # once a week, when nobody waits for a gate
SILENT_DAYS = 2  # nights without a try until somebody is told
ALLOWED = 0.05  # false blocks: what the calibrated rule promises, as driftgate/drills.py has it
DAY = Duration.days(1)
HOUR_LONG = Duration.hours(1)
MINUTES = Duration.minutes(5)


class MonitoringStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        data: DataStack,
        evaluation: EvaluationStack,
        online: OnlineStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, termination_protection=environment.retain_data, **kwargs)
        self._environment = environment
        self._data = data
        self._evaluation = evaluation
        self._online = online
        self._undelivered = self._queue()
        self.alarms = self._topic("Alarms", "cloudwatch")
        self.changes = self._topic("Changes", "events")
        self._schedule()
        self._gate_alarms()
        self._gate_dashboard()
        self._watch_alarms()
        self._watch_dashboard()
        for agent in environment.watched_agents:
            of_agent = AgentMonitoring(
                self, f"Agent-{agent.name}", environment=environment, agent=agent
            )
            self._tell(of_agent.wakes)
        self._tell_changes()
        CfnOutput(self, "AlarmTopicArn", value=self.alarms.topic_arn)
        CfnOutput(self, "ChangeTopicArn", value=self.changes.topic_arn)

    def _topic(self, id: str, told_by: str) -> sns.Topic:
        """Alarms wakes who subscribes to it; Changes is to be read: what is behind an alarm."""
        topic = sns.Topic(self, id, master_key=self._data.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service(self, f"{told_by}.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
            )
        )
        return topic

    def _queue(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Undelivered",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._data.key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        acknowledge(queue, "SQS3", "It is itself where starts and events go that nobody took.")
        return queue

    def _schedule(self) -> None:
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
                    dead_letter_queue=self._undelivered,
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
                dead_letter_queue=self._undelivered,
                max_event_age=Duration.hours(2),
                retry_attempts=5,
            ),
        )

    def _gate_alarms(self) -> None:
        """On the worst of all agents, so that none has to be known here."""
        self._alarm(
            "FalseBlocks",
            self._of_all(names.FALSE_BLOCK_RATE_LOWER, "Maximum"),
            ABOVE,
            ALLOWED,
            "The gate blocks unchanged versions certainly more often than it may",
            "the-gate-blocks-unchanged-versions-too-often",
            missing=STANDS,
        )
        self._alarm(
            "DrillMissed",
            self._of_all(names.DRILLS_MISSED, "Maximum"),
            ABOVE,
            0,
            "The last drill of an agent was not blocked",
            "a-drill-was-missed",
            missing=STANDS,
        )
        self._alarm(
            "TryFailed",
            self._evaluation.try_gate.metric_failed(period=MINUTES, statistic="Sum"),
            ABOVE,
            0,
            "The gate could not be tried",
            "the-gate-was-not-tried",
            missing=FINE,
        )
        self._alarm(
            "AttackGotThrough",
            self._evaluation.attack_baselines.metric_failed(period=MINUTES, statistic="Sum"),
            ABOVE,
            0,
            "A version in production fell under attack, or could not be attacked",
            "a-version-in-production-fell-under-attack",
            missing=FINE,
        )
        if self._environment.gate_tries.scheduled:
            self._alarm(
                "NothingTried",
                self._of_all(names.TRY_ENDED, "Sum"),
                BELOW,
                1,
                f"The gate was not tried for {SILENT_DAYS} days",
                "the-gate-was-not-tried",
                periods=SILENT_DAYS,
                missing=WRONG,
            )

    def _watch_alarms(self) -> None:
        """On what all agents have in common. What is retried is given time; what is lost is not."""
        ingest, machine = self._online.ingest_spans, self._online.online_eval
        of_machine = {
            "OnlineEvalFailed": machine.metric_failed(period=MINUTES, statistic="Sum"),
            "OnlineEvalTimedOut": machine.metric_timed_out(period=MINUTES, statistic="Sum"),
        }
        of_ingest = {
            "IngestFails": ingest.metric_errors(period=MINUTES, statistic="Sum"),
            "IngestThrottled": ingest.metric_throttles(period=MINUTES, statistic="Sum"),
            "SpansUnreadable": self._counted(names.SPANS_UNREADABLE, "ingest_spans", MINUTES),
        }
        for id, metric in of_machine.items():
            said, section = "A tick of the watch did not end well", "the-watch-failed"
            self._alarm(id, metric, ABOVE, 0, said, section, missing=FINE)
        for id, metric in of_ingest.items():
            said, section = "Spans do not get in as they should", "spans-do-not-arrive"
            self._alarm(id, metric, ABOVE, 0, said, section, missing=FINE, periods=3)
        hours = self._environment.silent_hours
        if hours and self._environment.ticks and self._environment.watched_agents:
            self._alarm(
                "NoSpans",
                ingest.metric_invocations(period=HOUR_LONG, statistic="Sum"),
                BELOW,
                1,
                f"No spans of any agent came for {hours} hours",
                "spans-do-not-arrive",
                missing=WRONG,
                periods=hours,
            )
        for id, queue in (
            ("EventsNotTaken", self._online.undelivered),
            ("CallsNotTaken", self._online.failed),
            ("StartsNotTaken", self._undelivered),
        ):
            self._alarm(
                id,
                queue.metric_approximate_number_of_messages_visible(
                    period=MINUTES, statistic="Maximum"
                ),
                ABOVE,
                0,
                "Something was given up on after all retries",
                "something-was-given-up-on",
                missing=FINE,
            )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        comparison: cloudwatch.ComparisonOperator,
        threshold: float,
        said: str,
        section: str,
        *,
        missing: cloudwatch.TreatMissingData,
        periods: int = 1,
    ) -> None:
        alarm = RunbookAlarm(
            self,
            id,
            metric,
            comparison,
            threshold,
            said=said,
            section=section,
            missing=missing,
            periods=periods,
        )
        self._tell(alarm)

    def _tell(self, alarm: cloudwatch.AlarmBase) -> None:
        alarm.add_alarm_action(actions.SnsAction(self.alarms))
        alarm.add_ok_action(actions.SnsAction(self.alarms))

    def _tell_changes(self) -> None:
        """What is behind an agent's alarm, as it comes: chat applications show it in their way.

        A second alarm of the same agent changes nothing in the one that wakes; it is told here.
        """
        self._rule(
            "QualityRegressed",
            source=["driftgate"],
            detail_type=["QualityRegressed"],
            detail={"environment": [self._environment.name]},
        )
        self._rule(
            "AgentAlarmed",
            source=["aws.cloudwatch"],
            detail_type=["CloudWatch Alarm State Change"],
            detail={
                "alarmName": [{"prefix": name_prefix(self._environment)}],
                "state": {"value": ["ALARM"]},
            },
        )

    def _rule(self, id: str, **pattern: Any) -> None:
        # Imported, as the target would add a statement that trusts the rules of any account.
        changes = sns.Topic.from_topic_arn(self, f"{id}Topic", self.changes.topic_arn)
        target = events_targets.SnsTopic(
            changes,
            dead_letter_queue=self._undelivered,
            max_event_age=DAY,
            retry_attempts=20,
        )
        events.Rule(self, id, event_pattern=events.EventPattern(**pattern), targets=[target])

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

    def _counted(self, metric: str, function: str, period: Duration) -> cloudwatch.Metric:
        """What a function counts, whatever the agent."""
        return cloudwatch.Metric(
            namespace=names.METRIC_NAMESPACE,
            metric_name=metric,
            dimensions_map={"service": function},
            period=period,
            statistic="Sum",
        )

    def _gate_dashboard(self) -> None:
        dashboard = cloudwatch.Dashboard(self, "Gate", default_interval=Duration.days(90))
        dashboard.add_widgets(
            self._of_gate("Rate of false blocks", names.FALSE_BLOCK_RATE, share=True),
            self._of_gate("at least (95 %)", names.FALSE_BLOCK_RATE_LOWER, share=True),
            self._of_gate("at most (95 %)", names.FALSE_BLOCK_RATE_UPPER, share=True),
        )
        dashboard.add_widgets(
            self._of_gate("A/A runs that count", names.AA_RUNS),
            self._of_gate("of them blocked", names.FALSE_BLOCKS),
            self._of_gate("Drills: 1 is blocked, 0 is missed", names.DRILL_BLOCKED),
        )
        dashboard.add_widgets(
            self._of_gate("Trials spent", names.SPENT_TRIALS),
            self._of_gate("Tries that failed", names.TRY_FAILED),
        )

    def _of_gate(self, title: str, metric: str, *, share: bool = False) -> cloudwatch.GraphWidget:
        """A line for each agent that there is by then."""
        where = {"monitor": names.gate_monitor(self._environment.name)}
        lines = found(metric, "Maximum", DAY, by=("agent", "monitor"), where=where)
        return graph(title, lines, limit=ALLOWED if share else None, limit_label="allowed")

    def _watch_dashboard(self) -> None:
        online = self._online
        dashboard = cloudwatch.Dashboard(
            self,
            "Watch",
            dashboard_name=f"Driftgate-{self._environment.name}-watch",
            default_interval=Duration.days(3),
        )
        ingest, machine = online.ingest_spans, online.online_eval
        taken_in = (names.SPANS_INGESTED, names.SPANS_LATE, names.SPANS_DROPPED)
        not_understood = (names.SPANS_UNREADABLE,)
        dashboard.add_widgets(
            graph("Spans", *self._counts("ingest_spans", *taken_in)),
            graph(
                "Spans that nobody understood",
                *self._counts("ingest_spans", *not_understood),
                *self._counts("close_sessions", names.SPANS_UNKNOWN),
            ),
            graph("Sessions closed", *self._counts("close_sessions", names.SESSIONS_CLOSED)),
        )
        dashboard.add_widgets(
            graph(
                "Batches",
                ingest.metric_invocations(),
                ingest.metric_errors(),
                ingest.metric_throttles(),
            ),
            graph("Seconds for the slowest batch", ingest.metric_duration(statistic="Maximum")),
            graph(
                "Ticks",
                machine.metric_succeeded(),
                machine.metric_failed(),
                machine.metric_timed_out(),
            ),
        )
        judged = (names.JUDGMENTS_MADE, names.JUDGE_FAULTS)
        dashboard.add_widgets(
            graph("Judgments", *self._counts("judge_session", *judged)),
            self._of_agents("Share of the day's budget that is spent", names.BUDGET_USED),
            graph("Candidates", *self._counts("mine_failures", names.CANDIDATES_FOUND)),
        )
        dashboard.add_widgets(
            self._of_agents("Nearest to an alarm: 1 is one", names.CUSUM_RATIO),
            self._of_agents("Windows published", names.WINDOWS_PUBLISHED, "Sum"),
            graph(
                "Given up on",
                *(
                    queue.metric_approximate_number_of_messages_visible(label=label)
                    for queue, label in (
                        (online.undelivered, "events"),
                        (online.failed, "calls"),
                        (self._undelivered, "starts, and what was to be told"),
                    )
                ),
            ),
        )

    def _counts(self, function: str, *metrics: str) -> list[cloudwatch.IMetric]:
        return [self._counted(metric, function, MINUTES) for metric in metrics]

    def _of_agents(
        self, title: str, metric: str, statistic: str = "Maximum"
    ) -> cloudwatch.GraphWidget:
        where = {"monitor": names.online_monitor(self._environment.name)}
        return graph(title, found(metric, statistic, MINUTES, by=("agent", "monitor"), where=where))
