"""What a rule says of a sample."""

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
