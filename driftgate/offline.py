"""The offline evaluation, told in order: one function per state.

plan_run -> take_lease -> preflight -> prove_judge -> for every trial (run_case -> score_case ->
judge_case) -> decide_gate, which may want more trials -> publish_run. The judge's states are left
out where there is nothing to judge.
States pass ids; what they work on lies in the run's artifacts. A state that is
entered twice finds its work done.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from driftgate import (
    budgets,
    canonical,
    chains,
    evidence,
    executions,
    forecasts,
    leases,
    overrides,
    planning,
    policies,
    prices,
    registry,
    run_costs,
)
from driftgate.announcements import announced
from driftgate.conversation import converse
from driftgate.datasets import count_by_tool
from driftgate.errors import (
    AgentUnavailable,
    BadInput,
    BudgetSpent,
    InfrastructureFailed,
    IntegrityFailed,
    JudgeUnavailable,
    Throttled,
    TraceMissing,
)
from driftgate.evidence import SessionMark, SessionPlace
from driftgate.ports import (
    Artifacts,
    Clock,
    Endpoints,
    Executions,
    Judge,
    Ledger,
    MockTools,
    Registry,
    Runtime,
)
from driftgate.schemas.capacity import Quotas
from driftgate.schemas.cases import Case
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.judgments import JudgePlan
from driftgate.schemas.manifests import AgentVersion, DatasetRef
from driftgate.schemas.policies import Effective
from driftgate.schemas.runs import (
    Arm,
    Attempt,
    DecideGateRequest,
    DecideGateResult,
    EndSessionsRequest,
    EndSessionsResult,
    Fault,
    JudgeCaseRequest,
    JudgeCaseResult,
    PlanRunRequest,
    PlanRunResult,
    PreflightRequest,
    PreflightResult,
    ProveJudgeRequest,
    ProveJudgeResult,
    PublishRunRequest,
    PublishRunResult,
    RunCaseRequest,
    RunCaseResult,
    RunPlan,
    RunRow,
    ScoreCaseRequest,
    ScoreCaseResult,
    TakeLeaseRequest,
    TakeLeaseResult,
    TrialKey,
)
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace, read_lines

PREFLIGHT_S = 300  # for each agent: a function has 900 for both
CANARIES_AT_A_TIME = 8
JudgeOf = Callable[[JudgePlan], Judge]


def plan_run(
    request: PlanRunRequest,
    stored: Registry,
    runs: Artifacts,
    endpoints: Endpoints | None = None,
    quotas: Quotas | None = None,
) -> PlanRunResult:
    """Resolve versions to digests, check that they fit together, and freeze all of it.

    Args:
        endpoints: None where no agent runs on AgentCore.
        quotas: of the account, by which the concurrency is chosen; None: as it was asked for.
    """
    plan, cases = planning.make_plan(request, stored)
    if endpoints is not None:
        plan = planning.with_live_versions(plan, endpoints)
    capacity = forecasts.capacity_of(plan, quotas, stored, runs, request.concurrency)
    plan = plan.model_copy(update={"capacity": capacity})
    max_usd = budgets.allowed(plan, request.max_usd)
    evidence.store_plan(plan, cases, runs)
    budgets.hold(plan.run_id, max_usd, stored)
    for arm, agent in plan.arms.items():
        if agent.is_recorded:
            _store_recording(plan, arm, agent, stored, runs)
    if plan.baseline_run is not None:
        _store_earlier(plan, plan.baseline_run, runs)
    return PlanRunResult(
        run_id=plan.run_id,
        look=1,
        judged=plan.judge is not None,
        concurrency=capacity.concurrency,
        warning=capacity.warning,
        trials_key=evidence.trials_key(plan.run_id, 1),
    )


def take_lease(
    request: TakeLeaseRequest, stored: Registry, executions: Executions, clock: Clock
) -> TakeLeaseResult:
    """Be the only execution that makes this run's trials. Raises LeaseHeld while another is."""
    taken = leases.take(request.run_id, request.execution, stored, executions, clock)
    return TakeLeaseResult(taken=taken)


def preflight(
    request: PreflightRequest,
    runs: Artifacts,
    runtime: Runtime,
    tools: MockTools,
    clock: Clock,
    new_id: Callable[[], str],
) -> PreflightResult:
    """Before the first trial, say one turn to each agent: hundreds of calls should not be in vain.

    What a killed one left open is ended first.

    Raises:
        InfrastructureFailed: an agent can't be reached, or does not keep its manifest's contract.
    """
    plan = evidence.load_plan(request.run_id, runs)
    if evidence.has_traces(plan.run_id, "candidate", runs):
        return PreflightResult(asked=0)
    case = evidence.load_case(plan.run_id, plan.case_ids[0], runs)
    for arm in plan.arms_to_run:
        end_abandoned(plan, arm, runs, runtime, clock)
        session_id = preflight_session(plan, new_id)
        opened = Attempt(session_id=session_id, at=clock.now())
        evidence.mark_session(plan.run_id, arm, "opened", opened, runs)
        try:
            check_agent(plan, arm, case, session_id, runtime, tools)
        finally:
            _end(plan, arm, session_id, runs, runtime, clock)
    return PreflightResult(asked=len(plan.arms_to_run))


def prove_judge(
    request: ProveJudgeRequest, runs: Artifacts, stored: Registry, judge_of: JudgeOf
) -> ProveJudgeResult:
    """Before the first trial, ask the judge what is known: whom a bad answer can talk round says
    nothing about others. What it answered is decided on with the scores.

    Raises:
        Throttled, JudgeUnavailable: it gives no answer to one of them.
    """
    from driftgate import judging  # with the prompts, which only who plans and judges has need of

    plan = evidence.load_plan(request.run_id, runs)
    if plan.judge is None or evidence.find_canaries(plan.run_id, runs) is not None:
        return ProveJudgeResult(asked=0, missed=0)
    ask = partial(judging.ask_canary, plan, judge=judge_of(plan.judge), runs=runs, stored=stored)
    pool = ThreadPoolExecutor(CANARIES_AT_A_TIME)
    try:
        report = judging.report(plan, list(pool.map(ask, judging.canaries())))
    finally:
        pool.shutdown(cancel_futures=True)
    evidence.store_canaries(plan.run_id, report, runs)
    budgets.count_judging(plan.run_id, "canaries", report.cost_usd, stored)
    return ProveJudgeResult(asked=len(report.answers), missed=len(report.missed))


def run_case(
    request: RunCaseRequest,
    runs: Artifacts,
    stored: Registry,
    runtime: Runtime,
    tools: MockTools,
    clock: Clock,
    new_id: Callable[[], str],
) -> RunCaseResult:
    """Make one attempt at one trial: a conversation in a session of its own, kept as a trace.

    What a killed attempt left open is ended first, even if its trace was stored. An attempt that is
    not dead, only given up, is told so: its next turn would open its session anew, for an agent
    that has forgotten the turns before.

    Raises:
        InfrastructureFailed: the attempt left no trace, only a fault; another one may succeed.
        BudgetSpent: the run has none left for a new trial.
    """
    plan = evidence.load_plan(request.run_id, runs)
    end_abandoned(plan, request, runs, runtime, clock)
    trace = evidence.find_trace(request.run_id, request, runs)
    if trace is not None:
        return RunCaseResult(session_id=trace.session_id, stored=False)
    case = evidence.load_case(request.run_id, request.case_id, runs)
    session_id = f"{request.run_id}-{request.arm}-{new_id()}"
    try:
        budgets.check(request.run_id, stored)
        trace = _attempt(plan, request, case, session_id, runs, runtime, tools, clock)
    except InfrastructureFailed as error:
        fault = Fault(session_id=session_id, error=type(error).__name__, message=str(error))
        evidence.store_fault(request.run_id, request, fault, runs)
        if not isinstance(error, BudgetSpent | TraceMissing):  # which asked no agent
            budgets.count_trial(request.run_id, session_id, None, stored)
        raise
    is_first = evidence.store_trace(request.run_id, request, trace, runs)
    if is_first:
        usd = run_costs.trial_usd(plan.arms[request.arm], trace)
        budgets.count_trial(request.run_id, session_id, usd, stored)
    return RunCaseResult(session_id=session_id, stored=is_first)


def end_sessions(
    request: EndSessionsRequest, runs: Artifacts, runtime: Runtime, clock: Clock
) -> EndSessionsResult:
    """End what the attempts at a trial left open that nobody will try again.

    Raises:
        Throttled: some could not be ended now.
    """
    plan = evidence.load_plan(request.run_id, runs)
    ended, still_open = end_abandoned(plan, request, runs, runtime, clock)
    if still_open:
        raise Throttled(f"{still_open} of {ended + still_open} sessions could not be ended")
    return EndSessionsResult(ended=ended)


def score_case(
    request: ScoreCaseRequest, runs: Artifacts, ledger: Ledger, clock: Clock
) -> ScoreCaseResult:
    """Apply every metric to one stored trace, and enter the trial into the ledger.

    The row comes first: where there are scores, there is one. Raises TraceMissing when there is no
    trace.
    """
    from driftgate.metrics import METRICS, score_all  # with all that reads texts
    from driftgate.metrics.efficiency import efficiency

    plan = evidence.load_plan(request.run_id, runs)
    case = evidence.load_case(request.run_id, request.case_id, runs)
    trace = evidence.load_trace(request.run_id, request, runs)
    prompts = tuple(plan.arms[request.arm].prompts.values())
    card = ScoreCard(
        case_id=request.case_id,
        arm=request.arm,
        trial=request.trial,
        scores=score_all(case, trace, prompts),
        metric_versions={name: metric.version for name, metric in METRICS.items()},
        efficiency=efficiency(case, trace),
        ending=trace.ending,
    )
    if request.arm in plan.arms_to_count:
        at = evidence.opened_at(plan.run_id, request, trace.session_id, runs) or clock.now()
        place = evidence.trace_key(plan.run_id, request)
        row = executions.of_trial(
            plan, request, case, trace, card.scores, at, place, prices.shipped()
        )
        ledger.put_once(row)
    evidence.store_scores(request.run_id, request, card, runs)
    scored = sum(score.scored for score in card.scores.values())
    return ScoreCaseResult(scored=scored, unscored=len(card.scores) - scored)


def judge_case(
    request: JudgeCaseRequest,
    runs: Artifacts,
    stored: Registry,
    judge_of: JudgeOf,
    new_id: Callable[[], str],
) -> JudgeCaseResult:
    """Let the judge answer a case's questions about one stored trace, as often as is planned.

    Raises:
        Throttled, JudgeUnavailable: the judge did not answer; another attempt may succeed.
        TraceMissing: there is nothing to judge.
    """
    from driftgate import judging

    plan = evidence.load_plan(request.run_id, runs)
    if plan.judge is None or not plan.is_judged(request):
        return JudgeCaseResult(judgments=0, faults=0, cached=0)
    if evidence.is_judged(plan.run_id, request, runs):
        return JudgeCaseResult(judgments=0, faults=0, cached=0)
    case = evidence.load_case(plan.run_id, request.case_id, runs)
    trace = evidence.load_trace(plan.run_id, request, runs)
    try:
        found = judging.judge_trial(plan, request, case, trace, judge_of(plan.judge), runs, stored)
    except (Throttled, JudgeUnavailable) as error:
        fault = Fault(session_id=new_id(), error=type(error).__name__, message=str(error))
        evidence.store_judge_fault(plan.run_id, request, fault, runs)
        raise
    evidence.store_judgments(plan.run_id, request, found, runs)
    spent = [one.cost_usd or 0 for one in found.judgments] if not found.cached else []
    budgets.count_judging(plan.run_id, f"judge {new_id()}", sum(spent), stored)
    return JudgeCaseResult(
        judgments=len(found.judgments), faults=len(found.faults), cached=found.cached
    )


def decide_gate(
    request: DecideGateRequest,
    stored: Registry,
    runs: Artifacts,
    endpoints: Endpoints | None = None,
) -> DecideGateResult:
    """Count what is there against the plan, and decide on it, or ask for the next look's trials."""
    from driftgate import gate  # with the metrics

    plan = evidence.load_plan(request.run_id, runs)
    cases = evidence.load_cases(plan, runs)
    cards = evidence.load_scores(plan, request.look, runs)
    lost = [key for key in plan.trial_keys(request.look) if key not in cards]
    faults = evidence.load_faults(plan.run_id, lost, runs)
    missing = [gate.missing_trial(key, faults[key]) for key in lost]
    policy = policies.tightened(request.policy, plan.arms["candidate"].manifest)
    moved = planning.moved(plan, cases, stored) or planning.repointed(plan, endpoints)
    counted = cases if moved or not plan.is_partial else planning.all_cases(plan, stored)
    bundle = Bundle(
        plan=plan,
        policy=policy,
        look=request.look,
        by_tool=count_by_tool(counted),
        moved=moved,
        cases=tuple(cases),
        cards=tuple(cards.values()),
        missing=tuple(missing),
        canaries=evidence.find_canaries(plan.run_id, runs),
    )
    verdict = gate.replay(bundle)
    if verdict is None:
        return DecideGateResult(
            run_id=plan.run_id,
            look=request.look + 1,
            outcome="CONTINUE",
            concurrency=request.concurrency,
            trials_key=evidence.trials_key(plan.run_id, request.look + 1),
        )
    try:
        key = evidence.store_verdict(verdict, gate.decided_on(verdict, bundle), runs)
    except IntegrityFailed as error:
        if moved is None:
            raise
        raise IntegrityFailed(f"{moved}; the run was decided on before that") from error
    return DecideGateResult(
        run_id=plan.run_id,
        look=request.look,
        outcome=verdict.outcome,
        verdict_key=key,
        reason=verdict.reason,
    )


def publish_run(
    request: PublishRunRequest,
    stored: Registry,
    runs: Artifacts,
    records: Artifacts,
    clock: Clock,
) -> PublishRunResult:
    """Keep the verdict, its bundle and what it cost for good, link it to the agent's previous one,
    use an override if there is one, and enter the run into the registry. Twice is as good as once.
    """
    verdict = evidence.load_verdict(request.verdict_key, runs)
    candidate, baseline = verdict.arms["candidate"], verdict.arms.get("baseline")
    kept = request.verdict_key.replace("runs/", f"verdicts/{candidate.agent}/", 1)
    bundle = evidence.load_bundle_bytes(request.verdict_key, runs)
    evidence.put_bundle(kept, bundle, records)  # first: no verdict is met without it
    evidence.put_same(kept, evidence.to_bytes(verdict), records)
    plan = evidence.find_plan(verdict.run_id, runs)
    if plan is not None:  # runs expire before their verdicts
        cost = run_costs.actual(plan, runs, in_aws=request.execution.startswith("arn:"))
        evidence.keep_cost(kept, cost, records)
    chains.append(verdict, kept, canonical.sha256(bundle), stored, records, clock)
    used, refused = overrides.use(
        verdict, kept, request.environment, request.execution, stored, records, clock
    )
    effective: Effective = "OVERRIDDEN" if used else verdict.effective
    row = RunRow(
        run_id=verdict.run_id,
        finished_at=clock.now(),
        environment=request.environment,
        agent=candidate.agent,
        version=candidate.version,
        digest=candidate.digest,
        baseline=baseline.version if baseline else None,
        suite=verdict.suite,
        dataset=str(verdict.dataset),
        cases=verdict.cases,
        of_cases=verdict.dataset.count,
        outcome=verdict.outcome,
        effective=effective,
        override_id=used.override.override_id if used else None,
    )
    registry.record_run(row, stored)
    whole = not verdict.missing and row.cases == row.of_cases
    if verdict.dataset.published and whole and verdict.outcome != "INTEGRITY_FAIL":
        dataset = DatasetRef(name=verdict.dataset.name, version=verdict.dataset.version)
        registry.record_validation(dataset, row, stored)
    return PublishRunResult(
        verdict_key=kept,
        effective=effective,
        override=used,
        refused=refused,
        events=announced(verdict, row, kept, used),
    )


def check_agent(
    plan: RunPlan,
    arm: Arm,
    case: Case,
    session_id: str,
    runtime: Runtime,
    tools: MockTools,
) -> None:
    """Say a case's first turn to an arm's agent. Raises InfrastructureFailed as preflight does.

    Whoever asks ends the session.
    """
    agent = plan.arms[arm]
    tools.register(session_id, agent, case)
    session = runtime.open(agent, session_id, seed=0)
    try:
        limit_s = min(agent.manifest.limits.case_s, PREFLIGHT_S)
        session.say(case.turns[0].user, timeout_s=limit_s)
    except TimeoutError:
        pass  # too slow for a limit is a matter for the scores
    except InfrastructureFailed as error:
        tools.calls(session_id, after=0)  # a broken mock may be what upset the agent
        raise type(error)(f"{arm} {agent.label}, case {case.case_id}: {error}") from error


def preflight_session(plan: RunPlan, new_id: Callable[[], str]) -> str:
    return f"{plan.run_id}-preflight-{new_id()}"


def end_abandoned(
    plan: RunPlan, place: SessionPlace, runs: Artifacts, runtime: Runtime, clock: Clock
) -> tuple[int, int]:
    """End the open sessions of a trial or a preflight: how many were, and how many could not be.

    Their attempts are told first that they are no evidence any more, should they still live.
    """
    ended = still_open = 0
    for session_id in evidence.open_sessions(plan.run_id, place, runs):
        superseded = Attempt(session_id=session_id, at=clock.now())
        evidence.mark_session(plan.run_id, place, "superseded", superseded, runs)
        done = end_session(plan, place, session_id, runs, runtime, clock)
        ended, still_open = ended + done, still_open + (not done)
    return ended, still_open


def _attempt(
    plan: RunPlan,
    key: TrialKey,
    case: Case,
    session_id: str,
    runs: Artifacts,
    runtime: Runtime,
    tools: MockTools,
    clock: Clock,
) -> Trace:
    agent = plan.arms[key.arm]
    if agent.is_recorded:
        raise TraceMissing(
            f"the recording of {agent.label} has no trial {key.trial} of {key.case_id}"
        )
    tools.register(session_id, agent, case)  # before the agent can call
    opened = Attempt(session_id=session_id, at=clock.now())
    evidence.mark_session(plan.run_id, key, "opened", opened, runs)
    session = runtime.open(agent, session_id, seed=trial_seed(plan, key))
    try:
        trace = converse(session, session_id, agent, case, key.trial, tools, clock)
        if evidence.is_superseded(plan.run_id, key, session_id, runs):
            raise AgentUnavailable("another attempt ended this one's session")
        return trace
    finally:
        _end(plan, key, session_id, runs, runtime, clock)


def _end(
    plan: RunPlan,
    place: SessionPlace,
    session_id: str,
    runs: Artifacts,
    runtime: Runtime,
    clock: Clock,
) -> None:
    """Do with an attempt's session, once it is over, what the plan's policy says."""
    if plan.sessions == "leave":
        left = Attempt(session_id=session_id, at=clock.now())
        evidence.mark_session(plan.run_id, place, "left", left, runs)
    else:
        end_session(plan, place, session_id, runs, runtime, clock)


def end_session(
    plan: RunPlan,
    place: SessionPlace,
    session_id: str,
    runs: Artifacts,
    runtime: Runtime,
    clock: Clock,
) -> bool:
    """End a session; False if that fails: then it stays known as open, for the next who tries."""
    arm = place.arm if isinstance(place, TrialKey) else place
    try:
        runtime.end(plan.arms[arm], session_id)
        mark: SessionMark = "ended"
    except InfrastructureFailed:
        mark = "unended"
    told = Attempt(session_id=session_id, at=clock.now())
    evidence.mark_session(plan.run_id, place, mark, told, runs)
    return mark == "ended"


def trial_seed(plan: RunPlan, key: TrialKey) -> int:
    """A seed for the agent's own noise: per arm, case and trial, the same for every attempt."""
    text = f"{plan.seed}|{key.arm}|{key.case_id}|{key.trial}"
    return int(canonical.sha256(text.encode())[:12], 16)


def _store_recording(
    plan: RunPlan, arm: Arm, agent: AgentVersion, stored: Registry, runs: Artifacts
) -> None:
    """A recorded arm has its traces from the start; those of other cases or trials are left out."""
    wanted = {(key.case_id, key.trial) for key in plan.trial_keys(len(plan.looks))}
    traces: dict[TrialKey, Trace] = {}
    for trace in read_lines(registry.load_code(agent, stored)):
        if (trace.case_id, trace.trial) in wanted:
            traces[TrialKey(arm=arm, trial=trace.trial, case_id=trace.case_id)] = trace
    evidence.store_traces(plan.run_id, traces, runs)


def _store_earlier(plan: RunPlan, run_id: str, runs: Artifacts) -> None:
    """The baseline has the traces of an earlier run from the start, so it is not run again."""
    earlier = evidence.load_plan(run_id, runs)
    arm = planning.arm_of(plan, earlier)
    if arm is None:
        raise BadInput(f"run {run_id} has no trials that could stand for this baseline's")
    keys = [key for key in plan.trial_keys(len(plan.looks)) if key.arm == "baseline"]
    theirs = {key: key.model_copy(update={"arm": arm}) for key in keys}
    traces = evidence.load_traces(run_id, list(theirs.values()), runs)
    evidence.store_traces(plan.run_id, {key: traces[their] for key, their in theirs.items()}, runs)
