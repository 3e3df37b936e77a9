"""A model on Bedrock that writes texts for cases, over Converse."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from driftgate.errors import BadInput, InfrastructureFailed, Throttled

MAX_TOKENS = 500
ANSWER_S = 60
_LATER = ("ThrottlingException", "ServiceUnavailableException", "ModelNotReadyException")
_WRONG = ("ValidationException", "ResourceNotFoundException", "AccessDeniedException")


class ConverseTextModel:
    """One question, one text; no tools, no system prompt."""

    def __init__(self, model_id: str) -> None:
        retries: Any = {"mode": "standard", "total_max_attempts": 4}
        config = Config(connect_timeout=5, read_timeout=ANSWER_S, retries=retries)
        self._client = boto3.client("bedrock-runtime", config=config)
        self._model_id = model_id

    @property
    def name(self) -> str:
        return self._model_id

    def write(self, instruction: str) -> str:
        try:
            answer = self._client.converse(
                modelId=self._model_id,
                messages=[{"role": "user", "content": [{"text": instruction}]}],
                inferenceConfig={"maxTokens": MAX_TOKENS, "temperature": 1.0},
                requestMetadata={"application": "driftgate-cases"},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            kind = BadInput if code in _WRONG else InfrastructureFailed
            raise (Throttled if code in _LATER else kind)(f"{self.name}: {error}") from error
        except BotoCoreError as error:
            raise InfrastructureFailed(f"{self.name}: {error}") from error
        if answer["stopReason"] not in ("end_turn", "stop_sequence"):
            said = f"wanted a text, the model stopped with {answer['stopReason']}"
            raise InfrastructureFailed(f"{self.name}: {said}")
        blocks = answer["output"].get("message", {}).get("content", [])
        return "".join(block.get("text", "") for block in blocks)
