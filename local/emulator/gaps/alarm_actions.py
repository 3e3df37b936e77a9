"""When an alarm changes, AWS calls functions, tells EventBridge's default bus, and says all about
the alarm to its topics; the emulator publishes a part of it, and does nothing else."""

import json
import logging
from functools import cache
from typing import Any

import botocore.session
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, eventbridge, sns

from local.emulator.gaps import asynchronous_calls
from local.emulator.gaps.alarm_states import Alarm, aws_time

ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
SERVICE = "cloudwatch.amazonaws.com"
CALLING_SERVICE = "lambda.alarms.cloudwatch.amazonaws.com"
log = logging.getLogger("driftgate.emulator")
_told: dict[str, dict[str, Any]] = {}  # alarm -> the state that was last told


def apply() -> None:
    original = cloudwatch._dispatch_alarm_actions
    code = original.__code__
    parameters = code.co_varnames[: code.co_argcount]
    assert parameters == ("alarm", "old_state", "new_state", "reason"), f"it takes {parameters}"
    assert "sns_arns" in code.co_varnames, "topics are no longer all that is told"
    cloudwatch._dispatch_alarm_actions = tell


def tell(alarm: Alarm, old: str, new: str, reason: str) -> None:
    """Tell all who want to know that the alarm has gone from one state to another."""
    arn = alarm["AlarmArn"]
    state = {"value": new, "reason": reason, "timestamp": aws_time(alarm["StateUpdatedTimestamp"])}
    if "StateReasonData" in alarm:
        state["reasonData"] = alarm["StateReasonData"]
    previous = _told.get(arn, {})
    _told[arn] = state
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": previous if previous.get("value") == old else {"value": old},
        "configuration": configuration(alarm),
    }
    put_event(arn, detail)
    actions = alarm.get(ACTIONS[new], ()) if alarm.get("ActionsEnabled", True) else ()
    for action in actions:
        try:
            act(action, alarm, detail)
        except Exception:
            log.exception("alarm %s: the action %s failed", alarm["AlarmName"], action)


def put_event(arn: str, detail: dict[str, Any]) -> None:
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [arn],
        "Detail": json.dumps(detail),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def act(action: str, alarm: Alarm, detail: dict[str, Any]) -> None:
    service = action.split(":")[2]
    if service == "sns":
        publish(action, alarm, detail)
    elif service == "lambda":
        call(action, alarm, detail)
    else:
        log.warning("alarm %s: the emulator does not do %s", alarm["AlarmName"], action)


def publish(topic: str, alarm: Alarm, detail: dict[str, Any]) -> None:
    if not sns.topic_policy_allows(topic, SERVICE, alarm["AlarmArn"], get_account_id()):
        log.warning("alarm %s: the policy of %s does not let it", alarm["AlarmName"], topic)
        return
    state = detail["state"]["value"]
    subject = f'{state}: "{alarm["AlarmName"]}" in {region_name(get_region())}'
    found = sns.publish_internal(topic, json.dumps(message(alarm, detail)), subject[:100])
    if found is None:
        log.warning("alarm %s: there is no topic %s", alarm["AlarmName"], topic)


def call(function: str, alarm: Alarm, detail: dict[str, Any]) -> None:
    if not asynchronous_calls.may_call(CALLING_SERVICE, alarm["AlarmArn"], function):
        log.warning("alarm %s: the policy of %s does not let it", alarm["AlarmName"], function)
        return
    event = {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": get_account_id(),
        "time": detail["state"]["timestamp"],
        "region": get_region(),
        "alarmData": detail,
    }
    asynchronous_calls.call(function, event)


def configuration(alarm: Alarm) -> dict[str, Any]:
    """The alarm as events have it."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {**described, "alarmRule": alarm["AlarmRule"]}
    if "Metrics" in alarm:
        return {**described, "metrics": [event_query(query) for query in alarm["Metrics"]]}
    stat = {
        "Metric": alarm,
        "Period": alarm["Period"],
        "Stat": alarm.get("ExtendedStatistic") or alarm["Statistic"],
    }
    return {**described, "metrics": [event_query({"Id": new_uuid(), "MetricStat": stat})]}


def event_query(query: dict[str, Any]) -> dict[str, Any]:
    found = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if "Label" in query:
        found["label"] = query["Label"]
    if "Expression" in query:
        return {**found, "expression": query["Expression"]}
    stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    found["metricStat"] = {
        "metric": {
            "namespace": metric["Namespace"],
            "name": metric["MetricName"],
            "dimensions": cloudwatch._dims_from_list(metric.get("Dimensions") or []),
        },
        "period": stat["Period"],
        "stat": stat["Stat"],
    }
    return found


def message(alarm: Alarm, detail: dict[str, Any]) -> dict[str, Any]:
    """The alarm as notifications have it."""
    said = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": aws_time(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": detail["state"]["value"],
        "NewStateReason": detail["state"]["reason"],
        "StateChangeTime": detail["state"]["timestamp"],
        "Region": region_name(get_region()),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": detail["previousState"]["value"],
        **{name: alarm.get(name, []) for name in ACTIONS.values()},
    }
    if "AlarmRule" in alarm:
        data = json.loads(detail["state"].get("reasonData", "{}"))
        children = [
            {
                "Arn": child["arn"],
                "State": {
                    "Value": child["state"]["value"],
                    "Timestamp": child["state"]["timestamp"],
                },
            }
            for child in data.get("triggeringAlarms", ())
        ]
        return {**said, "AlarmRule": alarm["AlarmRule"], "TriggeringChildren": children}
    return {**said, "Trigger": trigger(alarm)}


def trigger(alarm: Alarm) -> dict[str, Any]:
    said = {
        "EvaluationPeriods": alarm["EvaluationPeriods"],
        "DatapointsToAlarm": alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
        "ComparisonOperator": alarm["ComparisonOperator"],
        "Threshold": alarm["Threshold"],
        "TreatMissingData": alarm["TreatMissingData"],
        "EvaluateLowSampleCountPercentile": "",
    }
    if "Metrics" in alarm:
        return {**said, "Metrics": [message_query(query) for query in alarm["Metrics"]]}
    extended = alarm.get("ExtendedStatistic")
    statistic = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
        if extended
        else {"StatisticType": "Statistic", "Statistic": STATISTIC_NAMES[alarm["Statistic"]]}
    )
    return {
        "MetricName": alarm["MetricName"],
        "Namespace": alarm["Namespace"],
        **statistic,
        "Unit": alarm.get("Unit"),
        "Dimensions": message_dimensions(alarm),
        "Period": alarm["Period"],
        **said,
    }


STATISTIC_NAMES = {
    "SampleCount": "SAMPLE_COUNT",
    "Sum": "SUM",
    "Average": "AVERAGE",
    "Minimum": "MINIMUM",
    "Maximum": "MAXIMUM",
}


def message_query(query: dict[str, Any]) -> dict[str, Any]:
    found = {**query, "ReturnData": query.get("ReturnData", True)}
    if "MetricStat" in query:
        metric = query["MetricStat"]["Metric"]
        metric = {**metric, "Dimensions": message_dimensions(metric)}
        found["MetricStat"] = {**query["MetricStat"], "Metric": metric}
    return found


def message_dimensions(metric: dict[str, Any]) -> list[dict[str, str]]:
    """In small letters, unlike everywhere else."""
    return [{"value": one["Value"], "name": one["Name"]} for one in metric.get("Dimensions") or ()]


@cache
def region_name(region: str) -> str:
    """As people read it: US East (N. Virginia)."""
    partitions = botocore.session.get_session().get_data("endpoints")["partitions"]
    names = (one["regions"].get(region, {}).get("description") for one in partitions)
    return next((str(name) for name in names if name), region)
