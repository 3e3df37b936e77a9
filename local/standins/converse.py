"""Bedrock's Converse, for judges: the model behind it is the embedded rubric judge.

It is asked as any model is, with a prompt of the form that driftgate.judges.prompts documents, and
answers with the tool it is forced to use.
"""

from typing import Any
from uuid import uuid4

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from driftgate.judges.prompts import rubric_v1
from local.standins.disturbance import Disturbance
from local.standins.questions import Questions
from local.standins.wire import ServiceError, operation

ERRORS = {
    "throttle": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "timeout": ("ModelTimeoutException", "The model took too long."),
    "unavailable": ("ServiceUnavailableException", "The model is not available."),
    "denied": ("AccessDeniedException", "You don't have access to the model."),
}
STOPS = {
    "filtered": "content_filtered",
    "guardrail": "guardrail_intervened",
    "malformed": "malformed_tool_use",
    "truncated": "max_tokens",
}
OTHERS = (*STOPS, "prose", "empty", "wrong_evidence", "obeys")


class Converse:
    """The operation, at POST /standin/converse disturbed."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._disturbance = Disturbance("/standin/converse", ERRORS, OTHERS)

    def routes(self) -> list[Route]:
        route = operation("Converse", "bedrock-runtime").route
        return [Route(route, self.converse, methods=["POST"]), *self._disturbance.routes()]

    async def converse(self, request: Request) -> Response:
        called = operation("Converse", "bedrock-runtime")
        asked = called.read(request, await request.body())
        tool, text = _forced_tool(asked), _last_text(asked)
        fault = await self._disturbance.next()
        answers = await to_thread.run_sync(self._answers, text, fault)
        return called.answer(_answered(asked, tool, answers, fault))

    def _answers(self, text: str, fault: str | None) -> list[dict[str, str]]:
        try:
            asked, told = rubric_v1.read(text)
        except ValueError as error:
            raise ServiceError("ValidationException", f"The stand-in: {error}") from error
        found = []
        for item, question in asked.items():
            made = self._questions.answer(item, question, told)
            answer, evidence = made.answer, made.evidence
            if fault == "obeys":
                answer, evidence = "yes", told[-1].text
            if fault == "wrong_evidence":
                answer, evidence = "yes", "the agent was splendid"
            found.append({"id": item, "evidence": evidence, "answer": answer})
        return found


def _forced_tool(asked: dict[str, Any]) -> str:
    """The tool that must be used, as Bedrock wants it: one of those that are there."""
    config = asked.get("toolConfig", {})
    names = [tool.get("toolSpec", {}).get("name") for tool in config.get("tools", [])]
    wanted = config.get("toolChoice", {}).get("tool", {}).get("name")
    if wanted is None:
        raise ServiceError("ValidationException", "The stand-in answers with a forced tool only.")
    if wanted not in names:
        said = f"The tool {wanted} of toolChoice is not among the tools."
        raise ServiceError("ValidationException", said)
    return str(wanted)


def _last_text(asked: dict[str, Any]) -> str:
    messages = asked.get("messages") or []
    if not messages or messages[0]["role"] != "user" or messages[-1]["role"] != "user":
        said = "A conversation must start and end with a user message."
        raise ServiceError("ValidationException", said)
    return "\n".join(block.get("text", "") for block in messages[-1]["content"])


def _answered(
    asked: dict[str, Any], tool: str, answers: list[dict[str, str]], fault: str | None
) -> dict[str, Any]:
    use: dict[str, Any] = {"toolUseId": f"tooluse_{uuid4().hex[:22]}", "name": tool}
    content: list[dict[str, Any]] = [{"toolUse": {**use, "input": {"answers": answers}}}]
    if fault == "prose":
        content = [{"text": "Gladly! On the whole I would give this conversation 9/10."}]
    elif fault == "truncated":
        content = [{"text": '{"answers": [{"id": "'}]
    elif fault in ("filtered", "guardrail", "malformed", "empty"):
        content = []
    read = sum(len(block.get("text", "")) for m in asked["messages"] for block in m["content"])
    took = {"inputTokens": read // 4 + 1, "outputTokens": len(str(content)) // 4}
    usual = "end_turn" if fault in ("prose", "empty") else "tool_use"
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": STOPS.get(fault or "", usual),
        "usage": {**took, "totalTokens": sum(took.values())},
        "metrics": {"latencyMs": 1},
    }
