"""What a trial's tokens cost, by the prices that were in force when it was made."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from driftgate.schemas.ledger import CostBasis
from driftgate.schemas.manifests import Costs
from driftgate.schemas.prices import PriceTable, TokenPrice, model_id
from driftgate.schemas.traces import Trace

MILLION = 1_000_000


class Cost(NamedTuple):
    """USD and whose word that is, or why nobody knows."""

    usd: float | None
    basis: CostBasis | None = None
    price: TokenPrice | None = None
    missing: str = ""


@cache
def shipped() -> PriceTable:
    """The table that comes with this version."""
    data = files("driftgate").joinpath("prices.json").read_text(encoding="utf-8")
    return PriceTable.model_validate_json(data)


def in_force(table: PriceTable, model: str, day: str) -> TokenPrice | None:
    """A model's price on a day; None: the table has none of it, or none that old.

    Ids are compared in full: another region's profile of the same model may have another price.
    """
    own = [p for p in table.prices if p.model == model_id(model) and p.effective <= day[:10]]
    return max(own, key=lambda price: price.effective, default=None)


def of_trial(trace: Trace, model: str | None, at: str, costs: Costs, table: PriceTable) -> Cost:
    """What a trial's model cost: what the agent says; else its tokens by the manifest's prices;
    else by the table's at the time of the trial.
    """
    if trace.cost_usd is not None:
        return Cost(trace.cost_usd, "agent")
    usage = trace.usage
    if usage.input_tokens is None or usage.output_tokens is None:
        return Cost(None, missing="the agent tells neither its cost nor its tokens")
    cached = usage.cache_read_tokens or usage.cache_write_tokens  # which a manifest has no price of
    if costs.token_price is not None and not cached:
        of_input, of_output = costs.token_price
        usd = (usage.input_tokens * of_input + usage.output_tokens * of_output) / MILLION
        return Cost(usd, "manifest")
    if model is None:
        return Cost(None, missing="the model is not known")
    price = in_force(table, model, at)
    if price is None:
        return Cost(
            None, missing=f"the prices of {table.version} have none of {model} at {at[:10]}"
        )
    return _by_table(trace, price)


def _by_table(trace: Trace, price: TokenPrice) -> Cost:
    """Cached tokens are counted apart, as Bedrock does. Who tells of none is taken to have none."""
    usage = trace.usage
    parts = (
        (usage.input_tokens, price.input_usd),
        (usage.output_tokens, price.output_usd),
        (usage.cache_read_tokens, price.cache_read_usd),
        (usage.cache_write_tokens, price.cache_write_usd),
    )
    if any(tokens and usd is None for tokens, usd in parts):
        return Cost(None, missing=f"the price of cached tokens of {price.model} is not known")
    usd = sum((tokens or 0) * (each or 0) for tokens, each in parts) / MILLION
    return Cost(usd, "price table", price)
