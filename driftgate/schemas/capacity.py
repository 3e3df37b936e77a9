"""How many trials may run at a time, and how long a run then takes."""

from typing import Annotated

from pydantic import Field

from driftgate.schemas.record import Record, count

AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Quotas(Record):
    """What a run may use of its account, and in which time its trials should be through."""

    new_sessions_per_s: Positive = 25  # AgentCore Runtime
    active_sessions: AtLeastOne = 2500  # AgentCore Runtime; more in some regions
    functions: AtLeastOne | None = None  # that RunCase may use at a time; None: not known
    target_s: Positive = 600  # of all trials; a gate has a quarter of an hour for everything


class Capacity(Record):
    """What was chosen, and what it comes to."""

    trials: int  # of all looks, if the last one is reached
    concurrency: AtLeastOne
    seconds: float  # that a trial is taken to last
    measured: bool  # whether earlier trials took that long; else it is assumed
    wall_s: float  # of all looks, if the last one is reached
    target_s: float | None = None  # None: nobody waits for it, as on a laptop
    limited_by: str = ""  # "" where the target is met

    @property
    def is_late(self) -> bool:
        return self.target_s is not None and self.wall_s > self.target_s

    def __str__(self) -> str:
        each = f"{self.seconds:.2g} s a trial, as {'measured' if self.measured else 'is assumed'}"
        looks = f"{count(self.trials, 'trial')} at most, {self.concurrency} at a time"
        return f"{looks}: some {_time(self.wall_s)} at {each}"

    @property
    def warning(self) -> str:
        """Why it takes longer than is wanted; empty if it does not."""
        if not self.is_late:
            return ""
        assert self.target_s is not None
        why = f"; limited by {self.limited_by}" if self.limited_by else ""
        return f"the trials may take {_time(self.wall_s)}, wanted {_time(self.target_s)}{why}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
