"""A verdict in plain words: for who was just blocked, and for who must decide what it means.

Every number comes from the stored verdict and its bundle; nothing is measured or judged anew.
"""

from collections.abc import Iterator, Sequence

from driftgate.datasets import count_by_tool
from driftgate.metrics import SUITES
from driftgate.report import attacks
from driftgate.report.changes import changes
from driftgate.report.judged import not_judged
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.explanations import Explanation, Section
from driftgate.schemas.overrides import UsedOverride
from driftgate.schemas.policies import GOOD
from driftgate.schemas.record import count
from driftgate.schemas.runs import Arm, ArmTotals, CaseOutcome, Criterion, Stratum, Verdict

SHOWN = 10  # cases, and as many strata, that are named; the report has all
DECIDED = {
    "PASS": "keeps the gate's thresholds against",
    "PASS_AT_MAX": "keeps the gate's thresholds against",
    "BLOCK": "misses a threshold of the gate; it was compared with",
    "INCONCLUSIVE": "can't be told from",
    "INTEGRITY_FAIL": "was not compared with",
}


def explanation(
    verdict: Verdict, bundle: Bundle, verdict_key: str, used: Sequence[UsedOverride] = ()
) -> Explanation:
    """Tell of a verdict, and of the overrides that let its candidate through."""
    sections = (
        ("What was decided", (*_decided(verdict), *map(_overridden, used))),
        ("What was compared", _compared(verdict, bundle)),
        ("What was measured", _measured(verdict)),
        ("How sure that is", _chance(verdict)),
        ("Which attacks got through", _attacks(verdict, bundle)),
        ("Which cases changed", _cases(verdict, bundle)),
        ("What could not have been seen", _unseen(verdict, bundle)),
        ("What it took", _took(verdict)),
        ("What to do next", _next(verdict)),
    )
    told = ((title, tuple(sentences)) for title, sentences in sections)
    return Explanation(
        run_id=verdict.run_id,
        outcome=verdict.outcome,
        effective=verdict.effective,
        verdict_key=verdict_key,
        sections=tuple(Section(title=t, sentences=s) for t, s in told if s),
    )


def _decided(verdict: Verdict) -> Iterator[str]:
    label = _label(verdict, "candidate")
    if "baseline" in verdict.arms and verdict.outcome != "BASELINE_CREATED":
        fell = any(c.kind == "drop" and c.ok is False for c in verdict.criteria)
        worse = verdict.outcome == "BLOCK" and fell
        how = "is worse than" if worse else DECIDED[verdict.outcome]
        what = f"{label} {how} {_label(verdict, 'baseline')}"
    else:
        what = f"{label} has nothing to be compared with; it is held to the floors alone"
    yield f"{verdict.outcome}: {what}."
    if verdict.effective in ("ADVISORY", "OBSERVED"):
        yield f"It stops nothing: the gate's mode here is {verdict.policy.mode}."
    if verdict.outcome not in GOOD:
        yield f"{verdict.reason.partition('; failed cases: ')[0]}."


def _overridden(used: UsedOverride) -> str:
    return f"{used}; used at {used.use.used_at:%Y-%m-%d %H:%M} UTC by {used.use.execution}."


def _compared(verdict: Verdict, bundle: Bundle) -> Iterator[str]:
    for arm, summary in sorted(verdict.arms.items()):
        yield f"{arm}: {_label(verdict, arm)}, model {summary.model}, digest {summary.digest[:12]}"
    arms = bundle.plan.arms
    if "baseline" in arms:
        moved = [said for _, said in changes(arms["baseline"], arms["candidate"]) if said]
        yield f"Between them: {'; '.join(moved) if moved else 'nothing changed'}."
    part = "all" if verdict.cases == verdict.dataset.count else str(verdict.cases)
    yield (
        f"On {part} of the {count(verdict.dataset.count, 'case')} of dataset {verdict.dataset}, "
        f"with {count(verdict.trials, 'trial')} of each in either arm, tools mocked alike."
    )


def _measured(verdict: Verdict) -> Iterator[str]:
    failed = [criterion for criterion in verdict.criteria if criterion.ok is False]
    rows = {(stratum.metric, stratum.stratum): stratum for stratum in verdict.strata}
    for criterion in failed or verdict.criteria[:1]:
        yield f"{criterion}{_interval(criterion, rows.get((criterion.metric, criterion.stratum)))}."
    held = len([criterion for criterion in verdict.criteria if criterion.ok])
    if failed and held:
        yield f"{count(held, 'other threshold')} held."


def _interval(criterion: Criterion, stratum: Stratum | None) -> str:
    if criterion.kind != "drop" or stratum is None or stratum.low is None:
        return ""
    assert stratum.high is not None
    low, high = max(-1.0, stratum.low), min(1.0, stratum.high)  # a normal interval may be wider
    return f"; 95 % interval of the drop: {_points(low)} to {_points(high)} points"


def _chance(verdict: Verdict) -> Iterator[str]:
    if verdict.outcome == "INTEGRITY_FAIL":
        return
    if not verdict.looks:
        if verdict.policy.rule == "point":
            yield (
                "Nothing says that it is not: the point rule compares means and states no error "
                "rate. The calibrated rule does."
            )
        return
    look = verdict.looks[-1]
    fell = [c for c in verdict.criteria if c.ok is False and c.adjusted_p is not None]
    if fell:
        least = min(fell, key=lambda criterion: criterion.adjusted_p or 0)
        yield (
            f"If nothing had changed, chance would let one of {len(verdict.strata)} strata fall "
            f"as clearly as {least.metric} over {least.stratum} did in {least.adjusted_p:.2%} of "
            f"such runs; this look blocks at {look.alpha:.1%}."
        )
    if any(c.ok is False and c.kind == "floor" for c in verdict.criteria):
        yield "A floor fails only where even the upper bound, of 95 %, is below it."
    if any(c.ok is False and c.kind == "ratio" for c in verdict.criteria):
        yield "What trials take is compared as measured; seconds vary from machine to machine."
    if any(c.ok is False and c.kind == "coverage" for c in verdict.criteria):
        yield "How many cases expect a tool is counted, not estimated."
    if verdict.hard_breaks:
        yield (
            f"{count(len(verdict.hard_breaks), 'critical case')} passed in every trial of the "
            f"baseline and in none of the candidate's: {_some(verdict.hard_breaks)}."
        )
    if not fell:
        yield (
            f"No stratum fell by more than chance gives: the smallest adjusted p is "
            f"{look.least_p:.4f}, and {look.alpha:.3f} would block."
        )
        yield (
            f"The largest drop of {SUITES[verdict.suite].primary} over all cases that is not "
            f"excluded is {_points(look.upper)} points; a PASS needs less than "
            f"{_points(verdict.policy.max_drop)}."
        )


def _attacks(verdict: Verdict, bundle: Bundle) -> Iterator[str]:
    if verdict.suite != "adversarial":
        return
    arms = sorted(bundle.plan.arms)
    for group in attacks.groups(bundle.cases, bundle.cards, arms):
        through = " and ".join(f"{group.got_through[arm]} in the {arm}" for arm in arms)
        by = f" by {group.strategy}" if group.strategy else ""
        kind = group.kind.replace("_", " ")
        yield f"{kind}{by}: of {count(group.cases, 'case')}, {through}"
    told = list(attacks.got_through(bundle.cases, bundle.cards, arms))
    for one in told[:SHOWN]:
        if led_to := one.led_to["candidate"]:
            yield f"{one.case_id} made the candidate do this: {led_to}"
    if len(told) > SHOWN:
        yield f"and {len(told) - SHOWN} more, in the report"


def _cases(verdict: Verdict, bundle: Bundle) -> Iterator[str]:
    for outcome in verdict.broken[:SHOWN]:
        traces = " and ".join(_traces(outcome, bundle))
        yield f"broken: {_case(outcome)}: {outcome.reason} ({traces})"
    if len(verdict.broken) > SHOWN:
        yield f"and {len(verdict.broken) - SHOWN} broken cases more, in the report"
    if verdict.broken:
        yield "Traces lie with the runs, where they expire; the report of the run has them too."
    for outcome in verdict.failing[:SHOWN] if not verdict.broken else ():
        traces = " and ".join(_traces(outcome, bundle))
        yield f"failing: {_case(outcome)}: {outcome.reason} ({traces})"
    if verdict.fixed:
        yield f"fixed: {_some([outcome.case_id for outcome in verdict.fixed])}"


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}"


def _case(outcome: CaseOutcome) -> str:
    critical = " (critical)" if outcome.critical else ""
    if outcome.baseline is None:
        return f"{outcome.case_id}{critical} solved in {outcome.candidate:.0%} of its trials"
    return (
        f"{outcome.case_id}{critical} solved in {outcome.baseline:.0%} of the baseline's trials "
        f"and {outcome.candidate:.0%} of the candidate's"
    )


def _traces(outcome: CaseOutcome, bundle: Bundle) -> Iterator[str]:
    """The candidate's first failed trial, and the baseline's first solved one."""
    wanted: dict[Arm, float] = {"candidate": 0, "baseline": 1}
    for arm, value in wanted.items():
        trials = [
            card.trial
            for card in bundle.cards
            if (card.arm, card.case_id) == (arm, outcome.case_id)
            and card.scores[SUITES[bundle.plan.suite].primary].value == value
        ]
        if trials:
            run = bundle.plan.run_id
            yield f"runs/{run}/traces/{arm}/{min(trials)}/{outcome.case_id}.json"


def _unseen(verdict: Verdict, bundle: Bundle) -> Iterator[str]:
    told = [stratum for stratum in verdict.strata if stratum.p is not None]
    blind = [stratum for stratum in told if stratum.detectable is None]
    primary = SUITES[verdict.suite].primary
    known = [s for s in told if s.detectable is not None and s.metric == primary]
    largest = sorted(known[1:], key=lambda s: -(s.detectable or 0))[:SHOWN]
    for stratum in (*known[:1], *largest):
        yield (
            f"{stratum.stratum} ({count(stratum.cases, 'case')}): a drop of {primary} by less than "
            f"{_points(stratum.detectable or 0)} points goes unseen in more than one of five runs."
        )
    if blind:
        yield f"On {len(blind)} strata no drop could have been told from chance."
    if verdict.cases < verdict.dataset.count:
        yield f"{verdict.dataset.count - verdict.cases} cases of the dataset were not run."
    tools = {contract.tool for contract in bundle.plan.arms["candidate"].contracts}
    if idle := sorted(tools - count_by_tool(bundle.cases).keys()):
        yield f"No case that was run expects {', '.join(idle)}."
    if verdict.missing:
        first = verdict.missing[0]
        why = first.reason.partition("\n")[0]
        planned = count(verdict.scored + len(verdict.missing), "trial")
        yield (
            f"{len(verdict.missing)} of {planned} are missing; "
            f"the first is {first.arm} {first.case_id}, trial {first.trial}: {why}"
        )
    if unjudged := not_judged(bundle.plan):
        yield unjudged


def _took(verdict: Verdict) -> Iterator[str]:
    for arm, totals in sorted(verdict.totals.items()):
        yield f"{arm}: {', '.join(_spent(totals))}"
    yield from (f"Of the candidate: {remark}." for remark in verdict.remarks)
    if verdict.judge:
        yield f"The answers were {verdict.judge}."
    saved = verdict.planned_invocations - verdict.invocations
    share = f": {saved / verdict.planned_invocations:.0%} saved" if saved else ""
    yield (
        f"{verdict.invocations} trials were planned up to the look that decided, "
        f"{verdict.planned_invocations} up to the last one{share}."
    )


def _spent(totals: ArmTotals) -> Iterator[str]:
    yield count(totals.trials, "trial")
    for name, form, unit in (
        ("latency_s", ",.1f", "s of waiting for replies"),
        ("input_tokens", ",.0f", "tokens read"),
        ("output_tokens", ",.0f", "tokens written"),
        ("cost_usd", ",.4f", "USD"),
        ("steps", ",.0f", "tool calls"),
    ):
        total = getattr(totals, name)
        if total is None:
            yield f"{unit}: not reported"
        else:
            part = "" if total.trials == totals.trials else f" (reported by {total.trials} trials)"
            yield f"{total.value:{form}} {unit}{part}"


def _next(verdict: Verdict) -> Iterator[str]:
    label = verdict.arms["candidate"]
    version = f"{label.agent}@{label.version}"
    match verdict.outcome:
        case "BLOCK":
            new = [c for c in verdict.criteria if c.kind == "coverage" and c.ok is False]
            if new:
                yield f"Write cases that expect {', '.join(c.stratum for c in new)}."
            if len(new) < len([c for c in verdict.criteria if c.ok is False]) or not new:
                yield "Read the traces of the cases above: what the agent did, beside the baseline."
                yield "Mend the agent and run it under a new version."
                yield "If the new behaviour is wanted, publish a dataset version that expects it."
        case "INCONCLUSIVE":
            if verdict.missing:
                yield "The same command runs again what is missing, and only that."
            else:
                yield "More cases, or more trials of each, tell more; looser thresholds do not."
        case "INTEGRITY_FAIL":
            yield f"Stored evidence is not what it was: {verdict.reason}. This is never waived."
            yield f"driftgate gate verify {verdict.run_id} and driftgate dataset verify say what."
        case _:
            yield f"After its deployment: driftgate agent promote {version}"


def _label(verdict: Verdict, arm: Arm) -> str:
    summary = verdict.arms[arm]
    return f"{summary.agent} {summary.version}"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
