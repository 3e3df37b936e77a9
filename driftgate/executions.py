"""A trial as the ledger's row: what it was, took and gave, from what is stored of it."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from driftgate import prices
from driftgate.ports import Ledger
from driftgate.schemas.cases import Case, Subject
from driftgate.schemas.ledger import (
    KEPT_FINDINGS,
    SUMMARY_CHARS,
    Execution,
    Finding,
    LedgerQuery,
    Origin,
)
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.prices import PriceTable
from driftgate.schemas.runs import RunPlan, TrialKey
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Trace

LIMITATIONS_CHARS = 4_000  # what is longer is in the trace


def key_of(run_id: str, key: TrialKey) -> str:
    """One for every trial of a run, whoever makes or writes it, and however often."""
    return f"{run_id}/{key.arm}/{key.trial}/{key.case_id}"


def of_trial(
    plan: RunPlan,
    key: TrialKey,
    case: Case,
    trace: Trace,
    scores: dict[str, Score],
    at: str,
    place: str,
    table: PriceTable,
) -> Execution:
    """Args: at, when the trial was made; place, where its trace is kept."""
    return row(
        key=key_of(plan.run_id, key),
        origin="benchmark" if plan.benchmark_id else "offline",
        run_id=plan.benchmark_id or plan.run_id,
        agent=plan.arms[key.arm],
        dataset=f"{plan.dataset.name}@{plan.dataset.version}",
        harness=plan.harness,
        case=case,
        trace=trace.model_copy(update={"trial": key.trial}),
        scores=scores,
        at=at,
        place=place,
        table=table,
    )


def row(
    *,
    key: str,
    origin: Origin,
    run_id: str,
    agent: AgentVersion,
    dataset: str,
    harness: str,
    case: Case,
    trace: Trace,
    scores: dict[str, Score],
    at: str,
    place: str,
    table: PriceTable,
) -> Execution:
    """A row. The model is the one that answered, as the agent says, else its manifest's."""
    model = trace.model or agent.manifest.model
    cost = prices.of_trial(trace, model, at, agent.manifest.costs, table)
    found = None if trace.findings is None else findings(trace.findings)
    subject = case.subject if isinstance(case.subject, Subject) else None
    return Execution(
        key=key,
        origin=origin,
        at=at,
        run_id=run_id,
        trial=trace.trial,
        case_id=case.case_id,
        task_type=case.task_type,
        organisation=subject.organisation if subject else "",
        tenant=subject.tenant if subject else "",
        agent=agent.manifest.agent,
        version=agent.manifest.version,
        digest=agent.digest,
        model=model,
        dataset=dataset,
        harness=harness,
        latency_s=trace.latency_s,
        tools=tuple(call.tool for call in trace.calls),
        failed_calls=_failed(trace),
        input_tokens=trace.usage.input_tokens,
        output_tokens=trace.usage.output_tokens,
        cache_read_tokens=trace.usage.cache_read_tokens,
        cache_write_tokens=trace.usage.cache_write_tokens,
        cost_usd=cost.usd,
        cost_basis=cost.basis,
        price=cost.price,
        cost_missing=cost.missing,
        findings=None if found is None else tuple(found[:KEPT_FINDINGS]),
        findings_count=None if found is None else len(found),
        limitations=_bounded(trace.limitations),
        stop_reason=trace.stop_reason,
        ending=trace.ending,
        scores=scores,
        trace=place,
    )


def _failed(trace: Trace) -> int | None:
    """Calls with an error. Where no result of any call was recorded nobody knows."""
    known = any(call.error is not None or call.result is not None for call in trace.calls)
    if trace.calls and not known and "results" in trace.not_recorded:
        return None
    return sum(call.error is not None for call in trace.calls)


def every(ledger: Ledger, query: LedgerQuery, at_a_time: int = 1000) -> Iterator[Execution]:
    """All rows that a query takes, the latest first."""
    after = None
    while True:
        page = ledger.page(query, after, at_a_time)
        yield from page.rows
        after = page.after
        if after is None:
            return


def findings(reported: JsonValue) -> list[Finding]:
    """What an agent reports it found, in whatever form: each item of a list, or the whole."""
    items = reported if isinstance(reported, list) else [reported]
    return [_finding(item) for item in items if item not in (None, "", {}, [])]


def _finding(item: JsonValue) -> Finding:
    if not isinstance(item, dict):
        return Finding(summary=_text(item))
    confidence = _first(item, "confidence", "score")
    number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    kind = _first(item, "type", "kind", "category")
    summary = _first(item, "summary", "title", "description", "text", "message")
    return Finding(
        type=None if kind is None else _text(kind),
        confidence=float(confidence) if number and 0 <= confidence <= 1 else None,
        summary=_text(item if summary is None else summary),
    )


def _first(item: dict[str, Any], *names: str) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SUMMARY_CHARS else f"{text[: SUMMARY_CHARS - 1]}…"


def _bounded(value: JsonValue) -> JsonValue:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LIMITATIONS_CHARS else f"{text[: LIMITATIONS_CHARS - 1]}…"
