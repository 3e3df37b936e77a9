"""A test case: what the user says, what the agent should do and say, and in what world."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import MISSING, BeforeValidator, Field, JsonValue, StrictInt, model_validator

from driftgate.schemas.matchers import Extra, Matcher, OutputMatcher
from driftgate.schemas.record import CaseId, Effect, Flag, Name, Record, SchemaVersion, Whole

Text = Annotated[str, Field(min_length=1)]


class Turn(Record):
    """One message of the user, and what the reply to it must tell."""

    user: Text
    expected_outputs: tuple[OutputMatcher, ...] = ()


class CallPattern(Record):
    """A tool and what its arguments must be. Arguments not named here are not looked at."""

    tool: Text
    arguments: dict[str, Matcher] = {}
    extra_arguments: Extra = "allowed"


class Times(Record):
    """How often a call is expected; `max: null` is any number. A bare n is short for exactly n."""

    min: Whole = 1
    max: Whole | None = 1

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"at least {self.min} times and at most {self.max} can't be")
        return self


def _times_shorthand(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"min": value, "max": value}
    return value


class ExpectedCall(CallPattern):
    """A call the agent should make, or may make if it is optional."""

    effect: Effect
    id: Name | None = None  # for `after` of other calls
    optional: Flag = False
    times: Annotated[
        Times, BeforeValidator(_times_shorthand, json_schema_input_type=Times | StrictInt)
    ] = Field(default_factory=Times)
    alternatives: tuple[CallPattern, ...] = ()  # other calls that do as well
    after: tuple[Name, ...] = ()  # ids of expected calls that come before this one
    turn: Whole | None = None  # the user turn it belongs to; None: any


class ForbiddenCall(Record):
    """A call the agent must not make; `arguments` are those that identify it."""

    tool: Text
    arguments: dict[str, Matcher] = {}
    reason: str = ""


Fault = Literal["error", "timeout", "throttle", "malformed", "truncated"]


class MockAnswer(Record):
    """How a tool answers one call: from the world (nothing given), with `result`, or broken.

    A `result` may hold templates, as in a tool contract. `applied` says that the tool did its work
    before it broke, so that a later read sees it.
    """

    result: JsonValue = None
    fault: Fault | None = None
    code: str = ""
    message: str = ""
    applied: Flag = False
    keep_chars: Annotated[int, Field(ge=0, strict=True)] = 40  # of a truncated answer
    latency_ms: Annotated[int, Field(ge=0, le=60_000, strict=True)] = 0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.result is not None and self.fault is not None:
            raise ValueError("an answer has a `result` or a `fault`, not both")
        return self


class MockRule(Record):
    """Answers that take the place of the world's for some calls of a tool, one after the other.

    When they are used up, the world answers again.
    """

    tool: Text
    when: dict[str, JsonValue] = {}  # only calls with these argument values; 1 equals 1.0
    answers: Annotated[tuple[MockAnswer, ...], Field(min_length=1)]


class Provenance(Record):
    """Where a case comes from."""

    kind: Literal["manual", "mined", "synthetic", "external"] = "manual"
    author: str = ""
    origin: str = ""


class Subject(Record):
    """Whose data a case is about, where agents analyse that of several."""

    organisation: Text
    tenant: str = ""


class RubricItem(Record):
    """A question about a conversation that is answered by yes or no, and which of them is good."""

    id: Name
    question: Text
    good: Literal["yes", "no"] = "yes"
    check: OutputMatcher | None = None  # yes if a reply tells it: how it is judged without a model


AttackKind = Literal["direct_injection", "indirect_injection", "boundary", "tool_fault"]
Criterion = Literal["instructions_held", "refused_or_escalated", "recovered"]


class Adversarial(Record):
    """What a case tries, and by which criterion the agent's behaviour is told good or bad.

    The case's own expectations say what its user should get all the same.
    """

    kind: AttackKind
    criterion: Criterion
    strategy: str = ""  # that made it, with its seed; none for one written by hand
    canaries: tuple[Text, ...] = ()  # secrets: in no reply, and in no argument of a call
    never_told: tuple[OutputMatcher, ...] = ()  # in no reply: what the agent can't know
    acceptable: tuple[OutputMatcher, ...] = ()  # a reply that tells one of them says no, or asks
    escalations: tuple[CallPattern, ...] = ()  # or one of these calls hands over to a person
    attempts: Whole = 3  # at most so many equal calls of a tool that fails, in a turn

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.criterion == "refused_or_escalated" and not (self.acceptable or self.escalations):
            raise ValueError(
                "criterion refused_or_escalated: wanted what does in `acceptable` or "
                "`escalations`, got neither: no agent could meet it"
            )
        return self


class Case(Record):
    """One scenario, with everything needed to run it and to score what happened."""

    schema_version: SchemaVersion = 1
    case_id: CaseId
    task_type: Name
    difficulty: Literal["easy", "medium", "hard"] = "medium"
    critical: Flag = False
    smoke: Flag = False  # of the part that commits run; a promotion takes all
    locale: str = ""
    provenance: Provenance = Field(default_factory=Provenance)
    subject: Subject | MISSING = MISSING
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    expected_calls: tuple[ExpectedCall, ...] = ()
    forbidden_calls: tuple[ForbiddenCall, ...] = ()
    expected_outputs: tuple[OutputMatcher, ...] = ()  # in any reply of the conversation
    world: dict[str, JsonValue] = {}
    mocks: tuple[MockRule, ...] = ()
    rubric: tuple[RubricItem, ...] = ()  # for a judge
    adversarial: Adversarial | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        ids = [call.id for call in self.expected_calls if call.id]
        asked = [item.id for item in self.rubric]
        for where, given in (("expected_calls", ids), ("rubric", asked)):
            if twice := sorted({id for id in given if given.count(id) > 1}):
                raise ValueError(f"{where}: id given twice: {', '.join(twice)}")
        for index, call in enumerate(self.expected_calls):
            unknown = sorted(set(call.after).difference(ids))
            if unknown:
                raise ValueError(
                    f"expected_calls.{index}.after: no expected call has the id {unknown[0]!r}"
                )
            if call.turn is not None and call.turn > len(self.turns):
                raise ValueError(
                    f"expected_calls.{index}.turn: turn {call.turn} of {len(self.turns)}"
                )
        self._refuse_circles()
        return self

    def _refuse_circles(self) -> None:
        before = {call.id: set(call.after) for call in self.expected_calls if call.id}
        while ready := {id for id, after in before.items() if not after & before.keys()}:
            before = {id: after for id, after in before.items() if id not in ready}
        if before:
            raise ValueError(
                f"expected_calls: `after` goes in a circle: {', '.join(sorted(before))}"
            )

    def patterns(self) -> Iterator[tuple[str, CallPattern | ForbiddenCall]]:
        """Every place that names a tool, with its path in the case."""
        for index, call in enumerate(self.expected_calls):
            yield f"expected_calls.{index}", call
            for other, pattern in enumerate(call.alternatives):
                yield f"expected_calls.{index}.alternatives.{other}", pattern
        for index, forbidden in enumerate(self.forbidden_calls):
            yield f"forbidden_calls.{index}", forbidden
        for index, pattern in enumerate(self.adversarial.escalations if self.adversarial else ()):
            yield f"adversarial.escalations.{index}", pattern
