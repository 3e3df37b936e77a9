"""The point rule: it compares means.

It states no error rate: its PASS says that the thresholds hold on these trials, and no more.
"""

from collections.abc import Iterator, Sequence

from driftgate.datasets import expected_tools
from driftgate.gate.rulings import Ruling, first_release
from driftgate.gate.sample import ARMS, Sample, floor_of, floors, parts_of, stratum_of
from driftgate.metrics import SUITES
from driftgate.schemas.cases import Case
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import ALL_CASES, Criterion, RunPlan

TOOL_CASES = 10  # a tool with fewer cases does not decide by itself
TOOL_LOSS = 3  # cases that a tool must have lost to block by itself: fewer are chance too often


def rule(plan: RunPlan, policy: Policy, cases: Sequence[Case], sample: Sample) -> Ruling:
    """Hold the means to the thresholds; without a baseline, to the floors alone."""
    criteria = tuple(_criteria(plan, policy, cases, sample))
    arms = tuple(plan.arms)
    strata = tuple(
        stratum_of(part, ids, sample, arms) for part, ids in parts_of(plan.suite, cases).items()
    )
    failed = [criterion for criterion in criteria if criterion.ok is False]
    if failed:
        also = ", ".join(criterion.brief for criterion in failed[1:])
        reason = f"{failed[0]}{'; also ' if also else ''}{also}"
        return Ruling("BLOCK", reason, criteria, strata)
    if strata[0].candidate is None:
        return Ruling("INCONCLUSIVE", str(strata[0]), criteria, strata)
    decided = [criterion for criterion in criteria if criterion.ok]
    if "baseline" not in plan.arms:
        return Ruling("BASELINE_CREATED", first_release(criteria, strata), criteria, strata)
    reason = f"all {len(decided)} thresholds hold; {criteria[0]}"
    return Ruling("PASS", reason, criteria, strata)


def _criteria(
    plan: RunPlan, policy: Policy, cases: Sequence[Case], sample: Sample
) -> Iterator[Criterion]:
    primary = SUITES[plan.suite].primary
    if "baseline" in plan.arms:
        for (metric, stratum), ids in parts_of(plan.suite, cases).items():
            if stratum == ALL_CASES:
                yield _drop(metric, stratum, ids, sample, policy.max_drop)
        for tool, ids in _tools(primary, cases, sample).items():
            bound = max(policy.max_drop, TOOL_LOSS / len(ids))
            yield _drop(primary, tool, ids, sample, bound)
    for metric, stratum, ids, bound in floors(plan.suite, policy, cases):
        found = floor_of(metric, stratum, ids, sample, bound)
        held = None if found.candidate is None else round(found.candidate, 9) >= bound
        yield found.model_copy(update={"ok": held})


def _tools(primary: str, cases: Sequence[Case], sample: Sample) -> dict[str, list[str]]:
    """The tools that decide by themselves, and their cases that are compared: enough, not all."""
    compared = set(sample.known(primary, [case.case_id for case in cases]))
    found: dict[str, list[str]] = {}
    for case in cases:
        for tool in expected_tools(case) if case.case_id in compared else ():
            found.setdefault(f"tool {tool}", []).append(case.case_id)
    return {t: ids for t, ids in sorted(found.items()) if TOOL_CASES <= len(ids) < len(compared)}


def _drop(
    metric: str, stratum: str, case_ids: Sequence[str], sample: Sample, bound: float
) -> Criterion:
    """Compare the arms over the cases that have a value in both."""
    paired = sample.known(metric, case_ids)
    baseline, candidate = (sample.mean(metric, arm, paired) for arm in ARMS)
    ok = None
    if baseline is not None and candidate is not None:
        lost = round(baseline - candidate, 9)
        ok = lost < bound or lost <= 0
    return Criterion(
        metric=metric,
        stratum=stratum,
        kind="drop",
        cases=len(paired),
        baseline=baseline,
        candidate=candidate,
        bound=bound,
        ok=ok,
    )
