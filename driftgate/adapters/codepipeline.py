"""CodePipeline's side of an action that invokes a Lambda function."""

from collections.abc import Callable, Mapping
from typing import Any

from driftgate.errors import BadInput
from driftgate.schemas.pipelines import FailureKind, PipelineJob

# Limits of the service: ExecutionSummary, ExecutionId and Message in its model.
_SUMMARY_CHARS, _EXECUTION_CHARS, _MESSAGE_CHARS = 2048, 1500, 5000


def job(event: Mapping[str, Any]) -> PipelineJob:
    """The job in the event that a function is invoked with.

    Raises:
        BadInput: there is none. The message has nothing of the event: it may hold credentials.
    """
    try:
        content = event["CodePipeline.job"]
        job_id = content["id"]
        configuration = content["data"]["actionConfiguration"]["configuration"]
    except (KeyError, TypeError) as error:
        raise BadInput("wanted the event of a CodePipeline job, got something else") from error
    return PipelineJob(job_id=job_id, parameters=configuration.get("UserParameters", ""))


class CodePipelineJobs:
    """Jobs, each answered once: what comes second is refused by the service."""

    def __init__(self, codepipeline: Any) -> None:
        self._codepipeline = codepipeline

    def succeed(
        self, job_id: str, summary: str, execution: str, variables: Mapping[str, str]
    ) -> bool:
        return self._put(
            self._codepipeline.put_job_success_result,
            jobId=job_id,
            executionDetails={
                "summary": summary[:_SUMMARY_CHARS],
                "externalExecutionId": execution[:_EXECUTION_CHARS],
                "percentComplete": 100,
            },
            outputVariables=dict(variables),
        )

    def fail(self, job_id: str, kind: FailureKind, message: str) -> bool:
        return self._put(
            self._codepipeline.put_job_failure_result,
            jobId=job_id,
            failureDetails={"type": kind, "message": message[:_MESSAGE_CHARS]},
        )

    def _put(self, put: Callable[..., Any], **content: Any) -> bool:
        errors = self._codepipeline.exceptions
        try:
            put(**content)
        except (errors.InvalidJobStateException, errors.JobNotFoundException):
            return False
        return True
