"""What people answer to a judge's questions, what the judge is worth against them, and what an
evaluation job says."""

from typing import Annotated, Literal

from pydantic import Field

from driftgate.schemas.judgments import JudgeSpec
from driftgate.schemas.matchers import OutputMatcher
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, Sha256, Share, Whole


class Label(Record):
    """What a person answers to one question about one conversation."""

    case_id: CaseId
    question: Annotated[str, Field(min_length=1)]
    answer: Literal["yes", "no"]
    text: Annotated[str, Field(min_length=1)]  # what the agent said
    user: str = ""
    check: OutputMatcher | None = None  # as in a rubric, for the embedded judge


class Measured(Record):
    """A measure with its 95 % interval; None where the labels can't tell."""

    value: float | None
    low: float | None = None
    high: float | None = None


class GateShare(Record):
    """How much of the gate's uncertainty about a run's quality is the judge's own."""

    run_id: str
    cases: int  # with judgments of both arms
    judge_error: float  # standard error of the difference between arms, of the judge alone
    gate_error: float  # of all: agents, cases and judge
    share: Share | None  # of the variance; None: there is no variance


class JudgeCalibration(Record):
    """A judge held against people, against itself, and against what should not matter."""

    schema_version: SchemaVersion = 1
    spec: JudgeSpec
    fingerprint: Sha256
    conversations: int
    labels: int
    answered: int  # labels to whose question the judge gave an answer each time
    faults: dict[str, int]  # judgments without an answer, by kind
    repeats: int
    agreement: Measured  # share of labels with the judge's most frequent answer
    kappa: Measured  # Cohen's
    finds: Measured  # of the labels yes, the share that the judge answers yes
    refuses: Measured  # of the labels no, the share that it answers no
    variance: Measured  # of an answer between repeats: 0 always the same, 0.25 a coin
    by_length: Measured  # surplus of yes over the labels in longer texts, minus that in shorter
    by_order: (
        Measured  # answers that differ with the questions turned, minus those that just differ
    )
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None  # None: not known
    gate: GateShare | None = None


class JobScore(Record):
    """What an evaluation job says to one question about one trial."""

    case_id: CaseId
    trial: Whole
    item: Name
    value: Share | None  # 1: answered well; None: it gave no value
    reason: str
