"""What a run leaves behind, by key: runs/{run_id}/{kind}/{arm}/{trial}/{case_id}.json."""

from collections.abc import Iterable

from driftgate import canonical
from driftgate.errors import BadInput, TraceMissing
from driftgate.ports import Artifacts
from driftgate.schemas.cases import Case
from driftgate.schemas.record import Record
from driftgate.schemas.runs import Fault, RunPlan, TrialKey, Verdict
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace


def to_bytes(record: Record) -> bytes:
    return canonical.dump(record.model_dump(mode="json"))


def store_plan(plan: RunPlan, cases: Iterable[Case], runs: Artifacts) -> None:
    """Freeze the plan and its cases. The plan comes last: where there is one, all is there."""
    for case in cases:
        runs.put_once(_case_key(plan.run_id, case.case_id), to_bytes(case))
    runs.put_once(f"runs/{plan.run_id}/plan.json", to_bytes(plan))


def load_plan(run_id: str, runs: Artifacts) -> RunPlan:
    data = runs.get(f"runs/{run_id}/plan.json")
    if data is None:
        raise BadInput(f"there is no run {run_id}")
    return RunPlan.model_validate_json(data)


def load_case(run_id: str, case_id: str, runs: Artifacts) -> Case:
    data = runs.get(_case_key(run_id, case_id))
    if data is None:
        raise BadInput(f"run {run_id} has no case {case_id}")
    return Case.model_validate_json(data)


def store_trace(run_id: str, key: TrialKey, trace: Trace, runs: Artifacts) -> bool:
    """Store the trace of a trial; False when an earlier attempt's stands."""
    return runs.put_once(_key(run_id, "traces", key), to_bytes(trace))


def find_trace(run_id: str, key: TrialKey, runs: Artifacts) -> Trace | None:
    data = runs.get(_key(run_id, "traces", key))
    return None if data is None else Trace.model_validate_json(data)


def load_trace(run_id: str, key: TrialKey, runs: Artifacts) -> Trace:
    trace = find_trace(run_id, key, runs)
    if trace is None:
        raise TraceMissing(f"{key.arm}, trial {key.trial} of {key.case_id}: no trace is stored")
    return trace


def store_fault(run_id: str, key: TrialKey, fault: Fault, runs: Artifacts) -> None:
    runs.put_once(f"{_fault_prefix(run_id, key)}{fault.session_id}.json", to_bytes(fault))


def load_faults(run_id: str, key: TrialKey, runs: Artifacts) -> list[Fault]:
    found = (runs.get(name) for name in runs.keys(_fault_prefix(run_id, key)))
    return [Fault.model_validate_json(data) for data in found if data is not None]


def store_scores(run_id: str, key: TrialKey, card: ScoreCard, runs: Artifacts) -> bool:
    return runs.put_once(_key(run_id, "scores", key), to_bytes(card))


def find_scores(run_id: str, key: TrialKey, runs: Artifacts) -> ScoreCard | None:
    data = runs.get(_key(run_id, "scores", key))
    return None if data is None else ScoreCard.model_validate_json(data)


def store_verdict(verdict: Verdict, runs: Artifacts) -> None:
    """Keep a verdict under the number of trials it rests on: a completed run adds a later one."""
    name = f"runs/{verdict.run_id}/verdicts/{verdict.scored:06}.json"
    runs.put_once(name, to_bytes(verdict))


def find_verdict(run_id: str, runs: Artifacts) -> Verdict | None:
    """The verdict that rests on the most trials."""
    names = runs.keys(f"runs/{run_id}/verdicts/")
    data = runs.get(names[-1]) if names else None
    return None if data is None else Verdict.model_validate_json(data)


def _case_key(run_id: str, case_id: str) -> str:
    return f"runs/{run_id}/cases/{case_id}.json"


def _key(run_id: str, kind: str, key: TrialKey) -> str:
    return f"runs/{run_id}/{kind}/{key.arm}/{key.trial}/{key.case_id}.json"


def _fault_prefix(run_id: str, key: TrialKey) -> str:
    return f"runs/{run_id}/faults/{key.arm}/{key.trial}/{key.case_id}/"
