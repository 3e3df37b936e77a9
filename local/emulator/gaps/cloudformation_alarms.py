"""The emulator's CloudFormation refuses alarms on metric math and composite alarms."""

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from local.emulator.gaps import alarm_states
from local.emulator.gaps.cloudformation_properties import numbers, truth

COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
Properties = dict[str, Any]


def apply() -> None:
    original = provisioners._cw_metric_alarm_record
    handlers = provisioners._RESOURCE_HANDLERS
    assert any("metric math" in str(text) for text in original.__code__.co_consts), (
        "templates may now have alarms on metric math"
    )
    assert COMPOSITE not in handlers, f"the emulator now knows {COMPOSITE}"

    def record(name: str, properties: Properties) -> Properties:
        given = {**properties, **read_numbers(properties)}
        alarm_states.check(given)
        if not given.get("Metrics"):
            return dict(original(name, given))
        measured = {"MetricName": "-", "Namespace": "-"}  # it insists on them
        alarm: Properties = original(name, {**given, **measured, "Metrics": None})
        alarm_states.use_math(alarm, given["Metrics"])
        return alarm

    provisioners._cw_metric_alarm_record = record
    handlers[COMPOSITE] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }


def read_numbers(properties: Properties) -> Properties:
    found: Properties = {
        name: int(properties[name])
        for name in ("Period", "EvaluationPeriods", "DatapointsToAlarm")
        if name in properties
    }
    if queries := properties.get("Metrics"):
        found["Metrics"] = [read_query(query) for query in queries]
    return found


def read_query(query: Properties) -> Properties:
    """As the API has it: a template may write numbers and truth values as text."""
    found = {**query, "ReturnData": truth(query.get("ReturnData", True))}
    if "MetricStat" in query:
        stat = query["MetricStat"]
        found["MetricStat"] = {**stat, "Period": numbers(stat["Period"])}
    return found


def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, dict[str, str]]:
    name = properties.get("AlarmName") or provisioners._physical_name(
        stack, logical_id, max_len=255
    )
    return put(name, properties)


def update(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
) -> tuple[str, dict[str, str]]:
    if old.get("AlarmName") == new.get("AlarmName"):
        return put(physical_id, new)
    made = create(logical_id, new, stack)
    delete(physical_id, old)
    return made


def put(name: str, properties: Properties) -> tuple[str, dict[str, str]]:
    enabled = truth(properties.get("ActionsEnabled", True))
    request = {**properties, "AlarmName": name, "ActionsEnabled": enabled}
    status, _, body = cloudwatch._put_composite_alarm({}, request, False, True)
    if status != 200:
        raise ValueError(f"{COMPOSITE} {name}: {body.decode()}")
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def delete(physical_id: str, _: Properties) -> None:
    status, _headers, body = cloudwatch._delete_alarms(
        {}, {"AlarmNames": [physical_id]}, False, True
    )
    if status != 200:
        raise ValueError(f"{COMPOSITE} {physical_id}: {body.decode()}")
