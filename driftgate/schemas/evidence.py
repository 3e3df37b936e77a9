"""What is kept of a verdict for good: its inputs, its place in the agent's chain, and checks."""

from typing import Annotated

from pydantic import Field

from driftgate.schemas.cases import Case
from driftgate.schemas.judgments import CanaryReport
from driftgate.schemas.policies import Outcome, Policy
from driftgate.schemas.record import Name, Record, SchemaVersion, Sha256
from driftgate.schemas.runs import MissingTrial, RunId, RunPlan
from driftgate.schemas.scores import ScoreCard


class Bundle(Record):
    """Everything that a verdict was decided on: the arguments of `gate.decide`."""

    schema_version: SchemaVersion = 1
    plan: RunPlan
    policy: Policy  # as the candidate's manifest tightened it
    look: int
    by_tool: dict[str, int]  # how many of the dataset's cases expect each tool
    moved: str | None  # what was no longer as the plan froze it
    cases: tuple[Case, ...]
    cards: tuple[ScoreCard, ...]
    missing: tuple[MissingTrial, ...]
    canaries: CanaryReport | None = None  # how the judge did; None: there is none


class VerdictLink(Record):
    """A verdict's place in the chain of its agent's verdicts, in the order they were published.

    It is no part of the verdict, so that concurrent runs decide without knowing of each other.
    """

    schema_version: SchemaVersion = 1
    agent: Name
    number: Annotated[int, Field(ge=1)]
    run_id: RunId
    verdict_key: str
    verdict_sha256: Sha256
    bundle_sha256: Sha256  # of the bundle before compression, which differs between zlib versions
    previous_sha256: Sha256 | None  # of the link before; None for the first
    at: str


class VerdictCheck(Record):
    """One stored verdict, held against what it was decided on."""

    verdict_key: str
    outcome: Outcome | None  # None: the stored verdict can't be read
    number: int | None  # of its link; None: it has none
    faults: tuple[str, ...]
    unchecked: tuple[str, ...]  # what nobody has any more to compare with


class ChainCheck(Record):
    """The links of an agent's verdicts, from one of them to the head."""

    agent: Name
    first: int
    head: int  # 0: there is no link
    faults: tuple[str, ...]


class Verification(Record):
    run_id: RunId | None  # None: a chain alone was asked for
    verdicts: tuple[VerdictCheck, ...]
    chain: ChainCheck
    faults: tuple[str, ...]  # of the run's row

    @property
    def all_faults(self) -> tuple[str, ...]:
        of_verdicts = (fault for check in self.verdicts for fault in check.faults)
        return (*self.faults, *of_verdicts, *self.chain.faults)
