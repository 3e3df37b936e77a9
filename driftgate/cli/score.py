"""`driftgate score`: recorded traces instead of an agent."""

from pathlib import Path
from typing import Annotated

import typer

from driftgate import registry
from driftgate.adapters import files
from driftgate.adapters.local import LAPTOP, Drafts, Laptop
from driftgate.cli import console, execution, options, verdicts
from driftgate.errors import BadInput
from driftgate.schemas.manifests import (
    DatasetRef,
    Invocation,
    Manifest,
    RecordedTarget,
    ResponseSelectors,
)
from driftgate.schemas.policies import Policy
from driftgate.schemas.record import count
from driftgate.schemas.runs import PlanRunRequest
from driftgate.schemas.traces import read_lines


def score(
    context: typer.Context,
    traces: Annotated[Path, typer.Argument(help="Recorded traces, as JSON lines.")],
    dataset: Annotated[str, typer.Option(help="The dataset's folder or name@version.")],
    baseline: Annotated[Path | None, typer.Option(help="Recorded traces to compare with.")] = None,
    harness: Annotated[
        str | None, typer.Option(help="What recorded the traces, and which version of it.")
    ] = None,
    baseline_harness: Annotated[
        str | None, typer.Option(help="What recorded the baseline's; another one is refused.")
    ] = None,
    case: options.Cases = None,
    filters: options.Filters = None,
    limit: options.Limit = None,
    mode: options.GateMode = None,
    rule: options.GateRule = None,
    max_concurrency: options.Concurrency = 8,
    output: options.Output = None,
    as_json: options.Json = False,
) -> None:
    """Score recorded traces, every trial of them, without running any agent."""
    where = Laptop(context.obj)
    drafts = Drafts(where.registry)
    pin = options.dataset(dataset, drafts)
    trials = _recording(traces, "0.0.2", harness, pin, drafts)
    if baseline is not None:
        trials = min(trials, _recording(baseline, "0.0.1", baseline_harness, pin, drafts))
    request = PlanRunRequest(
        agent=verdicts.RECORDED,
        version="0.0.2",
        baseline="0.0.1" if baseline else None,
        absolute=baseline is None,
        environment=LAPTOP,
        case_ids=options.chosen(pin, drafts, case, filters, limit),
        looks=(trials,),
    )
    verdicts.check_writable(output, context.obj)
    policy = Policy(mode=mode or "blocking", rule=rule or "calibrated")
    ended = execution.here(request, policy, where, drafts, max_concurrency)
    verdicts.finish(context, ended, where, output, as_json)


def _recording(
    path: Path, version: str, harness: str | None, pin: DatasetRef, drafts: Drafts
) -> int:
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
        agent=verdicts.RECORDED,
        version=version,
        description=f"recorded in {path}",
        model=next((trace.model for trace in traces if trace.model), "unknown"),
        target=RecordedTarget(kind="recorded", traces=path.name, harness=harness),
        invocation=Invocation(
            request={"prompt": "{{turn}}"},
            response=ResponseSelectors.model_validate({"final_response": ""}),
        ),
        datasets={"regression": pin},
    )
    sealed = registry.seal_agent(manifest, (), {}, drafts.put_blob("agents", data))
    registry.publish_agent(sealed, data, drafts)
    return max(trace.trial for trace in traces)
