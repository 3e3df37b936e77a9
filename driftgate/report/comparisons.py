"""A comparison's report: a page that needs nothing else, and JSON of the same record."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from driftgate.report import exports, html
from driftgate.schemas.benchmark import QUANTITIES, Average, Comparison, Contender, Pair, Quantity
from driftgate.schemas.ledger import Execution

WIDTH, ROW, LEFT, RIGHT = 720, 26, 230, 60  # of a drawing, in its own units
MEASURES: dict[Quantity, tuple[str, str]] = {
    "calls": ("tool calls", "{:.2f}"),
    "failed_calls": ("failed calls", "{:.2f}"),
    "latency_s": ("seconds", "{:.3g}"),
    "input_tokens": ("tokens read", "{:,.0f}"),
    "output_tokens": ("tokens written", "{:,.0f}"),
    "cache_read_tokens": ("from cache", "{:,.0f}"),
    "cost_usd": ("USD", "{:.4g}"),
    "findings": ("findings", "{:.2f}"),
}
SHARES = (
    ("models", "between models"),
    ("cases", "between cases"),
    ("interaction", "which is better at which case"),
    ("within", "between trials of one"),
)


class Bar(NamedTuple):
    """A mean with its interval, in a drawing's units."""

    name: str
    y: float
    low: float
    mean: float
    high: float
    told: str


class Dot(NamedTuple):
    """A contender's cost and quality, in a drawing's units."""

    name: str
    x: float
    y: float
    on_frontier: bool


class Part(NamedTuple):
    """A share of the variance, in a drawing's units."""

    name: str
    x: float
    width: float
    share: float


def write(comparison: Comparison, rows: Sequence[Execution], folder: Path) -> Path:
    """Write the page, its record and the rows, over what was there; return the page to open."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "comparison.html": render(comparison),
        "comparison.json": comparison.model_dump_json(indent=2),
        "executions.csv": exports.csv_of(rows),
        "executions.jsonl": "".join(exports.jsonl_of(rows)),
    }
    for name, text in forms.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / "comparison.html"


def render(comparison: Comparison) -> str:
    """One HTML file that runs no script. Every value is escaped."""
    style = Markup(html.shipped("report.css"))  # noqa: S704 our own
    names = [one.name for one in comparison.contenders]
    shown = [q for q in QUANTITIES if any(one.measures.get(q) for one in comparison.contenders)]
    return (
        html.environment()
        .get_template("comparison.html")
        .render(
            report=comparison,
            names=names,
            signal=comparison.conclusion == "signal",
            bars=list(_bars(comparison.contenders)),
            dots=list(_dots(comparison.contenders)),
            parts=list(_parts(comparison)),
            matrix={(p.better, p.worse): p for p in comparison.pairs}
            | {(p.worse, p.better): p for p in comparison.pairs},
            signed=_signed,
            measures={q: MEASURES[q] for q in shown},
            measured=measured,
            width=WIDTH,
            row=ROW,
            left=LEFT,
            right=RIGHT,
            style=style,
            style_sha=html.sha256(style),
        )
    )


def measured(average: Average | None, form: str) -> str:
    return html.NOTHING if average is None else form.format(average.mean)


def _signed(pair: Pair, of: str) -> float:
    return pair.difference if pair.better == of else -pair.difference


def _bars(contenders: Sequence[Contender]) -> Iterator[Bar]:
    span = WIDTH - LEFT - RIGHT
    for number, one in enumerate(contenders):
        found = one.success
        if found is None or found.low is None or found.high is None:
            continue
        ends = (LEFT + span * value for value in (found.low, found.mean, found.high))
        low, mean, high = (round(end, 1) for end in ends)
        yield Bar(one.name, ROW * (number + 0.5), low, mean, high, f"{found.mean:.1%}")


def _dots(contenders: Sequence[Contender]) -> Iterator[Dot]:
    """Where each stands whose cost is known: to the right what costs more, above what is better."""
    priced = [
        (one, cost.mean, one.success.mean)
        for one in contenders
        if (cost := one.measures.get("cost_usd")) and one.success
    ]
    most = max((usd for _, usd, _ in priced), default=0.0)
    for one, usd, mean in priced:
        x = LEFT / 2 + (WIDTH - LEFT) * (usd / most if most else 0.0)
        yield Dot(one.name, round(x, 1), round(20 + 200 * (1 - mean), 1), bool(one.on_frontier))


def _parts(comparison: Comparison) -> Iterator[Part]:
    found = comparison.variance
    x = 0.0
    for field, name in SHARES:
        share = found.share(getattr(found, field)) if found else None
        if share is not None:
            yield Part(name, round(x, 1), round(WIDTH * share, 1), share)
            x += WIDTH * share
