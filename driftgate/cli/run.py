"""`driftgate run` and `driftgate score`: evaluate, decide, report."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftgate import evidence, in_process, planning, registry
from driftgate.adapters import files
from driftgate.adapters.agent_servers import variables_sha256
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.http_agents import HttpAgents
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.cli import console, options
from driftgate.errors import BadInput, CaseUnfit
from driftgate.ports import Registry
from driftgate.report import build
from driftgate.report.write import write
from driftgate.schemas.manifests import (
    AgentVersion,
    DatasetRef,
    Invocation,
    Manifest,
    RecordedTarget,
    ResponseSelectors,
)
from driftgate.schemas.policies import Mode, Policy
from driftgate.schemas.record import count
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import PlanRunRequest, Verdict
from driftgate.schemas.traces import read_lines

if TYPE_CHECKING:
    from driftgate.adapters.deployment import Deployment

EXIT_CODES = {"BLOCK": 1, "INTEGRITY_FAIL": 1, "INCONCLUSIVE": 4}  # everything else: 0
RECORDED = "recorded"  # the agent whose versions are recordings; nobody promotes it
PROGRESS_S = 5  # AWS lets an account ask about map runs once a second, over all who wait
SHOWN = 20  # failed cases that are listed on the terminal; the report has all
Output = Annotated[Path | None, typer.Option(help="Folder for the report; default: below home.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Trials at a time.")]
ModeOption = Annotated[
    Mode | None, typer.Option(help="Whether a bad verdict fails the command; default: blocking.")
]


def run(
    context: typer.Context,
    agent: Annotated[
        str, typer.Option(help="The candidate: agent.yaml, its folder, or id@version.")
    ],
    baseline: Annotated[
        str | None, typer.Option(help="What to compare with; default: the environment's baseline.")
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="A first release: nothing to compare with.")
    ] = False,
    local: Annotated[bool, typer.Option("--local", help="Run here, without a cloud.")] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="A dataset's folder or name@version; default: the pinned one."),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    trials: Annotated[int, typer.Option(min=1, max=50, help="Trials of each case and arm.")] = 1,
    seed: Annotated[
        int, typer.Option(help="Seed of the agents' noise; another one is another run.")
    ] = 0,
    rerun: Annotated[bool, typer.Option("--rerun", help="Make a finished run again.")] = False,
    mode: ModeOption = None,
    environment: options.Environment = LAPTOP,
    max_concurrency: Concurrency = 8,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Run an agent on a dataset with mocked tools, and compare it with its baseline.

    The same command takes up an interrupted run; a finished one is not made again.
    """
    if local == (environment != LAPTOP):
        raise BadInput("wanted --local, to run it here, or --environment, to run it where that is")
    if baseline and no_baseline:
        raise BadInput("wanted --baseline or --no-baseline, got both")
    if mode is not None and not local:
        raise BadInput("wanted --mode with --local alone: a deployed environment has its own mode")
    where: Laptop | Deployment
    where = Laptop(context.obj) if local else options.deployed(context, environment)
    stored: Registry = Drafts(where.registry) if local else where.registry
    pin = _dataset(dataset, stored)
    candidate = _agent(agent, stored)
    against = _agent(baseline, stored) if baseline else None
    if against is not None and against.manifest.agent != candidate.manifest.agent:
        raise BadInput(
            f"baseline: wanted a version of {candidate.manifest.agent}, got {against.label}"
        )
    try:
        request = PlanRunRequest(
            agent=candidate.manifest.agent,
            version=candidate.manifest.version,
            baseline=against.manifest.version if against else None,
            absolute=no_baseline,
            environment=environment,
            dataset=pin,
            case_ids=tuple(case) if case else None,
            looks=(trials,),
            seed=seed,
        )
    except ValueError as error:  # all else was checked where it came from
        raise BadInput(
            f"--case: wanted ids of cases, as in balance-checking, got {case}"
        ) from error
    _check_output(output)
    try:
        if isinstance(where, Laptop):
            policy = Policy(mode=mode or "blocking")
            verdict, made = _run_here(request, policy, where, stored, max_concurrency, rerun=rerun)
        else:
            verdict, made = _run_there(request, where, rerun=rerun)
    except CaseUnfit as error:
        if dataset is None or not options.is_path(dataset):
            raise
        line = files.line_of_case(Path(dataset), error.case_id)
        raise BadInput(f"{line}: {error.reason}") from error
    _finish(context, verdict, where, stored, output, as_json, made=made)


def score(
    context: typer.Context,
    traces: Annotated[Path, typer.Argument(help="Recorded traces, as JSON lines.")],
    dataset: Annotated[str, typer.Option(help="The dataset's folder or name@version.")],
    baseline: Annotated[Path | None, typer.Option(help="Recorded traces to compare with.")] = None,
    mode: ModeOption = None,
    max_concurrency: Concurrency = 8,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Score recorded traces, every trial of them, without running any agent."""
    where = Laptop(context.obj)
    drafts = Drafts(where.registry)
    pin = _dataset(dataset, drafts)
    assert pin is not None
    trials = _recording(traces, "0.0.2", pin, drafts)
    if baseline is not None:
        trials = min(trials, _recording(baseline, "0.0.1", pin, drafts))
    request = PlanRunRequest(
        agent=RECORDED,
        version="0.0.2",
        baseline="0.0.1" if baseline else None,
        absolute=baseline is None,
        environment=LAPTOP,
        looks=(trials,),
    )
    _check_output(output)
    verdict, made = _run_here(
        request, Policy(mode=mode or "blocking"), where, drafts, max_concurrency
    )
    _finish(context, verdict, where, drafts, output, as_json, made=made)


def _check_output(folder: Path | None) -> None:
    """Find an impossible place before the run, without writing anything."""
    for part in (folder, *folder.parents) if folder else ():
        if part.exists() and not part.is_dir():
            raise BadInput(f"--output: wanted a folder, {part} is a file")


def _dataset(text: str | None, stored: Registry) -> DatasetRef | None:
    """The dataset that is meant; one in a folder becomes a draft of a run here."""
    if text is None:
        return None
    if not options.is_path(text):
        return options.dataset_ref(text)
    if not isinstance(stored, Drafts):
        raise BadInput(f"dataset: wanted name@version, got {text!r}; publish it first")
    dataset = files.read_dataset(Path(text))
    registry.publish_dataset(dataset, stored, SystemClock(), author="", draft=True)
    return DatasetRef(name=dataset.header.name, version=dataset.header.version)


def _agent(text: str, stored: Registry) -> AgentVersion:
    """The agent version that is meant; one in a file is published, here as this run's draft."""
    if not options.is_path(text):
        return registry.load_agent(*options.name_and_version(text, "agent"), stored)
    return options.publish_agent(Path(text), stored)


def _recording(path: Path, version: str, pin: DatasetRef, drafts: Drafts) -> int:
    """Make a file of traces a version of an agent; return how many trials of a case it has."""
    data = files.read_traces(path)
    traces = list(read_lines(data))
    row = registry.load_dataset_row(pin, drafts)
    known = {case.case_id for case in registry.load_cases(row, drafts)}
    unknown = sum(trace.case_id not in known for trace in traces)
    if unknown == len(traces):
        raise BadInput(f"{path}: wanted traces of the cases of {pin}, there is none")
    if unknown:
        console.say(f"note: {path}: {count(unknown, 'trace')} of no case of {pin}, left out")
    manifest = Manifest(
        agent=RECORDED,
        version=version,
        description=f"recorded in {path}",
        model=next((trace.model for trace in traces if trace.model), "unknown"),
        target=RecordedTarget(kind="recorded", traces=path.name),
        invocation=Invocation(
            request={"prompt": "{{turn}}"},
            response=ResponseSelectors.model_validate({"final_response": ""}),
        ),
        datasets={"regression": pin},
    )
    sealed = registry.seal_agent(manifest, (), {}, drafts.put_blob("agents", data))
    registry.publish_agent(sealed, data, drafts)
    return max(trace.trial for trace in traces)


def _run_here(
    request: PlanRunRequest,
    policy: Policy,
    where: options.Place,
    stored: Registry,
    concurrency: int,
    *,
    rerun: bool = False,
) -> tuple[Verdict, bool]:
    """Run in this process. Also tells if any trial was made for the verdict now."""
    from driftgate.adapters.mcp_server import LocalTools  # half a second, and only needed here

    def code(version: AgentVersion) -> bytes:
        return registry.load_code(version, stored)

    with (
        LocalTools() as tools,
        HttpAgents(tools.url, code, Path.cwd()) as agents,
        console.progress("evaluating") as progress,
    ):
        ports = in_process.Ports(
            registry=stored,
            runs=where.runs,
            records=where.records,
            runtime=agents,
            tools=tools,
            clock=SystemClock(),
            variables=variables_sha256,
        )
        try:
            verdict, made = in_process.run(
                request, policy, ports, rerun=rerun, concurrency=concurrency, progress=progress
            )
        finally:
            if tools.refused:
                console.say(
                    f"note: {count(tools.refused, 'tool request')} came without the session id of "
                    "an attempt and got no answer; see docs/agents.md, Its tools"
                )
    return verdict, made > 0


def _run_there(
    request: PlanRunRequest, where: "Deployment", *, rerun: bool
) -> tuple[Verdict, bool]:
    """Run in the state machine of a deployed environment, or wait for the run if it runs there.

    Interrupting this stops it. Also tells if the run was not finished before as it is now.
    """
    plan, _ = planning.make_plan(request, where.registry)
    while rerun and registry.is_finished(plan.run_id, where.registry):
        request = request.model_copy(update={"repeat": request.repeat + 1})
        plan, _ = planning.make_plan(request, where.registry)
    finished = registry.is_finished(plan.run_id, where.registry)
    before = registry.load_run(plan.run_id, where.registry) if finished else None
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
    return verdict, bool(verdict.missing) or not same


def _finish(
    context: typer.Context,
    verdict: Verdict,
    where: options.Place,
    stored: Registry,
    output: Path | None,
    as_json: bool,
    *,
    made: bool,
) -> None:
    """Write the report, show the verdict, and end with the exit code that agrees with it."""
    row = registry.load_run(verdict.run_id, stored)
    report = build.build(verdict, row, where.runs)
    folder = output or context.obj / "reports" / verdict.run_id
    page = write(report, folder)
    _show(report, page)
    if not made:
        console.say(f"finished {row.finished_at}, not made again; --rerun makes it again")
    candidate = verdict.arms["candidate"]
    if verdict.outcome == "BASELINE_CREATED" and candidate.agent != RECORDED:
        place = "" if where.environment == LAPTOP else f" --environment {where.environment}"
        version = f"{candidate.agent}@{candidate.version}"
        console.say(f"next: publish it, then driftgate agent promote {version}{place}")
    if as_json:
        console.emit({**verdict.model_dump(mode="json"), "report": str(page)})
    raise typer.Exit(EXIT_CODES.get(verdict.effective, 0))


def _show(report: Report, page: Path) -> None:
    verdict = report.verdict
    rows: list[tuple[Any, ...]] = [
        (
            criterion.label,
            criterion.cases,
            _percent(criterion.baseline),
            _percent(criterion.candidate),
            {True: "holds", False: "FAILS", None: "no value"}[criterion.ok],
        )
        for criterion in verdict.criteria
    ]
    console.table(("threshold", "cases", "baseline", "candidate", ""), rows)
    for story in report.stories[:SHOWN]:
        critical = " (critical)" if story.outcome.critical else ""
        console.say(f"{story.kind:7} {story.outcome.case_id}{critical}: {story.outcome.reason}")
    if len(report.stories) > SHOWN:
        console.say(f"... and {len(report.stories) - SHOWN} more in the report")
    if report.changes:
        console.say(f"\nchanged: {'; '.join(report.changes)}")
    effective = "" if verdict.effective == verdict.outcome else f" ({verdict.effective})"
    reason = verdict.reason.partition("; failed cases: ")[0]
    console.say(f"\n{verdict.outcome}{effective}: {'; '.join((reason, *verdict.remarks))}")
    console.say(f"report: {page}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
