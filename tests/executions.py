"""Rows of the ledger in one line each."""

from collections.abc import Mapping, Sequence
from typing import Any

from driftgate.schemas.ledger import Execution
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Ending


def row(model: str | None, case_id: str, value: float | None = 1.0, **rest: Any) -> Execution:
    """One trial; `value` is its task_success, `scores` are others by metric."""
    trial = rest.pop("trial", 1)
    values = {"task_success": value, **rest.pop("scores", {})}
    content = {
        "key": f"r/{model}/{trial}/{case_id}",
        "origin": "benchmark",
        "at": "2026-11-20T10:00:00+00:00",
        "run_id": "r",
        "trial": trial,
        "case_id": case_id,
        "task_type": "refunds",
        "agent": "teller",
        "version": "1.0.0",
        "digest": "0" * 64,
        "model": model,
        "dataset": "bank@1.0.0",
        "harness": "test",
        "ending": Ending(),
        "scores": {m: Score(value=v, reason="counted") for m, v in values.items()},
        "trace": f"runs/r/traces/{case_id}.json",
        **rest,
    }
    return Execution.model_validate(content)


def rows(
    model: str, outcomes: Mapping[str, Sequence[float | None]], **rest: Any
) -> list[Execution]:
    """The trials of a model: by case, the value of each."""
    return [
        row(model, case_id, value, trial=trial, **rest)
        for case_id, values in outcomes.items()
        for trial, value in enumerate(values, start=1)
    ]
