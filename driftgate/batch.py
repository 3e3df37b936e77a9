"""A batch evaluation, told in order: one function per state.

plan -> find_telemetry, which waits for what agents write late -> start_batch -> poll_batch, until
every job has ended -> read_batch -> record_batch.
AgentCore's evaluators score sessions that took place; we say of which case each was, and read
their scores back. What lies under batches/{batch_id}/ is written once, so a state that is entered
twice finds its work done.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from driftgate import canonical, ground_truth
from driftgate.errors import (
    BadInput,
    BatchRunning,
    DriftgateError,
    IntegrityFailed,
    TelemetryMissing,
    Throttled,
)
from driftgate.ports import Artifacts, BatchEvaluations, Clock, Registry, Telemetry
from driftgate.schemas.batches import (
    ENDED,
    BatchPlan,
    BatchReport,
    BatchRow,
    DatasetRunSource,
    EvaluationResult,
    EvaluatorMean,
    FindTelemetryRequest,
    FindTelemetryResult,
    Job,
    JobRequest,
    JobStatus,
    LogsSource,
    PlannedSession,
    PollBatchRequest,
    PollBatchResult,
    ReadBatchRequest,
    ReadBatchResult,
    RecordBatchRequest,
    RecordBatchResult,
    ScoredSession,
    Source,
    StartBatchRequest,
    StartBatchResult,
    StartedJob,
)
from driftgate.schemas.cases import Case
from driftgate.schemas.record import count, explain
from driftgate.schemas.scores import Score

T = TypeVar("T")
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
NAMED = 5  # sessions that a message names
WORST: tuple[JobStatus, ...] = (
    *("PENDING", "IN_PROGRESS", "STOPPING", "DELETING"),
    *("FAILED", "STOPPED", "COMPLETED_WITH_ERRORS", "COMPLETED"),
)


def read_source(given: Mapping[str, Any]) -> Source:
    """Where sessions are, as a record. Raises BadInput, and says what is wrong with it."""
    try:
        return _SOURCE.validate_python(given)
    except ValidationError as error:
        raise BadInput(explain(error)) from error


def make_plan(
    name: str,
    evaluators: Sequence[str],
    source: Source,
    sessions: Mapping[str, str | None],
    cases: Iterable[Case],
    tool_prefix: str = "",
    results_group: str | None = None,
) -> BatchPlan:
    """Join sessions to what their cases expect, and freeze all of it.

    Args:
        sessions: session id -> the id of its case, if that is known.
        cases: those that sessions name, or more.

    Raises:
        BadInput: a session names a case that is not given, or what the service can't take.
    """
    by_id = {case.case_id: case for case in cases}
    unknown = sorted({c for c in sessions.values() if c is not None and c not in by_id})
    if unknown and by_id:
        raise BadInput(f"sessions: the dataset has no case {', '.join(unknown[:NAMED])}")
    used = {c: by_id[c] for c in sessions.values() if c is not None and c in by_id}
    try:
        planned = tuple(
            PlannedSession(
                session_id=session_id,
                case_id=case_id,
                truth=ground_truth.of_case(used[case_id], tool_prefix) if case_id in used else None,
            )
            for session_id, case_id in sorted(sessions.items())
        )
        plan = BatchPlan(
            batch_id="b-" + "0" * 20,
            name=name,
            evaluators=tuple(evaluators),
            source=source,
            sessions=planned,
            left_out=tuple(ground_truth.left_out(used[case_id]) for case_id in sorted(used)),
            results_group=results_group,
        )
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    if len(plan.parts) > 1 and not isinstance(source, LogsSource):
        raise BadInput(
            f"sessions: wanted at most {len(plan.parts[0])} for this source, which can't be split, "
            f"got {len(plan.sessions)}"
        )
    if isinstance(source, DatasetRunSource) and plan.sessions:
        raise BadInput("sessions: the service makes its own when it runs a dataset, got some")
    content = canonical.dump(plan.model_dump(mode="json", exclude={"batch_id"}))
    return plan.model_copy(update={"batch_id": f"b-{canonical.sha256(content)[:20]}"})


def store_plan(plan: BatchPlan, runs: Artifacts) -> None:
    """Keep a plan; the same again is no change."""
    data = canonical.dump(plan.model_dump(mode="json"))
    runs.put_once(f"batches/{plan.batch_id}/plan.json", data)


def load_plan(batch_id: str, runs: Artifacts) -> BatchPlan:
    key = f"batches/{batch_id}/plan.json"
    data = runs.get(key)
    if data is None:
        raise BadInput(f"there is no batch {batch_id}")
    try:
        return BatchPlan.model_validate_json(data)
    except ValidationError as error:
        raise IntegrityFailed(f"{key} is damaged: {explain(error)}") from error


def find_telemetry(
    request: FindTelemetryRequest, runs: Artifacts, telemetry: Telemetry
) -> FindTelemetryResult:
    """See that every session is in every log group: the service would pass over the others.

    Raises:
        TelemetryMissing: some are not there yet.
    """
    plan = load_plan(request.batch_id, runs)
    if not isinstance(plan.source, LogsSource) or not plan.sessions:
        return FindTelemetryResult(found=0)
    wanted = [session.session_id for session in plan.sessions]
    lacking = []
    for group in plan.source.log_groups:
        seen = telemetry.seen(group, wanted, plan.source.time_range)
        missing = [session_id for session_id in wanted if session_id not in seen]
        if missing:
            named = ", ".join(missing[:NAMED]) + (" …" if len(missing) > NAMED else "")
            lacking.append(f"{group} lacks {len(missing)} of {len(wanted)} sessions: {named}")
    if lacking:
        raise TelemetryMissing("; ".join(lacking))
    return FindTelemetryResult(found=len(wanted))


def start_batch(
    request: StartBatchRequest, runs: Artifacts, service: BatchEvaluations
) -> StartBatchResult:
    """Start the batch's jobs, as many as the service takes now; polling starts the rest.

    Raises:
        Throttled: it takes none, and none was started before.
    """
    plan = load_plan(request.batch_id, runs)
    jobs = jobs_of(plan, runs)
    for part, sessions in enumerate(plan.parts):
        if part in jobs:
            continue
        try:
            jobs[part] = service.start(_job_request(plan, part, sessions)).job_id
        except Throttled:
            if not jobs:
                raise
            break
        started = StartedJob(part=part, job_id=jobs[part])
        runs.put_once(_job_key(plan, part), canonical.dump(started.model_dump(mode="json")))
    return StartBatchResult(jobs=len(jobs), of_jobs=len(plan.parts))


def poll_batch(
    request: PollBatchRequest, runs: Artifacts, service: BatchEvaluations
) -> PollBatchResult:
    """Look whether all jobs have ended. Raises BatchRunning if not."""
    plan = load_plan(request.batch_id, runs)
    if not jobs_of(plan, runs):  # who starts it may still wait for telemetry
        raise BatchRunning(f"batch {plan.batch_id}: no job was started yet")
    start_batch(StartBatchRequest(batch_id=plan.batch_id), runs, service)
    found = [service.get(job_id) for job_id in jobs_of(plan, runs).values()]
    ended = [job for job in found if job.status in ENDED]
    if len(ended) < len(plan.parts):
        at = ", ".join(f"{job.job_id} is {job.status}" for job in found if job not in ended)
        raise BatchRunning(
            f"batch {plan.batch_id}: {len(ended)} of {count(len(plan.parts), 'job')} ended"
            + (f"; {at}" if at else "")
        )
    return PollBatchResult(outcome=_worst(found))


def read_batch(
    request: ReadBatchRequest, runs: Artifacts, service: BatchEvaluations, clock: Clock
) -> ReadBatchResult:
    """Read what the evaluators wrote, join it to our cases, and keep it as a report."""
    plan = load_plan(request.batch_id, runs)
    jobs = {part: service.get(job_id) for part, job_id in jobs_of(plan, runs).items()}
    sessions = [
        scored
        for part, job in jobs.items()
        for scored in _scored(plan, plan.parts[part], job, service.results(job))
    ]
    means = tuple(_mean(evaluator, sessions) for evaluator in plan.evaluators)
    report = BatchReport(
        batch_id=plan.batch_id,
        name=plan.name,
        environment=request.environment,
        finished_at=clock.now(),
        outcome=_worst(list(jobs.values())),
        jobs=tuple(jobs.values()),
        evaluators=means,
        sessions=tuple(sessions),
        left_out=ground_truth.counted(plan.left_out),
        notes=tuple(_notes(plan, list(jobs.values()), means)),
    )
    data = canonical.dump(report.model_dump(mode="json"))
    key = f"batches/{plan.batch_id}/reports/{canonical.sha256(data)[:16]}.json"
    runs.put_once(key, data)
    return ReadBatchResult(
        batch_id=plan.batch_id,
        outcome=report.outcome,
        report_key=key,
        scored=sum(mean.scored for mean in means),
        unscored=sum(mean.unscored for mean in means),
    )


def record_batch(
    request: RecordBatchRequest, runs: Artifacts, stored: Registry
) -> RecordBatchResult:
    """Enter a batch that was read into the registry; what was read last is what stands there."""
    report = load_report(request.report_key, runs)
    row = BatchRow(
        batch_id=report.batch_id,
        name=report.name,
        environment=report.environment,
        finished_at=report.finished_at,
        outcome=report.outcome,
        sessions=len(report.sessions),
        scored=sum(mean.scored for mean in report.evaluators),
        unscored=sum(mean.unscored for mean in report.evaluators),
        report_key=request.report_key,
    )
    key = f"batch/{row.batch_id}"
    content = row.model_dump(mode="json")
    while not stored.replace(key, content, stored.row(key)):
        pass  # somebody else recorded it since it was looked at
    return RecordBatchResult(**row.model_dump(include=set(RecordBatchResult.model_fields)))


def wait(
    look: Callable[[], T],
    waits_for: type[DriftgateError],
    clock: Clock,
    sleep: Callable[[float], None],
    *,
    every_s: float,
    limit_s: float,
    told: Callable[[str], None],
) -> T:
    """Look again and again, until it no longer raises what is waited for; say each time why not.

    Raises:
        DriftgateError: the last one that was waited for, after `limit_s`.
    """
    end = clock.monotonic() + limit_s
    while True:
        try:
            return look()
        except (waits_for, Throttled) as error:
            left = end - clock.monotonic()
            if left <= 0:
                raise type(error)(f"{error}; waited {limit_s:g} s") from error
            told(str(error))
            sleep(min(every_s, left))


def load_report(key: str, runs: Artifacts) -> BatchReport:
    data = runs.get(key)
    if data is None:
        raise BadInput(f"there is no report {key}")
    try:
        return BatchReport.model_validate_json(data)
    except ValidationError as error:
        raise IntegrityFailed(f"{key} is damaged: {explain(error)}") from error


def missing(report: BatchReport) -> Iterator[tuple[ScoredSession, str, Score]]:
    """Every score that there is not, with its reason."""
    for session in report.sessions:
        for evaluator, score in session.scores.items():
            if not score.scored:
                yield session, evaluator, score


def jobs_of(plan: BatchPlan, runs: Artifacts) -> dict[int, str]:
    """Part -> the job it was started as, of the parts that were."""
    found = runs.get_all(_job_key(plan, part) for part in range(len(plan.parts)))
    started = [StartedJob.model_validate_json(data) for data in found.values()]
    return {job.part: job.job_id for job in sorted(started, key=lambda job: job.part)}


def _job_key(plan: BatchPlan, part: int) -> str:
    return f"batches/{plan.batch_id}/jobs/{part}.json"


def _job_request(plan: BatchPlan, part: int, sessions: tuple[PlannedSession, ...]) -> JobRequest:
    suffix = f"_{part + 1}" if len(plan.parts) > 1 else ""
    return JobRequest(
        name=plan.name[: 48 - len(suffix)] + suffix,
        evaluators=plan.evaluators,
        source=plan.source,
        sessions=sessions,
        client_token=canonical.sha256(f"{plan.batch_id}|{part}".encode()),
        results_group=plan.results_group,
    )


def _worst(jobs: Sequence[Job]) -> JobStatus:
    return min((job.status for job in jobs), key=WORST.index)


def _scored(
    plan: BatchPlan,
    planned: Sequence[PlannedSession],
    job: Job,
    results: Iterable[EvaluationResult],
) -> Iterable[ScoredSession]:
    """Every session that was asked for, with a result or not; then those that the source found."""
    said: dict[tuple[str, str], list[EvaluationResult]] = {}
    for result in results:
        said.setdefault((result.session_id, result.evaluator), []).append(result)
    cases = {session.session_id: session.case_id for session in planned}
    found = dict.fromkeys(session_id for session_id, _ in said)
    for session_id in {**dict.fromkeys(cases), **found}:
        yield ScoredSession(
            session_id=session_id,
            case_id=cases.get(session_id),
            job_id=job.job_id,
            scores={
                evaluator: _score(said.get((session_id, evaluator), []), job)
                for evaluator in plan.evaluators
            },
        )


def _score(results: Sequence[EvaluationResult], job: Job) -> Score:
    """An evaluator's score of a session: the mean, where it judged several turns or calls of it."""
    if not results:
        return Score(value=None, reason=_why_none(job))
    values = [r.value for r in results if r.error is None and r.value is not None]
    fit = [value for value in values if 0 <= value <= 1]
    lacking = [_why_no_value(r) for r in results if r.error is not None or r.value not in fit]
    if not fit:
        return Score(value=None, reason=lacking[0])
    if len(results) == 1:
        only = results[0]
        return Score(value=fit[0], reason=only.explanation or only.label or f"{only.value}")
    left = f"; {len(lacking)} left out, the first as {lacking[0]}" if lacking else ""
    return Score(value=fmean(fit), reason=f"mean of {len(fit)} of {len(results)} results{left}")


def _why_no_value(result: EvaluationResult) -> str:
    if result.error is not None:
        return f"{result.error}: {result.error_message}".removesuffix(": ")
    if result.value is not None:
        return f"the value {result.value:g} is not in [0, 1]"
    return f"label {result.label!r} without a value" if result.label else "neither value nor label"


def _why_none(job: Job) -> str:
    """Why a session has no result. The service counts those it ignored, and does not name them."""
    if job.status == "STOPPED":
        return "no result: the job was stopped before"
    if job.status == "FAILED":
        return f"no result: the job failed: {'; '.join(job.errors) or 'without a reason'}"
    if job.sessions.ignored:
        total = "" if job.sessions.total is None else f" of {job.sessions.total}"
        return f"no result: the service ignored {job.sessions.ignored}{total} sessions"
    where = f"{job.log_group} {job.log_stream}" if job.log_group else "the job has no log group"
    return f"no result of this session in {where}" if job.log_group else f"no result: {where}"


def _mean(evaluator: str, sessions: Sequence[ScoredSession]) -> EvaluatorMean:
    scores = [session.scores[evaluator] for session in sessions]
    values = [score.value for score in scores if score.value is not None]
    return EvaluatorMean(
        evaluator=evaluator,
        mean=fmean(values) if values else None,
        scored=len(values),
        unscored=len(scores) - len(values),
    )


def _notes(plan: BatchPlan, jobs: Sequence[Job], means: Sequence[EvaluatorMean]) -> Iterable[str]:
    for job in jobs:
        if job.status != "COMPLETED":
            why = f": {'; '.join(job.errors)}" if job.errors else ""
            yield f"job {job.job_id} is {job.status}{why}"
        if job.sessions.ignored:
            yield f"job {job.job_id}: the service ignored {count(job.sessions.ignored, 'session')}"
    unscored = sum(mean.unscored for mean in means)
    if unscored:
        yield f"{count(unscored, 'score')} missing; no mean counts them, least of all as 0"
    if plan.left_out:
        yield (
            f"of {count(len(plan.left_out), 'case')} the evaluators were not told everything: "
            f"{', '.join(ground_truth.counted(plan.left_out))}"
        )
    if any(s.case_id is None for s in plan.sessions) or not plan.sessions:
        yield "of sessions without a case nothing is expected; they are judged by themselves"
