"""A tool contract: what agents see of a tool, and how it answers from a case's world.

Contracts are part of an agent version. Two versions may see one world through different contracts,
and that is how a changed tool is evaluated.
"""

from typing import Annotated, Any, Literal

from pydantic import MISSING, Discriminator, Field, JsonValue, Tag, model_validator

from driftgate.schemas.record import Effect, Flag, Record, SchemaVersion, SemVer

Bound = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
Path = Annotated[str, Field(min_length=1)]  # parts between slashes; a part may be a template


class Refusal(Record):
    error: str
    message: str = ""


class Find(Record):
    """Bind the record at a path of the world, or refuse."""

    find: Path
    let: Bound
    otherwise: Refusal


class Select(Record):
    """Bind the matching records of a list. A condition on null does not apply."""

    select: Path
    let: Bound
    where: dict[str, JsonValue] = {}
    between: dict[str, tuple[JsonValue, JsonValue]] = {}  # inclusive
    about: dict[str, JsonValue] = {}  # the field shares a word with this text
    newest_first: str | None = None
    limit: JsonValue = None


class Require(Record):
    """Refuse unless all given conditions hold. One on null is given too."""

    require: JsonValue
    equals: JsonValue | MISSING = MISSING
    differs_from: JsonValue | MISSING = MISSING
    at_least: JsonValue | MISSING = MISSING
    at_most: JsonValue | MISSING = MISSING
    otherwise: Refusal

    @model_validator(mode="after")
    def _asks_something(self) -> "Require":
        """A `require` that never refuses would let pass what the real tool does not."""
        if not self.model_fields_set & {"equals", "differs_from", "at_least", "at_most"}:
            raise ValueError("wanted equals, differs_from, at_least or at_most")
        return self


class Set(Record):
    set: Path
    to: JsonValue


class Add(Record):
    """Add to a quantity (sign -1: take from it) an amount in its unit or smallest unit."""

    add: Path
    amount: JsonValue
    unit: Literal["major", "minor"] = "major"
    sign: Literal[1, -1] = 1


class Append(Record):
    append: Path
    item: JsonValue


class Answer(Record):
    answer: JsonValue


NAME_LIMIT = 64  # of a tool's name at the models, with its target's before it
VERBS = ("find", "select", "require", "set", "add", "append", "answer")


def _verb(step: Any) -> str | None:
    fields = type(step).model_fields if isinstance(step, Record) else step
    verbs = [verb for verb in VERBS if isinstance(fields, dict) and verb in fields]
    return verbs[0] if len(verbs) == 1 else None


Step = Annotated[
    Annotated[Find, Tag("find")]
    | Annotated[Select, Tag("select")]
    | Annotated[Require, Tag("require")]
    | Annotated[Set, Tag("set")]
    | Annotated[Add, Tag("add")]
    | Annotated[Append, Tag("append")]
    | Annotated[Answer, Tag("answer")],
    Discriminator(
        _verb,
        custom_error_type="step",
        custom_error_message=f"a step has one of {', '.join(VERBS)}",
    ),
]


GatewayTarget = Annotated[str, Field(pattern=r"^([0-9a-zA-Z]-?){1,100}$")]


class ToolContract(Record):
    """One version of one tool."""

    schema_version: SchemaVersion = 1
    tool: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    version: SemVer
    gateway_target: GatewayTarget | MISSING = MISSING  # that has it in production; else "mock"
    effect: Effect
    critical: Flag = False
    description: Annotated[str, Field(min_length=1)]
    input_schema: dict[str, JsonValue]
    output_schema: dict[str, JsonValue] = {}
    behaviour: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _holds_together(self) -> "ToolContract":
        if self.input_schema.get("type") != "object":
            raise ValueError("input_schema.type: must be `object`")
        listed_as = f"{self.gateway_target}___{self.tool}"
        if isinstance(self.gateway_target, str) and len(listed_as) > NAME_LIMIT:
            raise ValueError(f"gateway_target: {listed_as}: wanted at most {NAME_LIMIT} characters")
        if not isinstance(self.behaviour[-1], Answer):
            raise ValueError("behaviour: the last step must be `answer`")
        changes = [step for step in self.behaviour if isinstance(step, Set | Add | Append)]
        if self.effect == "read" and changes:
            raise ValueError("behaviour: a tool with effect `read` must not change the world")
        return self
