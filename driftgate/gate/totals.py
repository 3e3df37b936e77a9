"""What the trials of a run took together."""

from collections.abc import Iterable
from math import fsum

from driftgate.schemas.runs import ArmTotals, Total
from driftgate.schemas.scores import ScoreCard


def totals(cards: Iterable[ScoreCard]) -> ArmTotals:
    """Sum over those trials that say; what none says is None.

    Seconds and cost are rounded to 1e-9, so that the order of the cards changes nothing.
    """
    spent = [card.efficiency for card in cards]

    def total(name: str) -> Total | None:
        values = [value for took in spent if (value := getattr(took, name)) is not None]
        return Total(value=round(fsum(values), 9), trials=len(values)) if values else None

    return ArmTotals(
        trials=len(spent),
        latency_s=total("latency_s"),
        input_tokens=total("input_tokens"),
        output_tokens=total("output_tokens"),
        cost_usd=total("cost_usd"),
        steps=total("steps"),
    )
