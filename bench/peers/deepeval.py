"""deepeval: ToolCorrectnessMetric, which asks no model here, in each of its three comparisons.

It reports nothing home, works in one thread of control and shows no progress bar, which would take
most of its time.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

os.environ.update(
    DEEPEVAL_TELEMETRY_OPT_OUT="1",
    DEEPEVAL_DISABLE_DOTENV="1",
    OPENAI_API_KEY="unused: it wants to be given a model all the same",
)

from deepeval.metrics import ToolCorrectnessMetric
from deepeval.test_case import LLMTestCase, ToolCall, ToolCallParams

from bench.peers.recorded import VIEWS, Row, Verdict, read_trials, serve

COMPARISONS = {
    "exact match": {"should_exact_match": True},
    "ordering considered": {"should_consider_ordering": True},
    "any order": {},
}
PARAMETERS = {"with arguments": [ToolCallParams.INPUT_PARAMETERS], "names only": []}


def tool_correctness(
    folder: Path, *, view: str, comparison: str, parameters: str
) -> Iterator[Verdict]:
    metric = ToolCorrectnessMetric(
        strict_mode=True,
        async_mode=False,
        include_reason=False,
        evaluation_params=PARAMETERS[parameters],
        **COMPARISONS[comparison],
    )
    for trial in read_trials(folder, view):
        case = LLMTestCase(
            input=trial.input,
            tools_called=_tool_calls(trial.called),
            expected_tools=_tool_calls(trial.expected),
        )
        metric.measure(case, _show_indicator=False)
        yield Verdict(trial.case_id, trial.model, trial.number, bool(metric.is_successful()))


def _tool_calls(calls: list[Row]) -> list[ToolCall]:
    """What an agent sent that could not be read as arguments is no object, which it must be."""
    return [
        ToolCall(
            name=call["name"],
            input_parameters=call["args"] if isinstance(call["args"], dict) else {"": call["args"]},
        )
        for call in calls
    ]


if __name__ == "__main__":
    serve(
        {
            f"{comparison}, {parameters}, {view} calls": partial(
                tool_correctness, view=view, comparison=comparison, parameters=parameters
            )
            for comparison in COMPARISONS
            for parameters in PARAMETERS
            for view in VIEWS
        }
    )
