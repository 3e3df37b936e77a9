"""On AWS a metric is its name with exactly its dimensions, and GetMetricData computes expressions;
the emulator mixes all dimensions when none are given, and computes nothing."""

from collections.abc import Sequence
from typing import Any

from ministack.services import cloudwatch

from local.emulator import metric_math
from local.emulator.metric_math import Series

STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
Query = dict[str, Any]  # a MetricDataQuery


def apply() -> None:
    get_data, get_statistics = cloudwatch._get_metric_data, cloudwatch._get_metric_statistics
    assert "Expressions not implemented" in get_data.__code__.co_consts, "expressions are computed"
    assert "req_dims_key" in get_statistics.__code__.co_varnames, "dimensions are read otherwise"

    def metric_data(form: Any, data: dict[str, Any], cbor: bool, json: bool = False) -> Any:
        if not (cbor or json):
            return get_data(form, data, cbor, json)
        try:
            results = get_metric_data(data)
        except ValueError as error:
            return cloudwatch._error("ValidationError", str(error), 400, json, cbor)
        if cbor:
            results = [cloudwatch._cbor_metric_data_result(result) for result in results]
        return reply({"MetricDataResults": results}, cbor)

    def statistics(form: Any, data: dict[str, Any], cbor: bool, json: bool = False) -> Any:
        if not (cbor or json):
            return get_statistics(form, data, cbor, json)
        try:
            points = get_metric_statistics(data)
        except ValueError as error:
            return cloudwatch._error("InvalidParameterValue", str(error), 400, json, cbor)
        if cbor:
            points = [cloudwatch._cbor_datapoint(point) for point in points]
        return reply({"Label": data["MetricName"], "Datapoints": points}, cbor)

    cloudwatch._get_metric_data = metric_data
    cloudwatch._get_metric_statistics = statistics


def reply(body: dict[str, Any], cbor: bool) -> Any:
    return cloudwatch._cbor_ok(body) if cbor else cloudwatch._json_ok(body)


def get_metric_data(data: dict[str, Any]) -> list[dict[str, Any]]:
    queries: list[Query] = data["MetricDataQueries"]
    start, end = cloudwatch._parse_ts(data["StartTime"]), cloudwatch._parse_ts(data["EndTime"])
    if any("Expression" in query for query in queries):
        period = common_period(queries)
        found = evaluate(queries, aligned(start, end, period), period)
    else:
        found = {}
        for query in queries:
            period = int(query["MetricStat"]["Period"])
            found[query["Id"]] = measure(query["MetricStat"], aligned(start, end, period), period)
    descending = data.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = []
    for query in queries:
        if query.get("ReturnData", True):
            times = sorted(found[query["Id"]], reverse=descending)
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or label(query),
                    "Timestamps": [cloudwatch._ts_iso(time) for time in times],
                    "Values": [found[query["Id"]][time] for time in times],
                    "StatusCode": "Complete",
                }
            )
    return results


def label(query: Query) -> str:
    return str(
        query["Id"] if "Expression" in query else query["MetricStat"]["Metric"]["MetricName"]
    )


def get_metric_statistics(data: dict[str, Any]) -> list[dict[str, Any]]:
    basic, extended = data.get("Statistics") or [], data.get("ExtendedStatistics") or []
    if not basic and not extended:
        raise ValueError("wanted Statistics or ExtendedStatistics, got neither")
    period = int(data["Period"])
    times = aligned(
        cloudwatch._parse_ts(data["StartTime"]), cloudwatch._parse_ts(data["EndTime"]), period
    )
    found = []
    for time, points in sorted(grouped(data, times, period, data.get("Unit")).items()):
        values = {name: statistic(points, name) for name in (*basic, *extended)}
        point = {"Timestamp": cloudwatch._ts_iso(time), "Unit": points[0]["Unit"]}
        point.update({name: values[name] for name in basic})
        if extended:
            point["ExtendedStatistics"] = {name: values[name] for name in extended}
        found.append(point)
    return found


def evaluate(queries: Sequence[Query], times: Sequence[float], period: int) -> dict[str, Series]:
    return metric_math.evaluate(
        {
            query["Id"]: query.get("Expression") or measure(query["MetricStat"], times, period)
            for query in queries
        },
        times,
        period,
    )


def check(queries: Sequence[Query], period: int) -> None:
    """Try the expressions on metrics that all have data."""
    tried: dict[str, Series | str] = {}
    for query in queries:
        if "Expression" in query:
            tried[query["Id"]] = query["Expression"]
        else:
            check_statistic(query["MetricStat"]["Stat"])
            tried[query["Id"]] = {0.0: 1.0}
    metric_math.evaluate(tried, [0.0], period)


def common_period(queries: Sequence[Query]) -> int:
    """The one of all metrics, as AWS wants it in an alarm."""
    periods = {int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query}
    if len(periods) != 1:
        raise ValueError(f"expressions want metrics of one period, got {sorted(periods)}")
    return periods.pop()


def measure(metric_stat: dict[str, Any], times: Sequence[float], period: int) -> Series:
    """The statistic of each period that has data."""
    groups = grouped(metric_stat["Metric"], times, period, metric_stat.get("Unit"))
    found = {time: statistic(points, metric_stat["Stat"]) for time, points in groups.items()}
    return {time: value for time, value in found.items() if value is not None}


def grouped(
    metric: dict[str, Any], times: Sequence[float], period: int, unit: str | None
) -> dict[float, list[dict[str, Any]]]:
    """The metric's points by the start of their period."""
    if not times:
        return {}
    dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
    key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
    groups: dict[float, list[dict[str, Any]]] = {}
    for point in list(cloudwatch._metrics.get(key) or ()):
        index = int((point["Timestamp"] - times[0]) // period)
        if 0 <= index < len(times) and unit in (None, point["Unit"]):
            groups.setdefault(times[index], []).append(point)
    return groups


def aligned(start: float, end: float, period: int) -> list[float]:
    first = start // period * period
    return [first + index * period for index in range(max(0, int(-((first - end) // period))))]


def statistic(points: list[dict[str, Any]], name: str) -> float | None:
    check_statistic(name)
    found = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
    return None if found is None else float(found)


def check_statistic(name: str) -> None:
    if name not in STATISTICS and not cloudwatch._is_percentile_stat(name):
        raise ValueError(f"wanted one of {', '.join(STATISTICS)} or a percentile, got {name!r}")
