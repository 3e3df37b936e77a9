"""Matchers: what a case tolerates in an argument or in a reply, declared as data.

A bare JSON value is short for the matcher people mean by it. For an argument: a number for `number`
without tolerance (so 1 equals 1.0, never "1"), a text, true, false or null for `exact`, a list for
`list`, an object for `object`. For a reply: a text for `contains`, a number for `written_number`.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from driftgate.schemas.record import Flag, Record


def _is_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("wanted a number")
    return value


NumberValue = Annotated[int | float, BeforeValidator(_is_number)]
Tolerance = Annotated[float, Field(ge=0, strict=True)]
DecimalMark = Literal[".", ","]
Extra = Literal["allowed", "forbidden"]


class _Matcher(Record):
    match: str

    @model_serializer(mode="wrap")
    def _with_its_name(self, handler: SerializerFunctionWrapHandler) -> Any:
        return {**handler(self), "match": self.match}


class Exact(_Matcher):
    """The same JSON value of the same JSON type: 1, 1.0, "1" and true are four values."""

    match: Literal["exact"] = "exact"
    value: JsonValue


class Number(_Matcher):
    """A JSON number within tolerance: 1 equals 1.0. A text or a boolean is no number."""

    match: Literal["number"] = "number"
    value: NumberValue
    abs: Tolerance = 0
    rel: Tolerance = 0  # share of the expected value


class WrittenNumber(_Matcher):
    """A number as people write it: 1,234.5, 1.234,5, 1 234,5, 1'234.5, -3, (3), 12 %.

    Where one mark can be read both ways ("1.234"), either reading counts unless `decimal_mark`
    decides.
    """

    match: Literal["written_number"] = "written_number"
    value: NumberValue
    abs: Tolerance = 0
    rel: Tolerance = 0
    decimal_mark: DecimalMark | None = None


class Money(_Matcher):
    """An amount of money as people write it: 1.234,56 €, EUR 1,234.56, $12, 1'234.50 CHF.

    A number that carries another currency, or is a share (5 %), does not count; one that carries
    none does. Three digits after a mark are thousands, unless the currency has thousandths.
    """

    match: Literal["money"] = "money"
    value: NumberValue
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    abs: Tolerance = 0
    rel: Tolerance = 0
    decimal_mark: DecimalMark | None = None


class Date(_Matcher):
    """A date or a time: ISO 8601, or as people write it (20.05.2026, 5/20/2026, May 20, 2026).

    Give `value` with `within_days`, or a window of `earliest` and `latest`, both inclusive. A
    value without a time of day compares dates alone. Where day and month can be read both ways,
    either reading counts.
    """

    match: Literal["date"] = "date"
    value: date | datetime | None = None
    within_days: Tolerance = 0
    earliest: date | datetime | None = None
    latest: date | datetime | None = None

    @field_validator("value", "earliest", "latest", mode="before")
    @classmethod
    def _iso(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return (
                    date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
                )
            except ValueError as error:
                raise ValueError("wanted a date or time in ISO 8601") from error
        return value

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        window = self.earliest is not None or self.latest is not None
        if (self.value is None) != window:
            raise ValueError("give `value`, or a window of `earliest` and `latest`, not both")
        if self.earliest is not None and self.latest is not None:
            if type(self.earliest) is not type(self.latest):
                raise ValueError("`earliest` and `latest` must both be dates or both be times")
            times = [t for t in (self.earliest, self.latest) if isinstance(t, datetime)]
            if len({time.tzinfo is None for time in times}) > 1:
                raise ValueError("`earliest` and `latest` must both have a time zone, or neither")
            if self.earliest > self.latest:
                raise ValueError("`earliest` lies after `latest`, so nothing can match")
        return self


_ANCHOR = re.compile(r"[\^$]|\\[AbBZ]|\(\?")  # what can keep a pattern from being found anywhere


class Regex(_Matcher):
    """A text in which the pattern is found; anchor it with ^ and $ to match the whole."""

    match: Literal["regex"] = "regex"
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            fits_nothing = re.search(pattern, "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if fits_nothing and not _ANCHOR.search(pattern):
            raise ValueError("it is found in every text; for any value there is `any`")
        return pattern


class Text(_Matcher):
    """The same text, whatever its case, spacing and Unicode form."""

    match: Literal["text"] = "text"
    value: str
    ignore_punctuation: Flag = False


class Contains(_Matcher):
    """A text that holds this text (case and spacing aside), or a list that holds this value."""

    match: Literal["contains"] = "contains"
    value: JsonValue

    @field_validator("value")
    @classmethod
    def _says_something(cls, value: JsonValue) -> JsonValue:
        if isinstance(value, str) and not value.strip():
            raise ValueError("an empty text is in every text")
        return value


class OneOf(_Matcher):
    """Anything that one of the options matches."""

    match: Literal["one_of"] = "one_of"
    options: Annotated[tuple["Matcher", ...], Field(min_length=1)]


class NoneOf(_Matcher):
    """Anything that none of the options matches."""

    match: Literal["none_of"] = "none_of"
    options: Annotated[tuple["Matcher", ...], Field(min_length=1)]


class List(_Matcher):
    """A list whose elements match in this order, none missing and none more."""

    match: Literal["list"] = "list"
    items: tuple["Matcher", ...]


class SetOf(_Matcher):
    """A list whose elements match these in some order, each element used once."""

    match: Literal["set"] = "set"
    items: tuple["Matcher", ...]
    extra: Extra = "forbidden"


class Object(_Matcher):
    """An object with these fields and no others."""

    match: Literal["object"] = "object"
    fields: dict[str, "Matcher"]


class JsonSubset(_Matcher):
    """An object with at least these fields."""

    match: Literal["json_subset"] = "json_subset"
    fields: dict[str, "Matcher"]


class Anything(_Matcher):
    """Any value, as long as there is one."""

    match: Literal["any"] = "any"


class Absent(_Matcher):
    """No value at all: the argument must not be given. Null is a value."""

    match: Literal["absent"] = "absent"


def _argument_shorthand(value: Any) -> Any:
    match value:
        case dict() if "match" in value:
            return value
        case dict():
            return {"match": "object", "fields": value}
        case list() | tuple():
            return {"match": "list", "items": value}
        case bool() | str() | None:
            return {"match": "exact", "value": value}
        case int() | float():
            return {"match": "number", "value": value}
    return value


def _output_shorthand(value: Any) -> Any:
    if isinstance(value, str):
        return {"match": "contains", "value": value}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"match": "written_number", "value": value}
    if isinstance(value, dict) and isinstance(value.get("options"), list | tuple):
        return {**value, "options": [_output_shorthand(option) for option in value["options"]]}
    return value


AnyMatcher = (
    Exact
    | Number
    | WrittenNumber
    | Money
    | Date
    | Regex
    | Text
    | Contains
    | OneOf
    | NoneOf
    | List
    | SetOf
    | Object
    | JsonSubset
    | Anything
    | Absent
)
_Tagged = Annotated[AnyMatcher, Field(discriminator="match")]
Matcher = Annotated[
    _Tagged, BeforeValidator(_argument_shorthand, json_schema_input_type=_Tagged | JsonValue)
]
_TaggedOutput = Annotated[
    Contains | WrittenNumber | Money | Date | Regex | OneOf | NoneOf, Field(discriminator="match")
]


def _readable_in_text(matcher: "_Matcher") -> "_Matcher":
    match matcher:
        case OneOf() | NoneOf():
            for option in matcher.options:
                _readable_in_text(option)
        case Contains() if not isinstance(matcher.value, str):
            raise ValueError("a reply contains text; write the value as the text to look for")
        case Contains() | WrittenNumber() | Money() | Date() | Regex():
            pass
        case _:
            raise ValueError(f"`{matcher.match}` compares values; it can't look into a reply")
    return matcher


OutputMatcher = Annotated[
    _TaggedOutput,
    BeforeValidator(_output_shorthand, json_schema_input_type=_TaggedOutput | str | float),
    AfterValidator(_readable_in_text),
]
MATCHERS: dict[str, type[_Matcher]] = {
    kind.model_fields["match"].default: kind for kind in get_args(AnyMatcher)
}
