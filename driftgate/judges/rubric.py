"""The embedded judge: a question's `check` answers it, with no model and at no cost."""

import re
from collections.abc import Sequence

from driftgate.errors import JudgeFailed
from driftgate.judges.reading import share_of_good
from driftgate.matching import describe, mismatch
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import Answer, Judgment
from driftgate.schemas.traces import Trace

VERSION = 1  # raised when the same check may answer otherwise


class RubricJudge:
    """It looks for what it is told to look for in what the agent said, and is moved by nothing."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint

    def most_usd(self, rubric: Sequence[RubricItem], trace: Trace) -> float | None:
        return 0

    def judge(self, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> Judgment:
        answers = tuple(answer(item, trace.reply()) for item in rubric)
        return Judgment(
            fingerprint=self._fingerprint,
            repeat=repeat,
            value=share_of_good(answers, rubric),
            answers=answers,
            model=f"rubric judge {VERSION}",
            asked=0,
            cost_usd=0,
        )


def answer(item: RubricItem, replies: str) -> Answer:
    """Whether the replies tell what the check looks for, and the first line or sentence that does.

    Raises:
        JudgeFailed: the question has no check.
    """
    if item.check is None:
        raise JudgeFailed("rejected", f"question {item.id} has no check, so it needs a model")
    if mismatch(item.check, replies) is not None:
        return Answer(item=item.id, answer="no")
    sentences = re.split(r"(?<=[.!?])\s+|\n+", replies)
    shown = [s for s in sentences if s.strip() and mismatch(item.check, s) is None]
    whole = next((line for line in replies.split("\n") if line.strip()), describe(item.check))
    return Answer(item=item.id, answer="yes", evidence=shown[0] if shown else whole)
