"""Sessions of production as their spans tell them, and a watch over them on a directory."""

import itertools
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from driftgate import canonical, online, sessions
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.errors import JudgeFailed, JudgeUnavailable
from driftgate.judges.spans import session_spans
from driftgate.redaction import Redactor
from driftgate.schemas.judgments import Answer, JudgePlan, Judgment
from driftgate.schemas.online import (
    Clockwork,
    CloseSessionsRequest,
    Deployment,
    JudgeSessionRequest,
    ListWindowsRequest,
    PublishWindowRequest,
    PublishWindowResult,
    SampleSessionsRequest,
    Watch,
)
from driftgate.schemas.redaction import RedactionRules
from driftgate.schemas.traces import Message, Trace
from tests.builders import call

SERVICE = "support.DEFAULT"
START = 1_700_000_100  # the beginning of a window
WATCH = Watch(clockwork=Clockwork(window_s=300, idle_s=300, grace_s=600))


def session(
    session_id: str,
    *,
    at: float = START,
    says: str = "Your balance is 12.50 EUR.",
    asks: str = "What is my balance?",
    calls: Sequence[Any] | None = None,
    service: str = SERVICE,
    version: str | None = None,
) -> list[str]:
    """The log messages of a session of one turn."""
    made = [call("get_account_balance", account_id="acc-1")] if calls is None else calls
    trace = Trace(
        case_id="x",
        messages=(Message(role="user", text=asks), Message(role="assistant", text=says)),
        calls=tuple(c.model_copy(update={"seq": n}) for n, c in enumerate(made, start=1)),
    )
    spans = session_spans(trace)
    begin = min(span["startTimeUnixNano"] for span in spans)
    for number, span in enumerate(spans):
        span["resource"] = {"attributes": {"service.name": service}}
        span["attributes"]["session.id"] = session_id
        if version:
            span["attributes"]["driftgate.agent.version"] = version
        span["traceId"] = canonical.sha256(session_id.encode())[:32]
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            span[name] += int(at * 10**9) - begin
        span["spanId"] = f"{number:016x}"
        if "parentSpanId" in span:
            span["parentSpanId"] = f"{0:016x}"
    return [json.dumps(span) for span in spans]


class KindJudge:
    """Says yes unless a reply holds a word; counts how often it was asked."""

    def __init__(self, bad: str = "WRONG") -> None:
        self.bad = bad
        self.down = False
        self.asked = itertools.count()

    def of(self, plan: JudgePlan) -> "KindJudge":
        self.fingerprint = plan.fingerprint
        return self

    def most_usd(self, rubric: Any, trace: Trace) -> None:
        return None

    def judge(self, rubric: Any, trace: Trace, repeat: int) -> Judgment:
        next(self.asked)
        if self.down:
            raise JudgeFailed("unavailable", "down")
        good = self.bad not in trace.reply()
        answers = tuple(Answer(item=one.id, answer="yes" if good else "no") for one in rubric)
        return Judgment(
            fingerprint=self.fingerprint,
            repeat=repeat,
            value=float(good),
            answers=answers,
            model="kind",
            asked=1,
        )


class Production:
    """The watch over one agent, with its stores in a folder."""

    environment = "prod"

    def __init__(self, home: Path, watch: Watch = WATCH, *, stored: Any = None) -> None:
        self.watch = watch
        self.registry = stored or LocalRegistry(home / "registry")
        self.traces: Any = LocalArtifacts(home / "traces")
        self.watched: Any = LocalRegistry(home / "sessions")
        self.reviews = LocalRegistry(home / "reviews")
        self.judge = KindJudge()
        self.redactor = Redactor(RedactionRules(), b"k" * 32)
        self.published: list[PublishWindowResult] = []
        self.told: list[Any] = []
        deployment = Deployment(
            environment=self.environment,
            service=SERVICE,
            agent="support",
            version="1.0.0",
            registered_at="2023-11-14T22:15:00+00:00",  # START
        )
        sessions.register(deployment, self.registry)

    def ingest(self, messages: Iterable[str], now: float = START) -> Any:
        known = sessions.deployments(self.environment, self.registry)
        return online.ingest_spans(
            messages, now, self.watch.clockwork, known, self.traces, self.watched
        )

    def tick(self, now: float) -> None:
        """What the state machine does at a tick, and at those after it until nothing is left."""
        while agents := online.list_windows(
            ListWindowsRequest(),
            self.environment,
            now,
            self.watch.clockwork,
            self.registry,
            self.watched,
        ).agents:
            for agent in agents:
                for window in agent.windows:
                    self.pass_window(agent.agent, window)

    def pass_window(self, agent: str, window: int) -> None:
        here = {"agent": agent, "window": window}
        clockwork = self.watch.clockwork
        online.close_sessions(
            CloseSessionsRequest(**here),
            self.environment,
            clockwork,
            self.registry,
            self.traces,
            self.watched,
            self.redactor,
        )
        sampled = online.sample_sessions(
            SampleSessionsRequest(**here), self.watch, self.traces, self.watched
        )
        for chosen in sampled.chosen:
            with suppress(JudgeUnavailable):  # the state machine goes on without it
                online.judge_session(
                    JudgeSessionRequest(**chosen.model_dump()),
                    self.watch,
                    self.registry,
                    self.traces,
                    self.watched,
                    self.judge.of,
                )
        self.published.append(
            online.publish_window(
                PublishWindowRequest(**here),
                self.environment,
                self.watch,
                self.traces,
                self.watched,
                self,
            )
        )

    def put(self, announcements: Sequence[Any]) -> None:
        """As the event bus."""
        self.told.extend(one.detail for one in announcements)

    def reports(self) -> list[Any]:
        """Of all published windows."""
        return list(sessions.reports("support", 1000, self.watched, self.traces))

    def rows(self) -> dict[str, Any]:
        return {
            key: self.watched.row(key)
            for key in self.watched.keys("")
            # An index in which a session that went on stands twice, and who does the work now.
            if not key.startswith(("due.", "turn/"))
        }
