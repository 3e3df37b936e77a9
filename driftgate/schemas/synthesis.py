"""What came of making drafts from a dataset."""

from driftgate.schemas.cases import Case
from driftgate.schemas.record import Record


class Generated(Record):
    """Drafts, and what was left out on the way to them."""

    drafts: tuple[Case, ...]
    by_strategy: dict[str, int]
    tried: int  # pairs of a case and a strategy
    unfit: int  # of which no draft came
    misfits: int  # drafts that the tools' contracts could not answer
    duplicates: int  # near-duplicates of a case, or of a draft before
