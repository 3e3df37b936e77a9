"""The process in which a Lambda handler runs: reads invocations as JSON lines, answers in kind.

It runs on the workers' interpreter, alone in its folder, so it knows nothing of ours. What handlers
print goes to stderr, which is the log. After every invocation comes a line with END_OF_LOG.
"""

import importlib
import json
import os
import site
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

END_OF_LOG = "\x1eEND"
Handler = Callable[[Any, Any], Any]


class RuntimeFault(Exception):
    """What Lambda's own runtime reports: there is no such handler, or its result is no JSON."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Context:
    """What Lambda passes to a handler as its second argument."""

    def __init__(self, init: dict[str, Any], call: dict[str, Any]) -> None:
        self.function_name = init["function_name"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = call["invoked_function_arn"]
        self.memory_limit_in_mb = str(init["memory"])
        self.aws_request_id = call["request_id"]
        self.log_group_name = os.environ.get(
            "AWS_LAMBDA_LOG_GROUP_NAME", f"/aws/lambda/{self.function_name}"
        )
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = client_context(call["client_context"])
        self._deadline = time.monotonic() + call["timeout_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def client_context(given: dict[str, Any] | None) -> SimpleNamespace | None:
    if given is None:
        return None
    device = given.get("client")
    return SimpleNamespace(
        custom=given.get("custom"),
        env=given.get("env"),
        client=None if device is None else SimpleNamespace(**device),
    )


def main() -> None:
    # Descriptors of our own: a subprocess or C library of the handler can't mix into them.
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    init = json.loads(requests.readline())
    os.environ.update(init["env"])
    sys.path[:1] = search_path(init["code_dir"])
    say(answers, '{"status": "ready"}')

    handler: Handler | None = None
    for line in requests:
        message = json.loads(line)
        call = message["ctx"]
        set_or_drop("_X_AMZN_TRACE_ID", call["trace_id"])
        try:
            handler = handler or load(init["module"], init["handler"])
            result = encode(handler(message["event"], Context(init, call)))
            answer = f'{{"status": "ok", "result": {result}}}'
        except Exception as error:  # noqa: BLE001  a handler may raise anything
            failure = json.dumps(describe(error, call["request_id"]))
            answer = f'{{"status": "failed", "failure": {failure}}}'
        sys.stderr.write(f"{END_OF_LOG}\n")
        sys.stderr.flush()
        say(answers, answer)


def search_path(code: str) -> list[str]:
    """The function first, then its layers in order, then what the interpreter brings."""
    path = [code]
    for layer in filter(None, os.environ.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep)):
        path.append(f"{layer}/python")
        for packages in Path(layer).glob("python/lib/python*/site-packages"):
            site.addsitedir(str(packages))
            path.append(str(packages))
    return path


def load(module: str, name: str) -> Handler:
    try:
        handler: Handler = getattr(importlib.import_module(module), name)
    except ImportError as error:
        message = f"Unable to import module '{module}': {error}"
        raise RuntimeFault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module}': {error}"
        raise RuntimeFault("Runtime.UserCodeSyntaxError", message) from error
    except AttributeError as error:
        if module not in sys.modules:  # the module itself raised it
            raise
        message = f"Handler '{name}' missing on module '{module}'"
        raise RuntimeFault("Runtime.HandlerNotFound", message) from error
    return handler


def encode(result: object) -> str:
    try:
        return json.dumps(result, default=plain)
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        raise RuntimeFault("Runtime.MarshalError", message) from error


def plain(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def describe(error: Exception, request_id: str) -> dict[str, Any]:
    """The error as Lambda's callers get it; the same goes into the log."""
    kind = error.kind if isinstance(error, RuntimeFault) else type(error).__name__
    trace = [] if isinstance(error, RuntimeFault) else traceback.format_tb(error.__traceback__)[1:]
    sys.stderr.write(f"[ERROR] {kind}: {error}\n{''.join(trace)}")
    return {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def set_or_drop(variable: str, value: str | None) -> None:
    if value:
        os.environ[variable] = value
    else:
        os.environ.pop(variable, None)


def say(answers: TextIO, answer: str) -> None:
    answers.write(f"{answer}\n")
    answers.flush()


if __name__ == "__main__":
    main()
