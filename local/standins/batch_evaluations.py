"""AgentCore's batch evaluation over the emulator's log groups: five operations, and real results.

Sessions are found in the logs as the service finds them, and results are written there. The
evaluators that compare tool names are real. There is no model to judge with: what the others say
is told beforehand at `/standin/evaluations`, and where nothing was told they fail, as they would.
A job moves on by one step each time that somebody looks at it.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from threading import Lock
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.instances import Instance
from local.standins.wire import ServiceError, operation

SESSIONS = 500  # of a job; the latest of those that are found
ACTIVE_JOBS = 5  # of an account
RESULTS = "/aws/bedrock-agentcore/evaluations/results"
RUNNING = ("PENDING", "IN_PROGRESS", "STOPPING")
Span = Mapping[str, Any]
Truth = Mapping[str, Any]


@dataclass
class Job:
    """A job, what was asked for, and how far it is."""

    id: str
    asked: dict[str, Any]
    created: datetime
    status: str = "PENDING"
    found: list[tuple[str, list[Span]]] = field(default_factory=list)
    ignored: int = 0
    done: int = 0
    failed: set[str] = field(default_factory=set)
    values: dict[str, list[float | None]] = field(default_factory=dict)


class BatchEvaluations:
    """All of one account's jobs. They are forgotten when the process ends."""

    def __init__(self, instance: Instance) -> None:
        self._arn = f"arn:aws:bedrock-agentcore:{instance.region}:{instance.account}"
        self._logs = instance.client("logs")
        self._jobs: dict[str, Job] = {}
        self._told: dict[str, Any] = {}
        self._numbers = count(1)
        self._lock = Lock()

    def routes(self) -> list[Route]:
        served: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "StartBatchEvaluation": self.start,
            "StopBatchEvaluation": self.stop,
            "GetBatchEvaluation": self.get,
            "ListBatchEvaluations": self.listed,
            "DeleteBatchEvaluation": self.delete,
        }
        told = Route("/standin/evaluations", self.tell, methods=["PUT"])
        return [
            told,
            *(
                operation(name).served_by(partial(self._alone, does))
                for name, does in served.items()
            ),
        ]

    async def tell(self, request: Request) -> Response:
        """What judges will say: evaluator -> session (or *) -> one result, or several.

        Under `ignored`, the sessions that are passed over.
        """
        self._told = await request.json()
        return JSONResponse({})

    def _alone(
        self, does: Callable[[dict[str, Any]], dict[str, Any]], asked: dict[str, Any]
    ) -> dict[str, Any]:
        with self._lock:
            return does(asked)

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        token = asked.get("clientToken")
        same = next((j for j in self._jobs.values() if token and _token(j) == token), None)
        if same is not None:
            if same.asked != asked:
                raise ServiceError(
                    "ConflictException", f"clientToken {token} was used for another request"
                )
            return self._described(same, "StartBatchEvaluation")
        if not asked.get("evaluators") and not asked.get("insights"):
            raise _invalid("wanted evaluators or insights, got neither")
        source = asked["dataSourceConfig"].get("cloudWatchLogs")
        if source and not source.get("logGroupNames") and not source.get("logGroupNamePrefixes"):
            raise _invalid("wanted logGroupNames or logGroupNamePrefixes, got neither")
        if "datasetExecutionConfig" in asked and not source:
            raise _invalid("datasetExecutionConfig needs cloudWatchLogs")
        if sum(job.status in RUNNING for job in self._jobs.values()) >= ACTIVE_JOBS:
            raise ServiceError(
                "ServiceQuotaExceededException", f"{ACTIVE_JOBS} jobs are active in the account"
            )
        id = f"{asked['batchEvaluationName']}-{next(self._numbers):010}"
        self._jobs[id] = Job(id, asked, datetime.now(UTC))
        return self._described(self._jobs[id], "StartBatchEvaluation")

    def get(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._job(asked)
        self._move_on(job)
        return self._described(job, "GetBatchEvaluation")

    def listed(self, asked: dict[str, Any]) -> dict[str, Any]:
        ids = sorted(self._jobs, key=lambda id: self._jobs[id].created, reverse=True)
        start, size = int(asked.get("nextToken", 0)), asked.get("maxResults", 100)
        page = ids[start : start + size]
        shown = [self._described(self._jobs[id], "ListBatchEvaluations") for id in page]
        more = {"nextToken": str(start + size)} if start + size < len(ids) else {}
        return {"batchEvaluations": shown, **more}

    def stop(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._job(asked)
        if job.status not in ("PENDING", "IN_PROGRESS"):
            raise ServiceError(
                "ConflictException", f"{job.id} is {job.status}, it can't be stopped"
            )
        job.status = "STOPPING"
        return self._described(job, "StopBatchEvaluation")

    def delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self._job(asked)
        if job.status in RUNNING:
            raise ServiceError("ConflictException", f"{job.id} is {job.status}; stop it first")
        job.status = "DELETING"
        answer = self._described(job, "DeleteBatchEvaluation")
        del self._jobs[job.id]
        return answer

    def _job(self, asked: dict[str, Any]) -> Job:
        id = asked["batchEvaluationId"]
        if id not in self._jobs:
            raise ServiceError("ResourceNotFoundException", f"There is no batch evaluation {id}")
        return self._jobs[id]

    def _move_on(self, job: Job) -> None:
        """PENDING, then none, half and all of the sessions; a stop takes effect at once."""
        if job.status == "PENDING":
            self._find(job)
            job.status = "IN_PROGRESS" if job.found else "FAILED"
        elif job.status == "STOPPING":
            job.status = "STOPPED"
        elif job.status == "IN_PROGRESS":
            half = (len(job.found) + 1) // 2
            until = half if job.done < half else len(job.found)
            self._evaluate(job, job.found[job.done : until])
            job.done = until
            if until == len(job.found):
                job.status = "COMPLETED_WITH_ERRORS" if job.failed else "COMPLETED"

    def _find(self, job: Job) -> None:
        """The sessions of the service in the log groups, the latest first."""
        source = job.asked["dataSourceConfig"]
        logs = source.get("cloudWatchLogs")
        if logs is None:  # whose log groups an online configuration names, which is not served
            logs = {"logGroupNames": self._told.get("online_log_groups", [])}
        chosen = logs.get("filterConfig", {})
        only = set(chosen.get("sessionIds", [])) or None
        spans: dict[str, list[Span]] = {}
        for event in self._events(logs.get("logGroupNames", []), chosen.get("timeRange", {})):
            session_id, service = _session(event), _service(event)
            if session_id is None or (only is not None and session_id not in only):
                continue
            if service not in (None, *logs.get("serviceNames", [service])):
                continue
            spans.setdefault(session_id, []).append(event)
        latest = sorted(spans, key=lambda id: max(map(_began, spans[id])), reverse=True)
        told = [id for id in latest if id not in self._told.get("ignored", [])]
        job.found = [(id, spans[id]) for id in told[:SESSIONS]]
        job.ignored = len(spans) - len(job.found)

    def _events(self, groups: Iterable[str], when: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        ends = {
            name: _milliseconds(when[name]) for name in ("startTime", "endTime") if name in when
        }
        for group in groups:
            try:
                pages = self._logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group, filterPattern='"session.id"', **ends
                )
                for page in pages:
                    yield from (json.loads(event["message"]) for event in page["events"])
            except self._logs.exceptions.ResourceNotFoundException:
                continue

    def _evaluate(self, job: Job, sessions: Sequence[tuple[str, list[Span]]]) -> None:
        records = []
        for session_id, spans in sessions:
            for evaluator in job.asked["evaluators"]:
                id = evaluator["evaluatorId"]
                for said in self._said(id, session_id, spans, _truth(job, session_id)):
                    if "error.type" in said:
                        job.failed.add(session_id)
                    value = said.get("gen_ai.evaluation.score.value")
                    job.values.setdefault(id, []).append(value)
                    records.append(self._record(job, id, session_id, spans, said))
        if records:
            self._write(job, records)

    def _said(
        self, evaluator: str, session_id: str, spans: Sequence[Span], truth: Truth
    ) -> list[dict[str, Any]]:
        """What an evaluator says of a session, as a result's attributes."""
        if evaluator in TRAJECTORIES:
            wanted = truth.get("expectedTrajectory", {}).get("toolNames")
            if wanted is None:
                return [_failure("ValidationException", "expectedTrajectory is required")]
            called = _called(spans)
            value = float(TRAJECTORIES[evaluator](wanted, called))
            explanation = f"wanted {wanted}, called {called}"
            return [_attributes({"value": value, "explanation": explanation})]
        told = self._told.get(evaluator, {})
        said = told.get(session_id, told.get("*"))
        if said is None:
            return [_failure("ModelUnavailable", "no model judges here")]
        return [_attributes(one) for one in (said if isinstance(said, list) else [said])]

    def _record(
        self,
        job: Job,
        evaluator: str,
        session_id: str,
        spans: Sequence[Span],
        said: Mapping[str, Any],
    ) -> dict[str, Any]:
        now = time.time_ns()
        return {
            "name": "gen_ai.evaluation.result",
            "traceId": spans[0].get("traceId", ""),
            "timeUnixNano": now,
            "observedTimeUnixNano": now,
            "attributes": {
                "session.id": session_id,
                "gen_ai.evaluation.name": evaluator,
                "aws.bedrock_agentcore.evaluation_level": "Session",
                "aws.bedrock_agentcore.evaluation_job.arn": self._job_arn(job),
                **said,
            },
        }

    def _write(self, job: Job, records: Sequence[Mapping[str, Any]]) -> None:
        group, stream = self._place(job)
        exists = self._logs.exceptions.ResourceAlreadyExistsException
        for create, names in (
            (self._logs.create_log_group, {"logGroupName": group}),
            (self._logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
        ):
            with suppress(exists):
                create(**names)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": json.dumps(record)} for record in records]
        self._logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def _place(self, job: Job) -> tuple[str, str]:
        wanted = job.asked.get("outputConfig", {}).get("cloudWatchConfig", {})
        return wanted.get("logGroupName") or RESULTS, wanted.get("logStreamName") or job.id

    def _job_arn(self, job: Job) -> str:
        return f"{self._arn}:batch-evaluate/{job.id}"

    def _described(self, job: Job, operation_name: str) -> dict[str, Any]:
        """All that there is to say, as far as the operation's response has room for it."""
        group, stream = self._place(job)
        errors = []
        if job.status == "FAILED":
            errors = ["No sessions were found."]
        elif job.failed:
            errors = [
                f"{len(job.failed)} of {len(job.found)} sessions failed during batch evaluation."
            ]
        everything = {
            "batchEvaluationId": job.id,
            "batchEvaluationArn": self._job_arn(job),
            "batchEvaluationName": job.asked["batchEvaluationName"],
            "status": job.status,
            "createdAt": job.created,
            "updatedAt": datetime.now(UTC),
            "evaluators": job.asked.get("evaluators", []),
            "dataSourceConfig": job.asked["dataSourceConfig"],
            "outputConfig": {"cloudWatchConfig": {"logGroupName": group, "logStreamName": stream}},
            "evaluationResults": _results(job),
            "errorDetails": errors,
            **_executed(job),
        }
        members = operation(operation_name).answered
        if operation_name == "ListBatchEvaluations":
            members = members["batchEvaluations"].member.members
        return {name: value for name, value in everything.items() if name in members}


def _results(job: Job) -> dict[str, Any]:
    summaries = []
    for evaluator, values in job.values.items():
        scored = [value for value in values if value is not None]
        average = {"averageScore": sum(scored) / len(scored)} if scored else {}
        summaries.append(
            {
                "evaluatorId": evaluator,
                "statistics": average,
                "totalEvaluated": len(scored),
                "totalFailed": len(values) - len(scored),
            }
        )
    return {
        "totalNumberOfSessions": len(job.found) + job.ignored,
        "numberOfSessionsCompleted": job.done - len(job.failed),
        "numberOfSessionsFailed": len(job.failed),
        "numberOfSessionsInProgress": len(job.found) - job.done,
        "numberOfSessionsIgnored": job.ignored,
        "evaluatorSummaries": summaries,
    }


def _executed(job: Job) -> dict[str, Any]:
    """The dataset that was run. No agent is: its sessions are those in the log groups."""
    config = job.asked.get("datasetExecutionConfig")
    if config is None:
        return {}
    dataset = {"datasetVersion": "DRAFT", **config["dataset"]}
    runtime = {**config["agentInvocation"]["agentCoreRuntime"], "agentRuntimeVersion": "1"}
    invocation = {"agentCoreRuntime": runtime}
    return {"datasetExecutionDetails": {"dataset": dataset, "agentInvocation": invocation}}


def _exact(wanted: Sequence[str], called: Sequence[str]) -> bool:
    return list(wanted) == list(called)


def _in_order(wanted: Sequence[str], called: Sequence[str]) -> bool:
    left = iter(called)
    return all(name in left for name in wanted)


def _any_order(wanted: Sequence[str], called: Sequence[str]) -> bool:
    return all(called.count(name) >= wanted.count(name) for name in wanted)


TRAJECTORIES: dict[str, Callable[[Sequence[str], Sequence[str]], bool]] = {
    "Builtin.TrajectoryExactOrderMatch": _exact,
    "Builtin.TrajectoryInOrderMatch": _in_order,
    "Builtin.TrajectoryAnyOrderMatch": _any_order,
}


def _called(spans: Sequence[Span]) -> list[str]:
    """The tools that were called, in order, whichever framework says so."""
    tools = [span for span in spans if _is_tool(span.get("attributes", {}))]
    return [
        span["attributes"].get("gen_ai.tool.name") or span["attributes"]["tool.name"]
        for span in sorted(tools, key=_began)
    ]


def _is_tool(attributes: Mapping[str, Any]) -> bool:
    if attributes.get("openinference.span.kind") == "TOOL":
        return "tool.name" in attributes
    executes = attributes.get("gen_ai.operation.name") == "execute_tool"
    return (
        executes or attributes.get("traceloop.span.kind") == "tool"
    ) and "gen_ai.tool.name" in attributes


def _truth(job: Job, session_id: str) -> Truth:
    metadata = job.asked.get("evaluationMetadata", {}).get("sessionMetadata", [])
    about: Truth = next((one for one in metadata if one["sessionId"] == session_id), {})
    truth: Truth = about.get("groundTruth", {}).get("inline", {})
    return truth


def _attributes(said: Mapping[str, Any]) -> dict[str, Any]:
    """A result in short (value, label, explanation, error, message), as attributes."""
    names = {
        "value": "gen_ai.evaluation.score.value",
        "label": "gen_ai.evaluation.score.label",
        "explanation": "gen_ai.evaluation.explanation",
        "error": "error.type",
        "message": "error.message",
    }
    return {names[name]: value for name, value in said.items()}


def _failure(error: str, message: str) -> dict[str, Any]:
    return _attributes({"error": error, "message": message})


def _session(event: Span) -> str | None:
    found = event.get("attributes", {}).get("session.id")
    return None if found is None else str(found)


def _service(event: Span) -> str | None:
    found = event.get("resource", {}).get("attributes", {}).get("service.name")
    return None if found is None else str(found)


def _began(event: Span) -> int:
    return int(event.get("startTimeUnixNano") or event.get("timeUnixNano") or 0)


def _milliseconds(moment: str | float) -> int:
    if isinstance(moment, str):
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    return int(moment * 1000)


def _token(job: Job) -> str | None:
    token: str | None = job.asked.get("clientToken")
    return token


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, reason="FieldValidationFailed")
