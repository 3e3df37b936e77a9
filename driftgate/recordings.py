"""Recorded runs of other agents, scored as ours are and entered into the ledger."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from driftgate import executions, planning, registry
from driftgate.errors import BadInput
from driftgate.schemas.cases import Case
from driftgate.schemas.ledger import Execution
from driftgate.schemas.manifests import (
    AgentVersion,
    DatasetRef,
    Invocation,
    Manifest,
    RecordedTarget,
    ResponseSelectors,
)
from driftgate.schemas.prices import PriceTable
from driftgate.schemas.record import Sha256
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Trace

REWARD = "recorded_reward"  # of the source, as it says; no metric of ours


class Line(NamedTuple):
    """A recorded trial, and on which line of its file it stands."""

    number: int
    trace: Trace
    reward: float | None = None


def rows(
    lines: Iterable[Line],
    cases: Mapping[str, Case],
    *,
    agent: str,
    model: str,
    dataset: DatasetRef,
    file: str,
    sha256: Sha256,
    at: str,
    table: PriceTable,
) -> Iterator[Execution]:
    """A recorded file's trials as executions; a trial of no case of the dataset is left out.

    Args:
        model: of trials that do not name theirs.
        file: where the lines stand; sha256: of its content, so that the same file is the same rows.

    Raises:
        BadInput: the file has the same trial twice.
    """
    from driftgate.metrics import score_all  # with all that reads texts

    version = _version(agent, model, dataset, file, sha256)
    run_id, harness = f"import-{sha256[:12]}", planning.harness()
    seen: dict[str, int] = {}
    for line in lines:
        case = cases.get(line.trace.case_id)
        if case is None:
            continue
        key = f"{run_id}/{line.trace.trial}/{case.case_id}"
        if key in seen:
            raise BadInput(
                f"{file}:{line.number}: trial {line.trace.trial} of {case.case_id} stands on line "
                f"{seen[key]} already"
            )
        seen[key] = line.number
        scores = dict(score_all(case, line.trace, ()))
        if line.reward is not None:
            scores[REWARD] = Score(value=line.reward, reason="as the source says")
        yield executions.row(
            key=key,
            origin="imported",
            run_id=run_id,
            agent=version,
            dataset=str(dataset),
            harness=harness,
            case=case,
            trace=line.trace,
            scores=scores,
            at=at,
            place=f"{file}:{line.number}",
            table=table,
        )


def _version(
    agent: str, model: str, dataset: DatasetRef, file: str, sha256: Sha256
) -> AgentVersion:
    manifest = Manifest(
        agent=agent,
        version="1.0.0",
        description=f"recorded in {file}",
        model=model,
        target=RecordedTarget(kind="recorded", traces=file),
        invocation=Invocation(
            request={"prompt": "{{turn}}"},
            response=ResponseSelectors.model_validate({"final_response": ""}),
        ),
        datasets={"regression": dataset},
    )
    return registry.seal_agent(manifest, (), {}, sha256)
