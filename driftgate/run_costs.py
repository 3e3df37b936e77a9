"""What a run costs, part by part: an estimate before it, the sum after it.

A part that nobody can know is None and says why. On a laptop only models are paid for.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from driftgate import evidence
from driftgate.costs import HOUR_S, PRICES
from driftgate.ports import Artifacts
from driftgate.schemas.costs import PartCost, RunCost
from driftgate.schemas.forecasts import PastTrials
from driftgate.schemas.manifests import AgentVersion, Costs
from driftgate.schemas.record import count
from driftgate.schemas.runs import Arm, RunPlan
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace

RUN_CASE_GB = 0.5  # of memory; held against the stack by a test
# States that are entered: by a run, by each look of it, and by each trial.
OF_RUN, OF_LOOK, OF_TRIAL = 6, 3, 4


class Sessions(NamedTuple):
    """The sessions of an arm: seconds of those that have ended, and how many have not."""

    number: int
    seconds: float
    open: int


def trial_usd(agent: AgentVersion, trace: Trace) -> float | None:
    """What a trial cost, as far as it is counted against a budget: its model's tokens at least."""
    tokens = _tokens_usd(
        agent.manifest.costs, trace.cost_usd, trace.usage.input_tokens, trace.usage.output_tokens
    )
    if tokens is None:
        return None
    memory, processors = _sessions_usd(agent.manifest.costs, trace.latency_s or 0)
    on_agentcore = agent.manifest.target.kind == "agentcore"
    return tokens + ((memory or 0) + (processors or 0) if on_agentcore else 0)


def actual(plan: RunPlan, runs: Artifacts, *, in_aws: bool) -> RunCost:
    """What a run cost, of all that was made for it, whichever look decided."""
    cards = list(evidence.load_scores(plan, len(plan.looks), runs).values())
    asked = [card for card in cards if card.arm in plan.arms_to_run]
    sessions = {arm: _of_arm(plan, arm, runs) for arm in plan.arms_to_run}
    tried = sum(one.number for one in sessions.values())
    parts = [_of_models(plan, asked, max(tried, len(asked)))]
    if plan.judge is not None:
        canaries = evidence.find_canaries(plan.run_id, runs)
        parts.append(_of_judge(cards, canaries.cost_usd if canaries else None))
    if in_aws:
        looks = len({_look(plan, card) for card in cards})
        objects = len(runs.keys(f"runs/{plan.run_id}/"))
        retried = max(0, tried - len(asked))
        parts += _of_sessions(plan, sessions)
        parts += _of_aws(len(cards), looks, retried, _seconds(sessions.values()), objects)
    return RunCost(run_id=plan.run_id, kind="actual", prices=PRICES.effective, parts=tuple(parts))


def estimate(
    plan: RunPlan, past: dict[Arm, PastTrials | None], seconds: float, *, in_aws: bool
) -> RunCost:
    """What a run costs if all its looks are taken.

    Args:
        past: what earlier trials of each arm took; None where there are none.
        seconds: that a trial is taken to last.
    """
    trials = len(plan.case_ids) * plan.looks[-1]
    parts = [_models_ahead(plan, past, trials)]
    if plan.judge is not None:
        free = plan.judge.spec.backend == "rubric"
        why = "asks no model" if free else "not known before it has answered"
        parts.append(PartCost(part="judge", usd=0 if free else None, basis=why))
    if in_aws:
        sessions = {arm: Sessions(trials, trials * seconds, 0) for arm in plan.arms_to_run}
        parts += _of_sessions(plan, sessions)
        number = trials * len(plan.arms)
        parts += _of_aws(number, len(plan.looks), 0, _seconds(sessions.values()), None)
    return RunCost(run_id=plan.run_id, kind="estimate", prices=PRICES.effective, parts=tuple(parts))


def _of_models(plan: RunPlan, cards: Sequence[ScoreCard], tried: int) -> PartCost:
    told = [usd for card in cards if (usd := _card_usd(plan, card)) is not None]
    if not told:
        return PartCost(part="model tokens", usd=None, basis="no trial tells its cost or tokens")
    basis = f"{len(told)} of {count(tried, 'attempt')} tell"
    if len(told) < tried:
        basis += "; what the others cost is missing"
    return PartCost(part="model tokens", usd=round(sum(told), 9), basis=basis)


def _card_usd(plan: RunPlan, card: ScoreCard) -> float | None:
    took = card.efficiency
    costs = {str(arm): agent.manifest.costs for arm, agent in plan.arms.items()}[card.arm]
    return _tokens_usd(costs, took.cost_usd, took.input_tokens, took.output_tokens)


def _models_ahead(plan: RunPlan, past: dict[Arm, PastTrials | None], trials: int) -> PartCost:
    """An arm of which nothing is known is taken to cost what the other one did."""
    each: dict[Arm, float] = {}
    for arm in plan.arms_to_run:
        took = past.get(arm)
        costs = plan.arms[arm].manifest.costs
        usd = (
            _tokens_usd(costs, took.cost_usd, took.input_tokens, took.output_tokens)
            if took
            else None
        )
        if usd is not None:
            each[arm] = usd
    if not each:
        return PartCost(part="model tokens", usd=None, basis="no earlier trial tells its cost")
    mean = sum(each.values()) / len(each)
    usd = sum(trials * each.get(arm, mean) for arm in plan.arms_to_run)
    known = ", ".join(f"{arm} {usd:.4f} USD a trial" for arm, usd in sorted(each.items()))
    return PartCost(part="model tokens", usd=round(usd, 9), basis=f"as before: {known}")


def _of_judge(cards: Sequence[ScoreCard], canaries_usd: float | None) -> PartCost:
    """What was answered in an earlier run costs nothing again."""
    took = [card.judging for card in cards if card.judging]
    costs = [0.0 if one.cached == one.answers else one.cost_usd for one in took] + [canaries_usd]
    known = [usd for usd in costs if usd is not None]
    if len(known) < len(costs):
        return PartCost(part="judge", usd=None, basis="of some answers the cost is not known")
    cached = sum(one.cached for one in took)
    basis = f"{count(len(took), 'trial')} and the known answers; {cached} were kept from before"
    return PartCost(part="judge", usd=round(sum(known), 9), basis=basis)


def _of_sessions(plan: RunPlan, sessions: dict[Arm, Sessions]) -> list[PartCost]:
    """Memory and processors of AgentCore Runtime, from when sessions opened until they ended."""
    number, seconds = sum(one.number for one in sessions.values()), _seconds(sessions.values())
    still_open = sum(one.open for one in sessions.values())
    basis = f"{seconds:.0f} s of {count(number, 'session')}"
    if still_open:
        basis += f"; {still_open} have not ended, whose seconds are missing"
    sums: list[float | None] = [0.0, 0.0]
    for arm, one in sessions.items():
        each = _sessions_usd(plan.arms[arm].manifest.costs, one.seconds)
        sums = [
            None if total is None or usd is None else total + usd
            for total, usd in zip(sums, each, strict=True)
        ]
    return [
        PartCost(
            part="session memory",
            usd=sums[0],
            basis=basis if sums[0] is not None else f"{basis}; costs.memory_gb is not stated",
        ),
        PartCost(
            part="session processors",
            usd=sums[1],
            basis=basis if sums[1] is not None else f"{basis}; costs.vcpus is not stated",
        ),
    ]


def _of_aws(
    trials: int, looks: int, retried: int, seconds: float, objects: int | None
) -> list[PartCost]:
    """What carries a run; all of it together is little beside a model."""
    states = OF_RUN + OF_LOOK * looks + OF_TRIAL * trials + retried
    puts = None if objects is None else objects * PRICES.object_put
    return [
        PartCost(
            part="step functions",
            usd=round(states * PRICES.transition, 9),
            basis=f"{count(states, 'state')} entered, without those that were throttled",
        ),
        PartCost(
            part="functions",
            usd=round(seconds * RUN_CASE_GB * PRICES.function_gb_s, 9),
            basis=f"RunCase, {seconds:.0f} s with {RUN_CASE_GB:g} GB; the seconds of the others, "
            "which wait for no agent, are missing",
        ),
        PartCost(
            part="storage",
            usd=puts,
            basis="how much is stored is not known before"
            if objects is None
            else f"{count(objects, 'object')} written; what their bytes cost is missing",
        ),
    ]


def _of_arm(plan: RunPlan, arm: Arm, runs: Artifacts) -> Sessions:
    found = evidence.session_times(plan.run_id, arm, runs)
    ended = [end - begin for begin, end in found if end is not None]
    return Sessions(len(found), sum(ended), len(found) - len(ended))


def _seconds(sessions: Iterable[Sessions]) -> float:
    return sum(one.seconds for one in sessions)


def _tokens_usd(
    costs: Costs, told: float | None, read: float | None, written: float | None
) -> float | None:
    """What the agent says it cost; else its tokens at the stated prices."""
    if told is not None:
        return told
    if read is None or written is None or costs.token_price is None:
        return None
    of_input, of_output = costs.token_price
    return (read * of_input + written * of_output) / 1_000_000


def _sessions_usd(costs: Costs, seconds: float) -> tuple[float | None, float | None]:
    hours = seconds / HOUR_S
    memory = None if costs.memory_gb is None else hours * costs.memory_gb * PRICES.runtime_gb_hour
    processors = None if costs.vcpus is None else hours * costs.vcpus * PRICES.runtime_vcpu_hour
    return memory, processors


def _look(plan: RunPlan, card: ScoreCard) -> int:
    return sum(card.trial > trials for trials in plan.looks)
