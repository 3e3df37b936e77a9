"""Put a report together from a run's verdict and artifacts."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from driftgate import evidence
from driftgate.datasets import count_by_tool
from driftgate.matching import describe
from driftgate.metrics import PRIMARY
from driftgate.ports import Artifacts
from driftgate.schemas.cases import CallPattern, Case, ExpectedCall
from driftgate.schemas.reports import FlipStory, Report, Spent, Told
from driftgate.schemas.runs import Arm, Flip, RunPlan, TrialKey, Verdict
from driftgate.schemas.scores import ScoreCard

FEW_CASES = 10  # below this, a broken tool is missed about half of the time


def build(verdict: Verdict, runs: Artifacts) -> Report:
    plan = evidence.load_plan(verdict.run_id, runs)
    cards = [
        card
        for key in plan.trial_keys()
        if (card := evidence.find_scores(plan.run_id, key, runs)) is not None
    ]
    cases = [evidence.load_case(plan.run_id, case_id, runs) for case_id in plan.case_ids]
    stories = [(flip, True) for flip in verdict.broken] + [(flip, False) for flip in verdict.fixed]
    return Report(
        verdict=verdict,
        spent={arm: _spent([card for card in cards if card.arm == arm]) for arm in plan.arms},
        flips=tuple(_story(plan, flip, broken, cards, runs) for flip, broken in stories),
        not_covered=tuple(_not_covered(verdict, cases)),
    )


def expectations(case: Case) -> Iterator[str]:
    """What a case asks for, a sentence each."""
    for call in case.expected_calls:
        yield f"{'may call' if call.optional else 'calls'} {_in_words(call)}{_details(call)}"
    for forbidden in case.forbidden_calls:
        arguments = ", ".join(f"{name}={describe(m)}" for name, m in forbidden.arguments.items())
        yield f"must not call {forbidden.tool}({arguments})"
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
        text += f", {call.times.min} times or more"
    elif call.times.max > 1:
        text += f", {call.times.min} to {call.times.max} times"
    return text + (f", after {', '.join(call.after)}" if call.after else "")


def _story(
    plan: RunPlan, flip: Flip, broken: bool, cards: Sequence[ScoreCard], runs: Artifacts
) -> FlipStory:
    case = evidence.load_case(plan.run_id, flip.case_id, runs)
    worse: Arm = "candidate" if broken else "baseline"
    told: dict[Arm, Told] = {}
    for arm in plan.arms:
        wanted = 0 if arm == worse else 1
        own = [card for card in cards if card.arm == arm and card.case_id == flip.case_id]
        shown = next((card for card in own if card.scores[PRIMARY].value == wanted), own[0])
        key = TrialKey(arm=arm, trial=shown.trial, case_id=flip.case_id)
        told[arm] = Told(trace=evidence.load_trace(plan.run_id, key, runs), card=shown)
    return FlipStory(
        flip=flip, broken=broken, case=case, expected=tuple(expectations(case)), arms=told
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


def _not_covered(verdict: Verdict, cases: Sequence[Case]) -> Iterator[str]:
    if verdict.policy.rule == "point":
        yield (
            "The point rule compares means of these trials. It states no error rate: chance alone "
            "can pass a worse agent, or block an equal one."
        )
    yield "How well answers are worded was not judged; only facts that a case names were checked."
    few = [f"{tool} ({n})" for tool, n in count_by_tool(cases).items() if n < FEW_CASES]
    if few:
        names = ", ".join(few)
        yield f"Tools with fewer than {FEW_CASES} cases, whose break may go unseen: {names}."
    if not verdict.dataset.published:
        yield "The dataset was read from a folder; it is not a published version."
