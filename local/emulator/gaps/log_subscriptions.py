"""On AWS a log group has at most two subscription filters, of functions whose policy lets the logs
in, and a batch that fails is tried again; the emulator takes any, and tries once."""

import base64
import gzip
import json
import logging
import uuid
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cloudwatch_logs, lambda_svc

from local.emulator.gaps import asynchronous_calls, log_filters

LIMIT = 2  # filters of a log group
UNCALLABLE = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to"
    " execute your function."
)
OWN_LOGS = "The log group provided is reserved for the function logs of the destination function."
Event = dict[str, Any]
log = logging.getLogger("driftgate.emulator")


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def apply() -> None:
    put = cloudwatch_logs._put_subscription_filter
    assert "LimitExceededException" not in put.__code__.co_consts, "filters are now limited"
    fanout = cloudwatch_logs._fanout_to_subscription_filters
    code = fanout.__code__
    parameters = code.co_varnames[: code.co_argcount]
    assert parameters == ("group_name", "stream_name", "events"), f"it takes {parameters}"

    def put_filter(data: dict[str, Any]) -> Any:
        group = cloudwatch_logs._log_groups.get(data["logGroupName"])
        if group is not None:
            try:
                check(data, group["subscriptionFilters"])
            except Refused as refused:
                return error_response_json(refused.code, str(refused), 400)
        return put(data)

    cloudwatch_logs._put_subscription_filter = put_filter
    cloudwatch_logs._fanout_to_subscription_filters = deliver


def check(wanted: dict[str, Any], present: dict[str, Any]) -> None:
    group, function = wanted["logGroupName"], wanted["destinationArn"]
    if wanted["filterName"] not in present and len(present) >= LIMIT:
        raise Refused("LimitExceededException", "Resource limit exceeded.")
    try:
        log_filters.check(wanted["filterPattern"])
    except ValueError as error:
        raise Refused("InvalidParameterException", str(error)) from error
    if ":function:" not in function:
        said = f"the emulator delivers logs to functions alone, not to {function}"
        raise Refused("InvalidParameterException", said)
    if not may_call(group, function):
        raise Refused("InvalidParameterException", UNCALLABLE)
    if group == log_group_of(function):
        raise Refused("InvalidParameterException", OWN_LOGS)


def may_call(group: str, function: str) -> bool:
    source = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:*"
    return any(
        asynchronous_calls.may_call(service, source, function)
        for service in ("logs.amazonaws.com", f"logs.{get_region()}.amazonaws.com")
    )


def log_group_of(function: str) -> str:
    _, config, name = lambda_svc._get_func_record_for_ref(function)
    chosen = (config or {}).get("LoggingConfig") or {}
    return str(chosen.get("LogGroup") or f"/aws/lambda/{name}")


def deliver(group: str, stream: str, events: list[Event]) -> None:
    """Send each filter's function the events that it wants."""
    filters = cloudwatch_logs._log_groups.get(group, {}).get("subscriptionFilters", {})
    for one in list(filters.values()):
        matches = cloudwatch_logs._compile_filter_pattern(one["filterPattern"])
        wanted = [event for event in events if matches(event["message"])]
        if wanted and may_call(group, one["destinationArn"]):
            call = envelope(group, stream, one["filterName"], wanted)
            asynchronous_calls.call(one["destinationArn"], call)
        elif wanted:
            log.warning("logs of %s can't call %s", group, one["destinationArn"])


def envelope(group: str, stream: str, name: str, events: list[Event]) -> Event:
    batch = {
        "messageType": "DATA_MESSAGE",
        "owner": get_account_id(),
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": [name],
        "logEvents": [
            {
                "id": f"{uuid.uuid4().int:056d}",
                "timestamp": event["timestamp"],
                "message": event["message"],
            }
            for event in events
        ],
    }
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode(), mtime=0))
    return {"awslogs": {"data": data.decode()}}
