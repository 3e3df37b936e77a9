"""The emulator runs handlers on its own interpreter, with its own packages, in a loop that loses
error classes; on AWS a handler finds boto3, its layers and nothing else."""

import os
from pathlib import Path

from ministack.core import lambda_runtime

INTERPRETER_VARIABLE = "DRIFTGATE_WORKER_PYTHON"
WORKER = Path(__file__).parents[1] / "worker.py"


def apply() -> None:
    original = lambda_runtime._detect_runtime_binary
    _, loop = original("python3.13")
    assert '"code_dir"' in loop, "the worker is no longer told the handler by a line of JSON"
    interpreter = os.environ[INTERPRETER_VARIABLE]
    script = WORKER.read_text(encoding="utf-8")

    def detect(runtime: str) -> tuple[str, str]:
        return (interpreter, script) if runtime.startswith("python") else original(runtime)

    lambda_runtime._detect_runtime_binary = detect
