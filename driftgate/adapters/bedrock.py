"""Models on Bedrock, over Converse, which answer with the one tool they are given."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ParamValidationError,
    ReadTimeoutError,
)

from driftgate.errors import JudgeFailed
from driftgate.judges.asking import Said
from driftgate.judges.prompts import Prompt
from driftgate.judges.reading import refuse_doubtful
from driftgate.schemas.judgments import JudgeSpec

ANSWER_S = 60  # that a model may take
_FAULTS = {  # by the service's own names; all others are of no use to try again
    "ThrottlingException": "throttled",
    "TooManyRequestsException": "throttled",
    "ServiceQuotaExceededException": "throttled",
    "ModelNotReadyException": "throttled",
    "ModelTimeoutException": "timeout",
    "ServiceUnavailableException": "unavailable",
    "InternalServerException": "unavailable",
    "ModelErrorException": "unavailable",
}
_STOPS = {
    "max_tokens": "truncated",
    "malformed_model_output": "malformed_answer",
    "malformed_tool_use": "malformed_answer",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "guardrail",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}


class ConverseModel:
    """A model that can do nothing but answer: its only tool is the form of the answer."""

    def __init__(self, spec: JudgeSpec) -> None:
        self._spec = spec

    def ask(self, prompt: Prompt, fault: str | None) -> Said:
        content = [{"text": prompt.user}]
        if fault is not None:
            content.append({"text": prompt.repair.format(fault=fault)})
        tool, schema = prompt.tool["name"], {"json": prompt.tool["schema"]}
        about = {"name": tool, "description": prompt.tool["description"], "inputSchema": schema}
        try:
            answer = _client().converse(
                modelId=self._spec.model,
                system=[{"text": prompt.system}],
                messages=[{"role": "user", "content": content}],
                inferenceConfig={
                    "maxTokens": self._spec.max_tokens,
                    "temperature": self._spec.temperature,
                },
                toolConfig={"tools": [{"toolSpec": about}], "toolChoice": {"tool": {"name": tool}}},
                requestMetadata={"application": "driftgate-judge"},
            )
        except (ClientError, BotoCoreError) as error:
            raise failed(error) from error
        routed = answer.get("trace", {}).get("promptRouter", {}).get("invokedModelId")
        return Said(
            answer=_answer(answer, tool),
            model=routed or str(self._spec.model),
            input_tokens=answer["usage"]["inputTokens"],
            output_tokens=answer["usage"]["outputTokens"],
        )


def failed(error: ClientError | BotoCoreError) -> JudgeFailed:
    """Why a service gave no answer."""
    match error:
        case ClientError():
            kind = _FAULTS.get(error.response["Error"]["Code"], "rejected")
        case ReadTimeoutError() | ConnectTimeoutError():
            kind = "timeout"
        case ParamValidationError():
            kind = "rejected"
        case _:
            kind = "unavailable"
    return JudgeFailed(kind, str(error))


def strict_client(service: str, operation: str) -> Any:
    """A client that waits for a slow model, and refuses a response that two may read differently.

    It tries a few times; whoever calls tries again later.
    """
    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(connect_timeout=5, read_timeout=ANSWER_S, retries=retries)
    client = boto3.client(service, config=config)
    client.meta.events.register(f"before-parse.{service}.{operation}", _refuse_doubtful)
    return client


def _answer(answer: Mapping[str, Any], tool: str) -> str | Mapping[str, Any] | JudgeFailed:
    stop = answer["stopReason"]
    if stop in _STOPS:
        return JudgeFailed(_STOPS[stop], f"the model stopped: {stop}")
    blocks = answer["output"].get("message", {}).get("content", [])
    uses = [block["toolUse"] for block in blocks if "toolUse" in block]
    if len(uses) == 1 and uses[0]["name"] == tool:
        given: Mapping[str, Any] = uses[0]["input"]
        return given
    if uses:
        return JudgeFailed("form", f"wanted one answer, got {len(uses)} uses of tools")
    return "".join(block.get("text", "") for block in blocks)


def _refuse_doubtful(response_dict: Mapping[str, Any], **_: Any) -> None:
    if response_dict["status_code"] == 200:
        refuse_doubtful(response_dict["body"])


@cache
def _client() -> Any:
    return strict_client("bedrock-runtime", "Converse")
