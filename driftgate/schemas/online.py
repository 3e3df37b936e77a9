"""A session of production on its way: from the spans it left to the window that it counts in."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.monitoring import (
    Counts,
    LatencyCounts,
    MonitorState,
    RiskModel,
)
from driftgate.schemas.record import Name, Record, SchemaVersion, SemVer, Sha256, Share
from driftgate.schemas.redaction import RedactionRules
from driftgate.schemas.sampling import Quality, Rates, Sampled, SamplingPolicy
from driftgate.schemas.traces import Dollars, Seconds, Tokens

# As its spans have it; one that fits no key of a store is known by its hash.
SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$")]
VersionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$")]
UNLISTED = "unlisted"  # a tool that the version's contracts do not name
ServiceName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s/]+$")]
Moment = Annotated[float, Field(ge=0, le=10**11)]  # seconds since 1970, UTC
Window = Annotated[int, Field(ge=0, le=10**11)]  # its number: it starts at number * window_s
Count = Annotated[int, Field(ge=0)]
UNKNOWN_VERSION = "unknown"
MOST_EXAMPLES = 20  # sessions that an alarm names
OTHER = "other"  # the task type of what no rule knows

Ratio = Annotated[float, Field(ge=0)]
MonitorKind = Literal["judge", "fused", "latency"]
Kind = Literal["unrecovered_error", "loop", "schema_violation", "outlier", "turn_limit"]


class Clockwork(Record):
    """How time is cut. All sessions of an environment have it in common."""

    window_s: Annotated[int, Field(ge=1, le=3600)] = 300
    idle_s: Annotated[int, Field(ge=1, le=86_400)] = 900  # without a span: a session has ended
    grace_s: Annotated[int, Field(ge=0, le=86_400)] = 600  # in which late spans still count

    def window_of(self, last: float) -> int:
        """The window in which a session with this last moment is idle."""
        return int((last + self.idle_s) // self.window_s)

    def last_closed(self, now: float) -> int:
        """The newest window of which nothing more is waited for; -1 before the first."""
        return max(-1, int((now - self.grace_s) // self.window_s) - 1)

    def day_of(self, window: int) -> int:
        """The day, since 1970 in UTC, on which a window begins."""
        return window * self.window_s // 86_400

    def open_window(self, last: float, now: float) -> int:
        """The window that a session belongs to, when a span of it arrives now.

        That in which it is idle; one that is about to be closed is missed, so then a later one.
        """
        about_to_close = self.last_closed(now + self.grace_s / 2)
        own = self.window_of(last)
        return own if own > about_to_close else about_to_close + 1


class Watch(Record):
    """How an environment watches its production."""

    clockwork: Clockwork = Field(default_factory=Clockwork)
    sampling: SamplingPolicy = Field(default_factory=SamplingPolicy)
    judge: JudgeSpec = Field(default_factory=JudgeSpec)
    redaction: RedactionRules = Field(default_factory=RedactionRules)
    # Who finds what patterns can't, as names: comprehend:en or guardrail:ID:VERSION; nobody.
    finder: Annotated[
        str, Field(pattern=r"^(|comprehend:(en|es)|guardrail:[a-z0-9]+:(DRAFT|[0-9]+))$")
    ] = ""
    good_from: Share = 1.0  # of its questions answered well: then a session counts as good


class Deployment(Record):
    """An endpoint of production whose sessions are watched."""

    schema_version: SchemaVersion = 1
    environment: Name
    service: ServiceName  # as its spans have it in service.name
    agent: Name
    version: SemVer  # where a span does not say
    log_groups: tuple[str, ...] = ()
    registered_at: str  # the first time
    retired: bool = False  # it is not watched any more


class OpenSession(Record):
    """A session of which more may come, or came."""

    schema_version: SchemaVersion = 1
    agent: Name
    session_id: SessionId
    service: ServiceName
    last: Moment  # of all its spans so far
    window: Window
    fragments: tuple[str, ...]  # sha256, sorted
    closed: bool = False
    late: Count = 0  # fragments that came when it was closed


class Signal(Record):
    """Something that looks wrong without knowing what would be right."""

    kind: Kind
    tool: str = ""
    detail: str = ""  # without values: what a person said is in the trace alone


class Measured(Record):
    """A number that a tool's result holds, by size: half decades of its absolute value."""

    tool: str
    path: str  # in the result, as a JSON Pointer; numbers of a list share one
    size: Annotated[int, Field(ge=-40, le=40)]


class Timed(Record):
    tool: str
    latency_s: Seconds


class ClosedSession(Record):
    """What is known of a session that has ended. Nothing in it was said by a person."""

    schema_version: SchemaVersion = 1
    agent: Name
    version: VersionName
    session_id: SessionId
    window: Window
    started: Moment | None
    ended: Moment
    task_type: Name
    tools: tuple[str, ...]  # that were called, each once
    turns: Count
    calls: Count
    failed_calls: Count
    signals: tuple[Signal, ...]
    escalated: bool
    timed: tuple[Timed, ...]
    measured: tuple[Measured, ...]
    input_tokens: Tokens | None
    output_tokens: Tokens | None
    model: str | None
    stop_reason: str | None
    unknown_spans: Count
    redacted: dict[str, Count]  # kind of entity: how many
    trace_sha256: Sha256 | None  # of the redacted trace; None: there is nothing to judge
    fault: str = ""  # the error that reading it ended with

    @property
    def looks_wrong(self) -> bool:
        return bool(self.signals) or self.escalated


class Feedback(Record):
    """What a user thought of a session, if he said so."""

    schema_version: SchemaVersion = 1
    agent: Name
    session_id: SessionId
    verdict: Literal["positive", "negative"]
    at: Moment
    source: Name | Literal[""] = ""  # who told it, as `thumbs` or `survey`
    window: Window = 0  # in which it was heard


class SampledSession(Record):
    """The decision on a session."""

    session_id: SessionId
    sampled: Sampled


class SessionJudgment(Record):
    """What the judge said of a session."""

    schema_version: SchemaVersion = 1
    session_id: SessionId
    fingerprint: Sha256  # of the judge
    value: Share | None
    fault: str = ""  # why there is none
    failed: tuple[str, ...] = ()  # ids of the questions that were answered badly
    cost_usd: Dollars | None = None


class Level(Record):
    """A number for the metrics: a level, so that telling it twice is telling it once."""

    name: str
    value: float
    unit: Literal["None", "Count", "Seconds"] = "None"
    dimensions: dict[str, str]


class Alarm(Record):
    """A monitor over its threshold."""

    version: str
    stratum: str
    monitor: MonitorKind
    ratio: Ratio  # of its threshold; 1 and more is an alarm
    since: Window
    evidence: str  # in a sentence, with the numbers
    session_ids: Annotated[tuple[SessionId, ...], Field(max_length=MOST_EXAMPLES)]
    is_new: bool  # it was not over it in the window before


class KindOutcomes(Record):
    """What came of the sessions of one kind: of a task type, with these tools."""

    task_type: Name
    tools: tuple[str, ...]
    judged: Count = 0  # of the base sample
    failed: Count = 0
    sessions: Count = 0
    flagged: Count = 0
    negative: Count = 0


class Seen(Record):
    """What a version's sessions showed, over a window or a day."""

    kinds: tuple[KindOutcomes, ...] = ()
    latency: dict[str, LatencyCounts] = {}  # by tool
    sizes: dict[str, dict[int, Count]] = {}  # "tool path": size: how often


class DayHistory(Record):
    """What was seen of a version on one day while nothing was wrong."""

    schema_version: SchemaVersion = 1
    agent: str
    version: str
    day: Count  # since 1970
    window: Window  # the last one that is in it
    seen: Seen


class VersionState(Record):
    """What is kept of a version from window to window."""

    version: str
    last_seen: Window
    model: RiskModel | None = None  # None: too little was judged, of it and of those before it
    learned_on: Count | None = None  # the day
    monitors: tuple[MonitorState, ...] = ()  # of strata, then of the latency of tools


class AgentState(Record):
    """What the last published window left for the next one."""

    schema_version: SchemaVersion = 1
    agent: Name
    window: Window | None = None
    rates: Rates | None = None
    versions: tuple[VersionState, ...] = ()  # the newest last
    alarmed: tuple[str, ...] = ()  # "version stratum" of monitors over their thresholds
    day: Count = 0
    judged_today: Count = 0


class Acknowledged(Record):
    """Somebody has seen to an agent's alarms: its monitors start anew."""

    schema_version: SchemaVersion = 1
    agent: Name
    window: Window
    by: str
    why: str
    at: str


class Estimate(Record):
    """The share of good sessions, as weighted for who was sampled."""

    version: str
    stratum: str
    sessions: Count
    quality: Quality | None  # None: none of them was judged


class WindowReport(Record):
    """What a window came to: all that is told of it follows from this."""

    schema_version: SchemaVersion = 1
    agent: Name
    window: Window
    sessions: Count
    judged: Count
    judge_faults: Count
    negative: Count  # sessions with negative feedback
    negative_judged: Count
    spent_usd: Dollars | None  # by the judge; None: not known
    estimates: tuple[Estimate, ...]
    ratio: Ratio | None  # of the worst monitor; None: none has a baseline yet
    alarms: tuple[Alarm, ...]
    flagged: tuple[
        SessionId, ...
    ] = ()  # that went wrong whatever the monitors say, the worst first
    notes: tuple[str, ...]  # what is judged less than the policy wants, and why
    levels: tuple[Level, ...]
    counts: dict[str, dict[str, Counts]]  # by version and stratum: what thresholds are made from
    latency: dict[str, dict[str, LatencyCounts]]  # by version and tool


class IngestSpansResult(Record):
    """What became of a batch."""

    sessions: Count
    records: Count
    late: Count  # records of sessions that were closed
    dropped: dict[str, Count]  # service name: records of endpoints that nobody registered
    unreadable: Count


class ListWindowsRequest(Record):
    pass


class AgentWindows(Record):
    agent: Name
    windows: tuple[Window, ...]  # oldest first


class ListWindowsResult(Record):
    agents: tuple[AgentWindows, ...]


class AgentWindow(Record):
    agent: Name
    window: Window


class CloseSessionsRequest(AgentWindow):
    pass


class CloseSessionsResult(Record):
    closed: Count
    unknown_spans: Count
    faults: Count = 0  # sessions that could not be read


class SampleSessionsRequest(AgentWindow):
    pass


class ChosenSession(AgentWindow):
    session_id: SessionId


class SampleSessionsResult(Record):
    sessions: Count
    chosen: tuple[ChosenSession, ...]
    left_out: Count = 0  # drawn as well, and more than a window has time for


class JudgeSessionRequest(ChosenSession):
    pass


class JudgeSessionResult(Record):
    judged: Count
    faults: Count


class PublishWindowRequest(AgentWindow):
    pass


class FoldedWindow(Record):
    """All that a window came to, stored as one: who folds it again takes what is stored."""

    schema_version: SchemaVersion = 1
    report: WindowReport
    state: AgentState
    calm: dict[str, Seen]  # by version, what may be added to the history: there is no alarm


class PublishWindowResult(Record):
    sessions: Count
    judged: Count
    alarms: Count
    told: Count  # alarms that are new
    levels: tuple[Level, ...]


class CalibrateMonitorsRequest(Record):
    pass


class CalibrateMonitorsResult(Record):
    agents: Count


class MineFailuresResult(Record):
    candidates: Count  # that are new
    known: Count
