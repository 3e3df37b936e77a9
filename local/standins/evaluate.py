"""AgentCore's Evaluate, with two built-in evaluators that are the embedded rubric judge.

Builtin.GoalSuccessRate looks at a session and its assertions, Builtin.Helpfulness at traces; an
evaluator that was made (name-xxxxxxxxxx) is taken for one of sessions.
"""

import json
import re
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from driftgate.judges.passages import Passage
from local.standins.disturbance import Disturbance
from local.standins.questions import Questions
from local.standins.wire import ServiceError, operation

ERRORS = {
    "throttle": ("ThrottlingException", "Rate exceeded"),
    "unavailable": ("InternalServerException", "Internal failure"),
    "denied": ("AccessDeniedException", "Not authorized to perform bedrock-agentcore:Evaluate"),
}
OTHERS = ("error_row", "ignored", "no_value", "above_one", "no_row")
TRACE_LEVEL = "Builtin.Helpfulness"
REQUIRED = ("spanId", "traceId", "name", "startTimeUnixNano", "endTimeUnixNano")
SCOPES = ("opentelemetry.instrumentation.", "openinference.instrumentation.")
_ASSERTION = re.compile(r'The right answer to "(?P<question>.+)" is (?P<good>yes|no)\.')


class Evaluate:
    """The operation, at POST /standin/evaluate disturbed."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._disturbance = Disturbance("/standin/evaluate", ERRORS, OTHERS)

    def routes(self) -> list[Route]:
        route = operation("Evaluate").route
        return [Route(route, self.evaluate, methods=["POST"]), *self._disturbance.routes()]

    async def evaluate(self, request: Request) -> Response:
        called = operation("Evaluate")
        asked = called.read(request, await request.body())
        _refuse_unreadable(asked["evaluationInput"]["sessionSpans"])
        fault = await self._disturbance.next()
        rows = await to_thread.run_sync(self._rows, asked, fault)
        return called.answer({"evaluationResults": rows})

    def _rows(self, asked: dict[str, Any], fault: str | None) -> list[dict[str, Any]]:
        spans = asked["evaluationInput"]["sessionSpans"]
        session = spans[0]["attributes"]["session.id"]
        references = asked.get("evaluationReferenceInputs", [])
        claims = [claim["text"] for one in references for claim in one.get("assertions", [])]
        told = _passages(spans)
        if asked["evaluatorId"] != TRACE_LEVEL:
            value = self._share_that_holds(claims, told)
            context = {"sessionId": session}
            return [_row(asked["evaluatorId"], context, value, fault, ignored=not claims)]
        targets = asked.get("evaluationTarget", {}).get("traceIds", [])
        known = {span["traceId"] for span in spans}
        if not targets or not set(targets) <= known:
            said = "Wanted the ids of traces of the session as evaluationTarget."
            raise ServiceError("ValidationException", said, reason="FieldValidationFailed")
        about = self._questions.all_about(told)
        value = sum(made.answer == item.good for item, made in about) / len(about) if about else 0.5
        contexts = [{"sessionId": session, "traceId": trace} for trace in targets]
        rows = [_row(TRACE_LEVEL, c, value, fault, ignored=bool(claims)) for c in contexts]
        return rows[1:] if fault == "no_row" else rows

    def _share_that_holds(self, claims: list[str], told: list[Passage]) -> float:
        read = [match for claim in claims if (match := _ASSERTION.fullmatch(claim))]
        holds = [
            self._questions.answer("asked", claim["question"], told).answer == claim["good"]
            for claim in read
        ]
        return sum(holds) / len(claims) if claims else 0.0


def _refuse_unreadable(spans: list[Any]) -> None:
    """What the service's documentation wants of each span, beyond the model, which says nothing."""
    for index, span in enumerate(spans):
        place = f"evaluationInput.sessionSpans.{index}"
        lost = [name for name in REQUIRED if name not in span]
        if "session.id" not in span.get("attributes", {}):
            lost.append("attributes.session.id")
        scope = span.get("scope", {}).get("name", "")
        if not scope.startswith(SCOPES):
            lost.append("scope.name of an accepted instrumentation")
        if lost:
            said = f"Value at '{place}' failed to satisfy constraint: {lost[0]} is required"
            raise ServiceError("ValidationException", said, reason="FieldValidationFailed")


def _passages(spans: list[dict[str, Any]]) -> list[Passage]:
    told = []
    for span in spans:
        for speaker, name in (("user", "input"), ("agent", "output")):
            said = json.loads(span["attributes"].get(f"gen_ai.{name}.messages", "[]"))
            texts = [part["content"] for message in said for part in message["parts"]]
            told += [Passage(1, "user" if speaker == "user" else "agent", "", t) for t in texts]
    return told


def _row(
    evaluator: str, context: dict[str, str], value: float, fault: str | None, *, ignored: bool
) -> dict[str, Any]:
    name = evaluator if evaluator.startswith("Builtin.") else evaluator.rpartition("-")[0]
    place = ":" if evaluator.startswith("Builtin.") else "us-east-1:000000000000"
    row: dict[str, Any] = {
        "evaluatorArn": f"arn:aws:bedrock-agentcore:{place}:evaluator/{evaluator}",
        "evaluatorId": evaluator,
        "evaluatorName": name,
        "context": {"spanContext": context},
    }
    if fault == "error_row":
        return {**row, "errorCode": "ModelError", "errorMessage": "The model gave no answer."}
    row |= {
        "label": "Yes" if value >= 0.5 else "No",
        "explanation": f"{value:.0%} of what was asked holds.",
        "tokenUsage": {"inputTokens": 900, "outputTokens": 100, "totalTokens": 1000},
    }
    if fault == "ignored" or ignored:
        row["ignoredReferenceInputFields"] = ["assertions"]
    if fault != "no_value":
        row["value"] = 1.7 if fault == "above_one" else value
    return row
