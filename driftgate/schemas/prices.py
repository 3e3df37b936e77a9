"""What models charge for tokens, and since when."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from driftgate.schemas.record import Record, SchemaVersion

Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
PerMillion = Annotated[float, Field(ge=0, le=10**6)]


class TokenPrice(Record):
    """USD for a million tokens of one model, from a day on until the model's next price."""

    model: Annotated[str, Field(min_length=1)]  # the full id
    effective: Day
    input_usd: PerMillion
    output_usd: PerMillion
    cache_read_usd: PerMillion | None = None  # None: it has no cache, or nobody knows
    cache_write_usd: PerMillion | None = None
    source: Annotated[str, Field(min_length=1)]


class PriceTable(Record):
    """A version of the prices. Rows are added, and never changed: what was paid stays true."""

    schema_version: SchemaVersion = 1
    version: Day
    prices: tuple[TokenPrice, ...]

    @model_validator(mode="after")
    def _one_a_day(self) -> Self:
        seen = set()
        for price in self.prices:
            if (price.model, price.effective) in seen:
                raise ValueError(f"two prices of {price.model} from {price.effective}")
            seen.add((price.model, price.effective))
        return self


_ARN = re.compile(r"^arn:[\w-]+:bedrock:[^/]*:(?:inference-profile|foundation-model)/(.+)$")


def model_id(model: str) -> str:
    """The id that a model is priced under: an ARN of Bedrock's ends with it."""
    found = _ARN.match(model)
    return found[1] if found else model
