"""The adversarial suite, run again and again on what is in production."""

from driftgate.schemas.record import Record
from driftgate.schemas.runs import PlanRunRequest


class ListBaselinesRequest(Record):
    """What a schedule says: nothing. Which agents there are is in the registry."""


class ListBaselinesResult(Record):
    runs: tuple[PlanRunRequest, ...]  # each the input of an offline evaluation
    passed_over: tuple[str, ...]  # agents, with the reason
