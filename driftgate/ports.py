"""What the stories need from the outside world. Adapters provide it, on AWS or on a directory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field, JsonValue

from driftgate.schemas import ledger
from driftgate.schemas.batches import EvaluationResult, Job, JobRequest, TimeRange
from driftgate.schemas.cases import Case, RubricItem
from driftgate.schemas.endpoints import Artifact, Endpoint, RuntimeVersion
from driftgate.schemas.events import Announcement
from driftgate.schemas.exchanges import Example, ForeignDataset, SchemaType
from driftgate.schemas.judgments import Judgment
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.record import Record
from driftgate.schemas.redaction import Kind
from driftgate.schemas.traces import ToolCall, Trace

if TYPE_CHECKING:
    from driftgate.schemas.pipelines import FailureKind

BlobKind = Literal["datasets", "agents"]  # the folder of a blob, and so who may write it


class Artifacts(Protocol):
    """Objects under keys with slashes, each written once."""

    def put_once(self, key: str, data: bytes) -> bool:
        """Store `data` whole, unless the key is taken; then return False and change nothing."""
        ...

    def get(self, key: str) -> bytes | None: ...

    def put_all_once(self, items: Mapping[str, bytes]) -> None:
        """`put_once` for each, in no order."""
        ...

    def get_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        """What there is under these keys."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """All keys that start with `prefix`, sorted."""
        ...


class Registry(Protocol):
    """Rows with conditional writes, and blobs under their own sha256."""

    @property
    def where(self) -> str:
        """What people call the place: its environment, if it is known."""
        ...

    def row(self, key: str) -> dict[str, Any] | None: ...

    def rows(self, prefix: str) -> list[dict[str, Any]]:
        """The rows whose keys start with `prefix`, sorted by key."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, sorted; also of rows that can't be read."""
        ...

    def put_new(self, key: str, row: dict[str, Any]) -> bool:
        """Store the row, unless the key is taken; then return False and change nothing."""
        ...

    def replace(self, key: str, row: dict[str, Any], expected: dict[str, Any] | None) -> bool:
        """Store the row if the key still holds `expected` (None: nothing).

        Returns:
            True if the key holds `row` now, also if it did before; else False, nothing changed.
        """
        ...

    def put_blob(self, kind: BlobKind, data: bytes) -> str:
        """Store the bytes and return their sha256."""
        ...

    def blob(self, kind: BlobKind, sha256: str) -> bytes | None:
        """The bytes stored under this hash; the reader checks that they still have it."""
        ...


class ErasableArtifacts(Artifacts, Protocol):
    """Objects of which some are a person's. Records are not among these."""

    def overwrite(self, key: str, data: bytes) -> None:
        """Put other content under a key, at once: what is stored is the old or the new."""
        ...

    def remove(self, key: str) -> bool:
        """Delete an object for good; False if there is none."""
        ...


class ErasableRegistry(Registry, Protocol):
    """Rows of which some are a person's: those of sessions and reviews."""

    def remove(self, key: str) -> bool:
        """Delete a row for good; False if there is none."""
        ...


class Reply(Record):
    """What an agent answered to one turn. None is what it does not report."""

    text: str
    stop_reason: str | None = None
    model: str | None = None
    input_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    output_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    cache_read_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    cache_write_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    cost_usd: Annotated[float, Field(ge=0, le=10**6)] | None = None
    findings: JsonValue = None
    limitations: JsonValue = None


class Session(Protocol):
    """One conversation with an agent: one attempt at one case."""

    def say(self, turn: str, timeout_s: float) -> Reply:
        """Send a user turn and wait for the reply.

        Raises:
            TimeoutError: no reply within `timeout_s`; the agent is too slow.
            AgentUnavailable: the agent can't be reached or broke off.
            AgentContractBroken: the reply has not the form that the manifest declares.
        """
        ...


class Runtime(Protocol):
    """Where agents run."""

    def open(self, agent: AgentVersion, session_id: str, seed: int) -> Session: ...

    def end(self, agent: AgentVersion, session_id: str) -> None:
        """End a session and what it costs; one that is gone already is no error.

        Raises:
            AgentUnavailable, Throttled: nobody can say that the session has ended.
        """
        ...


class Endpoints(Protocol):
    """Endpoints of AgentCore's runtimes, to look at."""

    def endpoint(self, runtime_arn: str, name: str) -> Endpoint | None: ...


class RuntimeControl(Endpoints, Protocol):
    """The runtimes of AgentCore and their endpoints. What is changed takes effect later."""

    def describe(self, runtime_arn: str, version: str | None = None) -> RuntimeVersion:
        """A version; None: the newest. Raises BadInput if there is none."""
        ...

    def with_artifact(
        self, definition: dict[str, JsonValue], artifact: Artifact
    ) -> dict[str, JsonValue]:
        """A definition as it would be with another artifact."""
        ...

    def update(self, runtime_arn: str, definition: dict[str, JsonValue]) -> str:
        """Make a version and return its number. Asked again soon, it is the same version.

        Raises:
            Throttled: another one is made just now.
        """
        ...

    def endpoint_names(self, runtime_arn: str) -> Sequence[str]: ...

    def create_endpoint(self, runtime_arn: str, name: str, version: str) -> None:
        """Make an endpoint; one of that name that is there stays as it is."""
        ...

    def delete_endpoint(self, runtime_arn: str, name: str) -> None:
        """Delete an endpoint; one that is gone already is no error."""
        ...


class TextModel(Protocol):
    """A language model that writes the texts of cases."""

    @property
    def name(self) -> str: ...

    def write(self, instruction: str) -> str:
        """What the model answers; nothing is known of its form.

        Raises:
            Throttled: the service wants to be asked later.
            InfrastructureFailed: no answer came, or the model refused to write one.
        """
        ...


class MockTools(Protocol):
    """The tools of an attempt, and the log of its calls."""

    def register(self, session_id: str, agent: AgentVersion, case: Case) -> None: ...

    def calls(self, session_id: str, after: int) -> Sequence[ToolCall]:
        """The calls logged after number `after`, in order. Raises MockBroken if a mock failed."""
        ...


class Judge(Protocol):
    """Who answers a rubric's questions about a conversation."""

    def most_usd(self, rubric: Sequence[RubricItem], trace: Trace) -> float | None:
        """What a judgment costs at most, its repair included; None: not known."""
        ...

    def judge(self, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> Judgment:
        """Answer all questions about one trial.

        Raises:
            JudgeFailed: there is no answer that can be used; its kind says why.
        """
        ...


class FoundEntity(Record):
    """Something personal, as it is written in a text that was looked through."""

    kind: Kind
    text: str


class EventBus(Protocol):
    """The account's bus, on which others hear what happened."""

    def put(self, announcements: Sequence[Announcement]) -> None:
        """Put all of them; some may be there twice afterwards.

        Raises:
            Throttled: not all of them are there.
        """
        ...


class RedactedTrace(Protocol):
    @property
    def value(self) -> Trace: ...
    @property
    def found(self) -> Mapping[str, int]:
        """Kind of entity: how often it was replaced."""
        ...


class TraceRedactor(Protocol):
    """What takes personal data and secrets out of a session."""

    def trace(self, trace: Trace) -> RedactedTrace: ...


class EntityFinder(Protocol):
    """A service that finds what patterns can't: names, addresses."""

    def find(self, texts: Sequence[str]) -> Sequence[FoundEntity]:
        """What is in any of the texts, all of which was looked through.

        Raises:
            Throttled: the service wants to be asked later.
            RedactionFailed: it did not look, or not at all of it.
        """
        ...


class Execution(Record):
    """An execution of a state machine, as Step Functions knows it."""

    status: Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]
    output: str | None = None  # JSON, of one that succeeded
    error: str | None = None
    cause: str | None = None


class Executions(Protocol):
    """The executions of an environment's state machine."""

    def find(self, execution: str) -> Execution | None:
        """The execution with this ARN; None if there is none, or none any more."""
        ...


class PipelineJobs(Protocol):
    """The jobs of a pipeline's actions. Each is answered once."""

    def succeed(
        self, job_id: str, summary: str, execution: str, variables: Mapping[str, str]
    ) -> bool:
        """Let the pipeline go on; False if the job was answered before, or has expired."""
        ...

    def fail(self, job_id: str, kind: "FailureKind", message: str) -> bool:
        """Stop the pipeline here; False if the job was answered before, or has expired."""
        ...


class BatchEvaluations(Protocol):
    """The jobs of AgentCore's batch evaluation."""

    def start(self, request: JobRequest) -> Job:
        """Start a job. The same client token again is the same job.

        Raises:
            Throttled: too many requests, or as many jobs as an account may have.
        """
        ...

    def get(self, job_id: str) -> Job: ...

    def list(self, limit: int) -> Sequence[Job]: ...

    def stop(self, job_id: str) -> None: ...

    def delete(self, job_id: str) -> None: ...

    def results(self, job: Job) -> Sequence[EvaluationResult]:
        """What the evaluators wrote of each session; nothing if the job wrote nothing."""
        ...


class ForeignDatasets(Protocol):
    """Datasets in AgentCore."""

    def find(self, dataset_id: str, version: str | None) -> ForeignDataset | None:
        """A version of a dataset; None is the newest that is published. None if there is none."""
        ...

    def examples(self, there: ForeignDataset) -> Sequence[Example]: ...

    def publish(self, name: str, schema: SchemaType, examples: Sequence[Example]) -> ForeignDataset:
        """Make these the examples of the dataset of this name, and a version of them."""
        ...


class Telemetry(Protocol):
    """What agents leave in log groups."""

    def seen(self, log_group: str, session_ids: Sequence[str], when: TimeRange) -> set[str]:
        """Those of the sessions of which there is anything in the log group."""
        ...


class Ledger(Protocol):
    """A row for every trial that was made. Rows are added, and never change."""

    def put_once(self, row: ledger.Execution) -> bool:
        """Enter a row, unless there is one of its key; then return False and change nothing."""
        ...

    def put_all_once(self, rows: Sequence[ledger.Execution]) -> int:
        """`put_once` for each; how many were new."""
        ...

    def page(self, query: ledger.LedgerQuery, after: str | None, limit: int) -> ledger.LedgerPage:
        """At most `limit` rows, the latest first; `after` is where the page before ended."""
        ...


class Clock(Protocol):
    def now(self) -> str:
        """The time in UTC, ISO 8601."""
        ...

    def monotonic(self) -> float: ...
