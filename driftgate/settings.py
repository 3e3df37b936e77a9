"""What each function needs from its environment.

The stack fills a Settings when it builds the function, the handler reads the same class back: a
variable that one side forgets is an error at synth or at cold start, never in the middle of a run.
"""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict

from driftgate.schemas.policies import Mode


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def to_environment(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self.model_dump().items()}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        return cls.model_validate(
            {
                name: environment[name.upper()]
                for name in cls.model_fields
                if name.upper() in environment
            }
        )


class PlanRunSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str
    judge: str  # the environment's JudgeSpec, as JSON
    quotas: str  # the environment's Quotas, as JSON
    max_run_usd: float  # inf: a run may spend any sum


class TakeLeaseSettings(Settings):
    registry_table: str
    records_bucket: str


class PreflightSettings(Settings):
    runs_bucket: str
    attempts_table: str
    sandbox: str  # the ARN before an agent's id, where stored code is served; empty: nowhere


class RunCaseSettings(PreflightSettings):
    registry_table: str
    records_bucket: str


class EndSessionsSettings(Settings):
    runs_bucket: str
    sandbox: str


class SweepSessionsSettings(EndSessionsSettings):
    registry_table: str
    records_bucket: str


class ScoreCaseSettings(Settings):
    runs_bucket: str
    ledger_table: str


class ProveJudgeSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str


class JudgeCaseSettings(ProveJudgeSettings):
    pass


class DecideGateSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str
    gate_mode: Mode


class PublishRunSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str


class PublishDatasetSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str


class CallToolSettings(Settings):
    attempts_table: str


class InterceptToolsSettings(CallToolSettings):
    pass


class ChooseDrillSettings(Settings):
    environment: str
    registry_table: str
    records_bucket: str
    max_trials: int
    max_usd: float


class RecordDrillSettings(Settings):
    environment: str
    registry_table: str
    records_bucket: str
    runs_bucket: str


class ListBaselinesSettings(Settings):
    environment: str
    registry_table: str
    records_bucket: str


class AnswerPipelineSettings(Settings):
    environment: str
    registry_table: str
    records_bucket: str


class FindTelemetrySettings(Settings):
    runs_bucket: str


class StartBatchSettings(Settings):
    runs_bucket: str


class PollBatchSettings(Settings):
    runs_bucket: str


class ReadBatchSettings(Settings):
    runs_bucket: str


class RecordBatchSettings(Settings):
    registry_table: str
    records_bucket: str
    runs_bucket: str


class OnlineSettings(Settings):
    """What the functions have in common that watch production."""

    environment: str
    sessions_table: str
    traces_bucket: str
    watch: str  # the environment's Watch, as JSON


class IngestSpansSettings(OnlineSettings):
    registry_table: str
    records_bucket: str


class ListWindowsSettings(OnlineSettings):
    registry_table: str
    records_bucket: str


class CloseSessionsSettings(OnlineSettings):
    registry_table: str
    records_bucket: str
    pseudonyms_secret: str  # the ARN of the key that pseudonyms are made with


class SampleSessionsSettings(OnlineSettings):
    pass


class JudgeSessionSettings(OnlineSettings):
    registry_table: str
    records_bucket: str


class PublishWindowSettings(OnlineSettings):
    pass


class CalibrateMonitorsSettings(OnlineSettings):
    registry_table: str
    records_bucket: str


class RecordFeedbackSettings(OnlineSettings):
    pass


class MineFailuresSettings(OnlineSettings):
    reviews_table: str
