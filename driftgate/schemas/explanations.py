"""A verdict in plain words."""

from driftgate.schemas.policies import Effective, Outcome
from driftgate.schemas.record import Record, SchemaVersion


class Section(Record):
    title: str
    sentences: tuple[str, ...]


class Explanation(Record):
    schema_version: SchemaVersion = 1
    run_id: str
    outcome: Outcome
    effective: Effective
    verdict_key: str
    sections: tuple[Section, ...]
