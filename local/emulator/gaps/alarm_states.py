"""The emulator looks at an alarm when data comes, ignores its dimensions, periods and missing data,
and has no metric math; AWS evaluates every alarm again and again, whether data comes or not."""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from local.emulator.alarm_evaluation import COMPARISONS, HIGH_RESOLUTION, TREATMENTS, Rule
from local.emulator.gaps import metric_queries
from local.emulator.metric_math import Series

TICK_S = 2
HOUR_S, DAY_S, WEEK_S = 3600, 86400, 604800
MEASURED = (
    *("MetricName", "Namespace", "Statistic", "ExtendedStatistic"),
    *("Period", "Dimensions", "Unit"),
)
Alarm = dict[str, Any]
log = logging.getLogger("driftgate.emulator")
_changing = threading.RLock()  # alarms change with time, and by requests


def apply() -> None:
    assert "all_pts" in cloudwatch._evaluate_alarm.__code__.co_varnames, "alarms are looked at anew"
    assert "Metrics" not in cloudwatch._put_metric_alarm.__code__.co_consts, "it knows metric math"
    put, set_state = cloudwatch._put_metric_alarm, cloudwatch._set_alarm_state

    def put_alarm(form: Any, data: dict[str, Any], cbor: bool, is_json: bool = False) -> Any:
        if not (cbor or is_json):
            data = {}
            if "Metrics.member.1.Id" in form:
                said = "the emulator takes metric math by CBOR and JSON alone"
                return cloudwatch._error("ValidationError", said, 400)
        else:
            try:
                check(data)
            except ValueError as error:
                return cloudwatch._error("ValidationError", str(error), 400, is_json, cbor)
        with _changing:
            answer = put(form, data, cbor, is_json)
            if answer[0] == 200 and data.get("Metrics"):
                use_math(cloudwatch._alarms[data["AlarmName"]], data["Metrics"])
        return answer

    def set_alarm_state(form: Any, data: dict[str, Any], cbor: bool, is_json: bool = False) -> Any:
        with _changing:
            if alarm := cloudwatch._alarms.get(data.get("AlarmName")):
                alarm.pop("StateReasonData", None)  # what was measured is not why
            return set_state(form, data, cbor, is_json)

    cloudwatch._put_metric_alarm = put_alarm
    cloudwatch._set_alarm_state = set_alarm_state
    cloudwatch._evaluate_alarm = lambda alarm: None
    cloudwatch._evaluate_all_alarms = lambda: None
    threading.Thread(target=evaluate_forever, daemon=True).start()


def use_math(alarm: Alarm, queries: list[dict[str, Any]]) -> None:
    for name in MEASURED:
        alarm.pop(name, None)
    alarm["Metrics"] = queries


def check(alarm: Alarm) -> None:
    """Refuse what AWS refuses, and what would be ignored here."""
    comparison, treatment = alarm["ComparisonOperator"], alarm.get("TreatMissingData", "missing")
    if comparison not in COMPARISONS or "ThresholdMetricId" in alarm:
        raise ValueError(f"the emulator compares with a number alone, wanted {comparison}")
    if treatment not in TREATMENTS:
        raise ValueError(
            f"TreatMissingData: wanted one of {', '.join(TREATMENTS)}, got {treatment}"
        )
    periods = int(alarm["EvaluationPeriods"])
    if not 1 <= int(alarm.get("DatapointsToAlarm") or periods) <= periods:
        raise ValueError(f"DatapointsToAlarm must be from 1 to EvaluationPeriods, {periods}")
    period = period_of(alarm)
    if period not in HIGH_RESOLUTION and (period < 60 or period % 60):
        raise ValueError(f"Period must be 10, 20, 30 or a multiple of 60, got {period}")
    if period * periods > (DAY_S if period < HOUR_S else WEEK_S):
        raise ValueError(f"{periods} periods of {period} s are too long to evaluate")
    if queries := alarm.get("Metrics"):
        if sum(query.get("ReturnData", True) for query in queries) != 1:
            raise ValueError("exactly one of Metrics must return data")
        metric_queries.check(queries, period)
    else:
        metric_queries.check_statistic(statistic_of(alarm))


def evaluate_forever() -> None:
    while True:
        time.sleep(TICK_S)
        for account, region in {key[:2] for key in list(cloudwatch._alarms._data)}:
            with request_scope(account, region):
                cloudwatch._evict_old_metrics()
                for alarm in cloudwatch._alarms.values():
                    try:
                        evaluate(alarm, time.time())
                    except Exception:
                        log.exception("alarm %s can't be evaluated", alarm["AlarmName"])


def evaluate(alarm: Alarm, now: float) -> None:
    """Bring the alarm to the state that the closed periods until now imply."""
    period = period_of(alarm)
    rule = rule_of(alarm)
    starts = rule.starts(now, period)
    found = measure(alarm, starts, period)
    points = [found.get(start) for start in starts]
    with _changing:
        old = alarm["StateValue"]
        new = rule.state(points, old)
        if new == old or cloudwatch._alarms.get(alarm["AlarmName"]) is not alarm:
            return
        data = {
            "version": "1.0",
            "queryDate": aws_time(now),
            "startDate": aws_time(starts[0]),
            "period": period,
            "recentDatapoints": [point for point in points if point is not None],
            "threshold": rule.threshold,
        }
        if "Metrics" not in alarm:
            data["statistic"] = statistic_of(alarm)
        alarm.update(
            StateValue=new,
            StateReason=rule.reason(points, starts, new),
            StateReasonData=json.dumps(data),
            StateUpdatedTimestamp=now,
            StateTransitionedTimestamp=now,
        )
        reason = alarm["StateReason"]
        cloudwatch._record_history(alarm["AlarmName"], old, new, reason, reason_data=data)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def measure(alarm: Alarm, starts: list[float], period: int) -> Series:
    if queries := alarm.get("Metrics"):
        found = metric_queries.evaluate(queries, starts, period)
        return next(found[query["Id"]] for query in queries if query.get("ReturnData", True))
    stat = {"Metric": alarm, "Stat": statistic_of(alarm), "Unit": alarm.get("Unit")}
    return metric_queries.measure(stat, starts, period)


def rule_of(alarm: Alarm) -> Rule:
    return Rule(
        comparison=alarm["ComparisonOperator"],
        threshold=float(alarm["Threshold"]),
        periods=alarm["EvaluationPeriods"],
        to_alarm=alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
        treatment=alarm["TreatMissingData"],
    )


def period_of(alarm: Alarm) -> int:
    if queries := alarm.get("Metrics"):
        return metric_queries.common_period(queries)
    return int(alarm.get("Period", 0))


def statistic_of(alarm: Alarm) -> str:
    return str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average")


def aws_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.{int(at % 1 * 1000):03d}+0000"
