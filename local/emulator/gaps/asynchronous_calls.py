"""On AWS a notification or an event waits for its function as any asynchronous call does: it is
retried, then a dead letter, and the function's policy must let the service in. The emulator calls
once, without asking."""

import json
import logging
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, lambda_svc, sns

log = logging.getLogger("driftgate.emulator")


def apply() -> None:
    for original in (eventbridge._dispatch_to_lambda, sns._deliver_to_lambda):
        assert "invoke_async_with_retry" not in original.__code__.co_names, "calls are now retried"
    eventbridge._dispatch_to_lambda = deliver_event
    sns._deliver_to_lambda = deliver_notification


def deliver_event(function: str, payload: str) -> None:
    call(function, json.loads(payload))


def deliver_notification(
    function: str,
    envelope: str,
    topic: str,
    subscription: str,
    message_id: str,
    message: str,
    attributes: Any,
) -> None:
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "EventSource": "aws:sns",
        "Sns": json.loads(envelope),
    }
    if may_call("sns.amazonaws.com", topic, function):
        call(function, {"Records": [record]})
    else:
        log.warning("%s is not called by %s: its policy does not let it", function, topic)


def exists(function: str) -> bool:
    return lambda_svc._get_func_record_for_ref(function)[0] is not None


def call(function: str, event: Any) -> None:
    found, config, name = lambda_svc._get_func_record_for_ref(function)
    if found is None:
        log.warning("there is no function %s to be called", name)
        return
    record = lambda_svc._execution_record_for_config(found, config)
    lambda_svc.invoke_async_with_retry(record, event)


def may_call(service: str, source: str, function: str) -> bool:
    """Whether the function's own policy lets the service call it on behalf of the source."""
    found, _, _ = lambda_svc._get_base_func_record_for_ref(function)
    if found is None:
        return False
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function,
        region=get_region(),
        service_context={"aws:sourcearn": source, "aws:sourceaccount": get_account_id()},
    )
    decision = evaluate_resource_policy(found["policy"], context, service=service).decision
    return bool(decision == "Allow")
