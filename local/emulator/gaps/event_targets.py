"""An event that its target can't take goes to the dead letters that the rule or the schedule names
for it; the emulator writes a line into its own log."""

import json
import logging
import time
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_account_id, new_uuid
from ministack.services import eventbridge, sns, sqs, stepfunctions

from local.emulator.gaps import asynchronous_calls

SERVICE = "events.amazonaws.com"
NO_RESOURCE, NO_PERMISSIONS = "NO_RESOURCE", "NO_PERMISSIONS"
log = logging.getLogger("driftgate.emulator")


def apply() -> None:
    original = eventbridge._invoke_target
    code = original.__code__
    parameters = code.co_varnames[: code.co_argcount]
    assert parameters == ("target", "event", "rule", "view"), f"it takes {parameters}"
    assert "DeadLetterConfig" not in code.co_consts, "dead letters of rules are now kept"

    def invoke(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        fault = find_fault(target["Arn"], rule["Arn"])
        if fault is None:
            original(target, event, rule, view)
            return
        log.warning("%s can't reach %s: %s", rule["Arn"], target["Arn"], fault)
        if queue := target.get("DeadLetterConfig", {}).get("Arn"):
            given = target.get("Input") if is_schedule(rule["Arn"]) else None
            whole = (view or eventbridge._pattern_event_view(event)).event_with_detail()
            keep(queue, given or json.dumps(whole), letter(target, rule, fault))

    eventbridge._invoke_target = invoke


def find_fault(target: str, source: str) -> str | None:
    """Why the target can't take what comes from the rule or schedule, if so.

    What a schedule may do is a matter of its role, not of its target's policy.
    """
    try:
        service = parse_arn(target).service
    except ArnParseError:
        return NO_RESOURCE
    asks = not is_schedule(source)
    account = get_account_id()
    if service == "lambda":
        if not asynchronous_calls.exists(target):
            return NO_RESOURCE
        allowed = not asks or asynchronous_calls.may_call(SERVICE, source, target)
    elif service == "sqs":
        if sqs._queue_by_arn(target) is None:
            return NO_RESOURCE
        allowed = not asks or sqs.queue_policy_allows(target, SERVICE, source, account)
    elif service == "sns":
        if sns._topic_by_arn_any_scope(target) is None:
            return NO_RESOURCE
        allowed = not asks or sns.topic_policy_allows(target, SERVICE, source, account)
    elif service == "states":
        return NO_RESOURCE if stepfunctions._resolve_state_machine_arn(target) is None else None
    else:
        allowed = True
    return None if allowed else NO_PERMISSIONS


def is_schedule(source: str) -> bool:
    return source.split(":")[2] == "scheduler"


def letter(target: dict[str, Any], rule: dict[str, Any], fault: str) -> dict[str, str]:
    """What the dead letter says of itself."""
    return {
        "SCHEDULE_ARN" if is_schedule(rule["Arn"]) else "RULE_ARN": rule["Arn"],
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": fault,
        "ERROR_MESSAGE": f"{target['Arn']} does not exist"
        if fault == NO_RESOURCE
        else f"the policy of {target['Arn']} does not let {SERVICE} in",
    }


def keep(queue_arn: str, body: str, said: dict[str, str]) -> None:
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        log.warning("there is no queue %s for dead letters", queue_arn)
        return
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in said.items()}
    now = time.time()
    message = {
        "id": new_uuid(),
        "body": body,
        "message_attributes": attributes,
        "md5_attrs": sqs._md5_msg_attrs(attributes),
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
    }
    sqs._ensure_msg_fields(message)
    queue["messages"].append(message)
