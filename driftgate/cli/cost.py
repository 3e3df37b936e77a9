"""`driftgate cost`: what an agent's sessions and the watch over them cost, before anybody pays."""

from typing import Annotated

import typer

from driftgate import costs, watch_costs
from driftgate.cli import console, options
from driftgate.errors import BadInput
from driftgate.schemas.costs import SessionCost, SessionUse, WatchItem, WatchUse

app = typer.Typer(help="Say what things cost.", no_args_is_help=True)
USE = SessionUse.model_fields
WATCH = WatchUse.model_fields


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


@app.command(epilog=options.examples("cost online --conversations 100000 --agents 5"))
def online(
    conversations: Annotated[int, typer.Option(min=1, help="A day, of all agents.")],
    agents: Annotated[int, typer.Option(min=1, help="That are watched.")] = WATCH["agents"].default,
    versions: Annotated[
        int, typer.Option(min=1, help="Of an agent that have sessions at a time.")
    ] = WATCH["versions"].default,
    task_types: Annotated[int, typer.Option(min=1, help="Of an agent.")] = WATCH[
        "task_types"
    ].default,
    tools: Annotated[int, typer.Option(min=0, help="Of an agent.")] = WATCH["tools"].default,
    fragments: Annotated[
        int, typer.Option(min=1, help="Batches that a conversation's spans come in.")
    ] = WATCH["fragments"].default,
    base: Annotated[
        float, typer.Option(min=0, max=1, help="Share of conversations that is judged.")
    ] = WATCH["base"].default,
    input_tokens: Annotated[
        int, typer.Option(min=0, help="That the judge reads of a conversation.")
    ] = WATCH["judge_input_tokens"].default,
    output_tokens: Annotated[int, typer.Option(min=0, help="That it writes.")] = WATCH[
        "judge_output_tokens"
    ].default,
    input_usd: Annotated[
        float, typer.Option(min=0, help="For a million tokens that the judge reads.")
    ] = WATCH["judge_input_usd"].default,
    output_usd: Annotated[
        float, typer.Option(min=0, help="For a million tokens that it writes.")
    ] = WATCH["judge_output_usd"].default,
    as_json: options.Json = False,
) -> None:
    """Say what it costs to watch production for a month: each service, the judge, the metrics."""
    use = WatchUse(
        conversations=conversations,
        agents=agents,
        versions=versions,
        task_types=task_types,
        tools=tools,
        fragments=fragments,
        base=base,
        judge_input_tokens=input_tokens,
        judge_output_tokens=output_tokens,
        judge_input_usd=input_usd,
        judge_output_usd=output_usd,
    )
    items = watch_costs.of_watch(use)
    console.table(WATCH_HEADS, watch_rows(use, items))
    console.say(
        f"{watch_costs.judged_a_day(use) / conversations:.1%} of the conversations are judged; "
        f"prices of {watch_costs.PRICES.effective} ({watch_costs.PRICES.source})"
    )
    if as_json:
        console.emit(
            {
                "use": use.model_dump(mode="json"),
                "judged_a_day": round(watch_costs.judged_a_day(use), 6),
                "items": [item.model_dump(mode="json") for item in items],
                "usd": round(sum(item.usd for item in items), 6),
            }
        )


WATCH_HEADS = ("for", "number", "of", "USD in 30 days", "for a million conversations")


def watch_rows(use: WatchUse, items: tuple[WatchItem, ...]) -> list[tuple[str, ...]]:
    """Lines of the table, the sum last."""
    millions = watch_costs.DAYS * use.conversations / watch_costs.MILLION

    def line(name: str, number: str, of: str, usd: float) -> tuple[str, ...]:
        return name, number, of, f"{usd:,.2f}", f"{usd / millions:,.2f}"

    total = sum(item.usd for item in items)
    return [
        *(line(item.name, f"{item.number:,.0f}", item.of, item.usd) for item in items),
        line("together", "", "", total),
    ]


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
