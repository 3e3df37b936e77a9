"""Planning a run: versions resolved to digests, checked against each other, and frozen."""

from collections.abc import Iterable, Sequence

from driftgate import __version__, canonical, evidence, registry
from driftgate.errors import (
    AgentUnavailable,
    BadInput,
    CaseUnfit,
    InfrastructureFailed,
    IntegrityFailed,
)
from driftgate.ports import Artifacts, Endpoints, Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import DatasetVersion
from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.manifests import AgentCoreTarget, AgentVersion, DatasetRef
from driftgate.schemas.runs import (
    Arm,
    Drill,
    PinnedDataset,
    PlannedDrill,
    PlanRunRequest,
    RunPlan,
)


def make_plan(request: PlanRunRequest, stored: Registry) -> tuple[RunPlan, tuple[Case, ...]]:
    """Work out the plan without writing anything.

    Raises:
        BadInput: versions that are not published, no baseline where there should be one, cases that
            no arm's tools can satisfy, case ids that the dataset does not have, or recordings of
            different harnesses.
        IntegrityFailed: a stored dataset or agent version is not what its hash says, or a mock of a
            published dataset does not keep the tool contract of an arm.
    """
    from driftgate import judging  # with the prompts, which only who plans and judges has need of

    candidate = registry.load_agent(request.agent, request.version, stored)
    if request.model is not None:
        candidate = with_model(candidate, request.model)
    arms: dict[Arm, AgentVersion] = {"candidate": candidate}
    baseline = candidate if request.drill else _baseline(request, stored)
    if baseline is not None:
        arms["baseline"] = baseline
        _refuse_other_harness(candidate, baseline)
    pin = request.dataset or registry.pinned(candidate, request.suite)
    row = registry.load_dataset_row(pin, stored)
    cases = _chosen(registry.load_cases(row, stored), request.case_ids, str(pin))
    if request.suite == "adversarial":
        _refuse_ordinary(cases, str(pin))
    drill = None
    _refuse_lanes(request, arms.values())
    if request.drill:
        arms["candidate"], drill = _drilled(request.drill, candidate, cases, request.seed)
    live = [agent for agent in arms.values() if not agent.is_recorded]
    if live:
        _refuse_unfit(cases, live, row)
    looks = request.looks if "baseline" in arms else request.looks[:1]
    judge = None
    if request.model is None:  # the ledger has no judgments, so a benchmark pays for none
        judge = judging.plan_judge(request.judge or JudgeSpec(), cases)
    content = {
        "suite": request.suite,
        "harness": harness(),
        "dataset": [str(pin), row.sha256, not row.draft],
        "environment": request.environment,
        "case_ids": [case.case_id for case in cases],
        "arms": {arm: agent.digest for arm, agent in arms.items()},
        "looks": looks,
        "seed": request.seed,
        "repeat": request.repeat,
        "baseline_run": request.baseline_run,
        "variables": request.variables,
        "judge": None if judge is None else judge.model_dump(mode="json"),
        "sessions": request.sessions,
        "drill": None if drill is None else drill.model_dump(),
    }
    if request.model is not None:
        content["benchmark"] = request.benchmark  # no other run is it, though of the same version
    plan = RunPlan(
        run_id=f"r-{canonical.sha256(canonical.dump(content))[:20]}",
        suite=request.suite,
        harness=harness(),
        dataset=PinnedDataset(
            name=row.name,
            version=row.version,
            sha256=row.sha256,
            published=not row.draft,
            count=row.count,
        ),
        case_ids=tuple(case.case_id for case in cases),
        arms=arms,
        looks=looks,
        seed=request.seed,
        repeat=request.repeat,
        baseline_run=request.baseline_run if baseline else None,
        drill=drill,
        judge=judge,
        sessions=request.sessions,
        **({"benchmark": request.benchmark} if request.benchmark else {}),
    )
    return plan, cases


def with_model(agent: AgentVersion, model: str) -> AgentVersion:
    """The same version with another model: equal code, tools, prompts and data.

    Raises:
        BadInput: nothing in the manifest says {{model}}, so every model would be the same agent.
    """
    target = agent.manifest.target
    said = agent.manifest.invocation.model_dump_json() + target.model_dump_json()
    if "{{model}}" not in said:
        raise BadInput(
            f"{agent.label}: wanted {{{{model}}}} in its target's command or environment, or in "
            "invocation.request, so that another model can be named; it is in none of them"
        )
    manifest = agent.manifest.model_copy(update={"model": model})
    return registry.seal_agent(manifest, agent.contracts, agent.prompts, agent.code_sha256)


def _refuse_lanes(request: PlanRunRequest, agents: Iterable[AgentVersion]) -> None:
    if request.sessions != "reuse_lane":
        return
    for agent in agents:
        if agent.manifest.sessions != "stateless":
            raise BadInput(
                f"{agent.label}: sessions: wanted stateless in its manifest to reuse a session for "
                f"several cases, got {agent.manifest.sessions}"
            )
    raise BadInput(
        "sessions: wanted stop_after_case or leave, got reuse_lane: trials that share a session "
        "are not independent, so no gate can decide on them; lanes are for benchmarks"
    )


def _drilled(
    drill: Drill, baseline: AgentVersion, cases: Sequence[Case], seed: int
) -> tuple[AgentVersion, PlannedDrill]:
    from driftgate import drills  # which only a drill has need of

    if baseline.is_recorded:
        raise BadInput(f"{baseline.label} is a recording, which can't be run again")
    return drills.candidate(drill, baseline, cases, seed)


def _refuse_ordinary(cases: Sequence[Case], dataset: str) -> None:
    ordinary = next((case.case_id for case in cases if case.adversarial is None), None)
    if ordinary is not None:
        raise BadInput(
            f"suite adversarial: wanted adversarial cases alone, case {ordinary} of dataset "
            f"{dataset} has no `adversarial` part"
        )


def _refuse_unfit(
    cases: Sequence[Case], agents: Sequence[AgentVersion], row: DatasetVersion
) -> None:
    from driftgate import mocks  # with the mock tools' engine, which only who plans has need of

    for case in cases:
        for misfit in mocks.misfits(case, agents):
            unfit = CaseUnfit(f"{row.name}@{row.version}", case.case_id, str(misfit))
            if misfit.planned and not row.draft:
                raise IntegrityFailed(f"{unfit}; the mock lags behind its tool's contract")
            raise unfit


def request_again(plan: RunPlan, environment: str) -> PlanRunRequest:
    """The request that leads to a plan once more, from the versions that it resolved to.

    Raises:
        BadInput: it is a part of a benchmark, which is taken up as a whole.
    """
    if plan.benchmark_id:
        raise BadInput(
            f"run {plan.run_id} is a part of benchmark {plan.benchmark_id}: the same `driftgate "
            "benchmark run` takes it up"
        )
    candidate, baseline = plan.arms["candidate"].manifest, plan.arms.get("baseline")
    drill = Drill(kind=plan.drill.kind, tool=plan.drill.tool) if plan.drill else None
    return PlanRunRequest(
        agent=candidate.agent,
        version=candidate.version,
        baseline=baseline.manifest.version if baseline and not drill else None,
        absolute=baseline is None,
        environment=environment,
        suite=plan.suite,
        dataset=DatasetRef(name=plan.dataset.name, version=plan.dataset.version),
        case_ids=plan.case_ids,
        looks=plan.looks,
        seed=plan.seed,
        repeat=plan.repeat,
        baseline_run=plan.baseline_run,
        drill=drill,
        judge=plan.judge.spec if plan.judge else JudgeSpec(),
        sessions=plan.sessions,
    )


def with_stored_baseline(
    request: PlanRunRequest, stored: Registry, runs: Artifacts
) -> PlanRunRequest:
    """The request with the latest run whose trials of the same baseline can stand for new ones.

    Its looks are those for which that run has trials enough.

    Raises:
        BadInput: there is no baseline, or no finished run of it on these cases with this harness.
    """
    plan, _ = make_plan(request, stored)
    if "baseline" not in plan.arms:
        raise BadInput("wanted a baseline whose trials are stored, there is none to compare with")
    for row in registry.list_runs(stored, plan.arms["baseline"].manifest.agent):
        earlier = evidence.find_plan(row.run_id, runs)
        arm = arm_of(plan, earlier) if earlier else None
        if earlier is None or arm is None:
            continue
        trials = evidence.whole_trials(earlier, arm, plan.case_ids, runs)
        looks = tuple(look for look in request.looks if look <= trials)
        if looks:
            return request.model_copy(update={"baseline_run": row.run_id, "looks": looks})
    raise BadInput(
        f"there is no run of {plan.arms['baseline'].label} on these cases of {plan.dataset} whose "
        "trials could stand for new ones; without --stored-baseline it is run again"
    )


def arm_of(plan: RunPlan, earlier: RunPlan) -> Arm | None:
    """The arm of an earlier run that the plan's baseline was, if their scores are comparable."""
    if earlier.drill is not None:  # what tries the gate is evidence of nothing else
        return None
    if earlier.harness != plan.harness or earlier.dataset.sha256 != plan.dataset.sha256:
        return None  # of another suite it may be: a card has every metric
    if earlier.baseline_run is not None:  # a copy of a copy only grows older
        earlier = earlier.model_copy(update={"arms": {"candidate": earlier.arms["candidate"]}})
    digest = plan.arms["baseline"].digest
    return next((arm for arm, agent in earlier.arms.items() if agent.digest == digest), None)


def refuse_other(before: RunPlan, now: RunPlan) -> None:
    """Raises BadInput if a plan that was made again is another run, with what is known of why."""
    if now.run_id == before.run_id:
        return
    why = "a ${VARIABLE} of its agents' manifests has another value, or its environment is another"
    if now.harness != before.harness:
        why = f"it was planned with {before.harness}, this is {now.harness}"
    elif changed := [arm for arm in now.arms if now.arms[arm].digest != before.arms[arm].digest]:
        why = f"the {changed[0]}'s stored version is another one"
    elif now.dataset != before.dataset:
        why = f"its dataset was {before.dataset} and is now {now.dataset}"
    raise BadInput(f"run {before.run_id} can't be taken up: {why}")


def _baseline(request: PlanRunRequest, stored: Registry) -> AgentVersion | None:
    """The named version, or the one its environment points to; None for a first release."""
    if request.baseline:
        return registry.load_agent(request.agent, request.baseline, stored)
    if request.absolute:
        return None
    return current_baseline(request.agent, request.environment, stored)


def current_baseline(agent: str, environment: str, stored: Registry) -> AgentVersion | None:
    """The version that an environment points to, if it does.

    Raises:
        IntegrityFailed: it is not any more what it was when it became the baseline.
    """
    pointer = registry.baseline(agent, environment, stored)
    if pointer is None:
        return None
    found = registry.load_agent(agent, pointer.version, stored)
    if found.digest != pointer.digest:
        raise IntegrityFailed(
            f"{found.label} became the baseline with digest {pointer.digest}, "
            f"what is stored has {found.digest}"
        )
    return found


def _refuse_other_harness(candidate: AgentVersion, baseline: AgentVersion) -> None:
    """Raise BadInput for arms of different harnesses: another one moves scores by itself."""
    if candidate.harness != baseline.harness:
        mine, other = (arm.harness or "none that is told" for arm in (candidate, baseline))
        raise BadInput(
            f"wanted both arms of the same harness, got {mine} for {candidate.label} "
            f"and {other} for {baseline.label}"
        )


def harness() -> str:
    """The versions that make scores comparable: Driftgate's and every metric's."""
    from driftgate.metrics import JUDGED, JUDGED_VERSION, METRICS  # which most have no need of

    versions = {
        **{name: metric.version for name, metric in METRICS.items()},
        JUDGED: JUDGED_VERSION,
    }
    told = ",".join(f"{name}={version}" for name, version in sorted(versions.items()))
    return f"driftgate={__version__},{told}"


def moved(plan: RunPlan, cases: Sequence[Case], stored: Registry) -> str | None:
    """What is no longer as the plan froze it, in a sentence; None when all stands."""
    try:
        for arm, agent in sorted(plan.arms.items()):
            now = arm_now(plan, arm, cases, stored).digest
            if now != agent.digest:
                return f"{arm} {agent.label} had digest {agent.digest} at the start, now {now}"
        ref = DatasetRef(name=plan.dataset.name, version=plan.dataset.version)
        row = registry.load_dataset_row(ref, stored)
        if row.sha256 != plan.dataset.sha256:
            return f"dataset {ref} had sha256 {plan.dataset.sha256} at the start, now {row.sha256}"
        held = {case.case_id: case for case in registry.load_cases(row, stored)}
        if any(held.get(case.case_id) != case for case in cases):
            return f"the run's copy of a case is not what dataset {ref} holds"
    except (BadInput, IntegrityFailed) as error:  # also if a drill can't be made of it any more
        return str(error)
    return None


def with_live_versions(plan: RunPlan, endpoints: Endpoints) -> RunPlan:
    """The plan with what the endpoints of its arms serve now, which they must to the end.

    Raises:
        BadInput: an arm's endpoint does not exist.
        AgentUnavailable: it is not ready.
    """
    versions: dict[Arm, str] = {}
    for arm in plan.arms_to_run:
        agent = plan.arms[arm]
        target = agent.manifest.target
        if not isinstance(target, AgentCoreTarget):
            continue
        what = f"{agent.label}: target: endpoint {target.qualifier} of {target.runtime_arn}"
        found = endpoints.endpoint(target.runtime_arn, target.qualifier)
        if found is None:
            raise BadInput(f"{what} does not exist")
        if found.status != "READY" or found.live_version is None:
            raise AgentUnavailable(f"{what}: wanted it READY, it is {found.status}")
        versions[arm] = found.live_version
    return plan.model_copy(update={"live_versions": versions}) if versions else plan


def repointed(plan: RunPlan, endpoints: Endpoints | None) -> str | None:
    """Which arm's endpoint serves another version than at the start, in a sentence; None: none."""
    frozen = plan.live_versions if isinstance(plan.live_versions, dict) else {}
    for arm, version in sorted(frozen.items()):
        agent = plan.arms[arm]
        target = agent.manifest.target
        assert isinstance(target, AgentCoreTarget)
        if endpoints is None:
            raise InfrastructureFailed(f"{agent.label}: nobody here can look at {target.qualifier}")
        found = endpoints.endpoint(target.runtime_arn, target.qualifier)
        now = "it is gone" if found is None else f"version {found.live_version}"
        if now != f"version {version}":
            return (
                f"{arm} {agent.label}: endpoint {target.qualifier} of {target.runtime_arn} served "
                f"version {version} at the start, now {now}"
            )
    return None


def arm_now(plan: RunPlan, arm: Arm, cases: Sequence[Case], stored: Registry) -> AgentVersion:
    """A plan's arm as the registry has it now; the candidate of a drill is made of it again."""
    manifest = plan.arms[arm].manifest
    found = registry.load_agent(manifest.agent, manifest.version, stored)
    if arm == "candidate" and plan.drill is not None:
        found, _ = _drilled(plan.drill, found, cases, plan.seed)
    return found


def all_cases(plan: RunPlan, stored: Registry) -> tuple[Case, ...]:
    """Every case of the plan's dataset, also those that a partial run leaves out."""
    ref = DatasetRef(name=plan.dataset.name, version=plan.dataset.version)
    return registry.load_cases(registry.load_dataset_row(ref, stored), stored)


def _chosen(
    cases: tuple[Case, ...], wanted: tuple[str, ...] | None, dataset: str
) -> tuple[Case, ...]:
    if wanted is None:
        return cases
    unknown = sorted(set(wanted) - {case.case_id for case in cases})
    if unknown:
        raise BadInput(f"dataset {dataset} has no case {unknown[0]!r}")
    return tuple(case for case in cases if case.case_id in set(wanted))
