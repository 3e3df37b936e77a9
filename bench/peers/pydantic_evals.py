"""Pydantic Evals: a Dataset with a case for each trial, its EqualsExpected and one of our own.

Its evaluators of tool calls read the spans of a live run, which a recording does not have. The task
is to hand over what was recorded; one at a time is faster than at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected, Evaluator, EvaluatorContext

from bench.peers.recorded import VIEWS, Row, Verdict, accepts, read_trials, serve


@dataclass
class Accepted(Evaluator):  # type: ignore[misc]
    """Each expected call was made once, with arguments that the source accepts, and no other."""

    def evaluate(self, ctx: EvaluatorContext) -> bool:
        left = list(ctx.output)
        for call in ctx.expected_output:
            made = (c for c in left if c["name"] == call["name"] and accepts(call, c["args"]))
            if (found := next(made, None)) is None:
                return False
            left.remove(found)
        return not left


def in_order(calls: list[Row]) -> list[Any]:
    return [(call["name"], call["args"]) for call in calls]


def in_any_order(calls: list[Row]) -> list[Any]:
    return sorted(in_order(calls), key=repr)


def names(calls: list[Row]) -> list[Any]:
    return sorted(call["name"] for call in calls)


def whole(calls: list[Row]) -> list[Any]:
    return calls


FORMS = {
    "equal in order": (in_order, EqualsExpected),
    "equal in any order": (in_any_order, EqualsExpected),
    "equal names in any order": (names, EqualsExpected),
    "accepted in any order": (whole, Accepted),
}


def evaluate(folder: Path, *, view: str, form: str) -> Iterator[Verdict]:
    written, evaluator = FORMS[form]
    trials = list(read_trials(folder, view))
    cases = [
        Case(name=str(n), inputs=written(trial.called), expected_output=written(trial.expected))
        for n, trial in enumerate(trials)
    ]
    dataset = Dataset(name=folder.name, cases=cases, evaluators=[evaluator()])
    report = dataset.evaluate_sync(_recorded, progress=False, max_concurrency=1)
    success = {int(case.name): case.assertions[evaluator.__name__].value for case in report.cases}
    for n, trial in enumerate(trials):
        yield Verdict(trial.case_id, trial.model, trial.number, success[n])


async def _recorded(calls: list[Any]) -> list[Any]:
    return calls


if __name__ == "__main__":
    serve(
        {
            f"{form}, {view} calls": partial(evaluate, view=view, form=form)
            for form in FORMS
            for view in VIEWS
        }
    )
