"""What a run leaves behind, by key: runs/{run_id}/{kind}/{arm}/{trial}/{case_id}.json."""

import gzip
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from driftgate import canonical
from driftgate.errors import BadInput, IntegrityFailed, TraceMissing
from driftgate.ports import Artifacts
from driftgate.schemas.cases import Case
from driftgate.schemas.costs import RunCost
from driftgate.schemas.evidence import Bundle, VerdictLink
from driftgate.schemas.judgments import CanaryReport, Judgment, TrialJudgments
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.record import Record, explain
from driftgate.schemas.runs import Arm, Attempt, Fault, RunCaseRequest, RunPlan, TrialKey, Verdict
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace

AnyRecord = TypeVar("AnyRecord", bound=Record)
OVERRIDE_SUFFIX = ".override.json"
COST_SUFFIX = ".cost.json"
PREFLIGHT = "preflight"
SessionPlace = TrialKey | Arm  # of which trial a session is; an arm alone: of its preflight
SessionMark = Literal["opened", "superseded", "unended", "left", "ended"]


class OpenSession(NamedTuple):
    place: SessionPlace
    opened: Attempt
    is_over: bool  # its attempt needs it no more


def to_bytes(record: Record) -> bytes:
    return canonical.dump(record.model_dump(mode="json"))


def store_plan(plan: RunPlan, cases: Iterable[Case], runs: Artifacts) -> None:
    """Freeze the plan and its cases. The plan comes last: where there is one, all is there."""
    runs.put_all_once({_case_key(plan.run_id, case.case_id): to_bytes(case) for case in cases})
    for look in range(1, len(plan.looks) + 1):
        keys = plan.trials_of(look)
        trials = (
            RunCaseRequest(run_id=plan.run_id, judged=plan.is_judged(key), **key.model_dump())
            for key in keys
        )
        lines = b"".join(to_bytes(trial) + b"\n" for trial in trials)
        runs.put_once(trials_key(plan.run_id, look), lines)
    runs.put_once(f"runs/{plan.run_id}/plan.json", to_bytes(plan))


def trials_key(run_id: str, look: int) -> str:
    """Where the trials are listed that a look adds."""
    return f"runs/{run_id}/trials/{look}.jsonl"


def load_plan(run_id: str, runs: Artifacts) -> RunPlan:
    plan = find_plan(run_id, runs)
    if plan is None:
        raise BadInput(f"there is no run {run_id}")
    return plan


def find_plan(run_id: str, runs: Artifacts) -> RunPlan | None:
    data = runs.get(f"runs/{run_id}/plan.json")
    return None if data is None else _read(RunPlan, f"runs/{run_id}/plan.json", data)


def load_cases(plan: RunPlan, runs: Artifacts) -> list[Case]:
    keys = [_case_key(plan.run_id, case_id) for case_id in plan.case_ids]
    found = runs.get_all(keys)
    if lost := [key for key in keys if key not in found]:
        raise IntegrityFailed(f"the stored {lost[0]} is gone")
    return [_read(Case, key, found[key]) for key in keys]


def load_case(run_id: str, case_id: str, runs: Artifacts) -> Case:
    data = runs.get(_case_key(run_id, case_id))
    if data is None:
        raise BadInput(f"run {run_id} has no case {case_id}")
    return _read(Case, _case_key(run_id, case_id), data)


def trace_key(run_id: str, key: TrialKey) -> str:
    return _key(run_id, "traces", key)


def store_trace(run_id: str, key: TrialKey, trace: Trace, runs: Artifacts) -> bool:
    """Store the trace of a trial; False when an earlier attempt's stands."""
    return runs.put_once(_key(run_id, "traces", key), to_bytes(trace))


def store_traces(run_id: str, traces: Mapping[TrialKey, Trace], runs: Artifacts) -> None:
    runs.put_all_once({_key(run_id, "traces", k): to_bytes(trace) for k, trace in traces.items()})


def find_trace(run_id: str, key: TrialKey, runs: Artifacts) -> Trace | None:
    name = _key(run_id, "traces", key)
    data = runs.get(name)
    return None if data is None else _read(Trace, name, data)


def load_trace(run_id: str, key: TrialKey, runs: Artifacts) -> Trace:
    trace = find_trace(run_id, key, runs)
    if trace is None:
        raise TraceMissing(f"{key.arm}, trial {key.trial} of {key.case_id}: no trace is stored")
    return trace


def load_traces(run_id: str, keys: Iterable[TrialKey], runs: Artifacts) -> dict[TrialKey, Trace]:
    """The traces of these trials, asked for together. Raises TraceMissing as `load_trace` does."""
    names = {key: _key(run_id, "traces", key) for key in keys}
    found = runs.get_all(names.values())
    for key, name in names.items():
        if name not in found:
            raise TraceMissing(f"{key.arm}, trial {key.trial} of {key.case_id}: no trace is stored")
    return {key: _read(Trace, name, found[name]) for key, name in names.items()}


def has_traces(run_id: str, arm: Arm, runs: Artifacts) -> bool:
    return bool(runs.keys(f"runs/{run_id}/traces/{arm}/"))


def whole_trials(plan: RunPlan, arm: Arm, case_ids: Iterable[str], runs: Artifacts) -> int:
    """How many trials of an arm have a trace of every one of these cases."""
    stored = set(runs.keys(f"runs/{plan.run_id}/traces/{arm}/"))
    wanted, trials = list(case_ids), 0
    while trials < plan.looks[-1]:
        keys = (TrialKey(arm=arm, trial=trials + 1, case_id=case_id) for case_id in wanted)
        if not all(_key(plan.run_id, "traces", key) in stored for key in keys):
            break
        trials += 1
    return trials


def mark_session(
    run_id: str, place: SessionPlace, mark: SessionMark, attempt: Attempt, runs: Artifacts
) -> None:
    """Say what became of a session, once.

    opened: it is about to be; should the attempt die, it is known. superseded: the attempt is no
    evidence any more, said before another one ends its session. unended: the attempt is over and
    could not end it. left: it was not to be ended. ended: it costs nothing any more.
    """
    key = f"{_attempts_key(run_id, place)}{attempt.session_id}/{mark}.json"
    runs.put_once(key, to_bytes(attempt))


def is_superseded(run_id: str, key: TrialKey, session_id: str, runs: Artifacts) -> bool:
    return runs.get(f"{_attempts_key(run_id, key)}{session_id}/superseded.json") is not None


def open_sessions(run_id: str, place: SessionPlace, runs: Artifacts) -> list[str]:
    """The sessions of a trial, or of an arm's preflight, that are still to be ended."""
    marked = _marked(runs.keys(_attempts_key(run_id, place)))
    return [key.rpartition("/")[2] for key, marks in marked.items() if _is_open(marks)]


def all_open_sessions(run_id: str, runs: Artifacts) -> list[OpenSession]:
    """Those of a whole run, with what there is to decide if their attempts still need them."""
    prefix = f"runs/{run_id}/attempts/"
    marked = {k: marks for k, marks in _marked(runs.keys(prefix)).items() if _is_open(marks)}
    stored = runs.get_all(f"{key}/opened.json" for key in marked)
    found = []
    for key, marks in marked.items():
        opened = _read(Attempt, f"{key}/opened.json", stored[f"{key}/opened.json"])
        place = key.removeprefix(prefix).rpartition("/")[0]
        is_over = "unended" in marks
        found.append(OpenSession(place=_place(place), opened=opened, is_over=is_over))
    return found


def opened_at(run_id: str, key: TrialKey, session_id: str, runs: Artifacts) -> str | None:
    """When a trial's session was opened; None: it had none, being recorded elsewhere."""
    name = f"{_attempts_key(run_id, key)}{session_id}/opened.json"
    data = runs.get(name) if session_id else None
    return None if data is None else _read(Attempt, name, data).at


def session_times(run_id: str, arm: Arm, runs: Artifacts) -> list[tuple[float, float | None]]:
    """When each session of an arm was opened and when it ended, in seconds; None: it has not."""
    marked = _marked(runs.keys(f"runs/{run_id}/attempts/{arm}/"))
    names = [
        f"{key}/{mark}.json" for key, of in marked.items() for mark in of & {"opened", "ended"}
    ]
    found = runs.get_all(names)
    times = {name: _seconds(_read(Attempt, name, data).at) for name, data in found.items()}
    return [
        (times[f"{key}/opened.json"], times.get(f"{key}/ended.json"))
        for key, marks in marked.items()
        if "opened" in marks
    ]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _marked(keys: Iterable[str]) -> dict[str, set[str]]:
    """The marks of each session, by its key."""
    found: dict[str, set[str]] = {}
    for key in keys:
        session, _, mark = key.removesuffix(".json").rpartition("/")
        found.setdefault(session, set()).add(mark)
    return found


def _is_open(marks: set[str]) -> bool:
    return "opened" in marks and not marks & {"ended", "left"}


def store_fault(run_id: str, key: TrialKey, fault: Fault, runs: Artifacts) -> None:
    runs.put_once(f"{_fault_prefix(run_id, key)}{fault.session_id}.json", to_bytes(fault))


def load_faults(
    run_id: str, keys: Iterable[TrialKey], runs: Artifacts, kind: str = "faults"
) -> dict[TrialKey, list[Fault]]:
    """The faults of each of these trials, asked for together: there may be thousands."""
    places = {_fault_prefix(run_id, key, kind): key for key in keys}
    stored = [(name.rpartition("/")[0] + "/", name) for name in runs.keys(f"runs/{run_id}/{kind}/")]
    found = runs.get_all(name for place, name in stored if place in places)
    faults: dict[TrialKey, list[Fault]] = {key: [] for key in places.values()}
    for place, name in stored:
        if name in found:
            faults[places[place]].append(_read(Fault, name, found[name]))
    return faults


def scores_key(run_id: str, key: TrialKey) -> str:
    return _key(run_id, "scores", key)


def store_scores(run_id: str, key: TrialKey, card: ScoreCard, runs: Artifacts) -> bool:
    return runs.put_once(scores_key(run_id, key), to_bytes(card))


def load_scores(plan: RunPlan, look: int, runs: Artifacts) -> dict[TrialKey, ScoreCard]:
    """The score cards that there are of the trials up to a look, in the order of the plan.

    If the run is judged, with what the judge says.
    """
    cards = find_scores(plan.run_id, plan.trial_keys(look), runs)
    return _with_judgments(plan, cards, runs) if plan.judge else cards


def find_scores(
    run_id: str, keys: Iterable[TrialKey], runs: Artifacts
) -> dict[TrialKey, ScoreCard]:
    """The score cards that there are of these trials, without what a judge says."""
    names = {key: scores_key(run_id, key) for key in keys}
    found = runs.get_all(names.values())
    return {k: _read(ScoreCard, n, found[n]) for k, n in names.items() if n in found}


def judgments_key(run_id: str, key: TrialKey) -> str:
    return _key(run_id, "judgments", key)


def store_judgments(run_id: str, key: TrialKey, found: TrialJudgments, runs: Artifacts) -> bool:
    return runs.put_once(judgments_key(run_id, key), to_bytes(found))


def is_judged(run_id: str, key: TrialKey, runs: Artifacts) -> bool:
    return runs.get(judgments_key(run_id, key)) is not None


def load_judgments(
    run_id: str, keys: Iterable[TrialKey], runs: Artifacts
) -> dict[TrialKey, TrialJudgments]:
    """What there is of these trials, asked for together."""
    names = {key: judgments_key(run_id, key) for key in keys}
    stored = runs.get_all(names.values())
    return {k: _read(TrialJudgments, n, stored[n]) for k, n in names.items() if n in stored}


def find_judgment(key: str, runs: Artifacts) -> Judgment | None:
    data = runs.get(key)
    return None if data is None else _read(Judgment, key, data)


def keep_judgment(key: str, judgment: Judgment, runs: Artifacts) -> None:
    """Keep an answer for every run. Of two that were given at the same time the first stays."""
    runs.put_once(key, to_bytes(judgment))


def store_judge_fault(run_id: str, key: TrialKey, fault: Fault, runs: Artifacts) -> None:
    runs.put_once(
        f"{_fault_prefix(run_id, key, 'judge-faults')}{fault.session_id}.json", to_bytes(fault)
    )


def store_canaries(run_id: str, report: CanaryReport, runs: Artifacts) -> bool:
    return runs.put_once(_canaries_key(run_id), to_bytes(report))


def find_canaries(run_id: str, runs: Artifacts) -> CanaryReport | None:
    data = runs.get(_canaries_key(run_id))
    return None if data is None else _read(CanaryReport, _canaries_key(run_id), data)


def _with_judgments(
    plan: RunPlan, cards: Mapping[TrialKey, ScoreCard], runs: Artifacts
) -> dict[TrialKey, ScoreCard]:
    from driftgate.judges.scoring import with_quality  # with the metrics

    assert plan.judge is not None
    judged = [key for key in cards if plan.is_judged(key)]
    found = load_judgments(plan.run_id, judged, runs)
    lost = [key for key in judged if key not in found]
    faults = load_faults(plan.run_id, lost, runs, "judge-faults") if lost else {}
    last = {key: f"{of[-1].error}: {of[-1].message}" for key, of in faults.items() if of}
    return {
        key: with_quality(card, plan.judge, found.get(key), last.get(key))
        for key, card in cards.items()
    }


def store_verdict(verdict: Verdict, bundle: Bundle, runs: Artifacts) -> str:
    """Keep a verdict under its policy and the evidence it rests on, and return its key.

    Its bundle is stored first, so that no verdict is met without one. A run that is completed
    later adds a verdict that rests on more.

    Raises:
        IntegrityFailed: another verdict is stored for this evidence.
    """
    policy = canonical.sha256(to_bytes(verdict.policy))[:12]
    faults = sum(trial.attempts for trial in verdict.missing)
    judged = f"-{verdict.judge.judged:06}" if verdict.judge else ""
    key = f"runs/{verdict.run_id}/verdicts/{policy}/{verdict.scored:06}-{faults}{judged}.json"
    put_bundle(key, to_bytes(bundle), runs)
    put_same(key, to_bytes(verdict), runs)
    return key


def put_same(key: str, data: bytes, artifacts: Artifacts) -> None:
    """Store what follows from stored evidence; raises IntegrityFailed if another is there."""
    if not artifacts.put_once(key, data) and artifacts.get(key) != data:
        raise IntegrityFailed(f"the stored {key} is not what the run's scores give")


def bundle_key(verdict_key: str) -> str:
    return f"{verdict_key.removesuffix('.json')}.bundle.json.gz"


def link_key(verdict_key: str) -> str:
    return f"{verdict_key.removesuffix('.json')}.link.json"


def override_key(verdict_key: str, number: int) -> str:
    return f"{verdict_key.removesuffix('.json')}.{number}{OVERRIDE_SUFFIX}"


def put_bundle(verdict_key: str, data: bytes, artifacts: Artifacts) -> None:
    """Store a verdict's bundle. Raises IntegrityFailed if there is one with other content.

    What is compared is the content: another zlib packs the same into other bytes.
    """
    key = bundle_key(verdict_key)
    if artifacts.put_once(key, gzip.compress(data, mtime=0)):
        return
    if load_bundle_bytes(verdict_key, artifacts) != data:
        raise IntegrityFailed(f"the stored {key} is not what the run's scores give")


def load_bundle_bytes(verdict_key: str, artifacts: Artifacts) -> bytes:
    """A verdict's bundle as canonical JSON. Raises IntegrityFailed if it is gone or damaged."""
    key = bundle_key(verdict_key)
    packed = artifacts.get(key)
    if packed is None:
        raise IntegrityFailed(f"the stored {key} is gone")
    try:
        return gzip.decompress(packed)
    except (EOFError, OSError, zlib.error) as error:
        raise IntegrityFailed(f"the stored {key} is damaged: {error}") from error


def load_bundle(verdict_key: str, artifacts: Artifacts) -> Bundle:
    data = load_bundle_bytes(verdict_key, artifacts)
    return _read(Bundle, bundle_key(verdict_key), data)


def cost_key(verdict_key: str) -> str:
    return f"{verdict_key.removesuffix('.json')}{COST_SUFFIX}"


def keep_cost(verdict_key: str, cost: RunCost, artifacts: Artifacts) -> None:
    """Keep what a run cost, beside its verdict. Of two the first stays: later ones see no more."""
    artifacts.put_once(cost_key(verdict_key), to_bytes(cost))


def find_cost(verdict_key: str, artifacts: Artifacts) -> RunCost | None:
    data = artifacts.get(cost_key(verdict_key))
    return None if data is None else _read(RunCost, cost_key(verdict_key), data)


def read_link(key: str, data: bytes) -> VerdictLink:
    return _read(VerdictLink, key, data)


def read_override(key: str, data: bytes) -> UsedOverride:
    return _read(UsedOverride, key, data)


def load_verdict(key: str, runs: Artifacts) -> Verdict:
    data = runs.get(key)
    if data is None:
        raise BadInput(f"there is no verdict {key}")
    return _read(Verdict, key, data)


def _read(kind: type[AnyRecord], key: str, data: bytes) -> AnyRecord:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise IntegrityFailed(f"the stored {key} is damaged: {explain(error)}") from error


def _case_key(run_id: str, case_id: str) -> str:
    return f"runs/{run_id}/cases/{case_id}.json"


def _key(run_id: str, kind: str, key: TrialKey) -> str:
    return f"runs/{run_id}/{kind}/{key.arm}/{key.trial}/{key.case_id}.json"


def _attempts_key(run_id: str, place: SessionPlace) -> str:
    if isinstance(place, TrialKey):
        return f"runs/{run_id}/attempts/{place.arm}/{place.trial}/{place.case_id}/"
    return f"runs/{run_id}/attempts/{place}/{PREFLIGHT}/"


def _place(text: str) -> SessionPlace:
    arm, *rest = text.split("/")
    if rest == [PREFLIGHT]:
        return TypeAdapter(Arm).validate_python(arm)
    return TrialKey.model_validate({"arm": arm, "trial": int(rest[0]), "case_id": rest[1]})


def _fault_prefix(run_id: str, key: TrialKey, kind: str = "faults") -> str:
    return f"runs/{run_id}/{kind}/{key.arm}/{key.trial}/{key.case_id}/"


def _canaries_key(run_id: str) -> str:
    return f"runs/{run_id}/canaries.json"
