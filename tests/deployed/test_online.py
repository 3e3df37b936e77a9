"""Production is watched with deployed functions, each held to its role: from log lines to a
candidate, through real subscriptions, ticks, judgments, events and alarms.
"""

import json
import time

import pytest

from driftgate import review, sessions
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.watching import Watching
from driftgate.errors import StaleRevision
from driftgate.risk import WARM_UP
from driftgate.schemas.online import KindOutcomes, Seen
from tests.builders import call
from tests.deployed.conftest import until
from tests.deployed.test_offline_eval import HERE, teller
from tests.production import session

AGENT = "watched"
RUNTIME = "teller-w4tch3d000"
SERVICE = "teller.DEFAULT"
GROUP = f"/aws/bedrock-agentcore/runtimes/{RUNTIME}-DEFAULT"
PERSON = "jane.doe@example.com"


@pytest.fixture(scope="module")
def watching(cloud, tmp_path_factory):
    """A registered agent with a seeded history: what it learns in days."""
    folder = tmp_path_factory.mktemp("watched") / AGENT
    manifest = teller(folder, "1.0.0", **{"agent: teller": f"agent: {AGENT}"})
    published = cloud("agent", "publish", manifest, *HERE)
    assert published.code == 0, published.err
    logs = cloud.instance.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="spans")
    done = cloud("agent", "register", f"{AGENT}@1.0.0", "--runtime", RUNTIME, *HERE)
    assert done.code == 0, done.err
    watching = Watching(cloud.deployment, cloud.instance.client)
    usual = KindOutcomes(
        task_type="other",
        tools=("balance",),
        judged=WARM_UP,
        failed=WARM_UP // 25,
        sessions=10 * WARM_UP,
        flagged=WARM_UP // 10,
    )
    day = int(time.time() // 86_400) - 1
    sessions.add_to_history(AGENT, "1.0.0", day, 0, Seen(kinds=(usual,)), watching.watched)
    return watching


def ship(cloud, *messages):
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    cloud.instance.client("logs").put_log_events(
        logGroupName=GROUP, logStreamName="spans", logEvents=events
    )


def conversation(number, *, fails=False):
    return session(
        f"watched-{number:06d}",
        at=time.time(),
        asks=f"What does account A{number} hold? Write to {PERSON}.",
        says="I can't tell." if fails else "It holds 10.25 EUR.",
        calls=[call("balance", error="fault" if fails else None, account=f"A{number}")],
        service=SERVICE,
    )


def published(watching):
    return list(sessions.reports(AGENT, 500, watching.watched, watching.traces))


def tick(watching):
    execution = watching.tick()
    until(lambda: watching.ticked(execution), timeout_s=120)


def test_a_tool_that_breaks_in_production_is_alarmed_judged_more_often_and_mined(cloud, watching):
    for number in range(40):
        ship(cloud, *conversation(number, fails=number >= 8))
    ship(cloud, *session("sandboxed", service="dg_sandbox"), "not a span")

    def counted():
        tick(watching)
        return sum(report.sessions for report in published(watching)) >= 40

    until(counted, timeout_s=200)
    reports = published(watching)
    assert sum(report.sessions for report in reports) == 40
    assert sum(report.judged for report in reports) > 0
    (over,) = [report for report in reports if report.alarms][:1]
    assert {alarm.stratum for alarm in over.alarms} >= {"all conversations", "tool balance"}

    rates = sessions.load_state(AGENT, watching.watched, watching.traces).rates
    assert rates.strata["tool balance"].why == "anomalous"
    mined = until(lambda: watching.reviews.rows(f"candidate.{AGENT}/"), timeout_s=60)
    assert all(row["agent"] == AGENT for row in mined)


def test_what_a_person_said_is_in_the_fragments_alone(cloud, watching):
    """After the sessions of the test above were closed, judged and mined."""
    s3 = cloud.instance.client("s3")
    bucket = cloud.deployment.outputs["TracesBucket"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    holding = {
        key.partition("/")[0]
        for key in keys
        if PERSON in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    }
    assert holding == {"fragments"}
    dynamodb = cloud.instance.client("dynamodb")
    for table in ("SessionsTable", "ReviewsTable"):
        for page in dynamodb.get_paginator("scan").paginate(
            TableName=cloud.deployment.outputs[table]
        ):
            assert PERSON not in json.dumps(page["Items"])


def test_feedback_comes_as_an_event(cloud, watching):
    done = cloud("online", "feedback", AGENT, "watched-000001", "negative", *HERE)
    assert done.code == 0, done.err

    def told():
        return sessions.feedback_of(AGENT, "watched-000001", watching.watched)

    assert until(told, timeout_s=30).verdict == "negative"


def test_people_see_how_it_stands_and_let_it_start_anew(cloud, watching):
    shown = cloud("online", "status", AGENT, "--json", *HERE)
    assert shown.code == 0, shown.err
    assert shown.json[-1]["agent"] == AGENT
    done = cloud("online", "acknowledge", AGENT, "--why", "the tool is mended", *HERE)
    assert done.code == 0, done.err
    before = sessions.published_window(AGENT, watching.watched)
    until(lambda: tick(watching) or _past(watching, before), timeout_s=60)
    assert not published(watching)[-1].alarms


def _past(watching, window):
    return sessions.published_window(AGENT, watching.watched) > window


def test_a_log_group_without_a_free_slot_is_told_with_who_has_them(cloud, watching):
    logs = cloud.instance.client("logs")
    logs.create_log_group(logGroupName="/taken")
    arn = cloud.deployment.outputs["IngestSpansArn"]
    for name in ("one", "two"):
        logs.put_subscription_filter(
            logGroupName="/taken", filterName=name, filterPattern="", destinationArn=arn
        )
    words = ("agent", "register", f"{AGENT}@1.0.0", "--service", "other", "--log-group", "/taken")
    done = cloud(*words, *HERE)
    assert done.code == 2
    assert "both are taken: one" in done.err


def test_what_was_mined_is_reviewed_by_one_at_a_time_and_erased(cloud, watching):
    """Two at once on real conditional writes; then nothing in the stores names the session."""
    found = review.queue(AGENT, watching.reviews)[0].candidate
    ann, bob = (
        review.Desk(AGENT, who, watching.reviews, watching.traces, watching.registry, SystemClock())
        for who in ("ann", "bob")
    )
    claimed = ann.claim(found.fingerprint, 0)
    with pytest.raises(StaleRevision, match="ann did claim"):
        bob.claim(found.fingerprint, 0)
    draft = ann.draft(found.fingerprint)
    assert "Write to user1@example.com." in draft.case.turns[0].user
    edited = ann.edit(found.fingerprint, claimed.revision, draft.case)
    assert ann.trail(found.fingerprint)[-1].after == edited
    words = ("privacy", "erase", "--agent", AGENT, "--session", found.session_id, "--json")
    done = cloud(*words, *HERE)
    assert done.code == 0, done.err
    assert (done.json["candidates"], done.json["drafts"], done.json["left"]) == (1, 1, [])
    dynamodb = cloud.instance.client("dynamodb")
    for table in ("SessionsTable", "ReviewsTable"):
        pages = dynamodb.get_paginator("scan").paginate(TableName=cloud.deployment.outputs[table])
        assert found.session_id not in json.dumps([page["Items"] for page in pages])
    assert not [key for key in watching.traces.keys("") if found.session_id in key]
