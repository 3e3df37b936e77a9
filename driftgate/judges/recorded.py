"""A judge whose answers are all there: what was not recorded stays unanswered."""

from collections.abc import Sequence

from driftgate.errors import JudgeFailed
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import Judgment
from driftgate.schemas.traces import Trace


class RecordedJudge:
    """Asked only where no answer of the recorded judge is kept."""

    def most_usd(self, rubric: Sequence[RubricItem], trace: Trace) -> float | None:
        return 0

    def judge(self, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> Judgment:
        raise JudgeFailed("not_recorded", f"no answer number {repeat} to these questions is kept")
