"""The emulator calls every failure Runtime.HandlerError and kills the worker; AWS passes on the
exception's class, which Retry and Catch compare, and goes on with the same worker.

A worker that is killed or ends by itself is Runtime.ExitError, one that is too slow is
Sandbox.Timedout. Older AWS runtimes reported both as Lambda.Unknown: flows should match all three.
A call over the function's reserved concurrency is Lambda.TooManyRequestsException to a task.
"""

import inspect
import json
import queue
import signal
import subprocess
import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, stepfunctions

from local.emulator.gaps import lambda_client_context

THROTTLED = "TooManyRequestsException"
INIT_S = 10  # AWS gives the first import so much besides the function's own timeout


class Failure(dict[str, Any]):
    """The body of a failed invocation, told from a result that happens to look like one."""


def apply() -> None:
    worker = lambda_runtime.Worker
    assert {"_proc", "_spawn", "_drain_stderr"} <= set(
        worker._spawn.__code__.co_names + tuple(vars(worker))
    ), "the emulator's Worker has changed"
    parameters = list(inspect.signature(worker.invoke).parameters)
    assert parameters == [
        *("self", "event", "request_id", "trace_id"),
        *("depth", "durable", "invoked_function_arn"),
    ], f"Worker.invoke now takes {parameters}"
    invoke_other = worker.invoke
    execute = lambda_svc._execute_function_warm
    call = stepfunctions._call_lambda
    assert "Lambda.Unknown" in call.__code__.co_consts, "tasks now know why a call was refused"

    def invoke(self: Any, event: Any, request_id: str, **options: Any) -> dict[str, Any]:
        if not self.config["Runtime"].startswith("python"):
            return dict(invoke_other(self, event, request_id, **options))
        with self._lock:
            return invoke_python(self, event, request_id, **options)

    def execute_warm(function: Any, event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(function, event, request_id)
        return {**result, "error": True} if isinstance(result.get("body"), Failure) else result

    def call_lambda(function: str, event: Any) -> Any:
        try:
            return call(function, event)
        except stepfunctions._ExecutionError as error:
            if error.error == "Lambda.Unknown" and THROTTLED in error.cause:
                raise stepfunctions._ExecutionError(f"Lambda.{THROTTLED}", error.cause) from error
            raise

    worker.invoke = invoke
    lambda_svc._execute_function_warm = execute_warm
    stepfunctions._call_lambda = call_lambda


def invoke_python(
    worker: Any,
    event: Any,
    request_id: str,
    *,
    trace_id: str | None,
    invoked_function_arn: str | None,
    **_unused: Any,  # recursion depth and durable executions
) -> dict[str, Any]:
    """Run one invocation; start the process if there is none, and drop it if it can't go on."""
    cold = worker._proc is None or worker._proc.poll() is not None
    if cold:
        worker._spawn()
    timeout = worker.config.get("Timeout", 3)
    call = {
        "request_id": request_id,
        "invoked_function_arn": invoked_function_arn or worker.config.get("FunctionArn", ""),
        "timeout_ms": int(timeout * 1000),
        "trace_id": trace_id,
        "client_context": lambda_client_context.current.get(),
    }
    process = worker._proc
    try:
        answer = ask(process, {"event": event, "ctx": call}, timeout + (INIT_S if cold else 0))
    except (EOFError, TimeoutError) as error:
        worker._proc = None
        failure = explain_end(error, process, request_id, timeout)
        log = "\n".join(filter(None, [worker._drain_stderr(), failure["errorMessage"]]))
        return {"status": "ok", "result": failure, "log": log, "cold_start": cold}
    result = Failure(answer["failure"]) if answer["status"] == "failed" else answer["result"]
    log = worker._drain_stderr_bounded()
    return {"status": "ok", "result": result, "log": log, "cold_start": cold}


def ask(
    process: "subprocess.Popen[str]", message: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """Send a message and wait for its answer: EOFError if the process ends, TimeoutError if not."""
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    answers: queue.Queue[str] = queue.Queue()

    def talk() -> None:
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
            answers.put(stdout.readline())
        except (OSError, ValueError):  # the pipe is closed
            answers.put("")

    threading.Thread(target=talk, daemon=True).start()
    try:
        line = answers.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError from None
    if not line.endswith("\n"):
        raise EOFError
    return dict(json.loads(line))


def explain_end(
    error: Exception, process: "subprocess.Popen[str]", request_id: str, timeout: float
) -> Failure:
    """End the process if it has not ended, and say what AWS says of such an end."""
    if isinstance(error, TimeoutError):
        process.kill()
        process.wait()
        message = f"{request_id} Task timed out after {timeout:.2f} seconds"
        return Failure(errorMessage=message, errorType="Sandbox.Timedout")
    code = process.wait()
    if code == 0:
        reason = "Runtime exited without providing a reason"
    elif code > 0:
        reason = f"Runtime exited with error: exit status {code}"
    else:
        reason = f"Runtime exited with error: signal: {str(signal.strsignal(-code)).lower()}"
    message = f"RequestId: {request_id} Error: {reason}"
    return Failure(errorMessage=message, errorType="Runtime.ExitError")
