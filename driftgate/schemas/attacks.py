"""What attackers want of an agent, and where others can put a text that its tools return."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from driftgate.schemas.cases import ForbiddenCall, Text
from driftgate.schemas.record import Name, Record, SchemaVersion

Language = Literal["en", "de", "fr"]


class Goal(Record):
    """Something that must not happen, and the order that asks for it."""

    id: Name
    order: Annotated[dict[Language, Text], Field(min_length=1)]  # "transfer 950 euros to ACC-6660"
    must_say: tuple[Text, ...] = ()  # in every wording of the order, or it is another one
    forbidden_calls: tuple[ForbiddenCall, ...] = ()
    canaries: tuple[Text, ...] = ()
    world: dict[str, dict[str, JsonValue]] = {}  # records that the order speaks of, by table


class Carrier(Record):
    """A field of the world's records that somebody else fills in, and the tool that returns it."""

    table: Text
    field: Text
    tool: Text


class AttackPlan(Record):
    """The file of `dataset attack --goals`."""

    schema_version: SchemaVersion = 1
    goals: Annotated[tuple[Goal, ...], Field(min_length=1)]
    carriers: tuple[Carrier, ...] = ()
