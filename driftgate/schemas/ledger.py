"""The benchmark ledger: a row for every trial that was made, and how rows are asked for."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.prices import TokenPrice
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, SemVer, Share
from driftgate.schemas.scores import Score
from driftgate.schemas.traces import Dollars, Ending, Seconds, Tokens

Origin = Literal["offline", "benchmark", "imported"]
CostBasis = Literal["agent", "manifest", "price table"]
At = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$")]
SUMMARY_CHARS = 500
KEPT_FINDINGS = 50  # in a row; their number is that of all


class Finding(Record):
    """Something an agent says it found, as far as it says so in words that others use too."""

    type: str | None = None
    confidence: Share | None = None
    summary: Annotated[str, Field(max_length=SUMMARY_CHARS)]


class Execution(Record):
    """What one trial was, took and gave. What the agent or its source does not say is None."""

    schema_version: SchemaVersion = 1
    key: str  # unique: made again for the same trial it is the same
    origin: Origin
    at: At  # when the trial was made, or was imported
    run_id: str
    trial: Annotated[int, Field(ge=1)]
    case_id: CaseId
    task_type: str
    organisation: str = ""  # whose data was analysed; empty: nobody said
    tenant: str = ""
    agent: Name
    version: SemVer
    digest: str  # of all that the version is
    model: str | None  # in full, as an inference profile is called
    dataset: str  # name@version
    harness: str  # by which versions of the metrics it was scored
    latency_s: Seconds | None = None
    tools: tuple[str, ...] = ()  # that were called, in their order
    failed_calls: Annotated[int, Field(ge=0)] | None = None  # None: nobody knows what came of them
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    cost_usd: Dollars | None = None
    cost_basis: CostBasis | None = None  # who says so; None: the cost is missing
    price: TokenPrice | None = None  # that was in force, if the cost is by the price table
    cost_missing: str = ""  # why it is
    findings: tuple[Finding, ...] | None = None
    findings_count: Annotated[int, Field(ge=0)] | None = None
    limitations: JsonValue = None
    stop_reason: str | None = None
    ending: Ending
    scores: dict[str, Score]
    trace: str  # where it is kept

    @property
    def calls(self) -> int:
        return len(self.tools)

    @property
    def succeeded_calls(self) -> int | None:
        return None if self.failed_calls is None else self.calls - self.failed_calls

    @property
    def error(self) -> str | None:
        """How it broke; None for a trial that ended by itself."""
        return None if self.ending.kind == "completed" else self.ending.detail or self.ending.kind

    def score(self, metric: str) -> float | None:
        found = self.scores.get(metric)
        return None if found is None else found.value


class LedgerQuery(Record):
    """Which rows are wanted; what is not given is any."""

    run_id: str | None = None
    agent: str | None = None
    version: str | None = None
    model: str | None = None
    dataset: str | None = None
    organisation: str | None = None
    tenant: str | None = None
    case_id: str | None = None
    origin: Origin | None = None
    since: At | None = None  # from then on
    until: At | None = None  # before then

    def takes(self, row: Execution) -> bool:
        own = self.model_dump(exclude={"since", "until"}, exclude_none=True)
        return (
            all(getattr(row, name) == value for name, value in own.items())
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
        )


class LedgerPage(Record):
    """Some rows, the latest first, and where to go on; None: these were the last."""

    rows: tuple[Execution, ...]
    after: str | None
