"""`driftgate cost`: what an agent's sessions cost, before anybody pays for them."""

from typing import Annotated

import typer

from driftgate import costs
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.costs import SessionCost, SessionUse

app = typer.Typer(help="Say what things cost.", no_args_is_help=True)
USE = SessionUse.model_fields


@app.command(epilog=options.examples("cost estimate --calls 20 --seconds 30 --memory-gb 3.22"))
def estimate(
    calls: Annotated[int, typer.Option(min=1, help="Conversations a day.")],
    seconds: Annotated[float, typer.Option(min=0, help="Of a conversation.")],
    memory_gb: Annotated[float, typer.Option(help="That a session takes.")],
    idle: Annotated[
        float, typer.Option(min=costs.SHORTEST_IDLE_S, help="The idle timeout now, in seconds.")
    ] = 900,
    vcpus: Annotated[float, typer.Option(help="That it takes while it computes.")] = 1,
    active: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the time in which it does.")
    ] = USE["active"].default,
    lanes: Annotated[int, typer.Option(min=1, help="Sessions that are reused, side by side.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Of which the cost is shown.")] = 30,
    as_json: options.Json = False,
) -> None:
    """Compare what becomes of sessions after a conversation: left idle, reused, or stopped."""
    if not 0 < memory_gb <= 32 or not 0 < vcpus <= 32:
        raise BadInput(
            f"wanted more than 0 and at most 32 GB and vCPUs, got {memory_gb:g} and {vcpus:g}"
        )
    use = SessionUse(
        calls=calls, seconds=seconds, memory_gb=memory_gb, vcpus=vcpus, active=active, lanes=lanes
    )
    found = costs.compared(use, idle)
    console.table(
        ("sessions are", "sessions a day", "memory paid for", f"USD in {days} days", "less"),
        [row(cost, found[0], days) for cost in found],
    )
    console.say(
        f"prices of {costs.PRICES.effective} ({costs.PRICES.source}); it computes in "
        f"{active:.0%} of the time, and starting takes {use.start_s:g} s"
    )
    if as_json:
        rows = [{**c.model_dump(mode="json"), "usd": round(days * c.usd, 6)} for c in found]
        console.emit({"use": use.model_dump(mode="json"), "days": days, "costs": rows})


def row(cost: SessionCost, now: SessionCost, days: int) -> tuple[str, ...]:
    """A line of the table: what becomes of sessions, and how much less that is than it is now."""
    what = {
        "stop_after_case": "stopped after each",
        "reuse_lane": "reused, then stopped",
        "leave": f"left, idle {cost.idle_s:g} s" if cost.idle_s else "",
    }[cost.policy]
    less = "" if cost == now else f"{1 - cost.usd / now.usd:.1%}"
    hours = f"{cost.memory_s / costs.HOUR_S:.2f} h"
    return what, str(cost.sessions), hours, f"{days * cost.usd:.2f}", less
