"""Metrics: pure functions of a case and a trace, found by name.

To add one: the function, its line here, a test with a trace that can be scored by eye. To change
what one means, raise its version: old scores stay true under the old one.
"""

from collections.abc import Callable
from typing import NamedTuple

from driftgate.metrics.outcome import output_correctness, task_success
from driftgate.metrics.tools import (
    action_correctness,
    argument_fidelity,
    call_precision,
    no_forbidden_call,
    sequence_correctness,
    tool_call_accuracy,
)
from driftgate.schemas.cases import Case
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Trace

PRIMARY = "task_success"
JUDGED = "response_quality"  # a judge's, so not in METRICS; driftgate.judges.scoring makes it
JUDGED_VERSION = 1


class Metric(NamedTuple):
    score: Callable[[Case, Trace], Score]
    version: int


METRICS = {
    metric.score.__name__: metric
    for metric in (
        Metric(task_success, version=2),
        Metric(action_correctness, version=2),
        Metric(output_correctness, version=2),
        Metric(no_forbidden_call, version=2),
        Metric(tool_call_accuracy, version=2),
        Metric(argument_fidelity, version=2),
        Metric(sequence_correctness, version=2),
        Metric(call_precision, version=2),
    )
}
# What must not fall against the baseline. The rest explains why one of these fell.
GATE_METRICS = (
    PRIMARY,
    "action_correctness",
    "output_correctness",
    "tool_call_accuracy",
    "argument_fidelity",
    "sequence_correctness",
    "call_precision",
    JUDGED,
)
