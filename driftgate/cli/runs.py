"""`driftgate run` and `driftgate score`: evaluate, decide, report."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from driftgate import in_process, registry
from driftgate.adapters import files
from driftgate.adapters.http_agents import HttpAgents
from driftgate.adapters.local import Drafts, SystemClock
from driftgate.adapters.mcp_server import LocalTools
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.report import build, html, markdown
from driftgate.schemas.manifests import (
    AgentVersion,
    DatasetRef,
    Invocation,
    Manifest,
    RecordedTarget,
    ResponseSelectors,
)
from driftgate.schemas.policies import Mode, Policy
from driftgate.schemas.reports import Report
from driftgate.schemas.runs import PlanRunRequest, Verdict

EXIT_CODES = {"BLOCK": 1, "INTEGRITY_FAIL": 1, "INCONCLUSIVE": 4}  # everything else: 0
Output = Annotated[Path | None, typer.Option(help="Folder for the report; default: below home.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Trials at a time.")]


def run(
    context: typer.Context,
    agent: Annotated[
        str, typer.Option(help="The candidate: agent.yaml, its folder, or id@version.")
    ],
    baseline: Annotated[
        str | None, typer.Option(help="What to compare with; default: the environment's baseline.")
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Absolute thresholds only.")
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
    mode: Annotated[
        Mode, typer.Option(help="Whether a bad verdict fails the command.")
    ] = "blocking",
    environment: options.Environment = "local",
    max_concurrency: Concurrency = 8,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Run an agent on a dataset with mocked tools, and compare it with its baseline.

    The same command takes up an interrupted run; a finished one is not run again.
    """
    if not local:
        raise BadInput("wanted --local: runs in the cloud are not part of this release")
    drafts = Drafts(options.local_registry(context))
    pin = _dataset(dataset, drafts)
    candidate = _agent(agent, drafts)
    against = _agent(baseline, drafts) if baseline else None
    if against is not None and against.manifest.agent != candidate.manifest.agent:
        raise BadInput(
            f"baseline: wanted a version of {candidate.manifest.agent}, got {against.label}"
        )
    request = PlanRunRequest(
        agent=candidate.manifest.agent,
        version=candidate.manifest.version,
        baseline=against.manifest.version if against else None,
        absolute=no_baseline,
        environment=environment,
        dataset=pin,
        case_ids=tuple(case) if case else None,
        trials=trials,
        seed=seed,
        policy=Policy(mode=mode),
    )
    _finish(context, _evaluate(context, request, drafts, max_concurrency), output, as_json)


def score(
    context: typer.Context,
    traces: Annotated[
        Path, typer.Argument(help="Recorded traces of the candidate, as JSON lines.")
    ],
    dataset: Annotated[str, typer.Option(help="The dataset's folder or name@version.")],
    baseline: Annotated[Path | None, typer.Option(help="Recorded traces to compare with.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each case that were recorded.")] = 1,
    mode: Annotated[
        Mode, typer.Option(help="Whether a bad verdict fails the command.")
    ] = "blocking",
    max_concurrency: Concurrency = 8,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Score recorded traces, without running any agent."""
    drafts = Drafts(options.local_registry(context))
    pin = _dataset(dataset, drafts)
    assert pin is not None
    candidate = _recording(traces, "0.0.2", pin, drafts)
    if baseline is not None:
        _recording(baseline, "0.0.1", pin, drafts)
    request = PlanRunRequest(
        agent=candidate.manifest.agent,
        version=candidate.manifest.version,
        baseline="0.0.1" if baseline else None,
        absolute=baseline is None,
        environment="local",
        trials=trials,
        policy=Policy(mode=mode),
    )
    _finish(context, _evaluate(context, request, drafts, max_concurrency), output, as_json)


def _dataset(text: str | None, drafts: Drafts) -> DatasetRef | None:
    """The dataset that is meant; one in a folder becomes a draft of this run."""
    if text is None:
        return None
    if not Path(text).exists():
        return options.dataset_ref(text)
    dataset = files.read_dataset(Path(text))
    registry.publish_dataset(dataset, drafts, SystemClock(), author="", draft=True)
    return DatasetRef(name=dataset.header.name, version=dataset.header.version)


def _agent(text: str, drafts: Drafts) -> AgentVersion:
    """The agent version that is meant; one in a file becomes a draft of this run."""
    if not Path(text).exists():
        return registry.load_agent(*options.name_and_version(text, "agent"), drafts)
    version, code = files.read_agent(Path(text))
    return registry.publish_agent(version, code, drafts)


def _recording(traces: Path, version: str, pin: DatasetRef, drafts: Drafts) -> AgentVersion:
    manifest = Manifest(
        agent="recorded",
        version=version,
        description=str(traces),
        model="recorded",
        target=RecordedTarget(kind="recorded", traces=traces.name),
        invocation=Invocation(
            request={"prompt": "{{turn}}"},
            response=ResponseSelectors.model_validate({"final_response": ""}),
        ),
        datasets={"regression": pin},
    )
    data = files.read_traces(traces)
    return registry.publish_agent(
        registry.seal_agent(manifest, (), {}, drafts.put_blob(data)), data, drafts
    )


def _evaluate(
    context: typer.Context, request: PlanRunRequest, drafts: Drafts, concurrency: int
) -> Verdict:
    def code(version: AgentVersion) -> bytes:
        return registry.load_code(version, drafts)

    with (
        LocalTools() as tools,
        HttpAgents(tools.url, code, Path.cwd()) as agents,
        console.progress("evaluating") as progress,
    ):
        ports = in_process.Ports(
            registry=drafts,
            runs=options.local_runs(context),
            records=options.local_records(context),
            runtime=agents,
            tools=tools,
            clock=SystemClock(),
        )
        return in_process.run(request, ports, concurrency=concurrency, progress=progress)


def _finish(context: typer.Context, verdict: Verdict, output: Path | None, as_json: bool) -> None:
    """Write the report, show the verdict, and end with the exit code that agrees with it."""
    report = build.build(verdict, options.local_runs(context))
    folder = output or context.obj / "reports" / verdict.run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(html.render(report), encoding="utf-8")
    (folder / "report.md").write_text(markdown.render(report), encoding="utf-8")
    (folder / "report.json").write_text(report.model_dump_json(indent=2), encoding="utf-8")
    _show(report, folder)
    if as_json:
        console.emit({**verdict.model_dump(mode="json"), "report": str(folder / "report.html")})
    raise typer.Exit(EXIT_CODES.get(verdict.effective, 0))


def _show(report: Report, folder: Path) -> None:
    verdict = report.verdict
    rows: list[tuple[Any, ...]] = [
        (
            c.metric,
            c.stratum,
            c.cases,
            _percent(c.baseline),
            _percent(c.candidate),
            {True: "holds", False: "FAILS", None: "no value"}[c.ok],
        )
        for c in verdict.criteria
    ]
    console.table(("metric", "over", "cases", "baseline", "candidate", ""), rows)
    for story in report.flips:
        mark = "broken" if story.broken else "fixed"
        console.say(f"{mark:7} {story.flip.case_id}: {story.flip.reason}")
    effective = "" if verdict.effective == verdict.outcome else f" ({verdict.effective})"
    console.say(f"\n{verdict.outcome}{effective}: {re.sub(r'; broken: .*', '', verdict.reason)}")
    console.say(f"report: {folder / 'report.html'}")


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
