"""What an environment wants redacted, besides what is always looked for."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from driftgate.schemas.record import Record

PSEUDONYM = re.compile(r"<[a-z][a-z0-9_]{0,31}:[a-p]{16}>")  # what stands for an entity
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
BuiltIn = Literal[
    "secret",
    "aws_access_key",
    "aws_secret_key",
    "email",
    "iban",
    "card",
    "phone",
    "ip",
    "us_ssn",
    "de_tax_id",
    "es_dni",
    "fr_nir",
    "it_fiscal_code",
    "nl_bsn",
    "pt_nif",
    "br_cpf",
    "uk_nhs",
]
SECRET_FIELDS = (
    *("password", "passwd", "passwort", "secret", "client_secret", "api_key", "access_token"),
    *("refresh_token", "authorization", "cvv", "cvc"),
)


class RedactionRules(Record):
    """The rules of one environment.

    Args:
        regions: whose national phone numbers are known. One that is valid in several is taken for
            a number of the first of them.
        without: kinds that are not looked for here.
        patterns: kind -> a regular expression in RE2's syntax, which has neither lookaround nor
            backreferences and takes linear time.
        fields: where a whole value is of a kind, whatever it looks like. The name of an argument or
            field, at any depth, without regard to case and separators; or, with a slash in front,
            a JSON Pointer into one document (arguments or result of a call), `*` for any step.
    """

    regions: tuple[Region, ...] = ("US", "GB", "DE", "FR", "IT", "ES", "PT", "BR", "NL")
    without: tuple[BuiltIn, ...] = ()
    patterns: dict[Kind, Annotated[str, Field(min_length=1, max_length=2000)]] = {}
    fields: dict[Annotated[str, Field(min_length=1, max_length=200)], Kind] = dict.fromkeys(
        SECRET_FIELDS, "secret"
    )

    @model_validator(mode="after")
    def _names_have_letters(self) -> Self:
        for field in self.fields:
            if not field.startswith("/") and not re.search(r"[^\W_]", field):
                raise ValueError(
                    f"fields: wanted a name with letters, or a JSON Pointer, got {field!r}"
                )
        return self
