"""The emulator guesses that a handler has logged all after 5 to 50 ms of silence, which every call
waits for and a busy machine breaks; AWS knows, as here our worker says when it is done."""

import queue
import time
from typing import Any

from ministack.core import lambda_runtime

from local.emulator.worker import END_OF_LOG

PATIENCE_S = 2.0  # only a worker that died leaves without the mark


def apply() -> None:
    worker = lambda_runtime.Worker
    assert hasattr(worker, "_drain_stderr_bounded"), "workers no longer collect logs at the end"
    original = worker._drain_stderr_bounded

    def drain(self: Any, *args: Any, **options: Any) -> str:
        if not self.config["Runtime"].startswith("python"):
            return str(original(self, *args, **options))
        return "\n".join(until_mark(self._stderr_queue))

    worker._drain_stderr_bounded = drain


def until_mark(lines: "queue.Queue[str]") -> list[str]:
    found: list[str] = []
    end = time.monotonic() + PATIENCE_S
    while (left := end - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line.endswith(END_OF_LOG):
            last = line.removesuffix(END_OF_LOG)  # of a handler that wrote no newline
            return [*found, last] if last else found
        found.append(line)
    return found
