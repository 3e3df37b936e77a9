"""Put a report together from a run's verdict and artifacts."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median, quantiles
from typing import get_args

from driftgate import evidence, intervals
from driftgate.datasets import count_by_tool, expected_tools
from driftgate.gate.point import TOOL_CASES
from driftgate.gate.sample import Sample, parts_of
from driftgate.matching import describe, show
from driftgate.metrics import SUITES
from driftgate.ports import Artifacts
from driftgate.report import attacks
from driftgate.report.changes import changes
from driftgate.report.judged import not_judged
from driftgate.schemas.cases import Adversarial, CallPattern, Case, ExpectedCall
from driftgate.schemas.costs import RunCost
from driftgate.schemas.drills import DrillRow
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.record import count
from driftgate.schemas.reports import (
    CaseRow,
    Compared,
    Counted,
    Distribution,
    Interval,
    Kind,
    Measure,
    Report,
    Story,
    Told,
    ToolCases,
)
from driftgate.schemas.runs import (
    Arm,
    CaseOutcome,
    RunPlan,
    RunRow,
    Stratum,
    TrialKey,
    Verdict,
)
from driftgate.schemas.scores import ScoreCard
from driftgate.schemas.traces import Trace

Cards = Mapping[tuple[str, str], Sequence[ScoreCard]]  # arm and case id -> by trial
Measures = dict[Measure, dict[Arm, Distribution]]
FAINT = 0.3  # a drop that a stratum should show
P95_VALUES = 20  # with fewer, the 95th percentile is the largest value or close to it


def build(
    verdict: Verdict,
    row: RunRow | DrillRow,
    runs: Artifacts,
    override: UsedOverride | None = None,
    cost: RunCost | None = None,
) -> Report:
    """Args: verdict, whose `effective` is what it does now; override, that makes it so, if any;
    cost: of the run.
    """
    plan = evidence.load_plan(verdict.run_id, runs)
    look = plan.looks.index(verdict.trials) + 1
    cards = list(evidence.load_scores(plan, look, runs).values())
    cases = evidence.load_cases(plan, runs)
    compared = (
        dict(changes(plan.arms["baseline"], plan.arms["candidate"]))
        if "baseline" in plan.arms
        else {}
    )
    rows = tuple(_rows(verdict, cases, cards))
    attacked = cases if verdict.suite == "adversarial" else ()
    measures: Measures = {
        measure: {
            arm: _distribution(measure, arm, plan, verdict.trials, cards) for arm in plan.arms
        }
        for measure in get_args(Measure)
    }
    return Report(
        finished_at=row.finished_at,
        environment=row.environment,
        verdict=verdict,
        override=override,
        cost=cost,
        changes=tuple(sentence for sentence in compared.values() if sentence),
        unchanged=tuple(part for part, sentence in compared.items() if not sentence),
        compared=tuple(_compared(verdict, cases, cards)),
        measures=measures,
        coverage=tuple(_coverage(plan, rows)),
        attacks=tuple(attacks.groups(attacked, cards, sorted(plan.arms))),
        got_through=tuple(attacks.got_through(attacked, cards, sorted(plan.arms))),
        cases=rows,
        stories=tuple(_stories(verdict, plan, cases, cards, runs)),
        not_covered=tuple(_not_covered(verdict, plan, cases, measures)),
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
    if case.adversarial:
        yield from _under_attack(case.adversarial)


def _under_attack(attack: Adversarial) -> Iterator[str]:
    for canary in attack.canaries:
        yield f"must not tell the secret {show(canary)}, in no reply and no argument"
    for matcher in attack.never_told:
        yield f"must not tell, as nobody could know it: {describe(matcher)}"
    for matcher in attack.acceptable:
        yield f"may say instead: {describe(matcher)}"
    for pattern in attack.escalations:
        yield f"may hand over with {_in_words(pattern)}"
    if attack.criterion == "recovered":
        yield f"calls a tool that fails at most {attack.attempts} times with the same arguments"


def _in_words(call: CallPattern) -> str:
    arguments = ", ".join(f"{name}={describe(m)}" for name, m in call.arguments.items())
    return f"{call.tool}({arguments})"


def _details(call: ExpectedCall) -> str:
    text = "".join(f", or {_in_words(other)}" for other in call.alternatives)
    if call.times.max is None:
        return f"{text}, {call.times.min} times or more"
    return f"{text}, {call.times.min} to {call.times.max} times" if call.times.max > 1 else text


def _stories(
    verdict: Verdict,
    plan: RunPlan,
    cases: Sequence[Case],
    cards: Sequence[ScoreCard],
    runs: Artifacts,
) -> Iterator[Story]:
    """Of each case the first failed trial of the arm that does worse, and the other arm's first
    solved one. All traces are asked for together: there may be thousands.
    """
    by_id = {case.case_id: case for case in cases}
    by_case = _by_case(cards)
    told = (("broken", verdict.broken), ("failing", verdict.failing), ("fixed", verdict.fixed))
    wanted = [(kind, outcome) for kind, outcomes in told for outcome in outcomes]
    shown = [_shown(kind, outcome, plan, by_case) for kind, outcome in wanted]
    traces = evidence.load_traces(plan.run_id, [k for keys in shown for k in keys.values()], runs)
    for (kind, outcome), keys in zip(wanted, shown, strict=True):
        case = by_id[outcome.case_id]
        yield Story.model_validate(
            {
                "kind": kind,
                "outcome": outcome,
                "case": case,
                "expected": tuple(expectations(case)),
                "arms": {arm: _told(key, traces, by_case) for arm, key in keys.items()},
            }
        )


def _by_case(cards: Sequence[ScoreCard]) -> Cards:
    found: dict[tuple[str, str], list[ScoreCard]] = {}
    for card in cards:
        found.setdefault((card.arm, card.case_id), []).append(card)
    return found


def _shown(kind: str, outcome: CaseOutcome, plan: RunPlan, by_case: Cards) -> dict[Arm, TrialKey]:
    keys: dict[Arm, TrialKey] = {}
    primary = SUITES[plan.suite].primary
    for arm in plan.arms:
        wanted = 0 if (arm == "candidate") == (kind != "fixed") else 1
        own = by_case.get((arm, outcome.case_id))
        if own:
            shown = next((c for c in own if c.scores[primary].value == wanted), own[0])
            keys[arm] = TrialKey(arm=arm, trial=shown.trial, case_id=outcome.case_id)
    return keys


def _told(key: TrialKey, traces: Mapping[TrialKey, Trace], by_case: Cards) -> Told:
    cards = by_case[key.arm, key.case_id]
    return Told(trace=traces[key], card=next(card for card in cards if card.trial == key.trial))


def _compared(
    verdict: Verdict, cases: Sequence[Case], cards: Sequence[ScoreCard]
) -> Iterator[Compared]:
    """The strata as the verdict has them; under the point rule their intervals are made here."""
    primary = SUITES[verdict.suite].primary
    sample = Sample(card for card in cards if card.scores[primary].scored)
    parts = parts_of(verdict.suite, cases)
    for stratum in verdict.strata:
        known = sample.known(stratum.metric, parts[stratum.metric, stratum.stratum])
        difference, interval = _difference(stratum, known, sample)
        yield Compared(
            metric=stratum.metric,
            stratum=stratum.stratum,
            cases=stratum.cases,
            baseline=stratum.baseline,
            candidate=stratum.candidate,
            baseline_interval=_of_mean(stratum.baseline, stratum.cases),
            candidate_interval=_of_mean(stratum.candidate, stratum.cases),
            difference=difference,
            difference_interval=interval,
            adjusted_p=stratum.adjusted_p,
            detectable=stratum.detectable,
        )


def _difference(
    stratum: Stratum, case_ids: Sequence[str], sample: Sample
) -> tuple[float | None, Interval | None]:
    """Candidate less baseline, with its interval."""
    if stratum.drop is not None and stratum.low is not None and stratum.high is not None:
        return -stratum.drop, _paired(-stratum.high, -stratum.low)
    if not case_ids:
        return None, None
    found = intervals.paired_difference(
        [
            (sample.case_mean(stratum.metric, "candidate", case_id) or 0)
            - (sample.case_mean(stratum.metric, "baseline", case_id) or 0)
            for case_id in case_ids
        ]
    )
    return found.mean, _paired(found.lower(), found.upper())


def _paired(low: float, high: float) -> Interval:
    method = "paired by case, error of Agresti and Min"
    return Interval(low=max(-1, low), high=min(1, high), level=intervals.LEVEL, method=method)


def _of_mean(mean: float | None, cases: int) -> Interval | None:
    if mean is None:
        return None
    low, high = intervals.wilson(mean, cases)
    return Interval(low=low, high=high, level=intervals.LEVEL, method="Wilson, cases as units")


def _distribution(
    measure: Measure, arm: Arm, plan: RunPlan, trials: int, cards: Sequence[ScoreCard]
) -> Distribution:
    found = [getattr(card.efficiency, measure) for card in cards if card.arm == arm]
    values = sorted(float(value) for value in found if value is not None)
    return Distribution(
        values=tuple(values),
        missing=len(plan.case_ids) * trials - len(values),
        mean=fmean(values) if values else None,
        median=median(values) if values else None,
        p95=quantiles(values, n=20, method="inclusive")[-1] if len(values) >= P95_VALUES else None,
    )


def _rows(verdict: Verdict, cases: Sequence[Case], cards: Sequence[ScoreCard]) -> Iterator[CaseRow]:
    primary = SUITES[verdict.suite].primary
    sample = Sample(card for card in cards if card.scores[primary].scored)
    kinds: dict[str, Kind] = {
        **{outcome.case_id: "broken" for outcome in verdict.broken},
        **{outcome.case_id: "failing" for outcome in verdict.failing},
        **{outcome.case_id: "fixed" for outcome in verdict.fixed},
    }
    for case in cases:
        candidate = sample.case_mean(primary, "candidate", case.case_id)
        yield CaseRow(
            case_id=case.case_id,
            kind="missing" if candidate is None else kinds.get(case.case_id, "solved"),
            task_type=case.task_type,
            difficulty=case.difficulty,
            critical=case.critical,
            locale=case.locale,
            tools=expected_tools(case),
            baseline=sample.case_mean(primary, "baseline", case.case_id),
            candidate=candidate,
        )


def _coverage(plan: RunPlan, rows: Sequence[CaseRow]) -> Iterator[ToolCases]:
    """A row for each tool that a case expects or the candidate has, the fewest cases last."""
    by_tool: dict[str | None, list[CaseRow]] = {
        contract.tool: [] for contract in plan.arms["candidate"].contracts
    }
    for row in rows:
        for tool in row.tools or (None,):
            by_tool.setdefault(tool, []).append(row)
    for tool, found in sorted(
        by_tool.items(), key=lambda i: (i[0] is None, -len(i[1]), i[0] or "")
    ):
        types = sorted({row.task_type for row in found})
        yield ToolCases(
            tool=tool,
            few=tool is not None and len(found) < TOOL_CASES,
            total=_counted(found),
            by_task_type={
                name: _counted([row for row in found if row.task_type == name]) for name in types
            },
        )


def _counted(rows: Sequence[CaseRow]) -> Counted:
    kinds = [row.kind for row in rows]
    return Counted(cases=len(rows), broken=kinds.count("broken"), failing=kinds.count("failing"))


def _is_faint(stratum: Stratum, primary: str) -> bool:
    """Whether not even a drop of FAINT would be found in four of five runs."""
    decided = stratum.adjusted_p is not None and stratum.metric == primary
    return decided and (stratum.detectable is None or stratum.detectable > FAINT)


def _faint(stratum: Stratum) -> str:
    if stratum.detectable is None or stratum.detectable >= 1:
        return f"any on {stratum.stratum} ({stratum.cases})"
    return f"below {100 * stratum.detectable:.0f} points on {stratum.stratum} ({stratum.cases})"


def _not_covered(
    verdict: Verdict, plan: RunPlan, cases: Sequence[Case], measures: Measures
) -> Iterator[str]:
    if verdict.cases < verdict.dataset.count:
        yield f"Only {verdict.cases} of the dataset's {verdict.dataset.count} cases were run."
    if verdict.missing:
        planned = verdict.scored + len(verdict.missing)
        gone = f"{len(verdict.missing)} of {count(planned, 'trial')} have no value"
        yield f"{gone}; nobody knows how they went."
    if verdict.policy.rule == "point":
        yield (
            "The point rule compares means of these trials. It states no error rate: chance alone "
            "can pass a worse agent, or block an equal one."
        )
    if unjudged := not_judged(plan):
        yield unjudged
    if verdict.suite == "adversarial":
        yield "Only these attacks were tried: one that is worded otherwise may still get through."
    known = dict.fromkeys((contract.tool for contract in plan.arms["candidate"].contracts), 0)
    by_tool = sorted({**known, **count_by_tool(cases)}.items())
    few = [f"{tool} ({n})" for tool, n in by_tool if n < TOOL_CASES]
    if few and verdict.policy.rule == "point" and verdict.suite == "regression":
        names = ", ".join(few)
        yield (
            f"Tools with fewer than {TOOL_CASES} cases, which do not decide by themselves, so that "
            f"their break may go unseen: {names}."
        )
    if faint := [_faint(s) for s in verdict.strata if _is_faint(s, SUITES[verdict.suite].primary)]:
        yield f"Drops that would often go unseen, as there are few cases: {', '.join(faint)}."
    unsaid = [name for name, arms in measures.items() if not arms["candidate"].values]
    if unsaid:
        yield f"The candidate does not say, so nobody compared: {', '.join(unsaid)}."
    if not verdict.dataset.published:
        yield "The dataset was read from a folder; it is not a published version."
