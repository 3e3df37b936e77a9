"""What stands in for a judge knows the checks of what is published."""

import types

from driftgate import datasets, registry
from driftgate.adapters.clock import SystemClock
from driftgate.adapters.local import LocalRegistry
from driftgate.judges.passages import passages
from driftgate.schemas.datasets import DatasetHeader
from driftgate.schemas.traces import Message, Trace
from local.standins.questions import Questions
from tests.builders import case

THANKS = {"id": "thanks", "question": "Does it say thank you?", "check": "thank you"}


def told(text):
    said = (Message(role="user", text="About it?"), Message(role="assistant", text=text))
    return passages(Trace(case_id="c", messages=said))


def test_a_question_is_answered_by_its_check_from_the_first_time_and_an_unknown_one_by_no(tmp_path):
    stored = LocalRegistry(tmp_path)
    header = DatasetHeader(name="polite", version="1.0.0", owner="us", changelog="x", tools={})
    polite = datasets.build(header, [case(turns=[{"user": "About it?"}], rubric=[THANKS])])
    registry.publish_dataset(polite, stored, SystemClock(), author="me")
    questions = Questions(lambda: types.SimpleNamespace(registry=stored))
    asked = [
        questions.answer("q", question, told(text)).answer
        for question in (THANKS["question"], "Is it unknown?")
        for text in ("Thank you.", "No.")
    ]
    assert asked == ["yes", "no", "no", "no"]
