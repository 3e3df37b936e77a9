"""Failures of handlers reach callers and state machines by name."""

import json
import threading

import pytest

from tests.emulator.conftest import one_task

BOOM = """
import os
class Boom(Exception):
    pass
def handler(event, context):
    if event == "pid":
        return os.getpid()
    raise Boom("no luck")
"""
END = """
import os, signal, sys, time
def handler(event, context):
    if event == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event == "exit":
        sys.exit(3)
    if event == "sleep":
        time.sleep(30)
    return "alive"
"""


def error(answer):
    return answer["errorType"], answer["errorMessage"].partition(" Error: ")[2]


def test_a_caller_gets_class_message_and_trace(cloud):
    answer = cloud.lambdas.invoke(FunctionName=cloud.function(BOOM), Payload=b"{}")
    failure = json.loads(answer["Payload"].read())

    assert answer["FunctionError"] == "Unhandled"
    assert (failure["errorType"], failure["errorMessage"]) == ("Boom", "no luck")
    assert 'raise Boom("no luck")' in failure["stackTrace"][-1]


def test_a_worker_survives_the_exception_of_its_handler(cloud):
    function = cloud.function(BOOM)
    before = cloud.call(function, "pid")
    assert cloud.call(function)["errorType"] == "Boom"
    assert cloud.call(function, "pid") == before


def test_a_result_that_looks_like_an_error_is_a_result(cloud):
    function = cloud.function("def handler(e, c): return {'errorType': 'X', 'status': 'failed'}")
    answer = cloud.lambdas.invoke(FunctionName=function)

    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read())["errorType"] == "X"


def test_retry_and_catch_compare_the_class(cloud):
    retry = [{"ErrorEquals": ["Boom"], "IntervalSeconds": 0, "MaxAttempts": 2}]
    catch = [
        {"ErrorEquals": ["Other"], "Next": "T"},
        {"ErrorEquals": ["Boom"], "Next": "Caught"},
    ]
    execution = cloud.begin(one_task(cloud.function(BOOM), Retry=retry, Catch=catch))
    caught = json.loads(cloud.ended(execution)["output"])

    assert caught["Error"] == "Boom"
    assert json.loads(caught["Cause"])["errorMessage"] == "no luck"
    history = cloud.states.get_execution_history(executionArn=execution)["events"]
    assert sum(event["type"] == "TaskScheduled" for event in history) == 3


def test_the_bare_emulator_knows_no_class(bare):
    assert bare.call(bare.function(BOOM))["errorType"] == "Runtime.HandlerError"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("kill", "Runtime exited with error: signal: killed"),
        ("exit", "Runtime exited with error: exit status 3"),
    ],
)
def test_a_worker_that_ends_is_an_exit_error_and_the_next_call_gets_a_new_one(cloud, how, reason):
    function = cloud.function(END)
    assert error(cloud.call(function, how)) == ("Runtime.ExitError", reason)
    assert cloud.call(function) == "alive"


def test_a_task_whose_worker_is_killed_can_be_retried(cloud, tmp_path):
    once = f"""
import os, pathlib, signal
def handler(event, context):
    mark = pathlib.Path({str(tmp_path / "killed")!r})
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second try"
"""
    retry = [{"ErrorEquals": ["Runtime.ExitError"], "IntervalSeconds": 0, "MaxAttempts": 1}]
    assert cloud.output(one_task(cloud.function(once), Retry=retry)) == "second try"


def test_a_slow_handler_times_out_and_the_next_call_gets_a_new_worker(cloud):
    function = cloud.function(END, Timeout=1)
    assert cloud.call(function) == "alive"  # a first call has time for its imports besides
    answer = cloud.call(function, "sleep")
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert cloud.call(function) == "alive"


def test_what_can_not_be_imported_is_said_as_aws_says_it(cloud):
    missing = cloud.call(cloud.function("import no_such_module"))
    assert missing["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'no_such_module'" in missing["errorMessage"]
    assert cloud.call(cloud.function("x = 1"))["errorType"] == "Runtime.HandlerNotFound"
    assert cloud.call(cloud.function("def"))["errorType"] == "Runtime.UserCodeSyntaxError"
    assert cloud.call(cloud.function("1 / 0"))["errorType"] == "ZeroDivisionError"


def test_a_result_that_is_no_json_is_a_marshal_error(cloud):
    function = cloud.function("def handler(event, context): return {1, 2}")
    assert cloud.call(function)["errorType"] == "Runtime.MarshalError"


def test_concurrent_calls_get_their_own_answers(cloud):
    function = cloud.function("def handler(event, context): return event")
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: cloud.call(function, n)}))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: n for n in range(6)}
