"""What is promised of datasets/support, whichever agent it is put to."""

from driftgate.adapters import files
from driftgate.metrics.outcome import output_correctness
from driftgate.schemas.traces import Message, Trace
from tests.conftest import ROOT

FOLDER = ROOT / "datasets" / "support"
DATASET = files.read_dataset(FOLDER)


def test_no_case_is_solved_by_saying_nothing():
    scores = {case.case_id: output_correctness(case, _silence(case)) for case in DATASET.cases}
    assert {case_id for case_id, score in scores.items() if score.value != 0} == set()


def _silence(case):
    turns = range(1, len(case.turns) + 1)
    messages = [Message(turn=turn, role="assistant", text="") for turn in turns]
    return Trace(case_id=case.case_id, messages=messages)
