"""What a dataset covers, and what it lacks."""

from typing import Literal

from pydantic import JsonValue

from driftgate.schemas.cases import AttackKind, Criterion
from driftgate.schemas.record import CaseId, Effect, Record, Sha256


class ArgumentCoverage(Record):
    """How the cases that expect a tool give one of its arguments a matcher."""

    argument: str
    cases: int  # that give it one; the others don't look at it
    values: int  # different matchers
    lowest: int | float | str | None  # of the numbers expected; where there are none, of the dates
    highest: int | float | str | None
    unexpected: tuple[JsonValue, ...]  # values of the contract's enum that no case expects


class ArgumentPattern(Record):
    """Arguments that an expected call gives matchers together."""

    arguments: tuple[str, ...]
    cases: int


class ToolCoverage(Record):
    """How the cases expect a tool. Each number but `enough` counts cases."""

    tool: str
    effect: Effect
    critical: bool | None  # by the agent's contract; None: not known
    enough: int
    cases: int  # that expect it, alternatives and optional calls included
    critical_cases: int
    required: int  # it must be called, not may
    first_call: int
    after_error: int  # a mock breaks a call before it, or its own, and it may be called again
    later_turn: int  # not the first
    patterns: tuple[ArgumentPattern, ...]
    arguments: tuple[ArgumentCoverage, ...]


class Combination(Record):
    """Tools that are expected in one case. Those of alternatives are not expected together."""

    tools: tuple[str, ...]
    cases: int
    critical_cases: int


class Shortfall(Record):
    """A tool with fewer cases than are wanted."""

    tool: str
    cases: int
    wanted: int
    kind: Literal["too few", "few"]  # fewer than any tool needs; enough, but to see small drops


class AttackCoverage(Record):
    """Attacks that are alike. Each number counts cases."""

    kind: AttackKind
    criterion: Criterion
    strategy: str  # its name, without its seed; empty: by hand
    cases: int
    forbidden: int  # with calls that would be harm
    canaries: int  # with secrets that must not be told
    useful: int  # whose user should get something all the same: calls or outputs are expected


class Coverage(Record):
    """What a dataset covers, counted in cases, and what it lacks."""

    dataset: str
    sha256: Sha256
    agent: str | None  # whose contracts were looked at
    cases: int
    critical_cases: int
    by_task_type: dict[str, int]
    by_difficulty: dict[str, int]
    by_locale: dict[str, int]  # "": cases that do not say
    attacks: tuple[AttackCoverage, ...] = ()
    several_turns: int
    after_error: int  # a mock breaks a call
    nothing_to_call: int  # and none is expected
    tools: tuple[ToolCoverage, ...]  # of the dataset and of the agent
    combinations: tuple[Combination, ...]
    shortfalls: tuple[Shortfall, ...]
    never_expected: tuple[str, ...]  # tools of the agent's contracts that no case expects
    near_duplicates: tuple[tuple[CaseId, ...], ...]
