"""What every stored or passed record has in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SchemaVersion = Literal[1]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SemVer = Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CaseId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Effect = Literal["read", "write"]
# People write these: "yes" is not true, and "3" is not 3.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(ge=1, strict=True)]


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 case, 2 cases."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Record(BaseModel):
    """Immutable, and strict about names: an unknown field is an error, not a surprise later."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        defer_build=True,
        hide_input_in_errors=True,  # what a person said must not get into a log; see `explain`
    )


def explain(error: ValidationError) -> str:
    """Say in one line where a record is wrong, what was wanted and what came.

    Only one fault is told: a name that is not known first, as others often follow from it.
    """
    faults = error.errors(include_url=False, include_context=False)
    fault = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    place = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        missing = [str(f["loc"][-1]) for f in faults if f["type"] == "missing"]
        hint = f", and {', '.join(missing)} is missing" if missing else ""
        return f"{place}: there is no such field{hint}"
    if fault["type"] == "missing":
        return f"{place}: required, and not given"
    if not place:
        return message
    return f"{place}: {message}, got {_short(fault['input'])}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
