"""Recorded trajectories in the words of a case and a trace."""

import json

import pytest

from driftgate.metrics import METRICS
from driftgate.traces.trajectories import read_source

CASE = {
    "case_id": "Trip/1",
    "source": "trips",
    "input": "How far is it?",
    "category": "read",
    "expected_calls": [
        {
            "name": "distance",
            "effect": "read",
            "arg_alternatives": {"to": ["Bern", "Berne"], "unit": ["km", ""], "via": []},
        }
    ],
}


@pytest.fixture
def recorded(tmp_path):
    """Reads a run with one call back as its case and its trace."""

    def read(termination=None, **arguments):
        call = {"name": "distance", "args": arguments, "error": False}
        row = {"case_id": "Trip/1", "model": "m", "trial": 0, "calls": [call]}
        row["outcome"] = {"termination": termination}
        (tmp_path / "runs").mkdir()
        (tmp_path / "cases.jsonl").write_text(json.dumps(CASE))
        (tmp_path / "runs" / "m.jsonl").write_text(json.dumps(row))
        source = read_source(tmp_path)
        (run,) = source.read_run("m")
        return source.cases["trip.1"], run.trace

    return read


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ({"to": "Bern", "unit": "km"}, True),
        ({"to": "berne"}, True),
        ({"to": "Bern", "unit": ""}, True),
        ({"to": "Bern", "unit": "miles"}, False),
        ({"to": "Bern", "via": "Thun"}, False),
        ({"unit": "km"}, False),
    ],
)
def test_an_argument_may_be_left_out_only_where_the_source_says_so(recorded, arguments, right):
    """An empty text among the accepted values says so; no value at all says that it must be."""
    fidelity = METRICS["argument_fidelity"].score(*recorded(**arguments))
    assert (fidelity.value == 1) == right


@pytest.mark.parametrize(
    ("termination", "kind"),
    [
        (None, "completed"),
        ("user_stop", "completed"),
        ("max_steps", "limit"),
        ("too_many_errors", "agent_error"),
    ],
)
def test_how_a_recording_ended(recorded, termination, kind):
    assert recorded(termination)[1].ending.kind == kind
