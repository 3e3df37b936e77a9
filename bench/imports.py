"""How long each function takes to import, against the libraries that all of them need.

    make bench-imports

What a handler imports is paid at every cold start. Every figure is a ratio of medians of CPU time
over rounds in which the libraries and all handlers are imported in turn, each in a new process.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench.results import Results

ROUNDS = 9
LIBRARIES = (  # `import pydantic` alone loads next to nothing: it waits for the first name
    "import boto3; from pydantic import BaseModel, Field, ValidationError; "
    "from aws_lambda_powertools import Logger, Metrics"
)
TIMED = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def main() -> None:
    handlers = sorted(path.stem for path in Path("lambdas").glob("[a-z]*.py"))
    statements = {"libraries": LIBRARIES, **{n: f"import lambdas.{n}" for n in handlers}}
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(ROUNDS):
        for name, statement in statements.items():
            seconds[name].append(seconds_of(statement))
    results = Results("bench", "imports")
    results.figure("libraries: CPU seconds", round(median(seconds["libraries"]), 3))
    for name in handlers:
        ratio = median(seconds[name]) / median(seconds["libraries"])
        results.check(f"{name}: times the libraries", round(ratio, 2), "<=", 1.3)
    results.finish()


def seconds_of(statement: str) -> float:
    command = [sys.executable, "-c", TIMED.format(statement)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as a deployed package has it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
