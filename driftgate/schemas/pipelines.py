"""What a pipeline's gate action is asked, and what it answers."""

from typing import Literal

from driftgate.schemas.manifests import Suite
from driftgate.schemas.record import Name, Record, SemVer, Sha256

FailureKind = Literal["JobFailed", "ConfigurationError"]  # two of those that CodePipeline has


class PipelineJob(Record):
    """A job of a pipeline's action."""

    job_id: str
    parameters: str  # as the pipeline's author wrote them, JSON of GateParameters


class GateParameters(Record):
    """Which execution decided, and on what."""

    execution: str  # ARN
    agent: Name
    version: SemVer
    digest: Sha256
    suite: Suite = "regression"


class PipelineAnswer(Record):
    """What the pipeline is told."""

    failure: FailureKind | None  # None: it may go on
    message: str
    variables: dict[str, str] = {}  # for the actions that follow; none with a failure


class AnswerPipelineResult(Record):
    passed: bool
    accepted: bool  # False: the job was answered before, or has expired
    message: str
