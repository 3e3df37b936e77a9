"""Attacking what is in production, on a schedule: list_baselines -> an offline evaluation of each.

A release is attacked before it goes out; but models are updated behind their names, and attacks
are added to datasets. So each baseline meets the adversarial suite anew, held to its floors.
"""

from datetime import datetime

from driftgate import planning, registry
from driftgate.errors import DriftgateError
from driftgate.ports import Clock, Registry
from driftgate.schemas.attack_baselines import ListBaselinesRequest, ListBaselinesResult
from driftgate.schemas.runs import PlanRunRequest


def list_baselines(
    request: ListBaselinesRequest, environment: str, stored: Registry, clock: Clock
) -> ListBaselinesResult:
    """A run for each baseline that pins an adversarial dataset; the day is its seed.

    With the seed of another day it is another run, or the stored verdict would be the answer.
    """
    day = datetime.fromisoformat(clock.now()).date().toordinal()
    runs: list[PlanRunRequest] = []
    passed_over: list[str] = []
    for name in registry.agents_with_baseline(environment, stored):
        try:
            agent = planning.current_baseline(name, environment, stored)
        except DriftgateError as error:
            passed_over.append(f"{name}: {error}")
            continue
        assert agent is not None
        if agent.is_recorded or "adversarial" not in agent.manifest.datasets:
            passed_over.append(f"{name}: a recording, or its manifest pins no adversarial dataset")
            continue
        runs.append(
            PlanRunRequest(
                agent=name,
                version=agent.manifest.version,
                absolute=True,
                environment=environment,
                suite="adversarial",
                seed=day,
            )
        )
    return ListBaselinesResult(runs=tuple(runs), passed_over=tuple(passed_over))
