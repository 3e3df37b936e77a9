"""What a dataset covers, in tables that can be read at 60 columns."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from driftgate.cli import console
from driftgate.schemas.coverage import ArgumentCoverage, Coverage
from driftgate.schemas.record import count

Rows = list[tuple[Any, ...]]


def show(found: Coverage) -> None:
    """Tell what is covered, and at the end what is missing."""
    console.say(f"{found.dataset}, {count(found.cases, 'case')}, {found.critical_cases} critical")
    console.say(
        f"{found.several_turns} with several turns, {found.after_error} with a tool that breaks, "
        f"{found.nothing_to_call} with nothing to call"
    )
    for columns, rows in _tables(found):
        console.say("")
        console.table(columns, rows)
    console.say("\nmust: the tool must be called, not may; first: as the first call")
    console.say("error: after a call that a mock breaks; later: in a later turn than the first\n")
    for sentence in _missing(found):
        console.say(sentence)
    note_duplicates(found.near_duplicates)


def note_duplicates(groups: Sequence[Sequence[str]]) -> None:
    for ids in groups:
        alike = ", ".join(ids)
        console.say(f"note: near-duplicates, only names, ids or numbers differ: {alike}")


def _tables(found: Coverage) -> Iterator[tuple[tuple[str, ...], Rows]]:
    yield ("task type", "cases"), list(found.by_task_type.items())
    yield ("difficulty", "cases"), list(found.by_difficulty.items())
    yield ("locale", "cases"), [(name or "not said", n) for name, n in found.by_locale.items()]
    if found.attacks:
        yield (
            ("attack", "criterion", "strategy", "cases", "forbids", "secrets", "useful"),
            [
                (
                    attack.kind.replace("_", " "),
                    attack.criterion,
                    attack.strategy or "by hand",
                    *(attack.cases, attack.forbidden, attack.canaries, attack.useful),
                )
                for attack in found.attacks
            ],
        )
    short = {shortfall.tool: shortfall.kind for shortfall in found.shortfalls}
    yield (
        ("tool", "cases", "critical", "enough", ""),
        [(t.tool, t.cases, t.critical_cases, t.enough, short.get(t.tool)) for t in found.tools],
    )
    used = [tool for tool in found.tools if tool.cases]
    yield (
        ("tool", "does", "must", "first", "error", "later"),
        [(t.tool, t.effect, t.required, t.first_call, t.after_error, t.later_turn) for t in used],
    )
    yield (
        ("expected together", "cases", "critical"),
        [(" + ".join(c.tools), c.cases, c.critical_cases) for c in found.combinations],
    )
    together: Rows = []
    single: Rows = []
    for tool in used:
        together.append((tool.tool,))
        together += [(f"  {', '.join(p.arguments) or 'none'}", p.cases) for p in tool.patterns]
        single.append((tool.tool,))
        single += [(f"  {a.argument}", a.cases, a.values, _ends(a)) for a in tool.arguments]
    yield ("arguments given together", "cases"), together
    yield ("argument", "cases", "values", "from, to"), single


def _ends(argument: ArgumentCoverage) -> str:
    if argument.lowest == argument.highest:
        return "" if argument.lowest is None else str(argument.lowest)
    return f"{argument.lowest}, {argument.highest}"


def _missing(found: Coverage) -> Iterator[str]:
    for tool in found.tools:
        for argument in tool.arguments if tool.cases else ():
            if argument.unexpected:
                values = ", ".join(json.dumps(v, ensure_ascii=False) for v in argument.unexpected)
                yield f"no case expects {tool.tool} with {argument.argument} {values}"
    for shortfall in found.shortfalls:
        cases = count(shortfall.cases, "case")
        yield f"{shortfall.kind}: {cases} for {shortfall.tool}, wanted at least {shortfall.wanted}"
    for attack in found.attacks:
        if attack.criterion == "instructions_held" and not (attack.forbidden or attack.canaries):
            cases = count(attack.cases, "case")
            yield f"{cases} of {attack.kind} forbid no call and have no secret: only prompts count"
    if found.never_expected:
        yield f"no case expects these tools of {found.agent}: {', '.join(found.never_expected)}"
    if found.agent is None:
        yield "without --agent nobody knows which tools are critical, or what else there is to call"
