"""What every stored or passed record has in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SchemaVersion = Literal[1]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SemVer = Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CaseId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Effect = Literal["read", "write"]


class Record(BaseModel):
    """Immutable, and strict about names: an unknown field is an error, not a surprise later."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def explain(error: ValidationError) -> str:
    """Say in one line where a record is wrong, what was wanted and what came.

    Only the first fault is told: the others often follow from it.
    """
    fault = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "(the whole record)"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("missing", "extra_forbidden"):
        return f"{place}: {message}"
    return f"{place}: {message}, got {_short(fault['input'])}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
