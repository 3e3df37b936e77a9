"""A batch: sessions that AgentCore's own evaluators score, in one or several of its jobs."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from driftgate.schemas.record import CaseId, Record, SchemaVersion, Share
from driftgate.schemas.scores import Score

SESSIONS_OF_A_JOB = 500
BatchId = Annotated[str, Field(pattern=r"^b-[0-9a-f]{20}$")]
SessionId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$")]
JobName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,47}$")]
Evaluator = Annotated[str, Field(min_length=1, max_length=111)]
JobStatus = Literal[
    "PENDING",
    "IN_PROGRESS",
    "COMPLETED",
    "COMPLETED_WITH_ERRORS",
    "FAILED",
    "STOPPING",
    "STOPPED",
    "DELETING",
]
ENDED: tuple[JobStatus, ...] = ("COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "STOPPED")


class TimeRange(Record):
    """From when to when sessions are looked for; either end may be open."""

    start: AwareDatetime | None = None
    end: AwareDatetime | None = None


class LogsSource(Record):
    """Sessions that left their telemetry in log groups."""

    kind: Literal["logs"] = "logs"
    service: Annotated[str, Field(min_length=1)]  # service.name in the spans: <agent>.<endpoint>
    log_groups: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    time_range: TimeRange = Field(default_factory=TimeRange)


class OnlineSource(Record):
    """Sessions that an online evaluation configuration looks at."""

    kind: Literal["online"] = "online"
    config_arn: str
    time_range: TimeRange = Field(default_factory=TimeRange)


class DatasetRunSource(Record):
    """Sessions that the service makes itself, by running a dataset of its own."""

    kind: Literal["dataset"] = "dataset"
    dataset_id: str
    dataset_version: Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]  # a published one
    endpoint_arn: str  # of the agent's runtime
    request_template: Annotated[str, Field(max_length=10240)] | None = None
    service: Annotated[str, Field(min_length=1)]
    log_groups: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]


Source = Annotated[LogsSource | OnlineSource | DatasetRunSource, Field(discriminator="kind")]


class TruthTurn(Record):
    prompt: str
    expected_response: str | None = None


class GroundTruth(Record):
    """What AgentCore's evaluators can be told of a case. What is empty is not told."""

    assertions: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()
    turns: tuple[TruthTurn, ...] = ()


class LeftOut(Record):
    """The fields of a case that the other side can't hold, or not wholly."""

    case_id: CaseId
    fields: tuple[str, ...]


class PlannedSession(Record):
    session_id: SessionId
    case_id: CaseId | None = None
    truth: GroundTruth | None = None


class BatchPlan(Record):
    """All that is asked for. The id is a hash of it, so the same again is the same batch."""

    schema_version: SchemaVersion = 1
    batch_id: BatchId
    name: JobName
    evaluators: Annotated[tuple[Evaluator, ...], Field(min_length=1, max_length=10)]
    source: Source
    sessions: tuple[PlannedSession, ...] = ()  # none: those that the source finds
    left_out: tuple[LeftOut, ...] = ()
    results_group: str | None = None  # None: where the service puts them

    @property
    def parts(self) -> tuple[tuple[PlannedSession, ...], ...]:
        """The sessions of each job."""
        size = SESSIONS_OF_A_JOB
        starts = range(0, max(1, len(self.sessions)), size)
        return tuple(self.sessions[start : start + size] for start in starts)


class JobRequest(Record):
    """One job of the service."""

    name: JobName
    evaluators: tuple[Evaluator, ...]
    source: Source
    sessions: tuple[PlannedSession, ...]
    client_token: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    results_group: str | None


class SessionCounts(Record):
    """As the service counts them; None is what it does not say."""

    total: int | None = None
    completed: int | None = None
    in_progress: int | None = None
    failed: int | None = None
    ignored: int | None = None


class Job(Record):
    """A job as the service has it."""

    job_id: str
    name: str
    status: JobStatus
    created_at: AwareDatetime
    evaluators: tuple[str, ...] = ()
    sessions: SessionCounts = Field(default_factory=SessionCounts)
    log_group: str | None = None  # of its results
    log_stream: str | None = None
    errors: tuple[str, ...] = ()


class StartedJob(Record):
    """That a part of a batch was started, and as what."""

    part: int
    job_id: str


class EvaluationResult(Record):
    """What an evaluator said of a session, of one of its turns or of one of its calls."""

    session_id: str
    evaluator: str
    level: str = ""
    value: float | None = None
    label: str | None = None
    explanation: str = ""
    error: str | None = None
    error_message: str = ""


class FindTelemetryRequest(Record):
    batch_id: BatchId


class FindTelemetryResult(Record):
    found: int


class StartBatchRequest(Record):
    batch_id: BatchId


class StartBatchResult(Record):
    jobs: int
    of_jobs: int


class PollBatchRequest(Record):
    batch_id: BatchId


class PollBatchResult(Record):
    outcome: JobStatus  # the worst of its jobs'


class ReadBatchRequest(Record):
    batch_id: BatchId
    environment: str


class ReadBatchResult(Record):
    batch_id: BatchId
    outcome: JobStatus
    report_key: str
    scored: int
    unscored: int


class RecordBatchRequest(Record):
    report_key: str


class RecordBatchResult(Record):
    batch_id: BatchId
    outcome: JobStatus
    scored: int
    unscored: int


class ScoredSession(Record):
    session_id: str
    case_id: CaseId | None
    job_id: str
    scores: dict[str, Score]  # of every evaluator that was asked


class EvaluatorMean(Record):
    """The mean over the sessions that have a value, and how many have none."""

    evaluator: str
    mean: Share | None
    scored: int
    unscored: int


class BatchReport(Record):
    schema_version: SchemaVersion = 1
    batch_id: BatchId
    name: str
    environment: str
    finished_at: str
    outcome: JobStatus
    jobs: tuple[Job, ...]
    evaluators: tuple[EvaluatorMean, ...]
    sessions: tuple[ScoredSession, ...]
    left_out: dict[str, int]  # field -> in how many cases
    notes: tuple[str, ...]  # what a reader must know before believing the means


class BatchRow(Record):
    """The registry's row of a batch that has ended."""

    schema_version: SchemaVersion = 1
    batch_id: BatchId
    name: str
    environment: str
    finished_at: str
    outcome: JobStatus
    sessions: int
    scored: int
    unscored: int
    report_key: str
