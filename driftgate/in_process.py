"""The offline flow in this process: the states of the state machine on a pool of threads."""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from driftgate import evidence, forecasts, offline, planning, policies
from driftgate.errors import (
    BadInput,
    BudgetSpent,
    InfrastructureFailed,
    JudgeUnavailable,
    Throttled,
    TraceMissing,
)
from driftgate.ports import Artifacts, Clock, Ledger, MockTools, Registry, Runtime
from driftgate.schemas.capacity import Capacity
from driftgate.schemas.cases import Case
from driftgate.schemas.costs import RunCost
from driftgate.schemas.manifests import AgentVersion, HttpTarget
from driftgate.schemas.policies import Policy
from driftgate.schemas.runs import (
    Arm,
    DecideGateRequest,
    JudgeCaseRequest,
    PlanRunRequest,
    ProveJudgeRequest,
    PublishRunRequest,
    PublishRunResult,
    RunCaseRequest,
    RunPlan,
    ScoreCaseRequest,
    TrialKey,
    Verdict,
)

ATTEMPTS = 3  # at a trial whose infrastructure fails, each time the run is started
JUDGE_ATTEMPTS = 5  # at its judgment, which waits where a model is busy


class Ended(NamedTuple):
    verdict: Verdict  # as it is stored
    published: PublishRunResult  # with what the verdict does now
    made: int  # trials that were made for it now; none, if all had been before


@dataclass(frozen=True)
class Ports:
    registry: Registry
    runs: Artifacts
    records: Artifacts
    ledger: Ledger
    runtime: Runtime
    tools: MockTools
    clock: Clock
    judge_of: offline.JudgeOf
    variables: Callable[[Iterable[AgentVersion]], str | None]  # see PlanRunRequest.variables
    begins: Callable[[str, Capacity, RunCost], None]  # told of a run before its trials are made


def run(
    request: PlanRunRequest,
    policy: Policy,
    ports: Ports,
    *,
    rerun: bool,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Ended:
    """Run what is not done yet, decide, publish. The same request takes up where it was left.

    A finished run is decided again, which costs little: so its stored verdict is held to its
    scores, and one that was decided and then not published is.

    Args:
        policy: the environment's thresholds.
        rerun: make a finished run again. An agent that only has an address may have changed
            unseen, so its runs always begin anew, interrupted ones too.
        progress: told how many trials are done, and of how many.

    Raises:
        DriftgateError: before anything is written: bad input, or an agent that does not start or
            does not keep its manifest's contract. IntegrityFailed: stored evidence was changed.
    """
    request, plan, cases = planned(request, ports)
    policies.tightened(policy, plan.arms["candidate"].manifest)  # a looser one is refused now
    while (rerun and _is_finished(plan, policy, ports)) or (
        may_have_changed(plan) and has_begun(plan, ports)
    ):
        request = request.model_copy(update={"repeat": request.repeat + 1})
        plan, cases = planning.make_plan(request, ports.registry)
    return _complete(request, plan, cases, policy, ports, concurrency, progress)


def resume(
    run_id: str,
    policy: Policy,
    ports: Ports,
    *,
    environment: str,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Ended:
    """Take up a run as it was planned. Arguments and result are those of `run`.

    Raises:
        BadInput: there is no such run, or what a trial depends on is not what it was.
    """
    before = evidence.load_plan(run_id, ports.runs)
    request, plan, cases = planned(planning.request_again(before, environment), ports)
    planning.refuse_other(before, plan)
    if may_have_changed(plan):
        raise BadInput(
            f"run {run_id} can't be taken up: an agent that only has an address may have changed "
            "unseen; start it anew"
        )
    policies.tightened(policy, plan.arms["candidate"].manifest)
    return _complete(request, plan, cases, policy, ports, concurrency, progress)


def planned(
    request: PlanRunRequest, ports: Ports
) -> tuple[PlanRunRequest, RunPlan, tuple[Case, ...]]:
    """The plan, with the values of its manifests' variables as a part of what the run is."""
    plan, _ = planning.make_plan(request, ports.registry)
    variables = ports.variables(plan.arms[arm] for arm in sorted(plan.arms))
    request = request.model_copy(update={"variables": variables})
    return request, *planning.make_plan(request, ports.registry)


def _complete(
    request: PlanRunRequest,
    plan: RunPlan,
    cases: Sequence[Case],
    policy: Policy,
    ports: Ports,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Ended:
    """Look after look, until there is a verdict, and publish it."""
    made, look, verdict_key = 0, 1, None
    while verdict_key is None:
        if pending := unfinished(plan, look, ports):
            _run_trials(request, plan, cases, look, pending, ports, concurrency, progress)
            made += len(pending)
        verdict_key, look = _decide(plan, look, policy, ports)
    published = offline.publish_run(
        PublishRunRequest(
            verdict_key=verdict_key,
            environment=request.environment,
            execution=f"command-{_id()}",
        ),
        ports.registry,
        ports.runs,
        ports.records,
        ports.clock,
    )
    return Ended(evidence.load_verdict(verdict_key, ports.runs), published, made)


def _decide(plan: RunPlan, look: int, policy: Policy, ports: Ports) -> tuple[str | None, int]:
    """The key of the verdict, or none and the look that is to come."""
    request = DecideGateRequest(run_id=plan.run_id, look=look, policy=policy)
    decided = offline.decide_gate(request, ports.registry, ports.runs)
    return decided.verdict_key, decided.look


def _is_finished(plan: RunPlan, policy: Policy, ports: Ports) -> bool:
    """Whether the trials that have a score are all that a verdict needs."""
    look = 1
    while not unfinished(plan, look, ports):
        verdict_key, look = _decide(plan, look, policy, ports)
        if verdict_key is not None:
            return True
    return False


def unfinished(plan: RunPlan, look: int, ports: Ports) -> list[TrialKey]:
    """The trials up to a look that have no score yet, or no judgment though they should."""
    run_id = plan.run_id
    scored, judged = (set(ports.runs.keys(f"runs/{run_id}/{k}/")) for k in ("scores", "judgments"))
    return [
        key
        for key in plan.trial_keys(look)
        if evidence.scores_key(run_id, key) not in scored
        or (plan.is_judged(key) and evidence.judgments_key(run_id, key) not in judged)
    ]


def has_begun(plan: RunPlan, ports: Ports) -> bool:
    return bool(ports.runs.keys(f"runs/{plan.run_id}/"))


def may_have_changed(plan: RunPlan) -> bool:
    targets = [agent.manifest.target for agent in plan.arms.values()]
    return any(isinstance(target, HttpTarget) and target.url is not None for target in targets)


def _run_trials(
    request: PlanRunRequest,
    plan: RunPlan,
    cases: Sequence[Case],
    look: int,
    pending: Sequence[TrialKey],
    ports: Ports,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> None:
    """PlanRun and the map over the trials, after a preflight if the run has not begun yet."""
    total = sum(1 for _ in plan.trial_keys(look))
    pool = ThreadPoolExecutor(concurrency)
    try:
        if not has_begun(plan, ports):
            checks = [
                pool.submit(check_agent, plan, arm, cases[0], ports) for arm in plan.arms_to_run
            ]
            for check in checks:
                check.result()
        begin(plan, ports, concurrency)
        request = request.model_copy(update={"concurrency": concurrency})
        offline.plan_run(request, ports.registry, ports.runs)
        _prove_judge(plan, ports)
        trials = [pool.submit(run_trial, plan, key, ports) for key in pending]
        before = total - len(pending)
        for done, trial in enumerate(as_completed(trials), start=before + 1):
            trial.result()
            progress(done, total)
    finally:  # nobody waits for replies that are not wanted any more
        pool.shutdown(wait=False, cancel_futures=True)


def begin(plan: RunPlan, ports: Ports, concurrency: int) -> None:
    """Tell what a run will take, before its trials are made."""
    capacity = forecasts.capacity_of(plan, None, ports.registry, ports.runs, concurrency)
    cost = forecasts.cost_of(plan, capacity, ports.registry, ports.runs)
    ports.begins(plan.run_id, capacity, cost)


def check_agent(plan: RunPlan, arm: Arm, case: Case, ports: Ports) -> None:
    """Preflight, but nothing is written: a run whose agent does not start has not begun."""
    session_id = offline.preflight_session(plan, _id)
    try:
        offline.check_agent(plan, arm, case, session_id, ports.runtime, ports.tools)
    finally:
        ports.runtime.end(plan.arms[arm], session_id)


def run_trial(plan: RunPlan, key: TrialKey, ports: Ports) -> None:
    """RunCase with its retries, then ScoreCase and JudgeCase.

    A trial that leaves no trace stays missing, one that is not judged has its other scores.
    """
    run_case = RunCaseRequest(run_id=plan.run_id, **key.model_dump())
    for attempt in range(ATTEMPTS):
        try:
            offline.run_case(
                run_case, ports.runs, ports.registry, ports.runtime, ports.tools, ports.clock, _id
            )
            break
        except (TraceMissing, BudgetSpent):
            return  # a recording that lacks the trial, or a budget, will lack it again
        except InfrastructureFailed:
            if attempt == ATTEMPTS - 1:
                return
            time.sleep(0.2 * 2**attempt)
    score_case = ScoreCaseRequest(run_id=plan.run_id, **key.model_dump())
    offline.score_case(score_case, ports.runs, ports.ledger, ports.clock)
    if plan.is_judged(key):
        with suppress(InfrastructureFailed):
            _patiently(partial(_judge_trial, plan, key, ports))


def _prove_judge(plan: RunPlan, ports: Ports) -> None:
    """ProveJudge with its retries. Without an answer there is no run."""
    request = ProveJudgeRequest(run_id=plan.run_id)
    _patiently(lambda: offline.prove_judge(request, ports.runs, ports.registry, ports.judge_of))


def _judge_trial(plan: RunPlan, key: TrialKey, ports: Ports) -> None:
    request = JudgeCaseRequest(run_id=plan.run_id, **key.model_dump())
    offline.judge_case(request, ports.runs, ports.registry, ports.judge_of, _id)


def _patiently(ask: Callable[[], object]) -> None:
    """Ask a judge again that does not answer now. Raises what the last attempt did."""
    for attempt in range(JUDGE_ATTEMPTS):
        try:
            ask()
            return
        except (Throttled, JudgeUnavailable):
            if attempt == JUDGE_ATTEMPTS - 1:
                raise
            time.sleep(0.2 * 2**attempt)


def _id() -> str:
    return uuid.uuid4().hex
