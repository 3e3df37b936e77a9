"""What the arms took, side by side: seconds, tokens, money, calls."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from driftgate.schemas.record import count
from driftgate.schemas.runs import QUANTITIES, Quantity, RunPlan, Spending
from driftgate.schemas.scores import ScoreCard

NOTABLE = 1.25  # times what the baseline took
MOST_CASES = 0.8  # seconds are noisy: stalled trials move their mean, but not most cases
MORE_CALLS = 0.2  # unnecessary ones a case


def compare(plan: RunPlan, cards: Sequence[ScoreCard]) -> tuple[Spending, ...]:
    """Each quantity's mean over the cases that have a value in every arm; cases weigh the same.

    A trial that does not say is left out, and so is a case of which none does. Where the baseline's
    trials are those of an earlier run, its latency is not compared.
    """
    return tuple(_compare(plan, cards, quantity) for quantity in QUANTITIES)


def remarks(spending: Sequence[Spending], cards: Sequence[ScoreCard]) -> Iterator[str]:
    """What the candidate takes notably more of than the baseline, with the numbers."""
    rows = {row.quantity: row for row in spending}
    latency, cost = rows["latency_s"], rows["cost_usd"]
    read, written = rows["input_tokens"], rows["output_tokens"]
    if _is_notable(latency) and latency.higher >= MOST_CASES * latency.cases:
        yield f"slower: {_times(latency)} the latency, {_instead(latency, '.2f', 's')}"
    known = {"input": read.ratio, "output": written.ratio}
    tokens = ", ".join(f"{r:.1f} times the {name} tokens" for name, r in known.items() if r)
    if _is_notable(cost):
        more = f" ({tokens})" if tokens else ""
        yield f"dearer: {_times(cost)} the cost, {_instead(cost, '.4f', 'USD')}{more}"
    elif cost.ratio is None and (_is_notable(read) or _is_notable(written)):
        yield f"more tokens: {tokens}"
    calls = rows["unnecessary_calls"]
    if calls.difference is not None and calls.difference >= MORE_CALLS:
        yield f"more unnecessary calls: {_instead(calls, '.2f', 'a case')}{_whose(cards)}"


def _compare(plan: RunPlan, cards: Sequence[ScoreCard], quantity: Quantity) -> Spending:
    values: dict[tuple[str, str], list[float]] = {}
    for card in cards:
        value = getattr(card.efficiency, quantity)
        if value is not None:
            values.setdefault((card.arm, card.case_id), []).append(value)
    means = {place: fmean(sorted(found)) for place, found in values.items()}
    known = [i for i in plan.case_ids if all((arm, i) in means for arm in plan.arms)]
    both = known if "baseline" in plan.arms else []
    if quantity == "latency_s" and plan.baseline_run:
        both = []  # the seconds of another hour, on machines that had other things to do

    def mean(arm: str, case_ids: Sequence[str]) -> float | None:
        return round(fmean(means[arm, i] for i in case_ids), 9) if case_ids else None

    return Spending(
        quantity=quantity,
        cases=len(known),
        baseline=mean("baseline", both),
        candidate=mean("candidate", known),
        higher=sum(means["candidate", i] > means["baseline", i] for i in both),
    )


def _is_notable(row: Spending) -> bool:
    return row.ratio is not None and row.ratio >= NOTABLE


def _times(row: Spending) -> str:
    return f"{row.ratio:.1f} times"


def _instead(row: Spending, form: str, unit: str) -> str:
    return f"{row.candidate:{form}} {unit} instead of {row.baseline:{form}}"


def _whose(cards: Sequence[ScoreCard]) -> str:
    """The tools that the candidate called most often without need."""
    own = [card.efficiency.unnecessary_tools for card in cards if card.arm == "candidate"]
    tools = Counter(tool for used in own for tool in used)
    most = sorted(tools.items(), key=lambda item: (-item[1], item[0]))[:3]
    named = ", ".join(f"{tool} {count(n, 'time')}" for tool, n in most)
    return f" ({named})" if named else ""
