"""What a run will take before it is made, by what earlier trials of its agents took."""

from statistics import fmean

from driftgate import capacity, evidence, registry, run_costs
from driftgate.ports import Artifacts, Registry
from driftgate.schemas.capacity import Capacity, Quotas
from driftgate.schemas.costs import RunCost
from driftgate.schemas.forecasts import PastTrials
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.runs import Arm, RunPlan, RunRow
from driftgate.schemas.scores import ScoreCard

RUNS = 5  # of an agent, the latest ones, that are looked into
TRIALS = 50  # whose mean is taken; more would not move it much


def capacity_of(
    plan: RunPlan,
    quotas: Quotas | None,
    stored: Registry,
    runs: Artifacts,
    concurrency: int | None = None,
) -> Capacity:
    """How many trials a run makes at a time, and how long that takes.

    Args:
        quotas: of the account; None: it is made in this process, at the given concurrency.
        concurrency: that was asked for; the quotas bound it.
    """
    found = [past(agent, plan, stored, runs) for agent in plan.arms.values()]
    told = [trials.seconds for trials in found if trials and trials.seconds is not None]
    size = len(plan.case_ids), len(plan.arms_to_run), plan.looks, fmean(told) if told else None
    if quotas is None:
        return capacity.given(*size, concurrency or capacity.FEWEST)
    chosen = capacity.of_run(*size, quotas)
    if concurrency is None or concurrency >= chosen.concurrency:
        return chosen
    return capacity.given(*size, concurrency).model_copy(update={"target_s": quotas.target_s})


def cost_of(plan: RunPlan, capacity: Capacity, stored: Registry, runs: Artifacts) -> RunCost:
    """What a run costs if all its looks are taken; a capacity with a target is that of AWS."""
    found = {arm: past(agent, plan, stored, runs) for arm, agent in plan.arms.items()}
    return run_costs.estimate(plan, found, capacity.seconds, in_aws=capacity.target_s is not None)


def past(
    agent: AgentVersion, plan: RunPlan, stored: Registry, runs: Artifacts
) -> PastTrials | None:
    """What trials of a version took in its latest run of the same suite that still has them."""
    if agent.is_recorded:
        return None
    version = agent.manifest.version
    rows = (row for row in registry.list_runs(stored, agent.manifest.agent) if _is_of(row, version))
    for row, _ in zip(rows, range(RUNS), strict=False):
        earlier = evidence.find_plan(row.run_id, runs)
        if earlier is None or earlier.suite != plan.suite or earlier.drill is not None:
            continue
        arm = next((arm for arm, a in earlier.arms.items() if a.digest == agent.digest), None)
        cards = _cards(earlier, arm, runs) if arm else []
        if cards:
            return _summed(row.run_id, version, cards)
    return None


def _is_of(row: RunRow, version: str) -> bool:
    return version in (row.version, row.baseline)


def _cards(plan: RunPlan, arm: Arm, runs: Artifacts) -> list[ScoreCard]:
    keys = [key for key in plan.trial_keys(1) if key.arm == arm][:TRIALS]
    return list(evidence.find_scores(plan.run_id, keys, runs).values())


def _summed(run_id: str, version: str, cards: list[ScoreCard]) -> PastTrials:
    def mean(name: str) -> float | None:
        told = [getattr(card.efficiency, name) for card in cards]
        known = [value for value in told if value is not None]
        return fmean(known) if known else None

    return PastTrials(
        run_id=run_id,
        version=version,
        trials=len(cards),
        seconds=mean("latency_s"),
        input_tokens=mean("input_tokens"),
        output_tokens=mean("output_tokens"),
        cost_usd=mean("cost_usd"),
    )
