"""What things cost: prices with their date and source, what is paid for, and the sum."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.record import Record, SchemaVersion, Share

Dollars = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, le=1_209_600)]  # a session's longest life
# What becomes of an agent's session after a conversation: ended at once; used for the next one of
# its lane and then ended; or left to its idle timeout.
SessionPolicy = Literal["stop_after_case", "reuse_lane", "leave"]


class Prices(Record):
    """USD in one region. What AWS charges changes; the date says what was known when."""

    schema_version: SchemaVersion = 1
    effective: str  # the day from which they are known to hold
    source: str
    runtime_vcpu_hour: Dollars  # AgentCore Runtime, only while it computes
    runtime_gb_hour: Dollars  # from the session's start until its end, idle or not


class SessionUse(Record):
    """The conversations of a day, and the machine each session is."""

    calls: Annotated[int, Field(ge=1)]
    seconds: Seconds  # of a conversation
    memory_gb: Annotated[float, Field(gt=0, le=32)]
    vcpus: Annotated[float, Field(gt=0, le=32)] = 1
    active: Share = 0.1  # of the seconds in which it computes; the rest waits for a model
    start_s: Seconds = 2  # until a session is there; it is paid for
    lanes: Annotated[int, Field(ge=1)] = 1  # sessions side by side that share the calls


class SessionCost(Record):
    """What a policy costs, for one day's conversations."""

    policy: SessionPolicy
    idle_s: Seconds | None  # None: no session is left
    sessions: int
    memory_s: float  # seconds for which memory is paid
    memory_usd: Dollars
    cpu_usd: Dollars

    @property
    def usd(self) -> float:
        return self.memory_usd + self.cpu_usd
