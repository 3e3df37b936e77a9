"""Erasing what is known of a person."""

from driftgate.schemas.online import Count
from driftgate.schemas.record import Name, Record, SchemaVersion
from driftgate.schemas.reviews import Person


class Erased(Record):
    """What is left of what was erased: that it was, counted, and who did it."""

    schema_version: SchemaVersion = 1
    agent: Name
    at: str
    by: Person
    sessions: Count
    objects: Count  # traces, and fragments as they came
    rows: Count  # of the sessions
    candidates: Count  # that are gone, or are without what they had of these sessions
    drafts: Count
    left: tuple[str, ...]  # where the person is still named, or can't be looked for
