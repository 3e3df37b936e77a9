"""ApplyGuardrail of Bedrock and DetectPiiEntities of Comprehend, for names and addresses.

What stands in for their models knows a few first names, and streets by their endings.
"""

import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.standins.disturbance import Disturbance
from local.standins.wire import ServiceError, operation

GUARDRAILS = {"standin": "ANONYMIZED", "standinblocks": "BLOCKED", "standintells": "NONE"}
GUARDRAIL_CHARACTERS = 25_000
COMPREHEND_BYTES = 100_000
ERRORS = {
    "throttle": ("ThrottlingException", "Too many requests, please wait before trying again."),
    "denied": ("AccessDeniedException", "You don't have access to the guardrail."),
    "broken": ("InternalServerException", "An internal server error occurred."),
    "too_many": ("TooManyRequestsException", "The number of requests exceeds the limit."),
}
OTHERS = ("half", "elsewhere")  # of the text was looked at; what was found does not stand there
_FOUND = re.compile(
    r"(?P<NAME>\b(?:Anna|Erika|Giulia|Jane|John|Maria|Max|Nuño|Will) [^\W\d_]\w+)"
    r"|(?P<ADDRESS>\b[^\W\d_]\w+(?:straße|str\.) \d+|\b\d+ \w+ (?:Street|Road))"
)


class PersonalData:
    """The operations, both at POST /standin/personal-data disturbed."""

    def __init__(self) -> None:
        self._disturbance = Disturbance("/standin/personal-data", ERRORS, OTHERS)

    def routes(self) -> list[Route]:
        guardrail = operation("ApplyGuardrail", "bedrock-runtime").route
        return [
            Route(guardrail, self.apply_guardrail, methods=["POST"]),
            Route("/", self.detect, methods=["POST"]),
            *self._disturbance.routes(),
        ]

    async def apply_guardrail(self, request: Request) -> Response:
        called = operation("ApplyGuardrail", "bedrock-runtime")
        asked = called.read(request, await request.body())
        fault = await self._disturbance.next()
        action = GUARDRAILS.get(asked["guardrailIdentifier"])
        if action is None:
            raise ServiceError("ResourceNotFoundException", "There is no such guardrail.")
        text = "".join(block.get("text", {}).get("text", "") for block in asked["content"])
        if not text.strip():
            raise ServiceError("ValidationException", "The text is blank.")
        if len(text) > GUARDRAIL_CHARACTERS:
            raise ServiceError("ValidationException", "The text exceeds the text units allowed.")
        return called.answer(_guarded(text, action, fault))

    async def detect(self, request: Request) -> Response:
        called = operation("DetectPiiEntities", "comprehend")
        if request.headers.get("x-amz-target") != "Comprehend_20171127.DetectPiiEntities":
            raise ServiceError("InvalidRequestException", "The stand-in detects entities only.")
        asked = called.read(request, await request.body())
        fault = await self._disturbance.next()
        text = asked["Text"]
        if asked["LanguageCode"] not in ("en", "es"):
            raise ServiceError("UnsupportedLanguageException", "Only English and Spanish.")
        if len(text.encode()) > COMPREHEND_BYTES:
            raise ServiceError("TextSizeLimitExceededException", "Input text size exceeds limit.")
        moved = len(text) if fault == "elsewhere" else 0
        entities = [
            {
                "Score": 0.99,
                "Type": found.lastgroup,
                "BeginOffset": found.start() + moved,
                "EndOffset": found.end() + moved,
            }
            for found in _FOUND.finditer(text)
        ]
        return called.answer({"Entities": entities})


def _guarded(text: str, action: str, fault: str | None) -> dict[str, Any]:
    units = -(-len(text) // 1_000)
    usage = dict.fromkeys(
        ("topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits"), 0
    ) | dict.fromkeys(("sensitiveInformationPolicyFreeUnits", "contextualGroundingPolicyUnits"), 0)
    found = list(_matches(text, action, fault))
    stepped_in = bool(found) and action != "NONE"
    masked = "Blocked." if action == "BLOCKED" else _FOUND.sub(_mask, text)
    return {
        "usage": {**usage, "sensitiveInformationPolicyUnits": units},
        "action": "GUARDRAIL_INTERVENED" if stepped_in else "NONE",
        "outputs": [{"text": masked}] if stepped_in else [],
        "assessments": [{"sensitiveInformationPolicy": {"piiEntities": found, "regexes": []}}],
        "guardrailCoverage": {
            "textCharacters": {
                "guarded": len(text) // 2 if fault == "half" else len(text),
                "total": len(text),
            }
        },
    }


def _matches(text: str, action: str, fault: str | None) -> Iterator[dict[str, Any]]:
    for found in _FOUND.finditer(text):
        match = "somebody else" if fault == "elsewhere" else found[0]
        yield {"match": match, "type": found.lastgroup, "action": action, "detected": True}


def _mask(found: re.Match[str]) -> str:
    return f"{{{found.lastgroup}}}"
