"""What is promised of datasets/support, whichever agent it is put to."""

import re
from collections import Counter

from driftgate import coverage
from driftgate.adapters import files
from driftgate.datasets import count_by_tool
from driftgate.metrics.outcome import output_correctness
from driftgate.schemas.traces import Message, Trace
from tests.conftest import ROOT

FOLDER = ROOT / "datasets" / "support"
DATASET = files.read_dataset(FOLDER)
AGENT, _ = files.read_agent(ROOT / "agents" / "support" / "versions" / "1.0.0.yaml")
COVERED = coverage.measure(DATASET, AGENT)


def test_every_tool_has_enough_cases():
    assert COVERED.shortfalls == ()


def test_no_two_cases_differ_by_names_and_numbers_only():
    assert COVERED.near_duplicates == ()


def test_its_readme_counts_right():
    text = (FOLDER / "README.md").read_text()
    told = {name: int(count) for name, count in re.findall(r"^\| ([\w-]+) \| (\d+) \|", text, re.M)}
    locales = {name: count for name, count in COVERED.by_locale.items() if name}
    tools = {tool.tool: tool.cases for tool in COVERED.tools}
    asked = Counter(item.id for case in DATASET.cases for item in case.rubric)
    assert told == COVERED.by_task_type | COVERED.by_difficulty | locales | tools | asked
    with_rubric = sum(bool(case.rubric) for case in DATASET.cases)
    for said in (
        f"{with_rubric} cases have a rubric, {asked.total()} questions in all",
        f"{COVERED.cases} cases {COVERED.critical_cases} are critical",
        f"{COVERED.several_turns} have two or three turns",
        f"{COVERED.after_error} have a tool",
        f"{COVERED.nothing_to_call} have nothing to call",
        f"English, not said where | {COVERED.by_locale['']}",
    ):
        assert said in " ".join(text.split())


def test_its_smoke_cases_try_every_tool_and_suffice_for_a_pass():
    smoke = [case for case in DATASET.cases if case.smoke]
    assert len(smoke) >= 40
    assert min(count_by_tool(smoke).values()) >= 4
    assert count_by_tool(smoke).keys() == DATASET.header.tools.keys()
    assert f"{len(smoke)} are smoke cases" in (FOLDER / "README.md").read_text()


def test_no_case_is_solved_by_saying_nothing():
    scores = {case.case_id: output_correctness(case, _silence(case)) for case in DATASET.cases}
    assert {case_id for case_id, score in scores.items() if score.value != 0} == set()


def _silence(case):
    turns = range(1, len(case.turns) + 1)
    messages = [Message(turn=turn, role="assistant", text="") for turn in turns]
    return Trace(case_id=case.case_id, messages=messages)


def test_each_question_of_a_rubric_can_be_answered_without_a_model():
    assert all(item.check for case in DATASET.cases for item in case.rubric)
    assert sum(bool(case.rubric) for case in DATASET.cases) >= 40
