"""AgentCore's batch evaluation and the log groups around it: all that knows its requests."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from driftgate.errors import BadInput, DriftgateError, InfrastructureFailed, Throttled
from driftgate.schemas.batches import (
    DatasetRunSource,
    EvaluationResult,
    Job,
    JobRequest,
    LogsSource,
    OnlineSource,
    PlannedSession,
    SessionCounts,
    TimeRange,
)

RESULT = "gen_ai.evaluation.result"
PATTERN_CHARS = 1024  # of a filter pattern
_LATER = {"ThrottlingException", "ServiceQuotaExceededException"}
_WRONG = {"ValidationException", "ConflictException", "ResourceNotFoundException"}
_COUNTS = {
    "total": "totalNumberOfSessions",
    "completed": "numberOfSessionsCompleted",
    "in_progress": "numberOfSessionsInProgress",
    "failed": "numberOfSessionsFailed",
    "ignored": "numberOfSessionsIgnored",
}


class AgentCoreBatches:
    """The jobs of one account, under the caller's credentials."""

    def __init__(self, agentcore: Any, logs: Any) -> None:
        self._agentcore = agentcore
        self._logs = logs

    def start(self, request: JobRequest) -> Job:
        asked: dict[str, Any] = {
            "batchEvaluationName": request.name,
            "clientToken": request.client_token,
            "evaluators": [{"evaluatorId": id} for id in request.evaluators],
            **_source(request),
        }
        if request.sessions:
            metadata = [_metadata(session) for session in request.sessions]
            asked["evaluationMetadata"] = {"sessionMetadata": metadata}
        if request.results_group is not None:
            asked["outputConfig"] = {
                "cloudWatchConfig": {
                    "logGroupName": request.results_group,
                    "resultDestination": "DEDICATED_LOG_GROUP",
                }
            }
        return _job(_called(self._agentcore.start_batch_evaluation, **asked))

    def get(self, job_id: str) -> Job:
        return _job(_called(self._agentcore.get_batch_evaluation, batchEvaluationId=job_id))

    def list(self, limit: int) -> Sequence[Job]:
        found: list[Job] = []
        page: dict[str, Any] = {}
        while len(found) < limit:
            asked = {"maxResults": min(limit - len(found), 100), **page}
            answer = _called(self._agentcore.list_batch_evaluations, **asked)
            found += [_job(one) for one in answer["batchEvaluations"]]
            if not answer.get("nextToken"):
                break
            page = {"nextToken": answer["nextToken"]}
        return found

    def stop(self, job_id: str) -> None:
        _called(self._agentcore.stop_batch_evaluation, batchEvaluationId=job_id)

    def delete(self, job_id: str) -> None:
        _called(self._agentcore.delete_batch_evaluation, batchEvaluationId=job_id)

    def results(self, job: Job) -> Sequence[EvaluationResult]:
        """A line that is no result is passed over: other jobs may write to the same group."""
        if job.log_group is None:
            return []
        if job.log_stream is not None:
            events = self._stream(job.log_group, job.log_stream)
        else:
            events = _filtered(self._logs, job.log_group, f'"{RESULT}" "{job.job_id}"', {})
        results = (_result(event["message"], job) for event in events)
        return [result for result in results if result is not None]

    def _stream(self, group: str, stream: str) -> Iterator[dict[str, Any]]:
        """All of a stream. It has come to its end when it gives the same token again."""
        asked: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
        asked["startFromHead"] = True
        token = None
        while True:
            try:
                answer = self._logs.get_log_events(**asked)
            except self._logs.exceptions.ResourceNotFoundException:
                return  # nothing was written
            except (ClientError, BotoCoreError) as error:
                raise named_error(error) from error
            yield from answer["events"]
            if answer["nextForwardToken"] == token:
                return
            token = asked["nextToken"] = answer["nextForwardToken"]


class LogsTelemetry:
    """Sessions looked for in log groups, several with one request."""

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def seen(self, log_group: str, session_ids: Sequence[str], when: TimeRange) -> set[str]:
        """A request ends as soon as it has met all of its sessions."""
        found: set[str] = set()
        for some in _patterns(session_ids):
            pattern = " ".join(f'?"{session_id}"' for session_id in some)
            for event in _filtered(self._logs, log_group, pattern, _milliseconds(when)):
                found |= {id for id in some if f'"{id}"' in event["message"]}
                if found >= set(some):
                    break
        return found


def _source(request: JobRequest) -> dict[str, Any]:
    source = request.source
    if isinstance(source, OnlineSource):
        online = {
            "onlineEvaluationConfigArn": source.config_arn,
            **_within(source.time_range),
        }
        return {"dataSourceConfig": {"onlineEvaluationConfigSource": online}}
    logs: dict[str, Any] = {
        "serviceNames": [source.service],
        "logGroupNames": list(source.log_groups),
    }
    if isinstance(source, LogsSource):
        ids = [session.session_id for session in request.sessions]
        chosen = {**({"sessionIds": ids} if ids else {}), **_within(source.time_range)}
        if chosen:
            logs["filterConfig"] = chosen
        return {"dataSourceConfig": {"cloudWatchLogs": logs}}
    return {"dataSourceConfig": {"cloudWatchLogs": logs}, "datasetExecutionConfig": _run(source)}


def _run(source: DatasetRunSource) -> dict[str, Any]:
    template = source.request_template
    return {
        "dataset": {"datasetId": source.dataset_id, "datasetVersion": source.dataset_version},
        "agentInvocation": {
            "agentCoreRuntime": {
                "agentRuntimeEndpointArn": source.endpoint_arn,
                **({} if template is None else {"requestTemplate": template}),
            }
        },
    }


def _within(when: TimeRange) -> dict[str, Any]:
    ends = {"startTime": when.start, "endTime": when.end}
    given = {name: end for name, end in ends.items() if end is not None}
    return {"timeRange": given} if given else {}


def _milliseconds(when: TimeRange) -> dict[str, int]:
    ends = {"startTime": when.start, "endTime": when.end}
    return {name: int(end.timestamp() * 1000) for name, end in ends.items() if end is not None}


def _metadata(session: PlannedSession) -> dict[str, Any]:
    about: dict[str, Any] = {"sessionId": session.session_id}
    if session.case_id is not None:
        about["testScenarioId"] = session.case_id
    truth: dict[str, Any] = {}
    if session.truth is not None:
        if session.truth.assertions:
            truth["assertions"] = [{"text": text} for text in session.truth.assertions]
        if session.truth.tool_names:
            truth["expectedTrajectory"] = {"toolNames": list(session.truth.tool_names)}
        if session.truth.turns:
            truth["turns"] = [
                {
                    "input": {"prompt": turn.prompt},
                    **(
                        {"expectedResponse": {"text": turn.expected_response}}
                        if turn.expected_response
                        else {}
                    ),
                }
                for turn in session.truth.turns
            ]
    return {**about, **({"groundTruth": {"inline": truth}} if truth else {})}


def _job(answer: Mapping[str, Any]) -> Job:
    output = answer.get("outputConfig", {}).get("cloudWatchConfig", {})
    counted = answer.get("evaluationResults", {})
    return Job(
        job_id=answer["batchEvaluationId"],
        name=answer["batchEvaluationName"],
        status=answer["status"],
        created_at=answer["createdAt"],
        evaluators=tuple(one["evaluatorId"] for one in answer.get("evaluators", [])),
        sessions=SessionCounts(**{ours: counted.get(their) for ours, their in _COUNTS.items()}),
        log_group=output.get("logGroupName") or None,
        log_stream=output.get("logStreamName") or None,
        errors=tuple(answer.get("errorDetails", [])),
    )


def _result(message: str, job: Job) -> EvaluationResult | None:
    """A result that an evaluator wrote; None for whatever else stands in the log."""
    try:
        record = json.loads(message)
        attributes = record["attributes"]
        name = record.get("name") or attributes.get("event.name")
        session_id, evaluator = attributes["session.id"], attributes["gen_ai.evaluation.name"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    of_job = attributes.get("aws.bedrock_agentcore.evaluation_job.arn", job.job_id)
    if name != RESULT or not str(of_job).endswith(job.job_id):
        return None
    return EvaluationResult(
        session_id=str(session_id),
        evaluator=_evaluator(str(evaluator), job),
        level=str(attributes.get("aws.bedrock_agentcore.evaluation_level", "")),
        value=_number(attributes.get("gen_ai.evaluation.score.value")),
        label=_text(attributes.get("gen_ai.evaluation.score.label")),
        explanation=_text(attributes.get("gen_ai.evaluation.explanation")) or "",
        error=_text(attributes.get("error.type")),
        error_message=_text(attributes.get("error.message")) or "",
    )


def _evaluator(name: str, job: Job) -> str:
    """The id that was asked for; an evaluator of one's own may sign without its suffix."""
    asked = (id for id in job.evaluators if name in (id, id.rpartition("-")[0]))
    return next(asked, name)


def _number(value: Any) -> float | None:
    """A number, also where it is written as a text; what is none is no value."""
    try:
        number = None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _patterns(session_ids: Sequence[str]) -> Iterator[list[str]]:
    """As many sessions as one filter pattern can name."""
    some: list[str] = []
    for session_id in session_ids:
        if some and sum(len(one) + 4 for one in (*some, session_id)) > PATTERN_CHARS:
            yield some
            some = []
        some.append(session_id)
    if some:
        yield some


def _filtered(
    logs: Any, group: str, pattern: str, within: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    asked = {"logGroupName": group, "filterPattern": pattern, **within}
    try:
        for page in logs.get_paginator("filter_log_events").paginate(**asked):
            yield from page["events"]
    except logs.exceptions.ResourceNotFoundException:
        return  # an agent's log group comes with its first event
    except (ClientError, BotoCoreError) as error:
        raise named_error(error) from error


def _called(operation: Any, **asked: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = operation(**asked)
    except (ClientError, BotoCoreError) as error:
        raise named_error(error) from error
    return answer


def named_error(error: ClientError | BotoCoreError) -> DriftgateError:
    """The service's error under our own name."""
    if isinstance(error, ParamValidationError):
        return BadInput(f"AgentCore can't be asked so: {error}")
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _LATER:
        return Throttled(str(error))
    return BadInput(str(error)) if code in _WRONG else InfrastructureFailed(str(error))
