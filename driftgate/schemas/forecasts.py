"""What is known of an agent's trials before a run makes new ones."""

from driftgate.schemas.record import Record, SemVer


class PastTrials(Record):
    """Means over earlier trials of a version. None is what none of them tells, never zero."""

    run_id: str  # whose trials they were
    version: SemVer
    trials: int  # that were looked at
    seconds: float | None
    input_tokens: float | None
    output_tokens: float | None
    cost_usd: float | None
