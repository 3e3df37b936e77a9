"""Judging the trials of a run: who judges, what was answered before, and what it may cost."""

from collections.abc import Sequence
from importlib import resources
from typing import Any

from driftgate import canonical, evidence
from driftgate.errors import BadInput, JudgeFailed, JudgeUnavailable, Throttled
from driftgate.judges import prompts
from driftgate.judges.passages import content, passages
from driftgate.judges.rubric import VERSION as RUBRIC_JUDGE
from driftgate.judges.spans import VERSION as SPANS
from driftgate.ports import Artifacts, Judge, Registry
from driftgate.schemas.cases import Case, RubricItem
from driftgate.schemas.judgments import (
    PASSING,
    Canary,
    CanaryAnswer,
    CanaryReport,
    JudgeFault,
    JudgePlan,
    JudgeSpec,
    Judgment,
    TrialJudgments,
)
from driftgate.schemas.runs import RunPlan, TrialKey
from driftgate.schemas.traces import Trace

NANO = 1_000_000_000
SPENDING_TRIES = 50  # to count what is spent while others do so too


def plan_judge(spec: JudgeSpec, cases: Sequence[Case]) -> JudgePlan | None:
    """Who judges these cases; None if there is nothing to judge.

    Raises:
        BadInput: there is no such prompt or recording.
    """
    case_ids = tuple(case.case_id for case in cases if can_answer(spec, case))
    if not case_ids:
        return None
    return JudgePlan(spec=spec, fingerprint=fingerprint(spec), case_ids=case_ids)


def can_answer(spec: JudgeSpec, case: Case) -> bool:
    """Whether a case has a rubric; without a model, also a check for each of its questions."""
    checked = spec.backend != "rubric" or all(item.check for item in case.rubric)
    return bool(case.rubric) and checked


def fingerprint(spec: JudgeSpec) -> str:
    """The sha256 of all that decides an answer: not how often it is asked, nor at what price."""
    content: dict[str, Any] = {"backend": spec.backend, "model": spec.model}
    match spec.backend:
        case "recorded":
            if not _is_sha256(spec.model):
                wanted = "wanted the fingerprint of a judge, 64 hexadecimal digits"
                raise BadInput(f"judge: model: {wanted}, got {spec.model!r}")
            return str(spec.model)
        case "rubric":
            content |= {"version": RUBRIC_JUDGE}
        case "converse":
            content |= {"prompt": prompts.sha256(spec.prompt), "temperature": spec.temperature}
            content |= {"max_tokens": spec.max_tokens}
        case "evaluate":
            content |= {"level": spec.level, "spans": SPANS}
    return canonical.sha256(canonical.dump(content))


def judge_trial(
    plan: RunPlan,
    key: TrialKey,
    case: Case,
    trace: Trace,
    judge: Judge,
    runs: Artifacts,
    stored: Registry,
) -> TrialJudgments:
    """Ask as often as is planned; what was answered before is not asked again.

    Raises:
        Throttled, JudgeUnavailable: another attempt may succeed; answers so far are kept.
    """
    assert plan.judge is not None
    judgments: list[Judgment] = []
    faults: list[JudgeFault] = []
    cached = 0
    for repeat in range(1, plan.judge.spec.repeats + 1):
        place = answer_key(plan.judge.fingerprint, case.rubric, trace, repeat)
        known = evidence.find_judgment(place, runs)
        cached += known is not None
        try:
            made = known or _asked(
                plan, case.rubric, trace, repeat, judge, stored, f"{_name(key)}/{repeat}"
            )
        except JudgeFailed as error:
            if error.kind in PASSING:
                raise _passing(error) from error
            fault = {"repeat": repeat, "kind": error.kind, "message": str(error)}
            faults.append(JudgeFault.model_validate(fault))
            continue
        judgments.append(made)
        if known is None:
            evidence.keep_judgment(place, made, runs)
    return TrialJudgments(
        fingerprint=plan.judge.fingerprint,
        judgments=tuple(judgments),
        faults=tuple(faults),
        cached=cached,
    )


def ask_canary(
    plan: RunPlan, canary: Canary, judge: Judge, runs: Artifacts, stored: Registry
) -> tuple[CanaryAnswer, float | None]:
    """Let the judge answer what is known, and what that cost. It is asked anew in each run.

    Raises:
        Throttled, JudgeUnavailable: there is no answer, so nobody knows what the judge is worth.
    """
    assert plan.judge is not None
    place = answer_key(plan.judge.fingerprint, (canary.question,), canary.trace, 1)
    replayed = plan.judge.spec.backend == "recorded"
    known = evidence.find_judgment(place, runs) if replayed else None
    try:
        rubric = (canary.question,)
        made = known or _asked(plan, rubric, canary.trace, 1, judge, stored, canary.id)
    except JudgeFailed as error:
        if error.kind in PASSING:
            raise _passing(error) from error
        raise JudgeUnavailable(f"canary {canary.id}: {error.kind}: {error}") from error
    evidence.keep_judgment(place, made, runs)  # for who replays this judge
    answer = CanaryAnswer(
        id=canary.id,
        kind=canary.kind,
        question=canary.question.question,
        value=made.value,
        answers=made.answers,
    )
    return answer, made.cost_usd


def canaries() -> tuple[Canary, ...]:
    """Good and bad answers with what is to be said of them."""
    lines = _canary_lines().decode().split("\n")
    return tuple(Canary.model_validate(canonical.load(line)) for line in lines if line)


def report(plan: RunPlan, answered: Sequence[tuple[CanaryAnswer, float | None]]) -> CanaryReport:
    assert plan.judge is not None
    costs = [cost for _, cost in answered if cost is not None]
    return CanaryReport(
        fingerprint=plan.judge.fingerprint,
        canaries=canonical.sha256(_canary_lines()),
        answers=tuple(answer for answer, _ in answered),
        cost_usd=round(sum(costs), 9) if len(costs) == len(answered) else None,
    )


def answer_key(fingerprint: str, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> str:
    """Where an answer is kept for every run: under the judge, what it was asked, and how often."""
    return f"judgments/{fingerprint}/{content(rubric, passages(trace))}/{repeat}.json"


def _asked(
    plan: RunPlan,
    rubric: Sequence[RubricItem],
    trace: Trace,
    repeat: int,
    judge: Judge,
    stored: Registry,
    what: str,
) -> Judgment:
    """One judgment within the run's budget: what it costs at most is set aside before."""
    assert plan.judge is not None
    budget = plan.judge.spec.budget_usd
    if budget is None:
        return judge.judge(rubric, trace, repeat)
    most = judge.most_usd(rubric, trace)
    assert most is not None, "a budget without a price is refused with the spec"
    _spend(plan.run_id, f"most of {what}", most, stored, budget)
    try:
        judgment = judge.judge(rubric, trace, repeat)
    except JudgeFailed as error:
        if error.cost_usd is not None:  # else it stays spent: a budget errs on the safe side
            _spend(plan.run_id, f"rest of {what}", error.cost_usd - most, stored)
        raise
    if judgment.cost_usd is not None:
        _spend(plan.run_id, f"rest of {what}", judgment.cost_usd - most, stored)
    return judgment


def _spend(
    run_id: str, what: str, usd: float, stored: Registry, budget: float | None = None
) -> None:
    """Count what is spent, over all who judge this run at the same time.

    The row says what was counted last, so that two who count the same sum write different rows.

    Raises:
        JudgeFailed: it would be more than the budget.
        Throttled: too many others count at the same time.
    """
    key = f"judging/{run_id}"
    for _ in range(SPENDING_TRIES):
        before = stored.row(key)
        spent = (before or {}).get("nano_usd", 0)
        after = spent + round(usd * NANO)
        if budget is not None and after > round(budget * NANO):
            raise JudgeFailed(
                "budget",
                f"{spent / NANO:.4f} of {budget:.4f} USD are spent, and one more judgment may take "
                f"{usd:.4f}",
            )
        if stored.replace(key, {"run_id": run_id, "nano_usd": after, "last": what}, before):
            return
    raise Throttled(f"{key}: other writers were in the way {SPENDING_TRIES} times")


def _name(key: TrialKey) -> str:
    return f"{key.arm}/{key.trial}/{key.case_id}"


def _passing(error: JudgeFailed) -> Throttled | JudgeUnavailable:
    kind = Throttled if error.kind == "throttled" else JudgeUnavailable
    return kind(f"{error.kind}: {error}")


def _canary_lines() -> bytes:
    return resources.files("driftgate.judges").joinpath("canaries.jsonl").read_bytes()


def _is_sha256(text: str | None) -> bool:
    return text is not None and len(text) == 64 and set(text) <= set("0123456789abcdef")
