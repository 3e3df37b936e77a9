"""The cost model against the steps themselves: what they ask of their stores for a session."""

import json
from collections import Counter

import pytest

from driftgate import canonical, watch_costs
from tests.builders import call
from tests.production import START, Production, session

SESSIONS = 40
ABOUT_A_SESSION = ("session", "due", "closed", "sampled", "judged", "feedback")


class CountedRows:
    """A registry that counts what is asked of it by the kind of row, and what a row weighs."""

    def __init__(self, rows):
        self._rows = rows
        self.reads, self.writes, self.queried, self.bytes = Counter(), Counter(), Counter(), {}

    def row(self, key):
        self.reads[kind(key)] += 1
        return self._rows.row(key)

    def rows(self, prefix):
        found = self._rows.rows(prefix)
        self.queried[kind(prefix)] += sum(len(canonical.dump(row)) for row in found)
        return found

    def keys(self, prefix):
        self.rows(prefix)  # DynamoDB counts what it reads, not what it returns
        return self._rows.keys(prefix)

    def put_new(self, key, row):
        self._write(key, row)
        return self._rows.put_new(key, row)

    def replace(self, key, row, expected):
        self._write(key, row)
        return self._rows.replace(key, row, expected)

    def _write(self, key, row):
        self.writes[kind(key)] += 1
        self.bytes[key] = len(canonical.dump(row)) + 100  # with its keys and when it expires


class CountedObjects:
    def __init__(self, objects):
        self._objects = objects
        self.puts, self.gets = Counter(), Counter()

    def put_once(self, key, data):
        self.puts[key.partition("/")[0]] += 1
        return self._objects.put_once(key, data)

    def get(self, key):
        self.gets[key.partition("/")[0]] += 1
        return self._objects.get(key)

    def get_all(self, keys):
        return {key: data for key in keys if (data := self.get(key)) is not None}


def kind(key):
    return key.partition("/")[0].partition(".")[0]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Sessions whose spans come in two batches, closed, judged and published; how many were."""
    production = Production(tmp_path_factory.mktemp("counted"))
    production.watched = CountedRows(production.watched)
    production.traces = CountedObjects(production.traces)
    for number in range(SESSIONS):
        calls = [call("get_account_balance", account_id=f"acc-{n}") for n in range(5)]
        spans = session(f"one-session-of-many-{number:06d}", at=START + number, calls=calls)
        production.ingest(spans[:3])
        production.ingest(spans[3:])
    production.tick(START + 3600)
    judged = production.watched.writes["judged"]
    assert 0 < judged <= SESSIONS
    return production.watched, production.traces, judged


def test_objects_are_put_and_fetched_as_often_as_is_paid_for(counted):
    _, objects, judged = counted
    windows = objects.puts["windows"]
    batches = 2 * SESSIONS
    assert sum(objects.puts.values()) == (
        batches * watch_costs.PUTS_OF_FRAGMENT
        + SESSIONS * watch_costs.PUTS_OF_SESSION
        + windows * watch_costs.PUTS_OF_WINDOW
    )
    of_sessions = batches * watch_costs.GETS_OF_FRAGMENT + judged * watch_costs.GETS_OF_JUDGED
    assert (
        of_sessions
        < sum(objects.gets.values())
        <= (of_sessions + windows * watch_costs.GETS_OF_WINDOW)
    )


def test_rows_are_written_and_read_as_often_as_is_paid_for(counted):
    rows, _, judged = counted
    batches = 2 * SESSIONS
    assert sum(rows.writes[kind] for kind in ABOUT_A_SESSION) == (
        batches * watch_costs.WRITES_OF_FRAGMENT
        + SESSIONS * watch_costs.WRITES_OF_SESSION
        + judged * watch_costs.WRITES_OF_JUDGED
    )
    assert sum(rows.reads[kind] for kind in ABOUT_A_SESSION) == (
        batches * watch_costs.READS_OF_FRAGMENT
        + SESSIONS * watch_costs.READS_OF_SESSION
        + judged * watch_costs.READS_OF_JUDGED
    )


def test_rows_weigh_no_more_than_is_paid_for(counted):
    rows, _, _ = counted
    sizes = {
        one: max(size for key, size in rows.bytes.items() if kind(key) == one)
        for one in ABOUT_A_SESSION
        if one != "feedback"
    }
    assert sizes["closed"] <= watch_costs.CLOSED_UNITS * 1024
    assert all(size <= 1024 for one, size in sizes.items() if one != "closed"), sizes
    assert sum(sizes.values()) <= watch_costs.ROW_KB * 1024
    queried = sum(rows.queried[one] for one in ABOUT_A_SESSION) / SESSIONS
    assert queried <= watch_costs.QUERIED_KB * 1024


def test_series_are_as_many_as_are_paid_for(tmp_path):
    """At most: a series without a value in a window is not told."""
    production = Production(tmp_path)
    for number, tool in enumerate(("get_account_balance", "transfer_money", "get_account_balance")):
        spans = session(f"one-session-{number}", at=START + number, calls=[call(tool, n=1)])
        production.ingest(with_type(span, f"type-{number % 2}") for span in spans)
    production.tick(START + 3600)
    told = {
        (level.name, *sorted(level.dimensions.items()))
        for window in production.published
        for level in window.levels
    }
    of = Counter(tuple(sorted(dict(dimensions))) for _, *dimensions in told)
    assert 0 < of["agent", "monitor"] <= watch_costs.METRICS_OF_AGENT
    assert of["agent", "version"] == watch_costs.METRICS_OF_VERSION
    assert of["agent", "task_type", "version"] == 2 * watch_costs.METRICS_OF_TYPE
    assert 0 < of["agent", "tool", "version"] <= 2 * watch_costs.METRICS_OF_TOOL
    assert len(of) == 4


def with_type(message, task_type):
    span = json.loads(message)
    span["attributes"]["driftgate.task_type"] = task_type
    return json.dumps(span)
