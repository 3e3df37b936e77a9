"""What mocks are held to besides contracts, and what is found."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.record import CaseId, Record


class RecordedCall(Record):
    """One call that a real tool answered: a line of the file with recorded calls."""

    tool: Annotated[str, Field(min_length=1)]
    arguments: dict[str, JsonValue] = {}
    result: JsonValue


class Finding(Record):
    """A place where mocks, contract and reality are apart.

    A fault has to be mended; a note may be as it should.
    """

    kind: Literal["fault", "note"]
    place: str = ""  # file and line, or the dataset's version
    case_id: CaseId | None = None
    tool: str
    field: str  # of the case, or of the tool's arguments and result
    said: str  # what was wanted and what came

    def __str__(self) -> str:
        case = f"case {self.case_id}" if self.case_id else ""
        return ": ".join(
            part for part in (self.place, case, self.tool, self.field, self.said) if part
        )


class MocksCheck(Record):
    """A dataset's mocks, held to an agent version's contracts and to recorded calls."""

    agent: str
    dataset: str
    cases: int
    recorded: int  # calls
    not_compared: tuple[str, ...]  # tools of which no call was recorded, or none is mocked
    faults: tuple[Finding, ...]
    notes: tuple[Finding, ...]
