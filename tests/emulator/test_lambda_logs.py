"""All that a handler logs belongs to its call, and nobody waits for more."""

import base64
import time

LOG = """
def handler(event, context):
    for number in range(event):
        print("line", number)
    print("last", end="")
"""


def tail(cloud, function, event):
    answer = cloud.lambdas.invoke(FunctionName=function, Payload=str(event), LogType="Tail")
    return base64.b64decode(answer.get("LogResult", "")).decode().splitlines()


def seconds_of_silent_calls(cloud, count=10):
    function = cloud.function("def handler(event, context): pass")
    cloud.call(function)
    start = time.perf_counter()
    for _ in range(count):
        cloud.call(function)
    return (time.perf_counter() - start) / count


def test_each_call_has_all_its_own_lines(cloud):
    function = cloud.function(LOG)
    for count in (3, 0, 50):
        assert tail(cloud, function, count) == [*(f"line {n}" for n in range(count)), "last"]


def test_a_handler_that_logs_nothing_is_not_waited_for(cloud, bare):
    assert seconds_of_silent_calls(cloud) < 0.04
    assert seconds_of_silent_calls(bare) > 0.05


def test_a_failure_is_in_the_log_group(cloud):
    function = cloud.function("def handler(event, context): raise ValueError('told')")
    cloud.call(function)
    logs = cloud.instance.client("logs")
    group = f"/aws/lambda/{function.split(':')[-1]}"
    messages = [e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]]
    assert any("[ERROR] ValueError: told" in message for message in messages)
