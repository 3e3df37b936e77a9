"""Erasing a person: afterwards nothing of him is in any file, and all of the others is."""

from pathlib import Path

import pytest

from driftgate import canonical, erasure, online, registry, review, sessions
from driftgate.errors import BadInput
from driftgate.schemas.cases import Case
from driftgate.schemas.events import QualityRegressed
from driftgate.schemas.online import Alarm, Feedback
from tests.builders import bank, case, expect
from tests.office import FP, Clock, Office
from tests.production import START, WATCH, Production, session

JANE, JOE = "jane.doe@corp-mail.com", "joe.public@corp-mail.com"
MINE, HIS = "session-of-jane", "session-of-joe"


@pytest.fixture
def production(tmp_path):
    """Two people asked the same thing; the conversation was mined and edited."""
    made = Production(tmp_path)
    for session_id, person, at in ((MINE, JANE, START), (HIS, JOE, START + 5)):
        messages = session(session_id, at=at, asks=f"I am {person}, my balance?", says="WRONG")
        made.ingest(messages[:1], now=START)
        made.ingest(messages[1:], now=START + 400)  # so that it was due in another window too
        told = Feedback(agent="support", session_id=session_id, verdict="negative", at=at + 9)
        online.record_feedback(told, START + 10, WATCH.clockwork, made.watched)
    made.tick(START + 7200)
    return made


def mined(production, *session_ids):
    regressed = QualityRegressed.model_construct(
        agent="support", session_ids=session_ids, stratum="all conversations"
    )
    online.mine_failures(
        regressed, Clock(), production.traces, production.watched, production.reviews
    )
    (row,) = production.reviews.rows("candidate.support/")
    desk = review.Desk(
        "support",
        "ann",
        production.reviews,
        production.traces,
        production.registry,
        Clock(),
    )
    after = desk.claim(row["fingerprint"], 0)
    content = desk.draft(row["fingerprint"]).case.model_dump(mode="json")
    content["expected_outputs"] = ["12.50"]
    desk.edit(row["fingerprint"], after.revision, Case.model_validate(content))
    return desk, row["fingerprint"]


def eraser(production):
    return erasure.Eraser(
        "support",
        production.traces,
        production.watched,
        production.reviews,
        production.registry,
        WATCH.clockwork,
        Clock(),
    )


def naming(home: Path, *names: str) -> list[str]:
    """The files that hold one of the names, in their names or in their content."""
    return [
        str(path)
        for path in home.rglob("*")
        if path.is_file()
        and any(name in str(path) or name.encode() in path.read_bytes() for name in names)
    ]


def pseudonym(production, session_id):
    closed = sessions.find_closed("support", session_id, production.watched)
    said = sessions.load_trace(sessions.trace_key(closed), production.traces).messages[0].text
    return said.removeprefix("I am ").partition(",")[0]


def test_after_it_nothing_names_the_session_or_the_person(production, tmp_path):
    mined(production, MINE)
    hers = pseudonym(production, MINE)
    assert naming(tmp_path, JANE)
    assert naming(tmp_path, MINE)
    erased = eraser(production).erase([MINE], [], "pat")
    assert (erased.sessions, erased.candidates, erased.drafts, erased.left) == (1, 1, 1, ())
    assert naming(tmp_path, MINE, JANE, hers) == []
    assert naming(tmp_path, HIS)
    assert sessions.find_closed("support", HIS, production.watched)
    assert not production.reviews.keys("audit.support/")


def test_a_person_is_found_by_the_pseudonym_in_redacted_traces(production, tmp_path):
    hers = pseudonym(production, MINE)
    erased = eraser(production).erase([], [hers], "pat")
    assert (erased.sessions, erased.left) == (1, ())
    assert naming(tmp_path, MINE, JANE, hers) == []
    again = eraser(production).erase([MINE], [hers], "pat")
    assert (again.sessions, again.objects, again.rows) == (1, 0, 0)
    with pytest.raises(BadInput, match="wanted a pseudonym"):
        eraser(production).sessions_of([JANE])


def test_an_erasure_that_breaks_off_is_done_again_from_the_start(production, tmp_path):
    mined(production, MINE)
    hers, whole = pseudonym(production, MINE), eraser(production)
    broken = 0
    while broken < 60:
        failing = _Breaking(production)
        try:
            eraser(failing).erase([], [hers], "pat")
            break
        except ConnectionError:
            broken += 1
    assert 10 < broken < 60
    assert naming(tmp_path, MINE, JANE, hers) == []
    assert not list(whole.left([MINE, hers], searched=False))


class _Breaking:
    """The stores of a production, of which the second deletion fails."""

    def __init__(self, production):
        self.registry, self.left = production.registry, 1
        self.reviews = _Store(production.reviews, self)
        self.traces = _Store(production.traces, self)
        self.watched = _Store(production.watched, self)


class _Store:
    def __init__(self, behind, counter):
        self._behind, self._counter = behind, counter

    def __getattr__(self, name):
        return getattr(self._behind, name)

    def remove(self, key):
        if self._counter.left == 0:
            raise ConnectionError(key)
        done = self._behind.remove(key)
        self._counter.left -= done
        return done


def test_what_others_had_too_stays_with_them_without_what_was_made_of_it(production):
    _, fingerprint = mined(production, MINE)
    row = production.reviews.row(f"candidate.support/{fingerprint}")
    other = {**row, "session_ids": [MINE, HIS]}
    production.reviews.replace(f"candidate.support/{fingerprint}", other, row)
    eraser(production).erase([MINE], [], "pat")
    (kept,) = review.queue("support", production.reviews)
    assert (kept.candidate.session_id, kept.candidate.session_ids) == (HIS, (HIS,))
    assert kept.review.state == "new"


def test_windows_no_longer_name_the_session(production):
    (report, *_) = [report for report in production.reports() if report.sessions]
    alarm = Alarm(
        version="1.0.0",
        stratum="all conversations",
        monitor="judge",
        ratio=1.2,
        since=report.window,
        evidence="failed",
        session_ids=(HIS, MINE),
        is_new=True,
    )
    folded = sessions.find_folded("support", report.window, production.traces)
    named = folded.model_copy(
        update={"report": folded.report.model_copy(update={"alarms": (alarm,)})}
    )
    (key,) = [k for k in production.traces.keys("windows/") if f"{report.window:012d}" in k]
    production.traces.overwrite(key, canonical.dump(named.model_dump(mode="json")))
    eraser(production).erase([MINE], [], "pat")
    after = sessions.find_folded("support", report.window, production.traces)
    assert after.report.alarms[0].session_ids == (HIS,)
    assert after.state == folded.state


def test_a_session_that_went_on_days_later_is_erased_as_a_whole(production, tmp_path):
    again = START + 3 * 86_400
    production.ingest(session(MINE, at=again, asks=f"{JANE} again"), now=again)
    production.tick(again + 7200)
    assert len(production.traces.keys(f"traces/support/{MINE}/")) == 2
    assert eraser(production).erase([MINE], [], "pat").left == ()
    assert naming(tmp_path, MINE, JANE) == []


def test_sessions_that_are_not_closed_cannot_be_searched_and_that_is_said(production):
    production.ingest(session("session-open", at=START + 9000), now=START + 9000)
    erased = eraser(production).erase([], [pseudonym(production, MINE)], "pat")
    assert [place.partition(",")[0] for place in erased.left] == ["1 session not closed yet"]


def test_what_was_planted_in_a_locked_dataset_is_found_and_told(production):
    """The check before publishing keeps it out; this is the dataset of somebody who went round."""
    told = case(expect("find"), turns=[{"user": f"see {MINE}"}])
    registry.publish_dataset(bank(told), production.registry, Clock(), author="us")
    erased = eraser(production).erase([MINE], [], "pat")
    assert erased.left == ("dataset bank@1.0.0, which is locked: it must expire",)


@pytest.mark.parametrize("planted", [f"I am <email:{'k' * 16}>", f"I am {JANE}"])
def test_what_names_a_person_never_gets_under_the_lock(tmp_path, planted):
    office = Office(tmp_path)
    office.mine()
    content = office.desk("ann").draft(FP).case.model_dump(mode="json")
    content |= {"turns": [{"user": planted, "expected_outputs": ["12.50"]}]}
    claimed = office.desk("ann").claim(FP, 0)
    after = office.desk("ann").edit(FP, claimed.revision, Case.model_validate(content))
    after = office.desk("bob").accept(FP, after.revision)
    office.desk("cleo").accept(FP, after.revision)
    with pytest.raises(BadInput, match="personal_data"):
        office.publish(office.plan(Redacting()))
    assert not [p for p in naming(tmp_path / "registry", JANE, "k" * 16) if "datasets" in p]


class Redacting:
    """What the command line finds personal data with."""

    def __call__(self, content):
        from driftgate.redaction import Redactor
        from driftgate.schemas.redaction import RedactionRules

        return Redactor(RedactionRules(), b"k" * 32).value(content).found
