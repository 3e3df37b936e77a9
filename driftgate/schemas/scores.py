"""What the metrics say of one trial."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from driftgate.schemas.judgments import Judging
from driftgate.schemas.record import CaseId, Record, SchemaVersion, Share
from driftgate.schemas.traces import Ending


class Score(Record):
    """A value in [0, 1], higher is better, or none; either way the reason, in a sentence."""

    value: Share | None
    reason: Annotated[str, Field(min_length=1)]

    @property
    def scored(self) -> bool:
        return self.value is not None


class Efficiency(Record):
    """What a trial took. None where the source does not say."""

    latency_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    steps: int  # tool calls
    unnecessary_calls: int
    unnecessary_tools: tuple[str, ...] = ()  # the tools of these calls, in their order


class ScoreCard(Record):
    """Every metric's score of one (case, arm, trial)."""

    schema_version: SchemaVersion = 1
    case_id: CaseId
    arm: str
    trial: int
    scores: dict[str, Score]
    metric_versions: dict[str, int]
    efficiency: Efficiency
    ending: Ending
    judging: Judging | None = None  # what its judgments took; None: it has none

    @model_validator(mode="after")
    def _versions_of_all(self) -> Self:
        if self.scores.keys() != self.metric_versions.keys():
            raise ValueError("every score needs the version of its metric")
        return self
