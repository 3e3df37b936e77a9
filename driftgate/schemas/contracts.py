"""A tool contract: what agents see of a tool, and how it answers from a case's world.

Contracts are part of an agent version. Two versions may see one world through different contracts,
and that is how a changed tool is evaluated.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from driftgate.schemas.record import Effect, Flag, Record, SchemaVersion, SemVer

Bound = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")]
Path = Annotated[str, Field(min_length=1)]  # parts between slashes; a part may be a template


class Refusal(Record):
    error: str
    message: JsonValue = ""


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
    """Refuse unless all given conditions hold. A condition on null does not apply."""

    require: JsonValue
    equals: JsonValue = None
    differs_from: JsonValue = None
    at_least: JsonValue = None
    at_most: JsonValue = None
    otherwise: Refusal

    @model_validator(mode="after")
    def _asks_something(self) -> "Require":
        """A `require` that never refuses would let pass what the real tool does not."""
        conditions = (self.equals, self.differs_from, self.at_least, self.at_most)
        if all(condition is None for condition in conditions):
            raise ValueError("wanted equals, differs_from, at_least or at_most, and not null")
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


STEPS: dict[str, type[Record]] = {
    "find": Find,
    "select": Select,
    "require": Require,
    "set": Set,
    "add": Add,
    "append": Append,
    "answer": Answer,
}
Step = Find | Select | Require | Set | Add | Append | Answer


class ToolContract(Record):
    """One version of one tool."""

    schema_version: SchemaVersion = 1
    tool: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    version: SemVer
    effect: Effect
    critical: Flag = False
    description: Annotated[str, Field(min_length=1)]
    input_schema: dict[str, JsonValue]
    output_schema: dict[str, JsonValue] = {}
    behaviour: Annotated[tuple[Step, ...], Field(min_length=1)]

    @field_validator("behaviour", mode="before")
    @classmethod
    def _by_verb(cls, steps: Any) -> Any:
        return [_step(step) for step in steps] if isinstance(steps, list | tuple) else steps

    @model_validator(mode="after")
    def _holds_together(self) -> "ToolContract":
        if self.input_schema.get("type") != "object":
            raise ValueError("input_schema.type: must be `object`")
        if not isinstance(self.behaviour[-1], Answer):
            raise ValueError("behaviour: the last step must be `answer`")
        changes = [step for step in self.behaviour if isinstance(step, Set | Add | Append)]
        if self.effect == "read" and changes:
            raise ValueError("behaviour: a tool with effect `read` must not change the world")
        return self


def _step(step: Any) -> Any:
    if not isinstance(step, dict):
        return step
    verbs = [verb for verb in STEPS if verb in step]
    if len(verbs) != 1:
        raise ValueError(f"a step has one of {', '.join(STEPS)}, got {sorted(step)}")
    return STEPS[verbs[0]].model_validate(step)
