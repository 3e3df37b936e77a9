"""What a rule says of a sample."""

from collections.abc import Sequence
from typing import NamedTuple

from driftgate.schemas.policies import Outcome
from driftgate.schemas.runs import Criterion, Look, Stratum


class Ruling(NamedTuple):
    outcome: Outcome | None  # None: undecided, the next look may tell
    reason: str
    criteria: tuple[Criterion, ...]
    strata: tuple[Stratum, ...]
    look: Look | None = None  # of the calibrated rule
    hard_breaks: tuple[str, ...] = ()  # ids of cases


def first_release(criteria: Sequence[Criterion], strata: Sequence[Stratum]) -> str:
    """What is said of a run without a baseline; of the primary metric always."""
    has_floor = any(criterion.metric == strata[0].metric for criterion in criteria)
    told = [*([] if has_floor else strata[:1]), *criteria]
    return "; ".join(["nothing to compare with", *map(str, told)])
