"""Services measure themselves on AWS, for alarms to watch: executions, the depth of queues, each
call of a function. The emulator counts only calls that come through Invoke."""

import threading
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, lambda_svc, sqs, stepfunctions

LOOK_S = 5  # at queues; AWS looks each minute
ENDED = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
_active: set[str] = set()  # queues that had messages at the last look


def apply() -> None:
    tell, dispatch = (
        stepfunctions._emit_execution_status_event,
        lambda_svc._execute_function_dispatch,
    )
    code = dispatch.__code__
    parameters = code.co_varnames[: code.co_argcount]
    assert parameters == ("func", "config", "event", "request_id", "started"), f"now {parameters}"
    assert "_emit_lambda_metrics" not in code.co_names, "each call is now counted"

    def tell_and_count(execution: dict[str, Any]) -> None:
        machine = {"StateMachineArn": execution["stateMachineArn"]}
        cloudwatch.record_metric("AWS/States", ENDED[execution["status"]], 1, "Count", machine)
        tell(execution)

    def run_and_count(
        function: Any, config: dict[str, Any], event: Any, request_id: str, started: float
    ) -> dict[str, Any]:
        result: dict[str, Any] = dispatch(function, config, event, request_id, started)
        name = config["FunctionName"]
        count_call(name, Invocations=1, Errors=int(bool(result.get("error"))), Throttles=0)
        took = {"FunctionName": name}
        duration = (time.time() - started) * 1000
        cloudwatch.record_metric("AWS/Lambda", "Duration", duration, "Milliseconds", took)
        return result

    stepfunctions._emit_execution_status_event = tell_and_count
    lambda_svc._execute_function_dispatch = run_and_count
    lambda_svc._emit_lambda_metrics = count_throttled
    threading.Thread(target=look_at_queues, daemon=True).start()


def count_throttled(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """It is told of a call twice, first without a duration."""
    if throttle and not duration_ms:
        count_call(name, Throttles=1)


def count_call(name: str, **counts: int) -> None:
    for metric, value in counts.items():
        cloudwatch.record_metric("AWS/Lambda", metric, value, "Count", {"FunctionName": name})


def look_at_queues() -> None:
    while True:
        time.sleep(LOOK_S)
        for (account, region, _), queue in list(sqs._queues._data.items()):
            with request_scope(account, region):
                measure(queue, time.time())


def measure(queue: dict[str, Any], now: float) -> None:
    """A queue without messages is measured once more, then it has no data, as on AWS."""
    messages, arn = list(queue["messages"]), queue["attributes"]["QueueArn"]
    if messages or arn in _active:
        visible = sum(message["visible_at"] <= now for message in messages)
        oldest = now - min((message["sent_at"] for message in messages), default=now)
        for name, value, unit in (
            ("ApproximateNumberOfMessagesVisible", visible, "Count"),
            ("ApproximateNumberOfMessagesNotVisible", len(messages) - visible, "Count"),
            ("ApproximateAgeOfOldestMessage", oldest, "Seconds"),
        ):
            cloudwatch.record_metric("AWS/SQS", name, value, unit, {"QueueName": queue["name"]})
    (_active.add if messages else _active.discard)(arn)
