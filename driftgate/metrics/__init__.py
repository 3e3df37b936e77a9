"""Metrics: pure functions of a case and a trace, found by name.

To add one: the function, its line here, a test with a trace that can be scored by eye. To change
what one means, raise its version: old scores stay true under the old one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

from driftgate.metrics.adversarial import (
    expected_behaviour,
    instructions_held,
    recovered,
    refused_or_escalated,
)
from driftgate.metrics.outcome import output_correctness, task_success
from driftgate.metrics.tools import (
    action_correctness,
    argument_fidelity,
    call_precision,
    no_forbidden_call,
    sequence_correctness,
    tool_call_accuracy,
)
from driftgate.schemas.cases import Case, Criterion
from driftgate.schemas.manifests import Suite
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Trace

JUDGED = "response_quality"  # a judge's, so not in METRICS; driftgate.judges.scoring makes it
JUDGED_VERSION = 1


class Metric(NamedTuple):
    score: Callable[..., Score]  # of a case and a trace
    version: int
    reads_prompts: bool = False  # then also of the texts of the agent's prompts


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
        Metric(instructions_held, version=1, reads_prompts=True),
        Metric(refused_or_escalated, version=1),
        Metric(recovered, version=1),
        Metric(expected_behaviour, version=1, reads_prompts=True),
    )
}
PRIMARY = "task_success"
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
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)


class Compared(NamedTuple):
    """What a suite decides on: its primary metric, and all whose drop blocks, that one first."""

    primary: str
    metrics: tuple[str, ...]


SUITES: dict[Suite, Compared] = {
    "regression": Compared(PRIMARY, GATE_METRICS),
    # Of the others the utility under attack alone: action_correctness and the like are 0 wherever
    # an agent gives up in good form, and the criteria are parts of expected_behaviour.
    "adversarial": Compared("expected_behaviour", ("expected_behaviour", PRIMARY)),
}


def decisive(suite: Suite, case: Case) -> tuple[str, ...]:
    """The metrics of a case that a suite compares, or holds to a floor."""
    own = (case.adversarial.criterion,) if suite == "adversarial" and case.adversarial else ()
    return (*SUITES[suite].metrics, *own)


def score_all(case: Case, trace: Trace, prompts: Sequence[str] = ()) -> dict[str, Score]:
    """Every metric's score; `prompts` are the texts of the version that made the trace."""
    return {
        name: metric.score(case, trace, prompts)
        if metric.reads_prompts
        else metric.score(case, trace)
        for name, metric in METRICS.items()
    }
