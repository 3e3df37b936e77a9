"""Put a report together from a run's verdict and artifacts."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from driftgate import evidence
from driftgate.datasets import count_by_tool
from driftgate.gate.point import TOOL_CASES
from driftgate.matching import describe
from driftgate.metrics import PRIMARY
from driftgate.ports import Artifacts
from driftgate.report.changes import changes
from driftgate.schemas.cases import CallPattern, Case, ExpectedCall
from driftgate.schemas.reports import Report, Spent, Story, Told
from driftgate.schemas.runs import Arm, CaseOutcome, RunPlan, RunRow, TrialKey, Verdict
from driftgate.schemas.scores import ScoreCard


def build(verdict: Verdict, row: RunRow, runs: Artifacts) -> Report:
    plan = evidence.load_plan(verdict.run_id, runs)
    look = plan.looks.index(verdict.trials) + 1
    cards = list(evidence.load_scores(plan, look, runs).values())
    cases = evidence.load_cases(plan, runs)
    compared = (
        dict(changes(plan.arms["baseline"], plan.arms["candidate"]))
        if "baseline" in plan.arms
        else {}
    )
    return Report(
        finished_at=row.finished_at,
        environment=row.environment,
        verdict=verdict,
        changes=tuple(sentence for sentence in compared.values() if sentence),
        unchanged=tuple(part for part, sentence in compared.items() if not sentence),
        spent={arm: _spent([card for card in cards if card.arm == arm]) for arm in plan.arms},
        stories=(
            *(_story("broken", outcome, plan, cards, runs) for outcome in verdict.broken),
            *(_story("failing", outcome, plan, cards, runs) for outcome in verdict.failing),
            *(_story("fixed", outcome, plan, cards, runs) for outcome in verdict.fixed),
        ),
        not_covered=tuple(_not_covered(verdict, plan, cases)),
    )


def expectations(case: Case) -> Iterator[str]:
    """What a case asks for, a sentence each."""
    tools = {call.id: call.tool for call in case.expected_calls}
    for call in case.expected_calls:
        after = ", ".join(tools[name] for name in call.after)
        order = f", after {after}" if after else ""
        yield f"{'may call' if call.optional else 'calls'} {_in_words(call)}{_details(call)}{order}"
    for forbidden in case.forbidden_calls:
        arguments = ", ".join(f"{name}={describe(m)}" for name, m in forbidden.arguments.items())
        why = f": {forbidden.reason}" if forbidden.reason else ""
        yield f"must not call {forbidden.tool}({arguments}){why}"
    for number, turn in enumerate(case.turns, start=1):
        for matcher in turn.expected_outputs:
            yield f"tells the user in turn {number}: {describe(matcher)}"
    for matcher in case.expected_outputs:
        yield f"tells the user: {describe(matcher)}"


def _in_words(call: CallPattern) -> str:
    arguments = ", ".join(f"{name}={describe(m)}" for name, m in call.arguments.items())
    return f"{call.tool}({arguments})"


def _details(call: ExpectedCall) -> str:
    text = "".join(f", or {_in_words(other)}" for other in call.alternatives)
    if call.times.max is None:
        return f"{text}, {call.times.min} times or more"
    return f"{text}, {call.times.min} to {call.times.max} times" if call.times.max > 1 else text


def _story(
    kind: str, outcome: CaseOutcome, plan: RunPlan, cards: Sequence[ScoreCard], runs: Artifacts
) -> Story:
    """The first failed trial of the arm that does worse, and the other arm's first solved one."""
    case = evidence.load_case(plan.run_id, outcome.case_id, runs)
    told: dict[Arm, Told] = {}
    for arm in plan.arms:
        wanted = 0 if (arm == "candidate") == (kind != "fixed") else 1
        own = [card for card in cards if card.arm == arm and card.case_id == outcome.case_id]
        if own:
            shown = next((c for c in own if c.scores[PRIMARY].value == wanted), own[0])
            key = TrialKey(arm=arm, trial=shown.trial, case_id=outcome.case_id)
            told[arm] = Told(trace=evidence.load_trace(plan.run_id, key, runs), card=shown)
    return Story.model_validate(
        {
            "kind": kind,
            "outcome": outcome,
            "case": case,
            "expected": tuple(expectations(case)),
            "arms": told,
        }
    )


def _spent(cards: Sequence[ScoreCard]) -> Spent:
    def mean(name: str) -> float | None:
        values = [getattr(card.efficiency, name) for card in cards]
        return round(fmean(values), 6) if values and None not in values else None

    return Spent(
        trials=len(cards),
        latency_s=mean("latency_s"),
        input_tokens=mean("input_tokens"),
        output_tokens=mean("output_tokens"),
        cost_usd=mean("cost_usd"),
        steps=mean("steps") or 0,
        unnecessary_calls=mean("unnecessary_calls") or 0,
    )


def _not_covered(verdict: Verdict, plan: RunPlan, cases: Sequence[Case]) -> Iterator[str]:
    if verdict.cases < verdict.dataset.count:
        yield f"Only {verdict.cases} of the dataset's {verdict.dataset.count} cases were run."
    if verdict.policy.rule == "point":
        yield (
            "The point rule compares means of these trials. It states no error rate: chance alone "
            "can pass a worse agent, or block an equal one."
        )
    yield "How well answers are worded was not judged; only facts that a case names were checked."
    known = dict.fromkeys((contract.tool for contract in plan.arms["candidate"].contracts), 0)
    by_tool = sorted({**known, **count_by_tool(cases)}.items())
    few = [f"{tool} ({n})" for tool, n in by_tool if n < TOOL_CASES]
    if few:
        names = ", ".join(few)
        yield (
            f"Tools with fewer than {TOOL_CASES} cases, which do not decide by themselves, so that "
            f"their break may go unseen: {names}."
        )
    if not verdict.dataset.published:
        yield "The dataset was read from a folder; it is not a published version."
