"""The alarms on one agent in production, and its dashboard."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from driftgate import names
from stacks.constructs import alarms
from stacks.constructs.alarms import ABOVE, AT_LEAST, BELOW, FINE, STANDS, WRONG, RunbookAlarm
from stacks.constructs.graphs import SHARE, found, graph
from stacks.environments import Environment, WatchedAgent

VERSION = ("agent", "version")
STRATA = {"task type": (*VERSION, "task_type"), "tool": (*VERSION, "tool")}  # never both


class AgentMonitoring(Construct):
    """Single alarms say what is the matter, and wake nobody; `wakes` is the one that does.

    It stands for the agent: what regresses shows in several of them at once. What only slows the
    watch down, a budget or complaints that nobody read, is told and wakes nobody.

    Alarms know the agent and the monitor, so that a new version or tool needs no deployment; which
    stratum it is, the event QualityRegressed says. Names are given: people read and type them.
    """

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, agent: WatchedAgent
    ) -> None:
        super().__init__(scope, id)
        self._agent = agent
        self._name = f"{name_prefix(environment)}{agent.name}"
        self._dimensions = {
            "agent": agent.name,
            "monitor": names.online_monitor(environment.name),
        }
        self._period = alarms.alarm_period(environment.watch.clockwork.window_s)
        self._alarms = [*self._of_the_agent(), *self._of_the_watch(environment)]
        self.wakes = self._composite(self._alarms)
        if environment.watch.sampling.judgments_per_day is not None:
            self._alarms += self._of_the_budget()
        self._dashboard()

    def _of_the_agent(self) -> list[RunbookAlarm]:
        agent = self._agent
        return [
            self._alarm(
                "QualityFell",
                self._metric(names.CUSUM_RATIO, "Maximum"),
                AT_LEAST,
                1,
                said=f"The quality of {agent.name} has fallen, with some version, task type or "
                "tool",
                section="quality-fell",
                missing=STANDS,
            ),
            self._alarm(
                "ToolSlower",
                self._metric(names.LATENCY_RATIO, "Maximum"),
                AT_LEAST,
                1,
                said=f"A tool of {agent.name} has become slower",
                section="a-tool-became-slower",
                missing=STANDS,
            ),
            self._rate(
                "TurnLimit",
                names.TURN_LIMIT_RATE,
                agent.turn_limit_rate,
                said=f"Conversations with {agent.name} often end at the limit of turns",
                section="conversations-end-at-the-turn-limit",
            ),
            self._rate(
                "UnrecoveredErrors",
                names.UNRECOVERED_ERROR_RATE,
                agent.unrecovered_error_rate,
                said=f"{agent.name} often does not recover from a tool's error",
                section="tool-errors-are-not-recovered-from",
            ),
            self._rate(
                "Escalations",
                names.ESCALATION_RATE,
                agent.escalation_rate,
                said=f"{agent.name} often hands over to a person",
                section="many-conversations-are-escalated",
            ),
        ]

    def _of_the_watch(self, environment: Environment) -> list[RunbookAlarm]:
        """Without these, silence of the others would say nothing."""
        watch = [
            self._rate(
                "JudgeFaults",
                names.JUDGE_FAULT_RATE,
                self._agent.judge_fault_rate,
                said=f"The judge often has no answer on sessions of {self._agent.name}",
                section="the-judge-gives-no-answers",
            )
        ]
        if environment.ticks:
            watch.append(
                self._alarm(
                    "NotWatched",
                    self._metric(names.WINDOWS_PUBLISHED, "Sum"),
                    BELOW,
                    1,
                    said=f"No window of {self._agent.name} was published lately",
                    section="an-agent-is-not-watched",
                    missing=WRONG,
                    periods=self._agent.silent_windows,
                )
            )
        return watch

    def _of_the_budget(self) -> list[RunbookAlarm]:
        """Only with a budget: without one, whatever the policy wants is judged."""
        return [
            self._alarm(
                "BudgetUsed",
                self._metric(names.BUDGET_USED, "Maximum"),
                AT_LEAST,
                1,
                said=f"Today's judgments of {self._agent.name} are used up",
                section="the-budget-for-judging-is-used-up",
                missing=STANDS,
            ),
            self._alarm(
                "ComplaintsUnread",
                self._metric(names.NEGATIVE_COVERAGE, "Minimum"),
                BELOW,
                1,
                said=f"Negative feedback on {self._agent.name} was not judged",
                section="the-budget-for-judging-is-used-up",
                missing=FINE,
            ),
        ]

    def _composite(self, of: list[RunbookAlarm]) -> cloudwatch.CompositeAlarm:
        in_alarm = [
            cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM) for alarm in of
        ]
        return cloudwatch.CompositeAlarm(
            self,
            "Wakes",
            composite_alarm_name=self._name,
            alarm_rule=cloudwatch.AlarmRule.any_of(*in_alarm),
            alarm_description=alarms.describe(
                f"Something is wrong with {self._agent.name} in production, or with the watch "
                f"over it; the alarms {self._name}-… say what",
                "an-agent-in-production",
            ),
        )

    def _rate(
        self, id: str, metric: str, threshold: float, *, said: str, section: str
    ) -> RunbookAlarm:
        """A window without sessions has no rate, and is a good one."""
        return self._alarm(
            id,
            self._metric(metric, "Average"),
            ABOVE,
            threshold,
            said=said,
            section=section,
            missing=FINE,
            periods=self._agent.windows,
            of_them=self._agent.windows_above,
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        comparison: cloudwatch.ComparisonOperator,
        threshold: float,
        *,
        said: str,
        section: str,
        missing: cloudwatch.TreatMissingData,
        periods: int = 1,
        of_them: int | None = None,
    ) -> RunbookAlarm:
        return RunbookAlarm(
            self,
            id,
            metric,
            comparison,
            threshold,
            said=said,
            section=section,
            missing=missing,
            periods=periods,
            of_them=of_them,
            alarm_name=f"{self._name}-{id}",
        )

    def _metric(self, metric: str, statistic: str, label: str | None = None) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=names.METRIC_NAMESPACE,
            metric_name=metric,
            dimensions_map=self._dimensions,
            period=self._period,
            statistic=statistic,
            label=label,
        )

    def _dashboard(self) -> None:
        dashboard = cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=self._name, default_interval=Duration.days(3)
        )
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title=self._agent.name, alarms=[self.wakes, *self._alarms], width=24, height=3
            )
        )
        dashboard.add_widgets(
            graph("Quality of each window, with its 95 % interval", *self._quality(), axis=SHARE),
            self._levels("Nearest to an alarm: 1 is one", names.CUSUM_RATIO, names.LATENCY_RATIO),
            self._levels(
                "Share that is judged", names.COVERAGE, names.NEGATIVE_COVERAGE, limit=0.1
            ),
        )
        dashboard.add_widgets(
            self._levels(
                "Share of sessions that look wrong",
                names.TURN_LIMIT_RATE,
                names.UNRECOVERED_ERROR_RATE,
                names.ESCALATION_RATE,
            ),
            self._levels("Share of judgments", names.JUDGE_FAULT_RATE, names.BUDGET_USED),
            graph("Sessions by version", self._by(names.SESSIONS, "Sum", VERSION)),
        )
        for title, dimensions in STRATA.items():
            dashboard.add_widgets(
                graph(
                    f"Quality by {title}, mean of an hour's windows",
                    self._by(names.QUALITY, "Average", dimensions),
                    width=12,
                    axis=SHARE,
                ),
                graph(
                    f"Sessions by {title}",
                    self._by(names.SESSIONS, "Sum", dimensions),
                    width=12,
                ),
            )
        dashboard.add_widgets(
            *(
                graph(title, self._by(metric, "Average", STRATA["tool"]), width=12)
                for title, metric in (
                    ("Seconds of a call, median", names.LATENCY_P50),
                    ("Seconds of a call, 95 % are faster", names.LATENCY_P95),
                )
            )
        )

    def _quality(self) -> list[cloudwatch.IMetric]:
        """As published: limits of several windows have no mean that means anything."""
        return [
            self._by(metric, "Average", VERSION, period=self._period, label=label)
            for metric, label in (
                (names.QUALITY, ""),
                (names.QUALITY_LOWER, "at least"),
                (names.QUALITY_UPPER, "at most"),
            )
        ]

    def _by(
        self,
        metric: str,
        statistic: str,
        dimensions: tuple[str, ...],
        *,
        period: Duration | None = None,
        label: str = "",
    ) -> cloudwatch.IMetric:
        """By the hour: a window alone has few sessions of a tool."""
        hourly = max(Duration.hours(1), self._period, key=Duration.to_seconds)
        where = {"agent": self._agent.name}
        return found(metric, statistic, period or hourly, by=dimensions, where=where, label=label)

    def _levels(
        self, title: str, *metrics: str, limit: float | None = None
    ) -> cloudwatch.GraphWidget:
        lines = [self._metric(metric, "Maximum", label=metric) for metric in metrics]
        return graph(title, *lines, limit=limit, limit_label="wanted")


def name_prefix(environment: Environment) -> str:
    """With what the names of all agents' alarms in an environment begin."""
    return f"Driftgate-{environment.name}-agent-"
