"""Models x cases x trials in this process: a run for each model, their trials interleaved.

Every trial goes through the same RunCase and ScoreCase as a gate's, so it has its retries, its
budget and its place in the ledger; no gate decides on it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from driftgate import canonical, in_process, offline
from driftgate.errors import BadInput
from driftgate.in_process import Ports
from driftgate.schemas.benchmark import BenchmarkRequest, BenchmarkResult
from driftgate.schemas.cases import Case
from driftgate.schemas.runs import PlanRunRequest, RunPlan, TrialKey

Part = tuple[PlanRunRequest, RunPlan]


def run(
    request: BenchmarkRequest,
    ports: Ports,
    *,
    rerun: bool,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> BenchmarkResult:
    """Make the trials that are not there yet. The same request takes up where it was left.

    Args:
        rerun: make a benchmark again that was begun. An agent that only has an address may have
            changed unseen, so its benchmarks always begin anew.

    Raises:
        BadInput: the manifest leaves no model open, or shares sessions, or what `run` refuses.
        InfrastructureFailed: an agent does not start with a model; nothing was written then.
    """
    if request.sessions == "reuse_lane":
        raise BadInput(
            "sessions: wanted stop_after_case or leave, got reuse_lane: each attempt's calls are "
            "told apart by its session"
        )
    benchmark_id, parts, cases = _parts(request, ports)
    while _has_begun(parts, ports) and (
        rerun or any(in_process.may_have_changed(plan) for _, plan in parts)
    ):
        request = request.model_copy(update={"repeat": request.repeat + 1})
        benchmark_id, parts, cases = _parts(request, ports)
    trials = sum(len(plan.case_ids) for _, plan in parts) * request.trials
    pending = list(_interleaved(parts, ports))
    if pending:
        _run_trials(parts, cases, pending, trials, ports, concurrency, progress)
    missing = sum(len(in_process.unfinished(plan, 1, ports)) for _, plan in parts)
    return BenchmarkResult(
        benchmark_id=benchmark_id,
        runs={plan.arms["candidate"].manifest.model: plan.run_id for _, plan in parts},
        trials=trials,
        made=len(pending) - missing,
        missing=missing,
    )


def _parts(
    request: BenchmarkRequest, ports: Ports
) -> tuple[str, tuple[Part, ...], tuple[Case, ...]]:
    """The runs, one for each model, and the benchmark that they are by their ids."""
    asked = [
        PlanRunRequest(
            agent=request.agent,
            version=request.version,
            absolute=True,
            environment=request.environment,
            dataset=request.dataset,
            case_ids=request.case_ids,
            looks=(request.trials,),
            seed=request.seed,
            repeat=request.repeat,
            sessions=request.sessions,
            max_usd=request.max_usd,
            model=model,
        )
        for model in request.models
    ]
    ids = sorted(in_process.planned(one, ports)[1].run_id for one in asked)
    benchmark_id = f"b-{canonical.sha256(canonical.dump(ids))[:20]}"
    parts: list[Part] = []
    cases: tuple[Case, ...] = ()
    for one in asked:
        named = one.model_copy(update={"benchmark": benchmark_id})
        whole, plan, cases = in_process.planned(named, ports)
        parts.append((whole, plan))
    return benchmark_id, tuple(parts), cases


def _has_begun(parts: Sequence[Part], ports: Ports) -> bool:
    return any(in_process.has_begun(plan, ports) for _, plan in parts)


def _interleaved(parts: Sequence[Part], ports: Ports) -> Iterator[tuple[RunPlan, TrialKey]]:
    """What is left to make, models side by side, each first by turns: none has the quiet hour."""
    left = {plan.run_id: set(in_process.unfinished(plan, 1, ports)) for _, plan in parts}
    plans = [plan for _, plan in parts]
    for number, key in enumerate(plans[0].trial_keys(1)):
        turn = number % len(plans)
        for plan in plans[turn:] + plans[:turn]:
            if key in left[plan.run_id]:
                yield plan, key


def _run_trials(
    parts: Sequence[Part],
    cases: Sequence[Case],
    pending: Sequence[tuple[RunPlan, TrialKey]],
    trials: int,
    ports: Ports,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> None:
    pool = ThreadPoolExecutor(concurrency)
    try:
        fresh = [plan for _, plan in parts if not in_process.has_begun(plan, ports)]
        checks = [
            pool.submit(in_process.check_agent, plan, "candidate", cases[0], ports)
            for plan in fresh
        ]
        for check in checks:
            check.result()
        for request, plan in parts:
            in_process.begin(plan, ports, concurrency)
            offline.plan_run(request, ports.registry, ports.runs)
        made = [pool.submit(in_process.run_trial, plan, key, ports) for plan, key in pending]
        before = trials - len(pending)
        for done, trial in enumerate(as_completed(made), start=before + 1):
            trial.result()
            progress(done, trials)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
