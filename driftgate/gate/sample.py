"""The values that a rule decides on: score cards by metric, arm and case."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from driftgate.datasets import expected_tools
from driftgate.metrics import CRITERIA, JUDGED, SUITES
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import Suite
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import ALL_CASES, Arm, Criterion, MissingTrial, Stratum
from driftgate.schemas.scores import ScoreCard

CRITICAL_CASES = "critical cases"
ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


class Sample:
    """The values of each case's trials, per metric and arm; a trial without a value is left out."""

    def __init__(
        self,
        cards: Iterable[ScoreCard],
        imputed: Iterable[tuple[MissingTrial, str, float]] = (),
    ) -> None:
        """`imputed` are values to take for missing trials, each of a metric."""
        self._values: dict[tuple[str, str, str], list[float]] = {}
        for card in cards:
            for metric, score in card.scores.items():
                if score.value is not None:
                    self._add(metric, card.arm, card.case_id, score.value)
        for trial, metric, value in imputed:
            self._add(metric, trial.arm, trial.case_id, value)

    def _add(self, metric: str, arm: str, case_id: str, value: float) -> None:
        self._values.setdefault((metric, arm, case_id), []).append(value)

    def values(self, metric: str, arm: Arm, case_id: str) -> list[float]:
        return self._values.get((metric, arm, case_id), [])

    def case_mean(self, metric: str, arm: Arm, case_id: str) -> float | None:
        values = self.values(metric, arm, case_id)
        return fmean(sorted(values)) if values else None

    def mean(self, metric: str, arm: Arm, case_ids: Iterable[str]) -> float | None:
        """The mean over those cases that have a value; every case weighs the same."""
        means = [self.case_mean(metric, arm, case_id) for case_id in case_ids]
        known = [mean for mean in means if mean is not None]
        return fmean(known) if known else None

    def known(self, metric: str, case_ids: Iterable[str], arms: Sequence[Arm] = ARMS) -> list[str]:
        """The cases that have a value in each of the arms."""
        return [i for i in case_ids if all(self.values(metric, arm, i) for arm in arms)]


def names_of(case: Case) -> list[str]:
    """The strata below the whole that a case is of."""
    critical = [CRITICAL_CASES] if case.critical else []
    return [
        f"task type {case.task_type}",
        *critical,
        *(f"tool {tool}" for tool in expected_tools(case)),
    ]


def parts_of(suite: Suite, cases: Sequence[Case]) -> dict[tuple[str, str], list[str]]:
    """The strata that are compared: metric and name -> the ids of its cases.

    The suite's primary metric over all cases, the critical ones, each task type and each tool; its
    other metrics over all, what a judge says over all that have a rubric.
    """
    everything = [case.case_id for case in cases]
    primary = SUITES[suite].primary
    parts = {(primary, ALL_CASES): everything}
    for case in cases:
        for name in names_of(case):
            parts.setdefault((primary, name), []).append(case.case_id)
    others = {(m, ALL_CASES): everything for m in SUITES[suite].metrics if m != primary}
    if (JUDGED, ALL_CASES) in others:
        others[JUDGED, ALL_CASES] = [case.case_id for case in cases if case.rubric]
    return {**dict(sorted(parts.items())), **{part: ids for part, ids in others.items() if ids}}


def floors(
    suite: Suite, policy: Policy, cases: Sequence[Case]
) -> Iterator[tuple[str, str, list[str], float]]:
    """The absolute targets of a policy: metric, name and cases of a stratum, and the bound."""
    if suite == "adversarial":
        for criterion in CRITERIA:
            own = [
                c.case_id for c in cases if c.adversarial and c.adversarial.criterion == criterion
            ]
            if own:
                yield criterion, ALL_CASES, own, getattr(policy, f"min_{criterion}")
        return
    everything = [case.case_id for case in cases]
    critical = [case.case_id for case in cases if case.critical]
    if policy.min_task_success:
        yield "task_success", ALL_CASES, everything, policy.min_task_success
    yield "tool_call_accuracy", ALL_CASES, everything, policy.min_tool_call_accuracy
    yield "tool_call_accuracy", CRITICAL_CASES, critical, policy.min_critical_tool_call_accuracy


def floor_of(
    metric: str, stratum: str, case_ids: Sequence[str], sample: Sample, bound: float
) -> Criterion:
    """Hold the candidate to a minimum, not decided yet; what the baseline has is shown beside."""
    return Criterion(
        metric=metric,
        stratum=stratum,
        kind="floor",
        cases=len(sample.known(metric, case_ids, ("candidate",))),
        baseline=sample.mean(metric, "baseline", case_ids),
        candidate=sample.mean(metric, "candidate", case_ids),
        bound=bound,
        ok=None,
    )


def stratum_of(
    part: tuple[str, str], case_ids: Sequence[str], sample: Sample, arms: Sequence[Arm] = ARMS
) -> Stratum:
    """The arms' means over the cases of a part that have a value in each arm."""
    metric, name = part
    known = sample.known(metric, case_ids, arms)
    return Stratum(
        metric=metric,
        stratum=name,
        cases=len(known),
        baseline=sample.mean(metric, "baseline", known),
        candidate=sample.mean(metric, "candidate", known),
    )
