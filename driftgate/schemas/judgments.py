"""Judging: who is asked, what was answered, and what became of an answer that can't be used."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from driftgate.schemas.cases import RubricItem
from driftgate.schemas.record import CaseId, Name, Record, SchemaVersion, Sha256, Share, Whole
from driftgate.schemas.traces import Trace

Backend = Literal["rubric", "converse", "evaluate", "recorded"]
Level = Literal["SESSION", "TRACE"]
Dollars = Annotated[float, Field(gt=0, le=10**6, allow_inf_nan=False)]

# Of what the judge answered: asked once more, then final.
AnswerFault = Literal[
    "prose",
    "truncated",
    "duplicate_key",
    "not_a_number",
    "not_yes_or_no",
    "out_of_range",
    "form",
    "missing_item",
    "unknown_item",
    "repeated_item",
    "no_evidence",
    "evidence_not_found",
    "malformed_answer",
]
# Of who was to answer: worth another attempt later.
PassingFault = Literal["timeout", "throttled", "unavailable"]
# Neither another form nor another time helps.
LastingFault = Literal[
    "refusal",
    "content_filtered",
    "guardrail",
    "context_window",
    "rejected",
    "evaluator_error",
    "ignored_reference",
    "not_recorded",
    "budget",
]
FaultKind = AnswerFault | PassingFault | LastingFault
REPAIRABLE: frozenset[str] = frozenset(get_args(AnswerFault))
PASSING: frozenset[str] = frozenset(get_args(PassingFault))


class Price(Record):
    """What a judge's tokens cost."""

    input_usd: Dollars  # per million tokens
    output_usd: Dollars

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1_000_000


class JudgeSpec(Record):
    """Who judges, and how it is asked."""

    backend: Backend = "rubric"
    model: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        None,
        description="converse: the id of a model or an inference profile. evaluate: an "
        "evaluator's. recorded: the fingerprint of the judge whose stored answers are taken.",
    )
    prompt: Name = Field("rubric_v1", description="converse: the prompt, with its version.")
    level: Level = Field("SESSION", description="evaluate: what the evaluator looks at.")
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0
    max_tokens: Annotated[int, Field(ge=64, le=100_000, strict=True)] = 2048
    repeats: Annotated[Whole, Field(le=20)] = Field(
        1, description="How often each trial is judged; its score is the mean."
    )
    price: Price | None = Field(None, description="None: what it costs is not known.")
    budget_usd: Dollars | None = Field(
        None, description="converse: what a run may spend on judging; needs a price."
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.backend == "rubric" and self.model is not None:
            raise ValueError(f"the rubric judge has no model, got {self.model!r}")
        if self.backend != "rubric" and self.model is None:
            raise ValueError(f"a judge of the kind {self.backend} needs a model")
        if self.budget_usd is not None and (self.price is None or self.backend != "converse"):
            raise ValueError("a budget is held for converse, and with the price of a token, only")
        return self


class JudgePlan(Record):
    """The judge of a run, frozen with its plan."""

    spec: JudgeSpec
    fingerprint: Sha256  # of all that decides an answer, the prompt's text with it
    case_ids: tuple[CaseId, ...]  # whose trials are judged


class Answer(Record):
    """What was answered to one question, and where it is seen."""

    item: Name
    answer: Literal["yes", "no"]
    evidence: str = ""  # word for word what the conversation holds; a no may have none


class Judgment(Record):
    """One answer of the judge about one trial."""

    schema_version: SchemaVersion = 1
    fingerprint: Sha256
    repeat: Whole
    value: Share  # of the questions that were answered well; of an evaluator, its own value
    answers: tuple[Answer, ...] = ()  # none of an evaluator
    explanation: str = ""
    model: str  # who answered
    asked: Annotated[int, Field(ge=0)]  # calls that were made for it; 2 with a repair
    input_tokens: Annotated[int, Field(ge=0)] | None = None  # of all these calls
    output_tokens: Annotated[int, Field(ge=0)] | None = None
    cost_usd: Annotated[float, Field(ge=0)] | None = None  # None: not known


class JudgeFault(Record):
    """Why there is no answer."""

    repeat: Whole
    kind: FaultKind
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class TrialJudgments(Record):
    """All repeats of one trial."""

    schema_version: SchemaVersion = 1
    fingerprint: Sha256
    judgments: tuple[Judgment, ...]
    faults: tuple[JudgeFault, ...]  # of the repeats that have no answer
    cached: Annotated[int, Field(ge=0)] = 0  # judgments that were there before


class Judging(Record):
    """What a trial's judgments took; beside its scores."""

    fingerprint: Sha256
    answers: int  # repeats with an answer
    cached: int  # of these, those that were not asked again
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


class Canary(Record):
    """An answer of an agent of which it is known whether it is good, with one question about it."""

    id: Name
    kind: Literal["good", "bad"]
    attack: str = ""  # how it tells the judge what to say; none if it does not try
    question: RubricItem
    trace: Trace


class CanaryAnswer(Record):
    """What a judge made of a canary."""

    id: Name
    kind: Literal["good", "bad"]
    question: str
    value: Share
    answers: tuple[Answer, ...]

    @property
    def missed(self) -> bool:
        """Whether the judge took a bad one for good, or a good one for bad."""
        return (self.value >= 0.5) != (self.kind == "good")


class CanaryReport(Record):
    """How a run's judge did on all canaries, before the first trial."""

    schema_version: SchemaVersion = 1
    fingerprint: Sha256
    canaries: Sha256  # of what was asked
    answers: tuple[CanaryAnswer, ...]
    cost_usd: float | None  # None: not known

    @property
    def missed(self) -> tuple[CanaryAnswer, ...]:
        return tuple(answer for answer in self.answers if answer.missed)
