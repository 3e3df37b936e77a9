"""A comparison on a terminal: tables, and plots made of letters."""

from collections.abc import Sequence

from driftgate.cli import console
from driftgate.report.comparisons import MEASURES, measured
from driftgate.schemas.benchmark import Average, Comparison, Contender, Pair, Quantity
from driftgate.schemas.ledger import Execution
from driftgate.schemas.record import count

PLOT = 40  # letters of a plot
SHOWN_PAIRS = 15
COLUMNS: tuple[Quantity, ...] = ("calls", "latency_s", "output_tokens", "cost_usd", "findings")
STYLES = {"signal": "bold green", "the data is the bottleneck": "bold red"}


def show(found: Comparison) -> None:
    one_each = "s" if len(found.contenders) != 1 else ""
    console.say(
        f"{len(found.contenders)} {found.by}{one_each} on {found.dataset}, by {found.metric}: "
        f"{count(found.rows, 'trial')}"
    )
    _contenders(found)
    _plot(found.contenders)
    _pairs(found.pairs)
    if found.variance:
        console.say(found.variance.told)
    cases = found.discrimination
    console.say(
        f"{cases.informative} of {count(cases.cases, 'case')} in common do not always come out the "
        f"same ({cases.all_solved} always solved, {cases.none_solved} never)"
    )
    if found.cheapest:
        best = found.contenders[0].name
        console.say(
            f"{found.cheapest} is the cheapest of those that are not shown to be worse than {best}"
        )
    for note in found.notes:
        console.say(f"note: {note}")
    console.say(
        f"{found.conclusion}: {found.reason}", bold=STYLES.get(found.conclusion, "bold yellow")
    )


def _contenders(found: Comparison) -> None:
    kept = [one.protocol for one in found.contenders]
    asked = {
        "enough calls": [one.enough_calls for one in kept],
        "drill-down": [one.drilled_down for one in kept],
        "truncated": [one.truncated or None for one in kept],
        "at a limit": [one.at_limit or None for one in kept],
    }
    shown = {name: of for name, of in asked.items() if any(value is not None for value in of)}
    measures = [q for q in COLUMNS if any(one.measures[q] for one in found.contenders)]
    console.table(
        (
            *(found.by, found.metric, "95 %", "pass^k", "cases", "trials", "missing"),
            *(MEASURES[q][0] for q in measures),
            *("USD/solved", *shown),
        ),
        [
            (
                *(one.name, _mean(one.success), _ends(one.success), _pass_hat(one)),
                *(one.cases, one.trials, one.unscored),
                *(measured(one.measures[q], MEASURES[q][1]) for q in measures),
                _usd(one),
                *("" if of[number] is None else f"{of[number]:.0%}" for of in shown.values()),
            )
            for number, one in enumerate(found.contenders)
        ],
    )


def _plot(contenders: Sequence[Contender]) -> None:
    """Each interval as a line from 0 to 100 %, the mean in it."""
    width = max((len(one.name) for one in contenders), default=0)
    for one in contenders:
        if one.success:
            console.say(f"{one.name:<{width}} |{interval(one.success)}| {_mean(one.success)}")


def interval(of: Average) -> str:
    letters = [" "] * PLOT
    low, high = (_place(of.mean if end is None else end) for end in (of.low, of.high))
    letters[low : high + 1] = "-" * (high + 1 - low)
    letters[_place(of.mean)] = "●"
    return "".join(letters)


def _place(share: float) -> int:
    return min(PLOT - 1, max(0, int(share * PLOT)))


def _pairs(pairs: Sequence[Pair]) -> None:
    if not pairs:
        return
    console.table(
        ("better", "worse", "points", "95 %", "cases", "won, lost", "adjusted p", "outcome"),
        [
            (
                *(pair.better, pair.worse, f"{100 * pair.difference:.1f}"),
                f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}",
                *(pair.cases, f"{pair.wins}, {pair.losses}", f"{pair.adjusted_p:.4f}"),
                pair.outcome,
            )
            for pair in pairs[:SHOWN_PAIRS]
        ],
    )
    if len(pairs) > SHOWN_PAIRS:
        console.say(f"… and {count(len(pairs) - SHOWN_PAIRS, 'more pair')}, in the report")
    for pair in [pair for pair in pairs if pair.why][:3]:
        console.say(f"why {pair.worse} is below {pair.better}:")
        for why in pair.why:
            console.say(f"  {why}")


def list_rows(rows: Sequence[Execution]) -> None:
    console.table(
        ("made", "agent", "model", "dataset", "case", "trial", "success", "calls", "USD", "s"),
        [
            (
                *(row.at[:16], f"{row.agent}@{row.version}", row.model or "unknown"),
                *(row.dataset, row.case_id, row.trial),
                "missing" if (value := row.score("task_success")) is None else f"{value:g}",
                row.calls,
                "missing" if row.cost_usd is None else f"{row.cost_usd:.4g}",
                "" if row.latency_s is None else f"{row.latency_s:.3g}",
            )
            for row in rows
        ],
    )


def _mean(of: Average | None) -> str:
    return "missing" if of is None else f"{of.mean:.1%}"


def _ends(of: Average | None) -> str:
    if of is None or of.low is None or of.high is None:
        return ""
    return f"{100 * of.low:.1f} to {100 * of.high:.1f}"


def _pass_hat(one: Contender) -> str:
    """Of as many trials as every case has."""
    return f"{one.pass_hat[-1]:.1%} at {len(one.pass_hat)}" if len(one.pass_hat) > 1 else ""


def _usd(one: Contender) -> str:
    return "" if one.cost_per_solved_usd is None else f"{one.cost_per_solved_usd:.4g}"
