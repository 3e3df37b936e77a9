"""The offline flow in this process: the states of the state machine on a pool of threads."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from driftgate import evidence, offline, planning
from driftgate.errors import InfrastructureFailed, TraceMissing
from driftgate.ports import Artifacts, Clock, MockTools, Registry, Runtime
from driftgate.schemas.runs import (
    DecideGateRequest,
    PlanRunRequest,
    PublishRunRequest,
    RunCaseRequest,
    RunPlan,
    ScoreCaseRequest,
    TrialKey,
    Verdict,
)

ATTEMPTS = 3  # at a trial whose infrastructure fails, each time the run is started


@dataclass(frozen=True)
class Ports:
    registry: Registry
    runs: Artifacts
    records: Artifacts
    runtime: Runtime
    tools: MockTools
    clock: Clock


def run(
    request: PlanRunRequest,
    ports: Ports,
    *,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Verdict:
    """Run what is not done yet, decide, publish. The same request takes up where it was left.

    Args:
        progress: told how many trials are done, and of how many.

    Returns:
        The verdict; the stored one, at once, if the run was completed before.

    Raises:
        DriftgateError: before anything is written: bad input, or an agent that does not start or
            does not keep its manifest's contract.
    """
    plan, cases = planning.make_plan(request, ports.registry)
    stored = evidence.find_verdict(plan.run_id, ports.runs)
    if stored is not None and not stored.missing:
        return stored
    with ThreadPoolExecutor(concurrency) as pool:
        try:
            if not ports.runs.keys(f"runs/{plan.run_id}/traces/"):
                checks = [
                    pool.submit(
                        offline.preflight, plan, arm, cases[0], ports.runtime, ports.tools, _id
                    )
                    for arm in plan.arms
                ]
                for check in checks:
                    check.result()
            offline.plan_run(request, ports.registry, ports.runs)
            keys = list(plan.trial_keys())
            trials = [pool.submit(_run_trial, plan, key, ports) for key in keys]
            for done, trial in enumerate(as_completed(trials), start=1):
                trial.result()
                progress(done, len(keys))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    offline.decide_gate(DecideGateRequest(run_id=plan.run_id), ports.registry, ports.runs)
    offline.publish_run(
        PublishRunRequest(run_id=plan.run_id),
        ports.registry,
        ports.runs,
        ports.records,
        ports.clock,
    )
    verdict = evidence.find_verdict(plan.run_id, ports.runs)
    assert verdict is not None
    return verdict


def _run_trial(plan: RunPlan, key: TrialKey, ports: Ports) -> None:
    """RunCase with its retries, then ScoreCase. A trial that leaves no trace stays missing."""
    run_case = RunCaseRequest(run_id=plan.run_id, **key.model_dump())
    for attempt in range(ATTEMPTS):
        try:
            offline.run_case(run_case, ports.runs, ports.runtime, ports.tools, ports.clock, _id)
            break
        except TraceMissing:
            return  # a recording that lacks the trial will lack it again
        except InfrastructureFailed:
            if attempt == ATTEMPTS - 1:
                return
            time.sleep(0.2 * 2**attempt)
    offline.score_case(ScoreCaseRequest(run_id=plan.run_id, **key.model_dump()), ports.runs)


def _id() -> str:
    return uuid.uuid4().hex
