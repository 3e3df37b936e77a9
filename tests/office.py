"""Where reviews are made, with its stores in a folder."""

import json
from datetime import UTC, datetime, timedelta

from driftgate import publication, registry, review, sessions
from driftgate.adapters.files import read_agent
from driftgate.adapters.local import LocalArtifacts, LocalRegistry
from driftgate.schemas.online import OpenSession
from driftgate.schemas.reviews import Candidate
from driftgate.schemas.traces import Message, ToolCall, Trace
from tests.builders import bank, case, expect
from tests.conftest import ROOT

FP = "a" * 64
MONEY = {"match": "money", "value": 1250.4, "currency": "EUR"}


class Clock:
    def __init__(self):
        self.at = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def now(self):
        self.at += timedelta(seconds=1)
        return self.at.isoformat()

    def monotonic(self):
        return self.at.timestamp()


class Office:
    """Stores in a folder, with one candidate, and a desk for whoever comes."""

    def __init__(self, home):
        self.stored = LocalRegistry(home / "registry")
        self.reviews = LocalRegistry(home / "reviews")
        self.traces = LocalArtifacts(home)
        self.records = LocalArtifacts(home / "records")
        self.clock = Clock()
        version, _ = read_agent(ROOT / "agents" / "support" / "versions" / "2.0.0.yaml")
        registry.publish_agent(version, None, self.stored, suites=())
        self.version = version
        base = bank(
            case(expect("get_account_balance"), case_id="old"),
            name="support",
            tools={"get_account_balance": "read"},
        )
        registry.publish_dataset(base, self.stored, self.clock, author="us")

    def mine(self, fingerprint=FP, session_id="session-1", text="My balance of ACC-1001?", **rest):
        result = {"account_id": "ACC-1001", "balance": 1250.4, "currency": "EUR"}
        call = ToolCall(
            seq=1,
            tool="get_account_balance",
            arguments={"account_id": "ACC-1001"},
            result=json.dumps(result),
        )
        trace = Trace(
            case_id="x",
            messages=(
                Message(role="user", text=text),
                Message(role="assistant", text="It is 12.50 EUR."),
            ),
            calls=(call,),
        )
        session = OpenSession(
            agent="support",
            session_id=session_id,
            service="support.DEFAULT",
            last=0,
            window=0,
            fragments=(),
            closed=True,
        )
        sessions.keep_trace(session, trace, self.traces)
        found = Candidate(
            fingerprint=fingerprint,
            agent="support",
            version="2.0.0",
            session_id=session_id,
            task_type="balance",
            trace_key=sessions.trace_key(session),
            reasons=("outlier: get_account_balance /balance",),
            found_at=self.clock.now(),
            tools=("get_account_balance",),
            session_ids=(session_id,),
            **rest,
        )
        row = found.model_dump(mode="json")
        self.reviews.put_new(f"candidate.support/{fingerprint}", row)
        return found

    def desk(self, who):
        return review.Desk("support", who, self.reviews, self.traces, self.stored, self.clock)

    def corrected(self, who="ann"):
        """The draft as a curator leaves it: what should have been told stands in it."""
        draft = self.desk(who).draft(FP)
        content = draft.case.model_dump(mode="json")
        content["turns"][0]["expected_outputs"] = [MONEY]
        return type(draft.case).model_validate(content)

    def edited(self, who="ann"):
        claimed = self.desk(who).claim(FP, 0)
        return self.desk(who).edit(FP, claimed.revision, self.corrected(who))

    def accepted(self):
        self.desk("boss").name_developers(["dev", "dave"])
        after = self.edited()
        after = self.desk("bob").accept(FP, after.revision)
        return self.desk("cleo").accept(FP, after.revision)

    def plan(self, find_personal=lambda _: {}):
        return publication.plan(
            "support", [self.desk("pat")], self.stored, self.records, find_personal
        )

    def publish(self, planned, **rest):
        def now(dataset, author):
            return registry.publish_dataset(dataset, self.stored, self.clock, author=author)

        return publication.publish(planned, now, "pat", **rest)
