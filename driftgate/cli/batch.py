"""`driftgate batch`: sessions that took place, scored by AgentCore's own evaluators."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftgate import batch, evidence, ground_truth
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LAPTOP
from driftgate.cli import console, options
from driftgate.errors import BadInput, BatchRunning, TelemetryMissing
from driftgate.schemas.batches import (
    BatchReport,
    FindTelemetryRequest,
    Job,
    PollBatchRequest,
    ReadBatchRequest,
    RecordBatchRequest,
    Source,
    StartBatchRequest,
)
from driftgate.schemas.cases import Case
from driftgate.schemas.record import count
from driftgate.schemas.runs import Arm

if TYPE_CHECKING:
    from driftgate.adapters.batch_evaluations import AgentCoreBatches, LogsTelemetry

app = typer.Typer(help="Have AgentCore's evaluators score sessions.", no_args_is_help=True)
LOOK_S = 15.0  # between two looks, at telemetry and at jobs
SHOWN = 20  # sessions without a score that are listed on the terminal; the report has all
FAILED, INCOMPLETE = 3, 4  # exit codes
WHENCE, EXPECTED = "Where the sessions are", "What was expected of them"
Every = Annotated[float, typer.Option(min=0.01, help="Seconds between two looks.")]
Batch = Annotated[str, typer.Argument(help="A batch, b-…, or a job of the service.")]
BATCH = re.compile(r"b-[0-9a-f]{20}")


@app.command(
    epilog=options.examples(
        "batch start --run r-0123456789abcdef0123 --service support.DEFAULT "
        "--log-group /aws/bedrock-agentcore/runtimes/support-a1B2c3D4e5-DEFAULT --when-complete "
        "--evaluator Builtin.GoalSuccessRate --evaluator Builtin.TrajectoryInOrderMatch",
        "batch start --service support.DEFAULT --log-group aws/spans --since 2026-11-19T00:00:00Z "
        "--evaluator Builtin.Helpfulness",
        "batch start --agentcore-dataset cases-a1B2c3D4e5@3 --endpoint-arn ARN "
        "--service support.DEFAULT --log-group aws/spans --evaluator Builtin.GoalSuccessRate",
    )
)
def start(
    context: typer.Context,
    evaluators: Annotated[
        list[str], typer.Option("--evaluator", metavar="ID", help="May be repeated, ten at most.")
    ],
    service: Annotated[
        str,
        typer.Option(help="service.name in the spans: agent.endpoint.", rich_help_panel=WHENCE),
    ] = "",
    log_groups: Annotated[
        list[str] | None,
        typer.Option("--log-group", metavar="NAME", rich_help_panel=WHENCE, help="Of telemetry."),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="ISO 8601, with its zone.", rich_help_panel=WHENCE)
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="The same.", rich_help_panel=WHENCE)
    ] = "",
    online_config: Annotated[
        str,
        typer.Option(
            metavar="ARN",
            help="Sessions of an online evaluation configuration.",
            rich_help_panel=WHENCE,
        ),
    ] = "",
    agentcore_dataset: Annotated[
        str,
        typer.Option(
            metavar="ID@VERSION",
            help="A dataset that the service runs itself.",
            rich_help_panel=WHENCE,
        ),
    ] = "",
    endpoint_arn: Annotated[
        str,
        typer.Option(metavar="ARN", help="The runtime's, to run it on.", rich_help_panel=WHENCE),
    ] = "",
    request_template: Annotated[
        str | None,
        typer.Option(
            help="With {{turn.input}} once; default: as a prompt.", rich_help_panel=WHENCE
        ),
    ] = None,
    run: Annotated[
        str, typer.Option(help="Sessions and cases of a run.", rich_help_panel=EXPECTED)
    ] = "",
    arm: Annotated[Arm, typer.Option(help="Of the run.", rich_help_panel=EXPECTED)] = "candidate",
    sessions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A session's id on each line, and after a space its case's, if it has one.",
            rich_help_panel=EXPECTED,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(help="name@version or folder with the cases.", rich_help_panel=EXPECTED),
    ] = "",
    tool_prefix: Annotated[
        str,
        typer.Option(
            help="The Gateway's target: its tools are target___tool.", rich_help_panel=EXPECTED
        ),
    ] = "",
    name: Annotated[str, typer.Option(help="Another name is another batch.")] = "driftgate",
    results_group: Annotated[
        str | None, typer.Option(metavar="NAME", help="A log group for the results.")
    ] = None,
    when_complete: Annotated[
        bool, typer.Option(help="First wait until every session has telemetry.")
    ] = False,
    telemetry_minutes: Annotated[float, typer.Option(min=0, help="For how long at most.")] = 15,
    every: Every = LOOK_S,
    state_machine: Annotated[
        bool,
        typer.Option(
            help="Leave all of it to the environment's state machine, telemetry to registry."
        ),
    ] = False,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Start a batch evaluation, and say what of the cases its evaluators can't be told.

    The same again is the same batch. More than 500 sessions become several jobs.
    """
    if state_machine and environment == LAPTOP:
        raise BadInput("--state-machine: wanted --environment that is deployed, got laptop")
    where = options.place(context, environment)
    given, cases = _sessions(where, run, arm, sessions)
    if dataset:
        cases = options.read_dataset(dataset, where.registry).cases
    source = _source(
        {"service": service, "log_groups": tuple(log_groups or ())},
        {name: end for name, end in (("start", since), ("end", until)) if end},
        online_config,
        _dataset_run(agentcore_dataset, endpoint_arn, request_template),
    )
    plan = batch.make_plan(name, evaluators, source, given, cases, tool_prefix, results_group)
    batch.store_plan(plan, where.runs)
    console.say(f"batch {plan.batch_id}: {count(len(plan.sessions), 'session')} given")
    lacking = ground_truth.counted(plan.left_out)
    if lacking:
        console.table(("not told to the evaluators", "cases"), list(lacking.items()))
    if state_machine:
        execution = options.deployed(context, environment).start_batch(plan.batch_id)
        console.say(f"execution {execution}")
        if as_json:
            console.emit({"batch_id": plan.batch_id, "execution": execution})
        return
    jobs, telemetry = _service(context, environment)
    if when_complete:
        asked = FindTelemetryRequest(batch_id=plan.batch_id)
        batch.wait(
            lambda: batch.find_telemetry(asked, where.runs, telemetry),
            TelemetryMissing,
            SystemClock(),
            time.sleep,
            every_s=every,
            limit_s=60 * telemetry_minutes,
            told=console.say,
        )
    started = batch.start_batch(StartBatchRequest(batch_id=plan.batch_id), where.runs, jobs)
    console.say(f"{started.jobs} of {count(started.of_jobs, 'job')} started")
    console.say(f"wait for it: driftgate batch wait {plan.batch_id}")
    if as_json:
        console.emit(
            {
                "batch_id": plan.batch_id,
                "jobs": list(batch.jobs_of(plan, where.runs).values()),
                "of_jobs": started.of_jobs,
                "sessions": len(plan.sessions),
                "left_out": [one.model_dump(mode="json") for one in plan.left_out],
            }
        )


@app.command(epilog=options.examples("batch get b-0123456789abcdef0123"))
def get(
    context: typer.Context,
    of: Batch,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show how far a batch's jobs are."""
    service, _ = _service(context, environment)
    found = [service.get(job_id) for job_id in _jobs(context, of, environment)]
    _show(found)
    if as_json:
        console.emit(found)


@app.command("list", epilog=options.examples("batch list --limit 5"))
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 20,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the account's jobs, whoever started them."""
    found = _service(context, environment)[0].list(limit)
    _show(found)
    if as_json:
        console.emit(found)


@app.command(epilog=options.examples("batch stop b-0123456789abcdef0123"))
def stop(
    context: typer.Context,
    of: Batch,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Stop a batch's jobs that run; what was scored before stays."""
    service, _ = _service(context, environment)
    found = [service.get(job_id) for job_id in _jobs(context, of, environment)]
    running = [job for job in found if job.status in ("PENDING", "IN_PROGRESS")]
    for job in running:
        service.stop(job.job_id)
    console.say(f"{len(running)} of {count(len(found), 'job')} stopped")
    if as_json:
        console.emit({"stopped": [job.job_id for job in running]})


@app.command(epilog=options.examples("batch delete b-0123456789abcdef0123"))
def delete(
    context: typer.Context,
    of: Batch,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Delete a batch's jobs in AgentCore. What was read back is kept."""
    service, _ = _service(context, environment)
    found = _jobs(context, of, environment)
    for job_id in found:
        service.delete(job_id)
    console.say(f"{count(len(found), 'job')} deleted")
    if as_json:
        console.emit({"deleted": found})


@app.command(epilog=options.examples("batch wait b-0123456789abcdef0123 --output report"))
def wait(
    context: typer.Context,
    batch_id: Annotated[str, typer.Argument(help="A batch, b-….")],
    minutes: Annotated[float, typer.Option(min=0, help="For how long at most.")] = 60,
    every: Every = LOOK_S,
    output: options.Output = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Wait until a batch has ended, read its scores back, and write its report.

    The exit code is 0 if every session has every score, 4 if some are missing, 3 if a job failed
    or did not end in time.
    """
    where = options.place(context, environment)
    plan = batch.load_plan(batch_id, where.runs)
    service, _ = _service(context, environment)
    with _going_on(batch_id):
        batch.wait(
            lambda: batch.poll_batch(PollBatchRequest(batch_id=batch_id), where.runs, service),
            BatchRunning,
            SystemClock(),
            time.sleep,
            every_s=every,
            limit_s=60 * minutes,
            told=console.say,
        )
    request = ReadBatchRequest(batch_id=plan.batch_id, environment=environment)
    result = batch.read_batch(request, where.runs, service, SystemClock())
    recorded = RecordBatchRequest(report_key=result.report_key)
    batch.record_batch(recorded, where.runs, where.registry)
    report = batch.load_report(result.report_key, where.runs)
    from driftgate.report import batches  # which loads what makes pages

    page = batches.write(report, output or context.obj / "reports" / batch_id)
    _tell(report)
    console.say(f"report: {page}")
    if as_json:
        console.emit({**report.model_dump(mode="json"), "report": str(page)})
    raise typer.Exit(_exit_code(report))


def _sessions(
    where: options.Place, run: str, arm: Arm, file: Path | None
) -> tuple[dict[str, str | None], Sequence[Case]]:
    """The sessions that are given, with their cases' ids, and the cases of a run."""
    if run and file:
        raise BadInput("wanted --run or --sessions, got both")
    if file:
        return _read_sessions(file), ()
    if not run:
        return {}, ()
    plan = evidence.load_plan(run, where.runs)
    scored = evidence.load_scores(plan, len(plan.looks), where.runs)
    keys = [key for key in scored if key.arm == arm]
    if not keys:
        raise BadInput(f"--run: {run} has no scored trial of the {arm}")
    traces = evidence.load_traces(run, keys, where.runs)
    found: dict[str, str | None] = {
        t.session_id: t.case_id for t in traces.values() if t.session_id
    }
    return found, evidence.load_cases(plan, where.runs)


def _read_sessions(file: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if len(words) > 2:
            raise BadInput(f"{file}:{number}: wanted a session's id and a case's, got {line!r}")
        if words:
            if words[0] in found:
                raise BadInput(f"{file}:{number}: session {words[0]} is given twice")
            found[words[0]] = words[1] if len(words) == 2 else None
    if not found:
        raise BadInput(f"{file}: wanted sessions, got none")
    return found


def _source(
    logs: dict[str, Any], within: dict[str, str], online_config: str, run: dict[str, Any]
) -> Source:
    """Where the sessions are, of three kinds of places."""
    if online_config and run:
        raise BadInput("wanted --online-config or --agentcore-dataset, got both")
    if online_config:
        online = {"kind": "online", "config_arn": online_config, "time_range": within}
        return batch.read_source(online)
    if not logs["service"] or not logs["log_groups"]:
        raise BadInput("wanted --service and --log-group, or --online-config")
    if run:
        return batch.read_source({"kind": "dataset", **logs, **run})
    return batch.read_source({"kind": "logs", **logs, "time_range": within})


def _dataset_run(reference: str, endpoint_arn: str, template: str | None) -> dict[str, Any]:
    if not reference:
        return {}
    if not endpoint_arn:
        raise BadInput("--agentcore-dataset: wanted --endpoint-arn, to run it on")
    id, version = options.name_and_version(reference, "--agentcore-dataset")
    return {
        "dataset_id": id,
        "dataset_version": version,
        "endpoint_arn": endpoint_arn,
        "request_template": template,
    }


def _service(
    context: typer.Context, environment: str
) -> tuple["AgentCoreBatches", "LogsTelemetry"]:
    from driftgate.adapters.batch_evaluations import AgentCoreBatches, LogsTelemetry

    client = options.clients(context, environment)
    logs = client("logs")
    return AgentCoreBatches(client("bedrock-agentcore"), logs), LogsTelemetry(logs)


def _jobs(context: typer.Context, of: str, environment: str) -> list[str]:
    """The jobs of a batch; or the one job that is meant, which need not be of ours."""
    if not BATCH.fullmatch(of):
        return [of]
    runs = options.place(context, environment).runs
    found = list(batch.jobs_of(batch.load_plan(of, runs), runs).values())
    if not found:
        raise BadInput(f"batch {of} has no job yet; start it")
    return found


@contextmanager
def _going_on(batch_id: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.say(f"batch {batch_id} goes on in AgentCore; driftgate batch stop {batch_id}")
        raise


def _show(jobs: Sequence[Job]) -> None:
    console.table(
        ("job", "status", "created", "sessions", "scored", "failed", "ignored"),
        [
            (
                job.job_id,
                job.status,
                f"{job.created_at:%Y-%m-%d %H:%M}",
                job.sessions.total,
                job.sessions.completed,
                job.sessions.failed,
                job.sessions.ignored,
            )
            for job in jobs
        ],
    )


def _tell(report: BatchReport) -> None:
    console.say(
        f"{report.outcome}: batch {report.batch_id}, {count(len(report.sessions), 'session')}"
    )
    console.table(
        ("evaluator", "mean", "scored", "missing"),
        [
            (m.evaluator, "" if m.mean is None else f"{m.mean:.3f}", m.scored, m.unscored)
            for m in report.evaluators
        ],
    )
    missing = list(batch.missing(report))
    for session, evaluator, score in missing[:SHOWN]:
        of = f" ({session.case_id})" if session.case_id else ""
        console.say(f"missing  {session.session_id}{of}, {evaluator}: {score.reason}")
    if len(missing) > SHOWN:
        console.say(f"… and {len(missing) - SHOWN} more, in the report")
    for note in report.notes:
        console.say(f"note: {note}")


def _exit_code(report: BatchReport) -> int:
    if report.outcome == "FAILED":
        return FAILED
    whole = report.outcome == "COMPLETED" and not any(m.unscored for m in report.evaluators)
    return 0 if whole and report.sessions else INCOMPLETE
