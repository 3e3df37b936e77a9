"""Trying the gate itself: versions that are broken on purpose, and the record of what came of it.

docs/decisions/0014 walks one drill through what carries it.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from driftgate import intervals, registry
from driftgate.datasets import count_by_tool
from driftgate.errors import BadInput
from driftgate.ports import Registry
from driftgate.schemas.cases import Case
from driftgate.schemas.contracts import Answer, Refusal, Require, Step, ToolContract
from driftgate.schemas.drills import DrillRow, Health
from driftgate.schemas.manifests import AgentVersion
from driftgate.schemas.runs import Drill, DrillKind, PlannedDrill, RunPlan, Verdict

ALLOWED = 0.05  # false blocks: what the calibrated rule promises
RUNS = 100  # of the latest A/A runs, over which the rate is taken
TOOL_CASES = 10  # that expect the tool which is broken; fewer prove nothing
BROAD_SHARE = 0.2  # of the cases that are to break
LOST = "RECORD_LOST"


def candidate(
    drill: Drill, baseline: AgentVersion, cases: Sequence[Case], seed: int
) -> tuple[AgentVersion, PlannedDrill]:
    """What a drill puts to the test against its baseline. The same arguments give the same copy.

    Raises:
        BadInput: these cases can't show what would be broken.
    """
    made, broken = baseline, ""
    if drill.kind == "tool":
        made, broken = break_tool(baseline, cases, seed, drill.tool or "")
    elif drill.kind == "broad":
        made, broken = break_broadly(baseline, cases, seed)
    return made, PlannedDrill(kind=drill.kind, tool=drill.tool, broken=broken)


def break_tool(
    agent: AgentVersion, cases: Sequence[Case], seed: int, tool: str = ""
) -> tuple[AgentVersion, str]:
    """A copy of a version with one broken tool, and what is broken.

    Args:
        cases: that it will be run on.
        seed: draws the tool among those that enough cases expect.
        tool: this one, whatever the seed; none: drawn.

    Raises:
        BadInput: no tool is expected by enough of the cases, or the given one is not.
    """
    expected = count_by_tool(cases)
    contracts = {contract.tool: contract for contract in agent.contracts}
    enough = [name for name in sorted(contracts) if expected.get(name, 0) >= TOOL_CASES]
    if not enough or tool not in ("", *enough):
        raise BadInput(
            f"a drill wanted a tool of {agent.label} that {TOOL_CASES} of {len(cases)} cases "
            f"expect; got {tool or 'any'}, there are {', '.join(enough) or 'none'}"
        )
    name = tool or _drawn(seed, "tool").choice(enough)
    changed, how = _in_other_unit(contracts[name]), "answers in another unit"
    if changed == contracts[name]:
        changed, how = _refusing(contracts[name]), "refuses every call"
    return _with_contracts(agent, [changed], f"{name} {how}"), f"{name} {how}"


def break_broadly(
    agent: AgentVersion, cases: Sequence[Case], seed: int, share: float = BROAD_SHARE
) -> tuple[AgentVersion, str]:
    """A copy of a version whose tools refuse calls about some records, and what is broken.

    Args:
        cases: that it will be run on.
        seed: draws the records.
        share: of the cases; as few records as will do are lost, in the order drawn.

    Raises:
        BadInput: too few cases expect a call that names a record.
    """
    named = {case.case_id: set(_records(case, agent)) for case in cases}
    drawn = sorted(set().union(*named.values()))
    _drawn(seed, "broad").shuffle(drawn)
    lost: list[tuple[str, str, str]] = []
    broken: set[str] = set()
    for record in drawn:
        if len(broken) >= share * len(cases):
            break
        if hit := {case_id for case_id, records in named.items() if record in records} - broken:
            broken |= hit
            lost.append(record)
    if len(broken) < share * len(cases):
        raise BadInput(
            f"a drill wanted to break {share:.0%} of {len(cases)} cases of {agent.label}, "
            f"{len(broken)} expect a call that names a record"
        )
    contracts = {contract.tool: contract for contract in agent.contracts}
    for tool, argument, value in lost:
        contracts[tool] = _without_record(contracts[tool], argument, value)
    tools = {tool for tool, _, _ in lost}
    what = f"{len(lost)} records are lost, which {len(broken)} of {len(cases)} cases need"
    return _with_contracts(agent, [contracts[tool] for tool in sorted(tools)], what), what


def row_of(plan: RunPlan, verdict: Verdict, environment: str, finished_at: str) -> DrillRow:
    """What a try came to; a first release or a broken integrity says nothing of the comparison."""
    assert plan.drill is not None, f"run {plan.run_id} tries no gate"
    failed = [criterion for criterion in verdict.criteria if criterion.ok is False]
    compared = [criterion for criterion in failed if criterion.kind in ("drop", "ratio")]
    fell = tuple(criterion.label for criterion in compared) or tuple(
        f"critical case {case_id}" for case_id in verdict.hard_breaks
    )
    blocked = verdict.outcome == "BLOCK"
    missing = len(verdict.missing) / max(1, len(verdict.missing) + verdict.scored)
    known = verdict.outcome in ("PASS", "PASS_AT_MAX", "BLOCK", "INCONCLUSIVE")
    return DrillRow(
        agent=verdict.arms["candidate"].agent,
        environment=environment,
        kind=plan.drill.kind,
        run_id=verdict.run_id,
        seed=verdict.seed,
        version=verdict.arms["baseline"].version,
        finished_at=finished_at,
        broken=plan.drill.broken,
        cases=verdict.cases,
        trials=verdict.trials,
        outcome=verdict.outcome,
        fell=fell if blocked else (),
        counts=known and missing <= verdict.policy.max_missing and not (failed and not compared),
        reason=verdict.reason,
        invocations=verdict.invocations,
        trial_usd=trial_usd(verdict),
    )


def trial_usd(verdict: Verdict) -> float | None:
    """What a trial cost on average, over both arms; None where no trial says."""
    told = [arm.cost_usd for arm in verdict.totals.values() if arm.cost_usd is not None]
    return sum(t.value for t in told) / sum(t.trials for t in told) if told else None


def next_seed(kind: DrillKind, tries: Sequence[DrillRow]) -> int:
    """A seed that no try of this kind had: the same noise twice is no second witness."""
    return 1 + max((row.seed for row in tries if row.kind == kind), default=0)


def sample(case_ids: Sequence[str], number: int, seed: int) -> tuple[str, ...]:
    """So many of the cases, in their order. Another seed draws others: all have their turn."""
    chosen = set(_drawn(seed, "cases").sample(sorted(case_ids), min(number, len(case_ids))))
    return tuple(case_id for case_id in case_ids if case_id in chosen)


def health(agent: str, environment: str, tries: Sequence[DrillRow], last: int = RUNS) -> Health:
    """What the latest tries say: how often an unchanged version is blocked, with its bounds.

    Args:
        tries: the latest first.
        last: how many of the A/A runs to look at.
    """
    runs = [row for row in tries if row.kind == "aa"][:last]
    counted = [row for row in runs if row.counts]
    blocked, number = sum(not row.passed for row in counted), len(counted)
    lower = intervals.share_lower(blocked, number) if number else None
    upper = intervals.share_upper(blocked, number) if number else None
    holds, high = upper is not None and upper <= ALLOWED, lower is not None and lower > ALLOWED
    latest = (
        next((row for row in tries if row.kind == kind), None) for kind in get_args(DrillKind)
    )
    return Health(
        agent=agent,
        environment=environment,
        aa_runs=number,
        left_out=len(runs) - number,
        false_blocks=blocked,
        rate=blocked / number if number else None,
        lower=lower,
        upper=upper,
        allowed=ALLOWED,
        standing="holds" if holds else "too high" if high else "too few to tell",
        wanted=_wanted(blocked, number),
        last=tuple(row for row in latest if row is not None),
    )


def _wanted(blocked: int, number: int) -> int:
    """How many more runs without a block it takes to show that the rate is allowed."""
    more = 0
    while not (number + more) or intervals.share_upper(blocked, number + more) > ALLOWED:
        more += 1
    return more


def _in_other_unit(contract: ToolContract) -> ToolContract:
    """Amounts in the major unit that were in the smallest one; the same contract if it has none.

    A schema that says integer must let them through, or the mock would be at fault and not the
    tool. What it says of their unit stays, as it does when nobody tells.
    """
    steps = [
        step.model_copy(update={"answer": _replaced(step.answer, "|minor}", "|major}")})
        if isinstance(step, Answer)
        else step
        for step in contract.behaviour
    ]
    if tuple(steps) == contract.behaviour:
        return contract
    return contract.model_copy(
        update={"behaviour": tuple(steps), "output_schema": _numbers(contract.output_schema)}
    )


def _refusing(contract: ToolContract) -> ToolContract:
    no = Refusal(error="UNAVAILABLE", message="The service is not available.")
    return _first(contract, Require(require=False, equals=True, otherwise=no))


def _without_record(contract: ToolContract, argument: str, value: str) -> ToolContract:
    no = Refusal(error=LOST, message="There is no such record.")
    return _first(
        contract, Require(require=f"{{args.{argument}}}", differs_from=value, otherwise=no)
    )


def _first(contract: ToolContract, step: Step) -> ToolContract:
    return contract.model_copy(update={"behaviour": (step, *contract.behaviour)})


def _with_contracts(
    agent: AgentVersion, changed: Sequence[ToolContract], what: str
) -> AgentVersion:
    by_tool = {contract.tool: contract for contract in agent.contracts}
    for contract in changed:
        number = _other(contract.version)
        by_tool[contract.tool] = contract.model_copy(update={"version": number})
    # Its version stays, which names the endpoint it is reached at; its digest is another.
    manifest = agent.manifest.model_copy(update={"description": f"A drill: {what}."})
    return registry.seal_agent(manifest, by_tool.values(), agent.prompts, agent.code_sha256)


def _other(version: str) -> str:
    """A version that nobody gives to what is released."""
    return "0.0.0" if version != "0.0.0" else "0.0.1"


def _records(case: Case, agent: AgentVersion) -> Iterator[tuple[str, str, str]]:
    """What the expected calls name: tool, required argument, and its one possible value."""
    from driftgate import mocks  # with the mock tools' engine, which only a drill has need of

    contracts: Mapping[str, ToolContract] = {c.tool: c for c in agent.contracts}
    for call in mocks.rehearse(case, agent):
        if call.planned is not None or call.broken is not None:
            continue  # what a case plans is answered without the contract's steps
        required: Any = contracts[call.tool].input_schema.get("required", [])
        matchers = case.expected_calls[call.index].arguments
        for name in required:
            matcher, value = matchers.get(name), call.arguments.get(name)
            exact = matcher is not None and matcher.match == "exact"
            if exact and isinstance(value, str) and "{" not in value:
                yield call.tool, name, value


def _replaced(template: Any, old: str, new: str) -> Any:
    match template:
        case str():
            return template.replace(old, new)
        case dict():
            return {name: _replaced(value, old, new) for name, value in template.items()}
        case list():
            return [_replaced(value, old, new) for value in template]
    return template


def _numbers(schema: Any) -> Any:
    """The schema with number wherever it says integer."""
    match schema:
        case {"type": "integer"}:
            return {**schema, "type": "number"}
        case dict():
            return {name: _numbers(value) for name, value in schema.items()}
        case list():
            return [_numbers(value) for value in schema]
    return schema


def _drawn(seed: int, what: str) -> random.Random:
    return random.Random(f"{seed}|{what}")  # noqa: S311  to be drawn again, not to be guessed


def record(row: DrillRow, stored: Registry) -> None:
    """Append a try of the gate. The same run again is the same row, with its later outcome."""
    key = f"{_rows_prefix(row.agent, row.environment)}{row.kind}/{row.run_id}"
    stored.replace(key, row.model_dump(mode="json"), expected=stored.row(key))


def recorded(agent: str, environment: str, stored: Registry) -> list[DrillRow]:
    """All tries of the gate with this agent, the latest first."""
    prefix = _rows_prefix(agent, environment)
    rows = [registry.read_row(DrillRow, f"{prefix}…", row) for row in stored.rows(prefix)]
    return sorted(rows, key=lambda row: (row.finished_at, row.seed), reverse=True)


def find(run_id: str, stored: Registry) -> DrillRow | None:
    """The try that this run was, if it was one."""
    keys = [key for key in stored.keys("drill/") if key.endswith(f"/{run_id}")]
    row = stored.row(keys[0]) if keys else None
    return registry.read_row(DrillRow, keys[0], row) if row else None


def _rows_prefix(agent: str, environment: str) -> str:
    return f"drill/{agent}/{environment}/"
