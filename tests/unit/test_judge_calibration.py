"""What calibration says of judges whose faults are known."""

import json
import random

import pytest

from driftgate import evidence, judge_calibration
from driftgate.adapters.local import LocalArtifacts
from driftgate.errors import BadInput, JudgeFailed
from driftgate.judge_calibration import cohens_kappa
from driftgate.schemas.judge_calibration import Label
from driftgate.schemas.judgments import (
    Answer,
    JudgePlan,
    JudgeSpec,
    Judgment,
    TrialJudgments,
)
from tests.builders import plan

FINGERPRINT = "f" * 64


class Judge:
    """It answers as a function of the text, the question, its place among them, and the repeat."""

    def __init__(self, says):
        self.says = says

    def most_usd(self, rubric, trace):
        return None

    def judge(self, rubric, trace, repeat):
        answers = [
            Answer(item=item.id, answer="yes" if yes else "no")
            for place, item in enumerate(rubric)
            if (yes := self.says(trace.reply(), item.question, place, repeat)) is not None
        ]
        return Judgment(
            fingerprint=FINGERPRINT, repeat=repeat, value=0, answers=answers, model="j", asked=1
        )


def labels(number=40):
    """Two questions about each text: the first is answered by its number, the second by yes."""
    return [
        Label(
            case_id=f"c{n}",
            question=question,
            answer="yes" if question == "Nice?" or n % 2 else "no",
            text=f"Text {n}." + " And so on." * (n // 20),
        )
        for n in range(number)
        for question in ("Odd?", "Nice?")
    ]


def truth(text, question, place, repeat):
    return question == "Nice?" or int(text.split()[1].strip(".")) % 2 == 1


def calibrate(says, given=None, repeats=4):
    return judge_calibration.calibrate(
        JudgeSpec(), given or labels(), Judge(says), repeats=repeats, seed=1
    )


@pytest.mark.parametrize(
    ("both_yes", "first", "second", "both_no", "kappa"),
    [
        (20, 5, 10, 15, 0.4),  # 0.7 alike, 0.5 by chance
        (5, 0, 0, 5, 1.0),
        (5, 5, 5, 5, 0.0),
        (0, 5, 5, 0, -1.0),
        (9, 0, 0, 0, None),  # all is yes, so nothing is beyond chance
    ],
)
def test_kappa_is_the_agreement_beyond_chance(both_yes, first, second, both_no, kappa):
    pairs = [(True, True)] * both_yes + [(True, False)] * first
    pairs += [(False, True)] * second + [(False, False)] * both_no
    assert cohens_kappa(pairs) == (None if kappa is None else pytest.approx(kappa))


def test_a_judge_that_is_always_right_shows_it():
    found = calibrate(truth)
    assert (found.agreement.value, found.kappa.value, found.variance.value) == (1, 1, 0)
    assert (found.finds.value, found.refuses.value) == (1, 1)
    assert (found.by_length.value, found.by_order.value) == (0, 0)
    assert (found.labels, found.answered, found.conversations) == (80, 80, 40)


def test_one_that_always_says_yes_agrees_by_chance():
    found = calibrate(lambda *_: True)
    assert (found.agreement.value, found.kappa.value) == (0.75, 0)
    assert (found.finds.value, found.refuses.value) == (1, 0)


def test_one_that_throws_a_coin_varies_by_a_quarter():
    coin = random.Random(7)
    found = calibrate(lambda *_: coin.random() < 0.5)
    assert found.variance.low < 0.25 < found.variance.high
    assert found.kappa.low < 0 < found.kappa.high
    assert found.by_order.low < 0 < found.by_order.high


def test_one_that_likes_long_texts_is_told_so():
    found = calibrate(lambda text, *rest: len(text) > 10 or truth(text, *rest))
    assert found.by_length.value == pytest.approx(0.25)  # half of the longer half's first labels
    assert found.by_length.low > 0


def test_one_that_goes_by_the_place_of_a_question_is_told_so():
    found = calibrate(lambda text, question, place, repeat: place == 0)
    assert (found.by_order.value, found.variance.value) == (1, 0)


def test_what_has_no_answer_is_left_out_and_counted():
    def says(text, question, place, repeat):
        if text == "Text 3.":
            raise JudgeFailed("refusal", "no")
        return truth(text, question, place, repeat)

    found = calibrate(says)
    assert (found.answered, found.faults, found.kappa.value) == (78, {"refusal": 8}, 1)


def test_the_interval_is_that_of_texts_drawn_anew_not_of_questions():
    """Ten questions about each text that all turn out alike are no more than one."""
    many = [
        Label(case_id=f"c{n}", question=f"Q{q}?", answer="yes", text=f"Text {n}.")
        for n in range(20)
        for q in range(10)
    ]
    found = calibrate(lambda text, *_: int(text.split()[1].strip(".")) % 2 == 1, many)
    assert found.agreement.value == 0.5
    assert found.agreement.high - found.agreement.low > 0.35  # 200 answers would give 0.14


@pytest.mark.parametrize(
    ("given", "repeats", "why"),
    [
        ([], 3, "labels: wanted at least one"),
        (labels(1), 1, "repeats: wanted at least 2"),
        (labels(1) * 2, 3, "'Odd\\?' is answered twice"),
    ],
)
def test_labels_from_which_nothing_follows_are_refused(given, repeats, why):
    with pytest.raises(BadInput, match=why):
        judge_calibration.calibrate(JudgeSpec(), given, Judge(truth), repeats=repeats, seed=0)


class TestGate:
    def stored(self, tmp_path, values):
        """A run of two arms, one trial each; `values` are (case, arm) -> its judgments."""
        runs = LocalArtifacts(tmp_path)
        ids = sorted({case_id for case_id, _ in values})
        spec = JudgeSpec(backend="converse", model="m", repeats=2)
        judge = JudgePlan(spec=spec, fingerprint=FINGERPRINT, case_ids=tuple(ids))
        made = plan(ids, "baseline", "candidate").model_copy(update={"judge": judge})
        evidence.store_plan(made, [], runs)
        for key in made.trial_keys(1):
            judged = [
                Judgment(fingerprint=FINGERPRINT, repeat=n, value=v, model="m", asked=1)
                for n, v in enumerate(values[key.case_id, key.arm], start=1)
            ]
            found = TrialJudgments(fingerprint=FINGERPRINT, judgments=judged, faults=())
            evidence.store_judgments(made.run_id, key, found, runs)
        return judge_calibration.gate_share(made.run_id, runs)

    def test_the_judges_part_is_counted_by_hand(self, tmp_path):
        """Case a: the baseline's judgments 1 and 0, variance 0.5, of their mean 0.25. Means fall by
        0.5 and 0: variance 0.125. Of 2 cases: errors sqrt(0.25)/2 and sqrt(0.125/2)."""
        found = self.stored(
            tmp_path,
            {
                ("a", "baseline"): (1.0, 0.0),
                ("a", "candidate"): (0.0, 0.0),
                ("b", "baseline"): (1.0, 1.0),
                ("b", "candidate"): (1.0, 1.0),
            },
        )
        assert (found.judge_error, found.gate_error) == pytest.approx((0.25, 0.25))
        assert (found.cases, found.share) == (2, 1)

    def test_a_judge_that_never_wavers_has_no_part(self, tmp_path):
        found = self.stored(
            tmp_path,
            {
                (case_id, arm): (value, value)
                for case_id, arm, value in (
                    *(("a", "baseline", 1.0), ("a", "candidate", 0.0)),
                    *(("b", "baseline", 1.0), ("b", "candidate", 1.0)),
                )
            },
        )
        assert (found.judge_error, found.share) == (0, 0)


def test_the_command_tells_a_table_and_writes_json(cli, tmp_path):
    lines = [
        {**label.model_dump(mode="json"), "check": {"match": "contains", "value": "Text"}}
        for label in labels(4)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    done = cli("judge", "calibrate", path, "--json")
    assert done.code == 0, done.err
    assert (done.json["kappa"]["value"], done.json["finds"]["value"]) == (0, 1)
    assert "kappa" in done.err
    assert "cost: 0.0000 USD" in done.err
    path.write_text('{"case_id": "a", "question": "?", "answer": "maybe", "text": "x"}')
    assert cli("judge", "calibrate", path).err.startswith(f"error: {path}:1: answer: ")
