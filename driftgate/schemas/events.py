"""Events on the account's default bus: what others may build on, so each has a published schema."""

from driftgate.schemas.policies import Effective, Outcome
from driftgate.schemas.record import Name, Record, SchemaVersion, SemVer, Sha256


class EvaluationCompleted(Record):
    """The detail of the event of a finished run. Source: driftgate."""

    schema_version: SchemaVersion = 1
    run_id: str
    environment: Name
    agent: Name
    version: SemVer
    digest: Sha256
    baseline: SemVer | None
    dataset: str  # name@version
    outcome: Outcome
    effective: Effective
    reason: str  # the verdict in a sentence, at most 2,000 characters of it
    verdict_key: str  # in the records bucket
