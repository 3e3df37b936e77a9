"""Graphs of whatever series there are by then: of agents, versions, tools that nobody knows now."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from driftgate import names

SHARE = cloudwatch.YAxisProps(min=0, max=1)
FROM_ZERO = cloudwatch.YAxisProps(min=0)


def found(
    metric: str,
    statistic: str,
    period: Duration,
    *,
    by: Sequence[str],
    where: Mapping[str, str],
    label: str = "",
) -> cloudwatch.IMetric:
    """A line for each series with exactly the dimensions `by`, narrowed down to those of `where`.

    Without a label, a line is called by its dimensions that are not narrowed down.
    """
    schema = f"{{{names.METRIC_NAMESPACE},{','.join(by)}}}"
    wanted = " ".join(
        f'{name}="{value}"' for name, value in (("MetricName", metric), *where.items())
    )
    open_ones = [f"${{PROP('Dim.{name}')}}" for name in by if name not in where]
    return cloudwatch.SearchExpression(
        expression=f"SEARCH('{schema} {wanted}', '{statistic}', {period.to_seconds():.0f})",
        label=" ".join([*open_ones, label]).strip(),
        period=period,
    )


def graph(
    title: str,
    *lines: cloudwatch.IMetric,
    width: int = 8,
    axis: cloudwatch.YAxisProps = FROM_ZERO,
    limit: float | None = None,
    limit_label: str = "alarm",
) -> cloudwatch.GraphWidget:
    limits = []
    if limit is not None:
        limits.append(cloudwatch.HorizontalAnnotation(value=limit, label=limit_label))
    return cloudwatch.GraphWidget(
        title=title, left=list(lines), width=width, left_y_axis=axis, left_annotations=limits
    )
