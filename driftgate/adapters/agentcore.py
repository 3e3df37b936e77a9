"""Agents on AgentCore Runtime, over its data plane."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from driftgate import invocation
from driftgate.errors import AgentUnavailable, BadInput, Throttled
from driftgate.ports import Reply
from driftgate.schemas.manifests import AgentCoreTarget, AgentVersion, HttpTarget, PythonTarget

_GRACE_S = 5  # that the client waits longer than the case may take: the limit is ours to notice
_LATER = {"ThrottlingException", "ServiceQuotaExceededException", "RetryableConflictException"}


class AgentCoreAgents:
    """The runtime of the cloud.

    Args:
        sandbox: the ARN before an agent's id, where versions are served from their stored code,
            each under an endpoint of its own; empty where there is no such place.
    """

    def __init__(self, sandbox: str) -> None:
        self._sandbox = sandbox

    def open(self, agent: AgentVersion, session_id: str, seed: int) -> "AgentCoreSession":
        return AgentCoreSession(agent, _endpoint(agent, self._sandbox), session_id, seed)

    def end(self, agent: AgentVersion, session_id: str) -> None:
        endpoint = _endpoint(agent, self._sandbox)
        try:
            _patient_client().stop_runtime_session(**endpoint, runtimeSessionId=session_id)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "ResourceNotFoundException":
                kind = Throttled if code in _LATER else AgentUnavailable
                raise kind(f"{agent.label}: session not ended: {error}") from error
        except BotoCoreError as error:
            raise AgentUnavailable(f"{agent.label}: session not ended: {error}") from error


class AgentCoreSession:
    """One session. Every turn is invoked once: a retry would be a turn the user never said."""

    def __init__(
        self, agent: AgentVersion, endpoint: dict[str, str], session_id: str, seed: int
    ) -> None:
        self._agent = agent
        self._endpoint = endpoint
        self._session_id = session_id
        self._seed = seed
        self._client = _client(math.ceil(agent.manifest.limits.case_s + _GRACE_S))
        self._turns = 0

    def say(self, turn: str, timeout_s: float) -> Reply:
        self._turns += 1
        pool = ThreadPoolExecutor(1)
        try:
            return pool.submit(self._invoke, turn, time.monotonic() + timeout_s).result(timeout_s)
        finally:  # a socket's timeout begins anew with each byte; ending the session ends the wait
            pool.shutdown(wait=False)

    def _invoke(self, turn: str, deadline: float) -> Reply:
        manifest = self._agent.manifest
        variables = {
            "turn": turn,
            "turn_number": self._turns,
            "session_id": self._session_id,
            "seed": self._seed,
            "tools_url": "",
            "model": manifest.model,
        }
        payload = invocation.fill(manifest.invocation.request, variables)
        try:
            response = self._client.invoke_agent_runtime(
                **self._endpoint,
                runtimeSessionId=self._session_id,
                contentType="application/json",
                accept="application/json, text/event-stream",
                baggage=f"session.id={self._session_id}",
                payload=json.dumps(payload).encode(),
            )
            chunks = response["response"].iter_chunks()
            body = invocation.read_body(chunks, lambda: time.monotonic() > deadline)
        except ReadTimeoutError as error:
            raise TimeoutError from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            kind = Throttled if code in _LATER else AgentUnavailable
            raise kind(f"{self._agent.label}: {error}") from error
        except BotoCoreError as error:
            raise AgentUnavailable(f"{self._agent.label}: {error}") from error
        if time.monotonic() > deadline:
            raise TimeoutError
        return invocation.read_reply(manifest.invocation, response["contentType"], body)


def _endpoint(agent: AgentVersion, sandbox: str) -> dict[str, str]:
    target = agent.manifest.target
    if isinstance(target, AgentCoreTarget):
        return {"agentRuntimeArn": target.runtime_arn, "qualifier": target.qualifier}
    served = isinstance(target, PythonTarget | HttpTarget) and target.code is not None
    if not sandbox or not served:
        raise BadInput(
            f"{agent.label}: target: wanted kind agentcore to run it in this environment, "
            f"got {target.kind}"
        )
    qualifier = f"v{agent.manifest.version.replace('.', '_')}"
    return {"agentRuntimeArn": f"{sandbox}{agent.manifest.agent}", "qualifier": qualifier}


@cache
def _client(read_timeout_s: int) -> Any:
    """A client that tries once: by itself boto3 would invoke a slow agent again."""
    return boto3.client(
        "bedrock-agentcore",
        config=Config(
            read_timeout=read_timeout_s, connect_timeout=10, retries={"total_max_attempts": 1}
        ),
    )


@cache
def _patient_client() -> Any:
    """A client that tries several times, and gives up while a function still has time to say so."""
    retries: Any = {"mode": "standard", "total_max_attempts": 4}
    config = Config(connect_timeout=5, read_timeout=15, retries=retries)
    return boto3.client("bedrock-agentcore", config=config)
