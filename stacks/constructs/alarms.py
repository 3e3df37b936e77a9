"""An alarm that says what it looks at, what no news means, and what to do."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

RUNBOOK = "docs/operations.md"
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
# What was known stands; nothing happened, so nothing is wrong; silence itself is.
STANDS = cloudwatch.TreatMissingData.IGNORE
FINE = cloudwatch.TreatMissingData.NOT_BREACHING
WRONG = cloudwatch.TreatMissingData.BREACHING


class RunbookAlarm(cloudwatch.Alarm):
    """Its description names a section of the runbook; a test looks that up."""

    def __init__(
        self,
        scope: Construct,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            metric=metric,
            comparison_operator=comparison,
            threshold=threshold,
            alarm_description=describe(said, section),
            treat_missing_data=missing,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them,
            **kwargs,
        )


def describe(said: str, section: str) -> str:
    return f"{said}. What to do: {RUNBOOK}#{section}"


def alarm_period(window_s: int) -> Duration:
    """The shortest period that CloudWatch takes and that a window fits in.

    Below a minute it takes 10, 20 and 30 seconds, else whole minutes.
    """
    step = 10 if window_s <= 30 else 60
    return Duration.seconds(-(-window_s // step) * step)
