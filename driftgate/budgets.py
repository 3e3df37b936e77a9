"""The hard budget of a run: what its trials cost is counted, and over it no new one starts.

The row lies in the registry, as many workers count in it. A run that is started again with another
budget is held to that one: what was paid for is not made again.
"""

from collections.abc import Callable, Iterable

from driftgate import registry
from driftgate.errors import BadInput, BudgetSpent, Throttled
from driftgate.ports import Registry
from driftgate.schemas.costs import RunSpending
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.runs import RunPlan

NANO = 1_000_000_000
TRIES = 50  # to count while others do so too
UNTOLD = 20  # trials of which none tells its cost: then the budget can't be held


def allowed(plan: RunPlan, max_usd: float | None) -> float | None:
    """What a run may spend: the least of what the environment and its manifests say.

    Raises:
        BadInput: there is a budget, and what is spent can't be known.
    """
    agents = [plan.arms[arm] for arm in plan.arms_to_run]
    told = [agent.manifest.costs.max_run_usd for agent in plan.arms.values()]
    budgets = [usd for usd in (max_usd, *told) if usd is not None]
    if not budgets:
        return None
    _refuse_untold(agents, min(budgets))
    judge = plan.judge.spec if plan.judge else None
    if judge and judge.backend in ("converse", "evaluate") and judge.price is None:
        raise BadInput(f"a budget of {min(budgets):g} USD needs the judge's `price`, got none")
    return min(budgets)


def hold(run_id: str, max_usd: float | None, stored: Registry) -> None:
    """Hold a run to this budget from now on; None: to the one that it had, if it had one."""
    if max_usd is not None:
        limit = round(max_usd * NANO)
        _change(run_id, stored, lambda row: row.model_copy(update={"max_nano_usd": limit}))


def check(run_id: str, stored: Registry) -> None:
    """Raises BudgetSpent if no new trial may start. What runs already is let run to its end."""
    row = _find(run_id, stored)
    if row is None or row.max_nano_usd is None:
        return
    most = f"{row.max_nano_usd / NANO:.2f} USD"
    if row.untold >= UNTOLD and not row.told:
        raise BudgetSpent(
            f"none of {row.untold} trials told what it cost, so a budget of {most} can't be held"
        )
    if row.spent >= row.max_nano_usd:
        raise BudgetSpent(f"{row.spent / NANO:.4f} USD of the run's budget of {most} are spent")


def count_trial(run_id: str, what: str, usd: float | None, stored: Registry) -> None:
    """Count what a trial cost. One that does not tell counts as the dearest that did."""
    if _find(run_id, stored) is None:
        return
    if usd is None:
        _change(run_id, stored, lambda r: r.model_copy(update={"untold": r.untold + 1}), what)
        return
    nano = round(usd * NANO)
    _change(
        run_id,
        stored,
        lambda r: r.model_copy(
            update={
                "nano_usd": r.nano_usd + nano,
                "told": r.told + 1,
                "dearest": max(r.dearest, nano),
            }
        ),
        what,
    )


def count_judging(run_id: str, what: str, usd: float | None, stored: Registry) -> None:
    """Count what a judge cost; of one without a price nobody knows, and then there is no budget."""
    if not usd or _find(run_id, stored) is None:
        return
    nano = round(usd * NANO)
    _change(run_id, stored, lambda r: r.model_copy(update={"nano_usd": r.nano_usd + nano}), what)


def _refuse_untold(agents: Iterable[AgentVersion], usd: float) -> None:
    for agent in agents:
        reply, costs = agent.manifest.invocation.response, agent.manifest.costs
        tokens = reply.input_tokens and reply.output_tokens and costs.token_price
        if reply.cost_usd is None and not tokens:
            raise BadInput(
                f"{agent.label}: a budget of {usd:g} USD needs what a trial costs: "
                "invocation.response.cost_usd, or its input_tokens and output_tokens with "
                "costs.input_usd and costs.output_usd"
            )


def _find(run_id: str, stored: Registry) -> RunSpending | None:
    row = stored.row(_key(run_id))
    return registry.read_row(RunSpending, _key(run_id), row) if row else None


def _change(
    run_id: str,
    stored: Registry,
    change: Callable[[RunSpending], RunSpending],
    what: str = "budget",
) -> None:
    """The row says what was counted last, so that two who count the same write different rows."""
    key = _key(run_id)
    for _ in range(TRIES):
        before = stored.row(key)
        row = registry.read_row(RunSpending, key, before) if before else RunSpending(run_id=run_id)
        after = change(row).model_copy(update={"last": what})
        if stored.replace(key, after.model_dump(mode="json"), before):
            return
    raise Throttled(f"{key}: other writers were in the way {TRIES} times")


def _key(run_id: str) -> str:
    return f"spending/{run_id}"
