"""Services that find personal data in texts: a Bedrock guardrail, or Amazon Comprehend.

Both take texts of a limited length, so long ones go in pieces that overlap. Whatever is not a whole
answer to every piece is an error: then nobody knows what is personal, and nothing may be stored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from driftgate.errors import InfrastructureFailed, RedactionFailed, Throttled
from driftgate.ports import EntityFinder, FoundEntity

GUARDRAIL_BYTES = 25_000  # 25 text units; each holds up to 1,000 characters
COMPREHEND_BYTES = 100_000
OVERLAP = 200  # bytes that two pieces share: no name is cut in two
LANGUAGES = ("en", "es")  # that DetectPiiEntities knows, whatever its model lists
NOT_PERSONAL = frozenset({"DATE_TIME", "AGE", "URL"})  # by themselves
_THROTTLED = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"}
)
_KINDS = {  # where patterns have a kind for the same thing, or the service's name is too long
    "CREDIT_DEBIT_CARD_NUMBER": "card",
    "CREDIT_DEBIT_NUMBER": "card",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": "iban",
    "IP_ADDRESS": "ip",
    "PASSWORD": "secret",
    "SSN": "us_ssn",
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": "uk_nhs",
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER": "uk_utr",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": "us_itin",
    "US_SOCIAL_SECURITY_NUMBER": "us_ssn",
}


class GuardrailFinder:
    """What a guardrail's filter for sensitive information finds: whether it would block it, mask it
    or only tell.
    """

    def __init__(self, guardrail: str, version: str) -> None:
        self._guardrail = guardrail
        self._version = version

    def find(self, texts: Sequence[str]) -> Sequence[FoundEntity]:
        return [found for piece in pieces(texts, GUARDRAIL_BYTES) for found in self._in(piece)]

    def _in(self, piece: str) -> Iterator[FoundEntity]:
        try:
            answer = _client("bedrock-runtime").apply_guardrail(
                guardrailIdentifier=self._guardrail,
                guardrailVersion=self._version,
                source="INPUT",
                content=[{"text": {"text": piece}}],
                outputScope="FULL",
            )
        except (ClientError, BotoCoreError) as error:
            raise _failed("the guardrail", error) from error
        seen = answer.get("guardrailCoverage", {}).get("textCharacters", {})
        if seen.get("guarded", 0) < seen.get("total", 0):
            raise RedactionFailed(
                f"the guardrail looked at {seen['guarded']} of {seen['total']} characters"
            )
        policies = [one.get("sensitiveInformationPolicy", {}) for one in answer["assessments"]]
        for policy in policies:
            for entity in (*policy.get("piiEntities", ()), *policy.get("regexes", ())):
                if entity.get("detected", True):
                    yield _matched(entity, piece)


class ComprehendFinder:
    """What Comprehend finds in English or Spanish."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise RedactionFailed(
                f"Comprehend finds personal data in {' and '.join(LANGUAGES)}, wanted {language!r}"
            )
        self._language = language

    def find(self, texts: Sequence[str]) -> Sequence[FoundEntity]:
        return [found for piece in pieces(texts, COMPREHEND_BYTES) for found in self._in(piece)]

    def _in(self, piece: str) -> Iterator[FoundEntity]:
        try:
            answer = _client("comprehend").detect_pii_entities(
                Text=piece, LanguageCode=self._language
            )
        except (ClientError, BotoCoreError) as error:
            raise _failed("Comprehend", error) from error
        for entity in answer["Entities"]:
            begin, end = entity["BeginOffset"], entity["EndOffset"]
            if not 0 <= begin < end <= len(piece):
                raise RedactionFailed(
                    f"Comprehend found something at {begin} to {end} of {len(piece)} characters"
                )
            if entity["Type"] not in NOT_PERSONAL:
                yield FoundEntity(kind=kind(entity["Type"]), text=piece[begin:end])


def finder_of(wanted: str) -> EntityFinder | None:
    """As `Watch.finder` names it; None: patterns alone."""
    service, _, rest = wanted.partition(":")
    match service:
        case "comprehend":
            return ComprehendFinder(rest)
        case "guardrail":
            return GuardrailFinder(*rest.split(":"))
    return None


def kind(name: str) -> str:
    """Our name for a service's type of entity, or for a guardrail's own regex."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return _KINDS.get(name) or (plain if re.match("[a-z]", plain) else f"x_{plain}")[:32]


def pieces(texts: Sequence[str], most: int) -> Iterator[str]:
    """The texts one after the other, in pieces of at most `most` bytes, cut between words."""
    every = "\n\n".join(text for text in texts if text.strip()).encode()
    start = 0
    while len(every) - start > most:
        end = _between_words(every, start + most, start + most // 2)
        yield every[start:end].decode()
        start = _between_words(every, end - OVERLAP, end - 2 * OVERLAP)
    if every[start:].strip():
        yield every[start:].decode()


def _between_words(text: bytes, end: int, least: int) -> int:
    """The last place before `end`, and after `least`, where a word ends; else `end`, but never
    within a character.
    """
    place = max(text.rfind(space, least, end) for space in (b" ", b"\n"))
    if place > least:
        return place
    while text[end] & 0b1100_0000 == 0b1000_0000:  # goes on with a character of UTF-8
        end -= 1
    return end


def _matched(entity: Mapping[str, Any], piece: str) -> FoundEntity:
    text = entity.get("match", "")
    if not text or text not in piece:
        raise RedactionFailed("the guardrail found something that does not stand in the text")
    return FoundEntity(kind=kind(entity.get("type") or entity.get("name", "custom")), text=text)


def _failed(service: str, error: ClientError | BotoCoreError) -> InfrastructureFailed:
    """Without the text: an error is logged."""
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        said = f"{service}: {code}"
        return Throttled(said) if code in _THROTTLED else RedactionFailed(said)
    return RedactionFailed(f"{service}: {type(error).__name__}")


@cache
def _client(service: str) -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(connect_timeout=5, read_timeout=30, retries=retries)
    return boto3.client(service, config=config)
