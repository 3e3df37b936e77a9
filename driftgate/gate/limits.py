"""What is asked beside the scores: enough cases for a new tool, limits on seconds and cost."""

from collections.abc import Iterator, Mapping, Sequence

from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import ALL_CASES, Criterion, RunPlan, Spending


def limits(
    plan: RunPlan, policy: Policy, by_tool: Mapping[str, int], spent: Sequence[Spending]
) -> Iterator[Criterion]:
    """The criteria that no score decides; `by_tool` is how many cases expect each tool."""
    yield from _coverage(plan, policy, by_tool)
    yield from _ratios(plan, policy, spent)


def _coverage(plan: RunPlan, policy: Policy, by_tool: Mapping[str, int]) -> list[Criterion]:
    """Hold the dataset to a minimum of cases for each tool that only the candidate has.

    For a first release none is new; nor where nobody knows what tools a recorded baseline had. An
    attack may use any tool and expect none, so the adversarial suite is not asked.
    """
    baseline, bound = plan.arms.get("baseline"), policy.min_cases_per_new_tool
    if (
        not bound
        or plan.suite != "regression"
        or baseline is None
        or (baseline.is_recorded and not baseline.contracts)
    ):
        return []
    known = {contract.tool for contract in baseline.contracts}
    now = {contract.tool for contract in plan.arms["candidate"].contracts}
    return [
        Criterion(
            metric="cases",
            stratum=f"tool {tool}",
            kind="coverage",
            cases=by_tool.get(tool, 0),
            candidate=None,
            bound=bound,
            ok=by_tool.get(tool, 0) >= bound,
        )
        for tool in sorted(now - known)
    ]


def _ratios(plan: RunPlan, policy: Policy, spent: Sequence[Spending]) -> list[Criterion]:
    """Hold what a trial takes to the baseline's, where the policy sets a limit."""
    bounds = {"latency_s": policy.max_latency_ratio, "cost_usd": policy.max_cost_ratio}
    return [
        Criterion(
            metric=row.quantity,
            stratum=ALL_CASES,
            kind="ratio",
            cases=row.cases,
            candidate=None,
            ratio=row.ratio,
            bound=bound,
            ok=None if row.ratio is None else round(row.ratio, 9) <= bound,
        )
        for row in spent
        if "baseline" in plan.arms
        if (bound := bounds.get(row.quantity)) is not None
    ]
