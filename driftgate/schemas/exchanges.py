"""Datasets that are AgentCore's too: what went there, what came from there, what got lost."""

from typing import Literal

from pydantic import Field, JsonValue

from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, SemVer, Sha256

SchemaType = Literal[
    "AGENTCORE_EVALUATION_PREDEFINED_V1",
    "AGENTCORE_EVALUATION_SIMULATED_V1",
    "THIRD_PARTY_EVALUATION_V1",
]
Example = dict[str, JsonValue]  # as the service holds it, without its exampleId
PREDEFINED: SchemaType = "AGENTCORE_EVALUATION_PREDEFINED_V1"
SIMULATED: SchemaType = "AGENTCORE_EVALUATION_SIMULATED_V1"
EXAMPLES = 1000  # in a draft


class ForeignDataset(Record):
    """A version of a dataset in AgentCore."""

    dataset_id: str
    arn: str
    name: str
    version: str  # a number, or DRAFT
    schema_type: SchemaType


class Exchange(Record):
    """The registry's row of a version that was exported, or imported."""

    schema_version: SchemaVersion = 1
    direction: Literal["export", "import"]
    name: Name
    version: SemVer
    sha256: Sha256  # of our content
    there: ForeignDataset
    examples: int
    at: str
    left_out: dict[str, tuple[CaseId, ...]] = Field(default_factory=dict)  # field -> its cases
