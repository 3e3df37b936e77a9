"""Trying the gate itself, night after night, told in order: one function per state.

choose_drill -> the offline evaluation, which is that of any run -> record_drill.
docs/decisions/0014 says what a try is.
"""

import json
from collections.abc import Collection
from contextlib import suppress

from driftgate import chains, drills, evidence, names, planning, registry
from driftgate.errors import BadInput, DriftgateError
from driftgate.ports import Artifacts, Clock, Registry
from driftgate.schemas.drills import (
    Budget,
    ChooseDrillRequest,
    ChooseDrillResult,
    DrillRow,
    Health,
    Measured,
    RecordDrillRequest,
    RecordDrillResult,
)
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.runs import Drill, PlanRunRequest

LEAST_CASES = 10  # that are worth a try: with fewer the gate can't find even what is plain
REASON = 500  # characters of why a run failed, which may hold a whole traceback


def choose_drill(
    request: ChooseDrillRequest,
    environment: str,
    budget: Budget,
    stored: Registry,
    records: Artifacts,
) -> ChooseDrillResult:
    """Of the agents with a baseline here, take the one that was not tried so for the longest time.

    One that its dataset or the budget does not let try is passed over, with the reason.

    Raises:
        BadInput: there are agents to try, and it can be done with none.
    """
    passed_over: list[str] = []
    for name in _waiting(request, environment, stored):
        try:
            agent = planning.current_baseline(name, environment, stored)
            if agent is None or agent.is_recorded:
                continue
            run = _run(request, agent, environment, budget, stored, records)
            plan, _ = planning.make_plan(run, stored)
        except DriftgateError as error:
            passed_over.append(f"{name}: {error}")
        else:
            return ChooseDrillResult(run=run, run_id=plan.run_id, passed_over=tuple(passed_over))
    if passed_over:
        raise BadInput(f"wanted an agent to try the gate with, got none: {'; '.join(passed_over)}")
    wanted = f"wanted {request.agent or 'an agent'} with a baseline in {environment}"
    return ChooseDrillResult(reason=f"{wanted} that can be run again; there is none")


def record_drill(
    request: RecordDrillRequest, environment: str, stored: Registry, runs: Artifacts, clock: Clock
) -> RecordDrillResult:
    """Enter what a try came to into the registry, and say how the gate stands now."""
    row = _row(request, environment, runs, clock)
    drills.record(row, stored)
    standing = {
        agent: drills.health(agent, environment, drills.recorded(agent, environment, stored))
        for agent in {row.agent, *registry.agents_with_baseline(environment, stored)}
    }
    measured = (_of_agent(row, standing[row.agent]), _of_all(row, standing.values()))
    return RecordDrillResult(row=row, measured=measured)


def _waiting(request: ChooseDrillRequest, environment: str, stored: Registry) -> list[str]:
    """The agents that may be tried, who waits longest first."""
    since: dict[str, str] = {}
    every = registry.agents_with_baseline(environment, stored)
    for agent in [request.agent] if request.agent else every:
        tries = drills.recorded(agent, environment, stored)
        since[agent] = next((row.finished_at for row in tries if row.kind == request.kind), "")
    return sorted(since, key=lambda agent: (since[agent], agent))


def _run(
    request: ChooseDrillRequest,
    agent: AgentVersion,
    environment: str,
    budget: Budget,
    stored: Registry,
    records: Artifacts,
) -> PlanRunRequest:
    """The run by which the gate is tried, on as many cases as the budget has room for."""
    name, pin = agent.manifest.agent, agent.manifest.datasets["regression"]
    tries = drills.recorded(name, environment, stored)
    cases = registry.load_cases(registry.load_dataset_row(pin, stored), stored)
    ids = tuple(case.case_id for case in cases)
    room = _room(budget, request.looks[-1], _trial_usd(name, environment, tries, stored, records))
    if room < min(LEAST_CASES, len(ids)):
        raise BadInput(
            f"wanted room for {min(LEAST_CASES, len(ids))} cases, the budget of {budget} has room "
            f"for {room}"
        )
    seed = drills.next_seed(request.kind, tries) if request.seed is None else request.seed
    number = min(room, len(ids), request.cases or len(ids))
    return PlanRunRequest(
        agent=name,
        version=agent.manifest.version,
        environment=environment,
        case_ids=None if number == len(ids) else drills.sample(ids, number, seed),
        looks=request.looks,
        seed=seed,
        drill=Drill(kind=request.kind, tool=request.tool),
    )


def _room(budget: Budget, trials: int, trial_usd: float | None) -> int:
    """How many cases can be run in both arms, should no look decide before the last."""
    room = budget.trials // (2 * trials)
    if trial_usd:
        room = min(room, int(budget.usd / (2 * trials * trial_usd)))
    return room


def _trial_usd(
    agent: str, environment: str, tries: list[DrillRow], stored: Registry, records: Artifacts
) -> float | None:
    """What a trial of the agent cost, by its latest try or else its latest run; None: not told."""
    told = [row.trial_usd for row in tries if row.trial_usd is not None]
    if told:
        return told[0]
    runs = (row for row in registry.list_runs(stored, agent) if row.environment == environment)
    last = next(runs, None)
    keys = chains.verdict_keys(f"verdicts/{agent}/{last.run_id}/", records) if last else []
    return drills.trial_usd(evidence.load_verdict(keys[-1], records)) if keys else None


def _row(request: RecordDrillRequest, environment: str, runs: Artifacts, clock: Clock) -> DrillRow:
    if request.verdict_key is not None:
        plan = evidence.load_plan(request.run_id, runs)
        verdict = evidence.load_verdict(request.verdict_key, runs)
        return drills.row_of(plan, verdict, environment, clock.now())
    assert request.run.drill is not None
    return DrillRow(
        agent=request.run.agent,
        environment=environment,
        kind=request.run.drill.kind,
        run_id=request.run_id,
        seed=request.run.seed,
        version=request.run.version,
        finished_at=clock.now(),
        broken="",
        cases=0,
        trials=0,
        outcome="FAILED",
        fell=(),
        counts=False,
        reason=_why(request.error, request.cause),
    )


def _why(error: str, cause: str) -> str:
    """Why an execution failed: in Step Functions' account of it is what its last state said."""
    with suppress(ValueError, TypeError, KeyError):  # told in other words, and these will do
        told = json.loads(cause)
        if "Cause" in told:
            error, cause = told["Error"], told["Cause"]
            told = json.loads(cause)
        cause = told["errorMessage"]
    return f"{error}: {cause}"[:REASON]


def _of_agent(row: DrillRow, health: Health) -> Measured:
    told: dict[str, float | None] = {
        names.FALSE_BLOCK_RATE: health.rate,
        names.FALSE_BLOCK_RATE_LOWER: health.lower,
        names.FALSE_BLOCK_RATE_UPPER: health.upper,
        names.FALSE_BLOCKS: health.false_blocks,
        names.AA_RUNS: health.aa_runs,
        names.SPENT_TRIALS: row.invocations,
        names.TRY_FAILED: row.outcome == "FAILED",
        names.DRILL_BLOCKED: None if row.kind == "aa" else row.passed,
    }
    return _measured(row.agent, told)


def _of_all(row: DrillRow, standing: Collection[Health]) -> Measured:
    """The worst of all agents: an alarm on it needs not know them."""
    told: dict[str, float | None] = {
        names.FALSE_BLOCK_RATE_LOWER: max(
            (one.lower for one in standing if one.lower is not None), default=None
        ),
        names.DRILLS_MISSED: sum(len(one.failed) for one in standing),
        names.TRY_ENDED: row.outcome != "FAILED",
    }
    return _measured(names.ALL_AGENTS, told)


def _measured(agent: str, told: dict[str, float | None]) -> Measured:
    """What is not known is left out: a zero would be an answer."""
    return Measured(
        agent=agent, values={name: float(v) for name, v in told.items() if v is not None}
    )
