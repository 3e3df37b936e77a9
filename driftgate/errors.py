"""Errors with a name that Python, the command line and the state machines share.

Each class carries the exit code of the command line. A class that a flow reacts to is compared by
its name, so renaming one is a change of interface.
"""


class DriftgateError(Exception):
    """Base of every error raised on purpose."""

    exit_code = 2


class BadInput(DriftgateError):
    """What the user gave can't be used: one message with what was wanted, what came and where."""


class CaseUnfit(BadInput):
    """A case expects or plans what the tools' contracts can't give."""

    def __init__(self, dataset: str, case_id: str, reason: str) -> None:
        super().__init__(f"dataset {dataset}, case {case_id}: {reason}")
        self.case_id = case_id
        self.reason = reason


class NotPublished(BadInput):
    """A pinned dataset or agent version is not in the registry."""


class AlreadyPublished(BadInput):
    """The version exists with other content; versions are immutable."""


class PointerMoved(BadInput):
    """Somebody else moved the pointer since it was read."""


class StaleRevision(BadInput):
    """Somebody else changed a candidate since it was read: the message says who, and to what."""


class NotAllowed(BadInput):
    """Who asks may not do this, or not alone: the message says who may."""


class IntegrityFailed(DriftgateError):
    """Stored evidence is not what its hash says, or a published mock lags behind. Never waived."""

    exit_code = 1


class InfrastructureFailed(DriftgateError):
    """The evaluation could not be made. Says nothing about the agent's quality."""

    exit_code = 3


class AgentUnavailable(InfrastructureFailed):
    """The agent did not start, refused, or broke the connection. Worth another attempt."""


class Throttled(InfrastructureFailed):
    """A service asks to come later. Worth many attempts."""


class LeaseHeld(InfrastructureFailed):
    """Another execution makes the trials of the same run now. Worth waiting for."""


class NoEndpointFree(InfrastructureFailed):
    """Every endpoint that a runtime may have is leased. Worth waiting for, or for a release."""


class BudgetSpent(InfrastructureFailed):
    """A run has spent its budget, so no new trial starts. Not worth retrying."""


class AgentContractBroken(InfrastructureFailed):
    """The agent answered, but not in the form its manifest declares. Worth another attempt."""


class MockBroken(InfrastructureFailed):
    """A mock could not answer from its world and contract. Not the agent's fault."""


class TraceMissing(InfrastructureFailed):
    """No trace is stored for a trial. Not worth retrying."""


class JudgeUnavailable(InfrastructureFailed):
    """A judge did not answer, or not in time. Worth another attempt."""


class JudgeFailed(InfrastructureFailed):
    """A judge gave no answer that can be used. Says nothing about the agent."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind  # see FaultKind in schemas.judgments
        self.cost_usd: float | None = None  # of answers that were paid for all the same


class RedactionFailed(InfrastructureFailed):
    """Nobody can say what is personal in a text, so it is not stored. Worth another attempt."""


class TelemetryMissing(InfrastructureFailed):
    """Sessions have not left all their telemetry yet. Worth waiting for, some minutes."""


class BatchRunning(InfrastructureFailed):
    """A batch evaluation has not ended yet. Worth waiting for."""
