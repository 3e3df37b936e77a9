"""Simulated production traffic of an agent: what is sampled, what monitors make of it.

Many agents at once, window by window, as arrays. Models and thresholds are learned from an agent's
own 14 days by the product (`risk.learn`, `thresholds.levels_at`); the arithmetic of sampling and of
the CUSUMs is repeated here for arrays, and `bench.online` holds it to `sampling.renew`,
`sampling.probability` and `monitor.update` on random inputs.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftgate import monitor, risk, sampling, thresholds
from driftgate.schemas.monitoring import RiskModel, Thresholds
from driftgate.schemas.sampling import ALL_CONVERSATIONS, SamplingPolicy

SEED = 8  # chosen before the first run; the number of the issue, no other was tried
PERIOD_S = 300
PER_DAY = 86400 // PERIOD_S
HISTORY_DAYS = 14
WATERMARK = monitor.WATERMARK_S // PERIOD_S  # windows until one is published, and its rates hold
BURN_IN = PER_DAY // 2
GIVE_UP_DAYS = 10

TYPES = {f"type {100 * share:g} %": share for share in (0.30, 0.22, 0.18, 0.14, 0.10, 0.06)}
TOOL_SHARES = (0.20, 0.15, 0.12, 0.10, 0.09, 0.08, 0.07, 0.06, 0.05, 0.03, 0.03, 0.02)
TOOLS = [f"tool {number}" for number in range(len(TOOL_SHARES))]
FAILS = (0.05, 0.06, 0.07, 0.08, 0.09, 0.10)  # by type
# The shares of conversations that are flagged by a proxy, and with negative feedback: of those that
# succeeded, and of those that failed.
FLAGGED, NEGATIVE = (0.05, 0.45), (0.005, 0.13)
BUSY = 0.7  # an hour has 0.3 to 1.7 times the mean traffic

SHAPE = (len(TYPES), len(TOOLS))
STRATA = [
    ALL_CONVERSATIONS,
    *map(sampling.of_type, TYPES),
    *map(sampling.of_tool, TOOLS),
]
KINDS = [(name, frozenset([tool])) for name in TYPES for tool in TOOLS]
CUMULATED = np.cumsum(np.outer(list(TYPES.values()), TOOL_SHARES).ravel())

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Change(NamedTuple):
    """What becomes worse: a part of the conversations, by so much, and if the proxies see it."""

    part: str = ""  # a task type or a tool
    drop: float = 0.0
    visible: bool = True

    def fails(self) -> Floats:
        fails = usual_fails()
        if self.part in TYPES:
            fails[list(TYPES).index(self.part)] += self.drop
        elif self.part:
            fails[:, TOOLS.index(self.part)] += self.drop
        return fails


NO_CHANGE = Change()


class Sessions(NamedTuple):
    """One value for each session of a window."""

    cell: Wholes  # its agent's number and its kind
    failed: Flags
    flagged: Flags
    negative: Flags
    judged: Flags  # in the base sample
    chance: Floats  # to be in it


class Seen(NamedTuple):
    """Sessions of one window, each (chains, types, tools)."""

    sessions: Floats
    judged: Floats
    failed: Floats
    flagged: Floats
    negative: Floats
    judged_in_all: Wholes  # (chains,), those with negative feedback among them


def usual_fails() -> Floats:
    return np.repeat(np.array(FAILS)[:, None], len(TOOLS), axis=1)


class Sampler:
    """`sampling.renew` and `sampling.probability` without a budget, for many agents at once."""

    def __init__(self, policy: SamplingPolicy, chains: int) -> None:
        self._policy = policy
        self._per_hour = np.full((chains, len(STRATA)), np.nan)
        self._until = np.full((chains, len(STRATA)), -1)
        floors = [stratum in map(sampling.of_type, TYPES) for stratum in STRATA]
        critical = list(map(sampling.of_tool, policy.critical_tools))
        self._floors = np.array(floors) | np.isin(STRATA, critical)
        self._kept = np.isin(STRATA, [ALL_CONVERSATIONS, *critical])
        self._hold = math.ceil(policy.anomalous_hours * 3600 / PERIOD_S)

    def renew(self, window: int, sessions: Floats, ratios: Floats) -> None:
        now = sessions * 3600 / PERIOD_S
        smoothed = self._per_hour + PERIOD_S / 3600 * (now - self._per_hour)
        seen = np.where(now > 0, now, np.nan)
        self._per_hour = np.where(np.isnan(self._per_hour), seen, smoothed)
        near = ratios >= self._policy.anomalous_from
        self._until = np.where(near, window + self._hold, self._until)
        self._until[self._until <= window] = -1
        forgotten = (self._per_hour < sampling.FORGOTTEN) & ~self._kept & (self._until < 0)
        self._per_hour[forgotten] = np.nan

    def probabilities(self) -> Floats:
        """(chains, types, tools)"""
        policy, per_hour = self._policy, self._per_hour
        with np.errstate(invalid="ignore", divide="ignore"):
            floor = np.where(per_hour > policy.floor_per_hour, policy.floor_per_hour / per_hour, 1)
            cap = np.where(
                per_hour > policy.ceiling_per_hour, policy.ceiling_per_hour / per_hour, 1
            )
        unfloored = ~self._floors | (policy.floor_per_hour == 0)
        rate = np.where(unfloored, policy.base, np.maximum(policy.base, floor))
        rate = np.where(self._until >= 0, np.maximum(rate, policy.anomalous), rate)
        cap[:, 0] = 1
        types = slice(1, 1 + len(TYPES))
        rest = slice(1 + len(TYPES), None)
        wanted = np.maximum(
            np.maximum(rate[:, types, None], rate[:, None, rest]), rate[:, :1, None]
        )
        return np.minimum(wanted, np.minimum(cap[:, types, None], cap[:, None, rest]))


class Fleet:
    """Many copies of an agent in production, each at its own time of day."""

    def __init__(
        self, volume: int, policy: SamplingPolicy, chains: int, random: np.random.Generator
    ) -> None:
        self.chains, self._volume, self._random = chains, volume, random
        self._hours = random.integers(0, PER_DAY, chains)
        self._sampler = Sampler(policy, chains)
        self._rates = deque([self._sampler.probabilities()] * (WATERMARK + 1))
        self._window = 0

    def sessions(self, change: Change) -> Sessions:
        """Those of the next window, under the rates that hold by then."""
        random, chances = self._random, self._rates.popleft()
        busy = 1 + BUSY * np.sin(2 * np.pi * (self._hours + self._window) / PER_DAY)
        numbers = random.poisson(self._volume / PER_DAY * busy)
        kind = np.searchsorted(CUMULATED[:-1], random.random(numbers.sum()), side="right")
        cell = np.repeat(np.arange(self.chains), numbers) * len(KINDS) + kind
        fails = change.fails().ravel()[kind]
        failed = random.random(len(kind)) < fails
        shown = failed
        if not change.visible:  # as many are shown as before, though more fail
            shown = failed & (random.random(len(kind)) * fails < usual_fails().ravel()[kind])
        flagged = random.random(len(kind)) < np.where(shown, FLAGGED[1], FLAGGED[0])
        negative = random.random(len(kind)) < np.where(shown, NEGATIVE[1], NEGATIVE[0])
        chance = chances.ravel()[cell]
        judged = random.random(len(kind)) < chance
        return Sessions(cell, failed, flagged, negative, judged, chance)

    def window(self, change: Change) -> Seen:
        one = self.sessions(change)
        of_chain = one.cell[one.judged | one.negative] // len(KINDS)
        in_all = np.bincount(of_chain, minlength=self.chains)
        masks = (..., one.judged, one.judged & one.failed, one.flagged, one.negative)
        sessions, judged, failed, flagged, negative = (self.count(one.cell[mask]) for mask in masks)
        return Seen(sessions, judged, failed, flagged, negative, in_all)

    def renew(self, seen: Seen, ratios: Floats) -> None:
        self._sampler.renew(self._window, by_stratum(seen.sessions), ratios)
        self._rates.append(self._sampler.probabilities())
        self._window += 1

    def hold(self) -> None:
        """Leave the rates as they are."""
        self._rates.append(self._rates[-1])
        self._window += 1

    def count(self, cells: Wholes) -> Floats:
        counts = np.bincount(cells, minlength=self.chains * len(KINDS))
        return counts.reshape(self.chains, *SHAPE).astype(np.float64)


def by_stratum(cells: Floats) -> Floats:
    """(…, types, tools) to (…, strata)"""
    every = cells.sum(axis=(-2, -1))[..., None]
    return np.concatenate([every, cells.sum(axis=-1), cells.sum(axis=-2)], axis=-1)


class Model(NamedTuple):
    """What each agent expects of each kind: (agents, types, tools)."""

    failed: Floats
    flagged: Floats
    negative: Floats

    def of(self, agents: Wholes) -> "Model":
        return Model(self.failed[agents], self.flagged[agents], self.negative[agents])


def counted(seen: Seen, model: Model) -> Floats:
    """`risk.tally` for arrays: (…, strata, `thresholds.COUNTS`)"""
    counts = {
        "judged": seen.judged,
        "failed": seen.failed,
        "expected_failed": seen.judged * model.failed,
        "sessions": seen.sessions,
        "flagged": seen.flagged,
        "expected_flagged": seen.sessions * model.flagged,
        "negative": seen.negative,
        "expected_negative": seen.sessions * model.negative,
    }
    return np.stack([by_stratum(counts[name]) for name in thresholds.COUNTS], axis=-1)


def increments(seen: Seen, model: Model) -> Floats:
    return thresholds.evidence(counted(seen, model))


def step(level: Floats, added: Floats) -> Floats:
    """`monitor.update` for arrays."""
    return np.clip(level + added, 0, monitor.MOST_LEVEL)


class Agents(NamedTuple):
    """What some agents have learned from two weeks in which all was well."""

    model: Model
    thresholds: Floats  # (agents, detectors)


def learn(
    volume: int,
    policy: SamplingPolicy,
    agents: int,
    random: np.random.Generator,
) -> Agents:
    """Two weeks of each agent's own traffic, then the product's model and thresholds.

    Thresholds decide what looks anomalous, and so how much is judged. The two weeks are therefore
    those after two others, whose thresholds they had, where that makes a difference.
    """
    levels = np.tile([Thresholds().levels[name] for name in thresholds.DETECTORS], (agents, 1))
    learned = Agents(true_model(agents), levels)
    for _ in range(2 if policy.anomalous > policy.base else 1):
        history = history_of(volume, policy, learned, random)
        model = expected([learned_by(history, agent) for agent in range(agents)])
        counts = counted(history, model)
        seeds = random.integers(2**31, size=agents)
        found = [
            thresholds.quality_levels(counts[:, agent], PERIOD_S, int(seed))
            for agent, seed in enumerate(seeds)
        ]
        learned = Agents(model, np.array(found))
    return learned


def history_of(
    volume: int, policy: SamplingPolicy, agents: Agents, random: np.random.Generator
) -> Seen:
    """Two weeks in which nothing happens: (windows, agents, types, tools)"""
    fleet = Fleet(volume, policy, len(agents.thresholds), random)
    level = np.zeros((fleet.chains, len(STRATA), len(thresholds.DETECTORS)))
    windows = []
    for _ in range(HISTORY_DAYS * PER_DAY):
        seen = fleet.window(NO_CHANGE)
        level = step(level, increments(seen, agents.model))
        ratios = (level / agents.thresholds[:, None, :]).max(axis=-1)
        fleet.renew(seen, ratios)
        level[ratios >= 1] = 0
        windows.append(seen)
    return Seen(*(np.stack(one) for one in zip(*windows, strict=True)))


def true_model(agents: int) -> Model:
    fails = usual_fails()
    both = (fails, *(low + (high - low) * fails for low, high in (FLAGGED, NEGATIVE)))
    return Model(*(np.broadcast_to(one, (agents, *SHAPE)) for one in both))


def learned_by(history: Seen, agent: int) -> RiskModel:
    """What `risk.learn` makes of one agent's counts."""
    totals = np.stack([one[:, agent].sum(axis=0).ravel() for one in history[:5]], axis=-1)
    seen = {
        kind: risk.Outcomes(
            sessions=int(sessions),
            judged=int(judged),
            failed=int(failed),
            flagged=int(flagged),
            negative=int(negative),
        )
        for kind, (sessions, judged, failed, flagged, negative) in zip(KINDS, totals, strict=True)
    }
    learned = risk.learn("1.0.0", seen)
    assert learned is not None  # 14 days have 500 judged sessions
    return learned


def expected(models: Sequence[RiskModel]) -> Model:
    parts = [(one.failed, one.flagged, one.negative) for one in models]
    by_kind = [[[risk.expected(part, kind) for kind in KINDS] for part in one] for one in parts]
    return Model(*np.array(by_kind).reshape(len(models), 3, *SHAPE).swapaxes(0, 1))


class Quiet(NamedTuple):
    """Months in which nothing happened, of several agents."""

    alarms: Floats  # in 30 days, by agent
    judged: float  # share of conversations


def quiet(
    volume: int,
    policy: SamplingPolicy,
    agents: Agents,
    each: int,
    random: np.random.Generator,
    days: int = 30,
) -> Quiet:
    """Count the alarms of each agent over `each` copies. An alarm is acknowledged at once."""
    number = len(agents.thresholds)
    of = np.repeat(np.arange(number), each)
    model, limits = agents.model.of(of), agents.thresholds[of][:, None, :]
    fleet = Fleet(volume, policy, len(of), random)
    level = np.zeros((len(of), len(STRATA), len(thresholds.DETECTORS)))
    alarms, judged, sessions = np.zeros(len(of)), 0.0, 0.0
    for window in range(BURN_IN + days * PER_DAY):
        seen = fleet.window(NO_CHANGE)
        level = step(level, increments(seen, model))
        ratios = (level / limits).max(axis=-1)
        fleet.renew(seen, ratios)
        level[ratios >= 1] = 0
        if window >= BURN_IN:
            alarms += (ratios >= 1).sum(axis=-1)
            judged += seen.judged_in_all.sum()
            sessions += seen.sessions.sum()
    return Quiet(alarms.reshape(number, each).mean(axis=1) * 30 / days, judged / sessions)


class Delays(NamedTuple):
    hours: Floats  # from the change to the alarm, by copy; GIVE_UP_DAYS where there was none
    judged_before: float  # share of conversations, before the change


def detect(
    volume: int,
    policy: SamplingPolicy,
    agents: Agents,
    each: int,
    change: Change,
    random: np.random.Generator,
) -> Delays:
    """Hours from a change to the first alarm of any monitor; the window's watermark is in them."""
    of = np.repeat(np.arange(len(agents.thresholds)), each)
    model, limits = agents.model.of(of), agents.thresholds[of][:, None, :]
    fleet = Fleet(volume, policy, len(of), random)
    level = np.zeros((len(of), len(STRATA), len(thresholds.DETECTORS)))
    hours = np.full(len(of), GIVE_UP_DAYS * 24.0)
    judged, sessions = 0.0, 0.0
    for window in range(BURN_IN + GIVE_UP_DAYS * PER_DAY):
        begun = window >= BURN_IN
        seen = fleet.window(change if begun else NO_CHANGE)
        level = step(level, increments(seen, model))
        ratios = (level / limits).max(axis=-1)
        fleet.renew(seen, ratios)
        if not begun:
            level[ratios >= 1] = 0
            judged += seen.judged_in_all.sum()
            sessions += seen.sessions.sum()
            continue
        at = ((window - BURN_IN + 1) * PERIOD_S + monitor.WATERMARK_S) / 3600
        hours = np.where((ratios >= 1).any(axis=-1), np.minimum(hours, at), hours)
        if (hours <= at).all():
            break
    return Delays(hours, judged / sessions)
