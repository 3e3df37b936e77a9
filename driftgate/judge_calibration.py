"""What a judge is worth: held against people's labels, against itself, and against what should
not matter, the length of an answer and the order of the questions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from statistics import fmean, median, variance
from typing import NamedTuple

import numpy as np

from driftgate import evidence, judging
from driftgate.errors import BadInput, JudgeFailed
from driftgate.ports import Artifacts, Judge
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judge_calibration import GateShare, JudgeCalibration, Label, Measured
from driftgate.schemas.judgments import JudgeSpec, Judgment
from driftgate.schemas.runs import Arm
from driftgate.schemas.traces import Message, Trace

DRAWS = 2000
LEAST_REPEATS = 2


class Conversation(NamedTuple):
    """One text, and the questions that people have answered about it."""

    trace: Trace
    rubric: tuple[RubricItem, ...]
    labels: tuple[bool, ...]


class Asked(NamedTuple):
    """What a judge answered about one conversation: a row of answers for each repeat."""

    conversation: Conversation
    straight: list[Judgment]
    turned: list[Judgment]  # with the questions in the opposite order
    faults: list[str]

    def yes(self, judgments: Sequence[Judgment], item: RubricItem) -> list[bool]:
        return [a.answer == "yes" for j in judgments for a in j.answers if a.item == item.id]


class Seen(NamedTuple):
    """One label with all that the judge says to it."""

    label: bool
    straight: list[bool]
    turned: list[bool]
    length: int

    @property
    def judged(self) -> bool:
        """The most frequent answer; of a draw the first."""
        share = fmean(self.straight)
        return self.straight[0] if share == 0.5 else share > 0.5


def conversations(labels: Sequence[Label]) -> list[Conversation]:
    """The labels by what they are about, each with its questions in the order they came.

    Raises:
        BadInput: two labels answer one question about one text.
    """
    grouped: dict[tuple[str, str, str], list[Label]] = {}
    for label in labels:
        grouped.setdefault((label.case_id, label.user, label.text), []).append(label)
    found = []
    for (case_id, user, text), own in grouped.items():
        asked = [label.question for label in own]
        if twice := [question for question in asked if asked.count(question) > 1]:
            raise BadInput(f"labels: {case_id}: {twice[0]!r} is answered twice about one text")
        said = [Message(role="user", text=user)] if user else []
        trace = Trace(case_id=case_id, messages=(*said, Message(role="assistant", text=text)))
        rubric = tuple(
            RubricItem(id=f"q{number}", question=label.question, check=label.check)
            for number, label in enumerate(own, start=1)
        )
        found.append(Conversation(trace, rubric, tuple(one.answer == "yes" for one in own)))
    return found


def calibrate(
    spec: JudgeSpec,
    labels: Sequence[Label],
    judge: Judge,
    *,
    repeats: int,
    seed: int,
    concurrency: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> JudgeCalibration:
    """Ask the judge what people have answered, several times and in two orders.

    Nothing is taken from earlier answers, so that what varies can vary.

    Args:
        repeats: how often each conversation is judged, 2 or more.
        seed: of the bootstrap.

    Raises:
        BadInput: no labels, labels that contradict, or too few repeats.
    """
    if not labels:
        raise BadInput("labels: wanted at least one, got none")
    if repeats < LEAST_REPEATS:
        raise BadInput(
            f"repeats: wanted at least {LEAST_REPEATS}, or nothing varies, got {repeats}"
        )
    told = conversations(labels)
    asked: list[Asked] = []
    with ThreadPoolExecutor(concurrency) as pool:
        for done, one in enumerate(pool.map(lambda c: _ask(c, judge, repeats), told), start=1):
            asked.append(one)
            progress(done, len(told))
    groups = [list(_seen(one)) for one in asked]
    seen = [label for group in groups for label in group]
    if not seen:
        kinds = Counter(kind for one in asked for kind in one.faults)
        raise BadInput(f"judge: no question got answers that can be used: {dict(kinds)}")
    rng = np.random.default_rng(seed)

    def measured(measure: Callable[[Sequence[Seen]], float | None]) -> Measured:
        return _bootstrapped(measure, groups, rng)

    made = [judgment for one in asked for judgment in (*one.straight, *one.turned)]
    long = median(label.length for label in seen)
    return JudgeCalibration(
        spec=spec,
        fingerprint=judging.fingerprint(spec),
        conversations=len(told),
        labels=len(labels),
        answered=len(seen),
        faults=dict(sorted(Counter(kind for one in asked for kind in one.faults).items())),
        repeats=repeats,
        agreement=measured(lambda s: _mean([one.judged == one.label for one in s])),
        kappa=measured(lambda s: cohens_kappa([(one.label, one.judged) for one in s])),
        finds=measured(lambda s: _mean([one.judged for one in s if one.label])),
        refuses=measured(lambda s: _mean([not one.judged for one in s if not one.label])),
        variance=measured(lambda s: _mean([variance(map(float, one.straight)) for one in s])),
        by_length=measured(lambda s: _by_length(s, long)),
        by_order=measured(_by_order),
        input_tokens=_total([judgment.input_tokens for judgment in made]),
        output_tokens=_total([judgment.output_tokens for judgment in made]),
        cost_usd=_cost([judgment.cost_usd for judgment in made]),
    )


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two raters beyond what they would have by chance.

    Args:
        pairs: what each of the two says.

    Returns:
        1 for all alike, 0 for as chance has it, below 0 for less; None where one answer is all
        that either ever gives, as then chance explains everything.

    Source:
        Cohen 1960, Educational and Psychological Measurement 20:37-46.
    """
    if not pairs:
        return None
    alike = fmean(a == b for a, b in pairs)
    yes = [fmean(pair[rater] for pair in pairs) for rater in (0, 1)]
    by_chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
    return None if by_chance == 1 else (alike - by_chance) / (1 - by_chance)


def gate_share(run_id: str, runs: Artifacts) -> GateShare:
    """How much of the variance of a run's difference in quality is the judge's own.

    Each trial was judged several times: what its judgments vary by is the judge's. The rest is the
    agents' and the cases'. All of it is in the differences that the gate permutes.

    Raises:
        BadInput: no such run, or its trials were not judged twice in both arms.
    """
    plan = evidence.load_plan(run_id, runs)
    if plan.judge is None or plan.judge.spec.repeats < LEAST_REPEATS or len(plan.arms) < 2:
        raise BadInput(f"run {run_id}: wanted one with two arms whose trials were judged twice")
    values: dict[str, dict[Arm, list[list[float]]]] = {}
    keys = [key for key in plan.trial_keys(len(plan.looks)) if plan.is_judged(key)]
    for key, found in evidence.load_judgments(run_id, keys, runs).items():
        if not found.faults:
            trials = values.setdefault(key.case_id, {}).setdefault(key.arm, [])
            trials.append([judgment.value for judgment in found.judgments])
    both = [arms for arms in values.values() if len(arms) == len(plan.arms)]
    if len(both) < LEAST_REPEATS:
        raise BadInput(f"run {run_id}: wanted two cases judged in both arms, it has {len(both)}")
    fell = [_arm_mean(arms["baseline"]) - _arm_mean(arms["candidate"]) for arms in both]
    own = [sum(_judge_variance(trials) for trials in arms.values()) for arms in both]
    judge_error = sqrt(sum(own)) / len(both)
    gate_error = sqrt(variance(fell) / len(both))
    return GateShare(
        run_id=run_id,
        cases=len(both),
        judge_error=judge_error,
        gate_error=gate_error,
        share=min(1.0, judge_error**2 / gate_error**2) if gate_error else None,
    )


def _ask(conversation: Conversation, judge: Judge, repeats: int) -> Asked:
    asked = Asked(conversation, [], [], [])
    for order, found in ((1, asked.straight), (-1, asked.turned)):
        rubric = conversation.rubric[::order]
        for repeat in range(1, repeats + 1):
            try:
                found.append(judge.judge(rubric, conversation.trace, repeat))
            except JudgeFailed as error:
                asked.faults.append(error.kind)
        if len(conversation.rubric) == 1:
            break  # there is one order only
    return asked


def _seen(one: Asked) -> Iterator[Seen]:
    """The labels whose questions got enough answers."""
    length = len(one.conversation.trace.reply())
    for item, label in zip(one.conversation.rubric, one.conversation.labels, strict=True):
        straight, turned = one.yes(one.straight, item), one.yes(one.turned, item)
        if len(straight) >= LEAST_REPEATS:
            yield Seen(label, straight, turned, length)


def _bootstrapped(
    measure: Callable[[Sequence[Seen]], float | None],
    groups: Sequence[Sequence[Seen]],
    rng: np.random.Generator,
) -> Measured:
    """A measure with the percentile interval over conversations drawn anew.

    Questions about one text go together, so it is texts that are drawn.

    Source:
        Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 and 13.
    """
    value = measure([label for group in groups for label in group])
    if value is None:
        return Measured(value=None)
    drawn = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(groups), size=len(groups))
        again = measure([label for index in chosen for label in groups[index]])
        if again is not None:
            drawn.append(again)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Measured(value=round(value, 6), low=round(float(low), 6), high=round(float(high), 6))


def _by_length(seen: Sequence[Seen], long: float) -> float | None:
    surplus = {
        side: _mean([one.judged - one.label for one in seen if (one.length > long) == side])
        for side in (True, False)
    }
    longer, shorter = surplus[True], surplus[False]
    return None if longer is None or shorter is None else longer - shorter


def _by_order(seen: Sequence[Seen]) -> float | None:
    """How much likelier two answers differ if the questions came in the other order."""
    both = [one for one in seen if one.turned]
    across = _mean([_differ(one.straight, one.turned) for one in both])
    within = _mean([2 * variance(map(float, one.straight)) for one in both])
    return None if across is None or within is None else across - within


def _differ(left: Sequence[bool], right: Sequence[bool]) -> float:
    """The share of pairs, one of each, that differ."""
    one, other = fmean(left), fmean(right)
    return one * (1 - other) + other * (1 - one)


def _arm_mean(trials: Sequence[Sequence[float]]) -> float:
    return fmean(fmean(values) for values in trials)


def _judge_variance(trials: Sequence[Sequence[float]]) -> float:
    """Of an arm's mean of a case: what its trials' judgments vary by."""
    return sum(variance(values) / len(values) for values in trials) / len(trials) ** 2


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _cost(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 9) if len(known) == len(values) else None
