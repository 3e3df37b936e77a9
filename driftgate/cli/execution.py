"""Where a run is made: in this process, or by the state machine of a deployed environment."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from driftgate import evidence, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import Drafts, Laptop
from driftgate.cli import console
from driftgate.schemas.record import count

# What only a run needs is imported by it: it takes half a second, and help should not wait.
if TYPE_CHECKING:
    from driftgate.adapters.deployment import Deployment
    from driftgate.in_process import Ports
    from driftgate.schemas.capacity import Capacity
    from driftgate.schemas.costs import RunCost
    from driftgate.schemas.drills import ChooseDrillRequest, DrillRow
    from driftgate.schemas.manifests import AgentVersion
    from driftgate.schemas.policies import Policy
    from driftgate.schemas.runs import PlanRunRequest, PublishRunResult, RunPlan, Verdict


class Ended(NamedTuple):
    verdict: "Verdict"  # as it is stored
    published: "PublishRunResult"  # with what the verdict does now
    made: bool  # whether it is new


Progress = Callable[[int, int], None]
PROGRESS_S = 5  # AWS lets an account ask about map runs once a second, over all who wait


def here(
    request: "PlanRunRequest",
    policy: "Policy",
    where: Laptop,
    drafts: Drafts,
    concurrency: int,
    *,
    rerun: bool = False,
) -> Ended:
    """Run in this process. It is new if any trial was made for it now."""
    from driftgate import in_process

    with ports(where, drafts) as (made_of, progress):
        ended = in_process.run(
            request, policy, made_of, rerun=rerun, concurrency=concurrency, progress=progress
        )
    return Ended(ended.verdict, ended.published, ended.made > 0)


def take_up(
    run_id: str, policy: "Policy", where: Laptop, drafts: Drafts, concurrency: int
) -> Ended:
    """Run what is left of a run of this process, with the drafts that were kept with it."""
    from driftgate import in_process

    drafts.take_up(run_id, where.runs)
    with ports(where, drafts) as (made_of, progress):
        ended = in_process.resume(
            run_id,
            policy,
            made_of,
            environment=where.environment,
            concurrency=concurrency,
            progress=progress,
        )
    return Ended(ended.verdict, ended.published, ended.made > 0)


@contextmanager
def ports(where: Laptop, drafts: Drafts) -> Iterator[tuple["Ports", Progress]]:
    """What a run in this process works with: its tools and agents end with it."""
    from driftgate.adapters.agent_servers import variables_sha256
    from driftgate.adapters.http_agents import HttpAgents
    from driftgate.adapters.judges import judge_of
    from driftgate.adapters.mcp_server import LocalTools
    from driftgate.in_process import Ports

    def code(version: "AgentVersion") -> bytes:
        return registry.load_code(version, drafts)

    def begins(run_id: str, capacity: "Capacity", cost: "RunCost") -> None:
        drafts.keep(run_id, where.runs)
        told = f": {capacity}" if capacity.measured else ""
        console.say(f"run {run_id}{told}")
        if cost.usd:
            console.say(f"it may cost {cost}")

    with (
        LocalTools() as tools,
        HttpAgents(tools.url, code, Path.cwd()) as agents,
        console.progress("evaluating") as progress,
    ):
        made = Ports(
            registry=drafts,
            runs=where.runs,
            records=where.records,
            ledger=where.ledger,
            runtime=agents,
            tools=tools,
            clock=SystemClock(),
            judge_of=judge_of,
            variables=variables_sha256,
            begins=begins,
        )
        try:
            yield made, progress
        finally:
            if tools.refused:
                console.say(
                    f"note: {count(tools.refused, 'tool request')} came without the session id of "
                    "an attempt and got no answer; see docs/agents.md, Its tools"
                )


def there(request: "PlanRunRequest", plan: "RunPlan", where: "Deployment") -> Ended:
    """Run a planned request in a state machine, or wait for the run if it runs there.

    Interrupting this stops it. It is new if the run was not finished before as it is now.
    """
    finished = registry.is_finished(plan.run_id, where.registry)
    before = registry.load_run(plan.run_id, where.registry) if finished else None
    _say_forecast(request, plan, where)
    execution = where.start(request, plan.run_id)
    console.say(f"execution {execution}")
    told, asked = (0, 0), -math.inf
    with console.progress("evaluating") as progress:
        try:
            while (result := where.result(execution)) is None:
                if time.monotonic() - asked >= PROGRESS_S:
                    asked, now = time.monotonic(), where.progress(execution)
                    if now != told:
                        progress(*now)
                    told = now
                time.sleep(0.5)
        except KeyboardInterrupt:
            where.stop(execution)
            raise
    verdict = evidence.load_verdict(result.verdict_key, where.records)
    same = registry.load_run(plan.run_id, where.registry) == before
    return Ended(verdict, result, bool(verdict.missing) or not same)


def _say_forecast(request: "PlanRunRequest", plan: "RunPlan", where: "Deployment") -> None:
    """What PlanRun will choose, by the same function."""
    from driftgate import forecasts

    capacity = forecasts.capacity_of(
        plan, where.quotas(), where.registry, where.runs, request.concurrency
    )
    console.say(f"run {plan.run_id}: {capacity}")
    console.say(f"it may cost {forecasts.cost_of(plan, capacity, where.registry, where.runs)}")
    if capacity.warning:
        console.say(f"warning: {capacity.warning}", bold="bold yellow")


def try_there(request: "ChooseDrillRequest", where: "Deployment") -> "DrillRow":
    """Try the gate of a deployed environment, within its budget. Interrupting this stops it."""
    execution = where.try_gate(request)
    console.say(f"execution {execution}")
    try:
        while (row := where.tried(execution)) is None:
            time.sleep(1)
    except KeyboardInterrupt:
        where.stop(execution)
        raise
    return row
