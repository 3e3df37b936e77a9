"""What a deployment pipeline is told of a run: go on, or stop here and why.

The pipeline has started an execution of the state machine and waited for its end. An action that
follows asks for the verdict; it may be asked twice, killed, or late. It says "go on" for one
reason only: a stored verdict on exactly this version, against what is in production now, lets it
pass.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from driftgate import canonical, evidence, overrides, registry
from driftgate.errors import BadInput, IntegrityFailed
from driftgate.ports import Artifacts, Executions, PipelineJobs, Registry
from driftgate.schemas.pipelines import (
    AnswerPipelineResult,
    GateParameters,
    PipelineAnswer,
    PipelineJob,
)
from driftgate.schemas.policies import PASSING
from driftgate.schemas.record import count, explain
from driftgate.schemas.runs import RunRow, Verdict


def answer_pipeline(
    job: PipelineJob,
    environment: str,
    executions: Executions,
    stored: Registry,
    records: Artifacts,
    jobs: PipelineJobs,
) -> AnswerPipelineResult:
    """Answer a job with the verdict of the run that its execution made.

    What can't be known now (a service that throttles, or is down) is raised: whoever called calls
    again, and a job that nobody answers fails by its timeout.
    """
    execution = ""
    try:
        asked = _parameters(job)
        execution = asked.execution
        answer = _answer(asked, environment, executions, stored, records)
    except BadInput as error:
        answer = PipelineAnswer(failure="ConfigurationError", message=str(error))
    except IntegrityFailed as error:
        answer = PipelineAnswer(failure="JobFailed", message=f"INTEGRITY_FAIL: {error}")
    if answer.failure is None:
        accepted = jobs.succeed(job.job_id, answer.message, execution, answer.variables)
    else:
        accepted = jobs.fail(job.job_id, answer.failure, answer.message)
    return AnswerPipelineResult(
        passed=answer.failure is None, accepted=accepted, message=answer.message
    )


def _parameters(job: PipelineJob) -> GateParameters:
    try:
        return GateParameters.model_validate(canonical.load(job.parameters))
    except ValidationError as error:
        raise BadInput(f"UserParameters: {explain(error)}") from error
    except ValueError as error:
        raise BadInput(
            f"UserParameters: wanted JSON with execution, agent, version and digest: {error}"
        ) from error


def _answer(
    asked: GateParameters,
    environment: str,
    executions: Executions,
    stored: Registry,
    records: Artifacts,
) -> PipelineAnswer:
    key = _verdict_key(asked.execution, executions)
    if records.get(key) is None:
        raise IntegrityFailed(f"the stored {key} is gone")
    verdict = evidence.load_verdict(key, records)
    if not key.startswith(f"verdicts/{verdict.arms['candidate'].agent}/{verdict.run_id}/"):
        raise IntegrityFailed(f"the stored {key} is the verdict of run {verdict.run_id}")
    row = registry.load_run(verdict.run_id, stored)
    for refusal in _refusals(asked, verdict, row, environment, stored):
        return PipelineAnswer(failure="JobFailed", message=f"run {verdict.run_id}: {refusal}")
    now = overrides.effective(verdict, key, environment, asked.execution, records)
    said = verdict.outcome if now == verdict.outcome else f"{verdict.outcome} ({now})"
    message = f"{said}: {verdict.reason}; run {verdict.run_id}"
    if now not in PASSING:
        return PipelineAnswer(failure="JobFailed", message=message)
    return PipelineAnswer(
        failure=None,
        message=message,
        variables={
            "RunId": verdict.run_id,
            "Outcome": verdict.outcome,
            "Effective": now,
            "Suite": verdict.suite,
            "Agent": asked.agent,
            "Version": asked.version,
            "Digest": verdict.arms["candidate"].digest,
            "VerdictKey": key,
        },
    )


def _verdict_key(execution: str, executions: Executions) -> str:
    """The key that PublishRun ended the execution with.

    Raises:
        BadInput: there is no such execution, or it did not end with a verdict.
    """
    found = executions.find(execution)
    if found is None:
        raise BadInput(f"there is no execution {execution} of this environment's evaluation")
    if found.status != "SUCCEEDED":
        why = f": {found.error}: {found.cause}" if found.error else ""
        raise BadInput(
            f"there is no verdict: wanted an execution that SUCCEEDED, {execution} is "
            f"{found.status}{why}"
        )
    try:
        key = str(canonical.load(found.output or "")["verdict_key"])
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"execution {execution} ended without a verdict_key") from error
    if key.startswith("runs/"):  # where PublishRun keeps none
        raise BadInput(f"execution {execution} tried the gate; its verdict lets nothing pass")
    return key


def _refusals(
    asked: GateParameters, verdict: Verdict, row: RunRow, environment: str, stored: Registry
) -> Iterator[str]:
    """Why a verdict, whatever it says, says nothing about what the pipeline wants to release."""
    candidate, baseline = verdict.arms["candidate"], verdict.arms.get("baseline")
    if (candidate.agent, candidate.version) != (asked.agent, asked.version):
        yield (
            f"wanted the verdict on {asked.agent} {asked.version}, "
            f"this one is on {candidate.agent} {candidate.version}"
        )
    if candidate.digest != asked.digest:
        yield f"wanted the verdict on digest {asked.digest}, this one is on {candidate.digest}"
    if row.environment != environment:
        yield f"wanted a run of environment {environment}, this one is of {row.environment}"
    if (row.digest, row.outcome) != (candidate.digest, verdict.outcome):
        yield (
            f"the execution ended with {verdict.outcome}, the run ended in {row.outcome} since; "
            "retry all actions of the stage"
        )
    if verdict.suite != asked.suite:
        yield f"wanted a run of the suite {asked.suite}, this one is of {verdict.suite}"
    pin = registry.pinned(registry.load_agent(asked.agent, asked.version, stored), asked.suite)
    if (verdict.dataset.name, verdict.dataset.version) != (pin.name, pin.version):
        yield f"wanted a run on {pin}, which the manifest pins, this one is on {verdict.dataset}"
    if not verdict.dataset.published or verdict.cases < verdict.dataset.count:
        cases = f"{verdict.cases} of {count(verdict.dataset.count, 'case')}"
        yield f"wanted all cases of a published dataset, got {cases} of {verdict.dataset}"
    pointer = registry.baseline(asked.agent, environment, stored)
    against = baseline.digest if baseline else None
    if against != (pointer.digest if pointer else None):
        compared = f"compared with {baseline.version}" if baseline else "compared with nothing"
        is_now = f"is {pointer.version} now" if pointer else "is none now"
        yield f"it was {compared}, the baseline {is_now}; retry all actions of the stage"
