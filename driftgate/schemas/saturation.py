"""How much the cases of a dataset still tell of an agent, over the versions that met them."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.record import CaseId, Record, Sha256, Share

Count = Annotated[int, Field(ge=0)]
Flag = Literal["saturated", "dead", "suspicious"]


class Solved(Record):
    """How many of the trials of a case a version solved."""

    solved: Count
    trials: Annotated[int, Field(ge=1)]


class ItemAnalysis(Record):
    """What one case tells. Flags are empty where there is too little to go by."""

    case_id: CaseId
    versions: Count  # that met it as it is now
    trials: Count
    solved: Count
    discrimination: Annotated[float, Field(ge=-1, le=1)] | None  # None: nothing to correlate
    upper: Annotated[float, Field(ge=-1, le=1)] | None  # its limit, one-sided at 95 %
    flags: tuple[Flag, ...]
    why: str  # in a sentence with the numbers; empty without flags


class Traffic(Record):
    """Production against a dataset: kinds of session are a task type and the tools called."""

    sessions: Count
    covered: Share | None  # of the sessions, those of a kind that a case has; None: no sessions
    unseen: Share | None  # the chance that the next session is of a kind nobody has met


class Saturation(Record):
    """A dataset over the versions that were run on it."""

    dataset: str
    sha256: Sha256
    cases: Count
    versions: tuple[str, ...]  # labels, in order
    trials: Count
    index: Share | None  # of the cases, those that are saturated; None: too little to say
    information: float  # the sum of 4p(1-p): a case that is solved half the time counts 1
    mde: dict[int, float]  # trials: the drop of task_success that is found in 80 % of runs
    unseen: Share | None  # Good-Turing, of kinds of case; None: no cases
    items: tuple[ItemAnalysis, ...]  # by id
    traffic: Traffic | None = None  # None: nobody watches production here
    notes: tuple[str, ...]  # what can't be said, and why; what should be done
