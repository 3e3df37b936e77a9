"""AgentCore's evaluators as a judge: built-in, custom or derived, one call of Evaluate each time.

A failed evaluation is a row of an answer and no error, and what an evaluator was given to compare
with may go unused: both are faults here.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from driftgate.adapters.bedrock import failed, strict_client
from driftgate.errors import JudgeFailed
from driftgate.judges import spans
from driftgate.judges.reading import read_value
from driftgate.schemas.cases import RubricItem
from driftgate.schemas.judgments import JudgeSpec, Judgment
from driftgate.schemas.traces import Trace

MOST_TRACES = 10  # of one call
_PASSING = {"ThrottlingException": "throttled", "InternalServerException": "unavailable"}


class Evaluator:
    """It gives a value and no answers. Of a SESSION, the questions go with it as assertions."""

    def __init__(self, spec: JudgeSpec, fingerprint: str) -> None:
        self._spec = spec
        self._fingerprint = fingerprint

    def most_usd(self, rubric: Sequence[RubricItem], trace: Trace) -> float | None:
        return None  # nobody knows what an evaluator says to its model

    def judge(self, rubric: Sequence[RubricItem], trace: Trace, repeat: int) -> Judgment:
        traces = [spans.trace_id(trace, turn) for turn in spans.turns(trace)]
        if self._spec.level == "TRACE" and len(traces) > MOST_TRACES:
            wanted = f"an evaluator of traces takes {MOST_TRACES} turns"
            raise JudgeFailed("rejected", f"{wanted}, the conversation has {len(traces)}")
        try:
            answer = _client().evaluate(
                evaluatorId=self._spec.model,
                evaluationInput={"sessionSpans": spans.session_spans(trace)},
                **self._about(rubric, trace, traces),
            )
        except (ClientError, BotoCoreError) as error:
            raise failed(error) from error
        rows = answer["evaluationResults"]
        _refuse_incomplete(rows, traces if self._spec.level == "TRACE" else [])
        values = [_value(row) for row in rows]
        usage = [row.get("tokenUsage", {}) for row in rows]
        read, written = (
            sum(one.get(name, 0) for one in usage) for name in ("inputTokens", "outputTokens")
        )
        price = self._spec.price
        return Judgment(
            fingerprint=self._fingerprint,
            repeat=repeat,
            value=fmean(sorted(values)),
            explanation="; ".join(row["explanation"] for row in rows if row.get("explanation")),
            model=rows[0]["evaluatorArn"],
            asked=1,
            input_tokens=read,
            output_tokens=written,
            cost_usd=None if price is None else price.cost(read, written),
        )

    def _about(
        self, rubric: Sequence[RubricItem], trace: Trace, traces: Sequence[str]
    ) -> dict[str, Any]:
        if self._spec.level == "TRACE":
            return {"evaluationTarget": {"traceIds": list(traces)}}
        context = {"spanContext": {"sessionId": spans.session_id(trace)}}
        claims = [{"text": assertion(item)} for item in rubric]
        return {"evaluationReferenceInputs": [{"context": context, "assertions": claims}]}


def assertion(item: RubricItem) -> str:
    """A question with its good answer, as a statement."""
    return f'The right answer to "{item.question}" is {item.good}.'


def _refuse_incomplete(rows: Sequence[Mapping[str, Any]], traces: Sequence[str]) -> None:
    if not rows:
        raise JudgeFailed("form", "the evaluator gave no result")
    told = {row["context"]["spanContext"].get("traceId") for row in rows}
    if lost := [trace for trace in traces if trace not in told]:
        turn = traces.index(lost[0]) + 1
        raise JudgeFailed("missing_item", f"the evaluator gave no result for turn {turn}")


def _value(row: Mapping[str, Any]) -> float:
    if "errorCode" in row:
        kind = _PASSING.get(row["errorCode"], "evaluator_error")
        raise JudgeFailed(kind, f"{row['errorCode']}: {row.get('errorMessage', 'no message')}")
    if ignored := row.get("ignoredReferenceInputFields"):
        said = f"the evaluator did not look at {', '.join(ignored)}"
        raise JudgeFailed("ignored_reference", said)
    return read_value(row.get("value"))


@cache
def _client() -> Any:
    return strict_client("bedrock-agentcore", "Evaluate")
