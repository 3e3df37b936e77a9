"""How many trials may run at a time, and how long a run then takes."""

from typing import Annotated

from pydantic import Field

from driftgate.schemas.record import Record

AtLeastOne = Annotated[int, Field(ge=1)]


class Quotas(Record):
    """What an account may do, as far as this run may use it."""

    new_sessions_per_s: Annotated[float, Field(gt=0)] = 25  # AgentCore Runtime
    active_sessions: AtLeastOne = 2500  # AgentCore Runtime; more in some regions
    functions: AtLeastOne = 1000  # Lambda's concurrency; what is reserved for RunCase, if it is


class Capacity(Record):
    """What was chosen, and what it comes to."""

    concurrency: AtLeastOne
    wall_s: float  # of all looks, if the last one is reached
    limited_by: str  # "" where the target is met
