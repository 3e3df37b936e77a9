"""Which production sessions are judged, and what they say of those that are not.

A session's place in [0, 1) is a hash of its id, so every retry decides alike. It is judged if its
place is below its probability, which follows from earlier windows and its own kind alone: its
inverse is the session's weight, whatever happened in between.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from driftgate import intervals
from driftgate.schemas.sampling import (
    ALL_CONVERSATIONS,
    Coverage,
    Quality,
    Rates,
    Sampled,
    SamplingPolicy,
    StratumRate,
    Why,
)

NEGATIVE = "negative feedback"
MOST_STRATA = 100  # task types, and as many tools, with a rate of their own: the busiest
FORGOTTEN = 0.01  # sessions an hour below which a stratum counts as unseen
PACE = 2.0  # times the even pace at which a day's budget may be spent: traffic has busy hours

Kind = tuple[str, frozenset[str]]  # of a session: its task type and its tools


class Traffic(NamedTuple):
    """All sessions of one closed window."""

    window: int
    period_s: float
    kinds: Mapping[Kind, int]
    negative: int = 0

    @property
    def sessions(self) -> int:
        return sum(self.kinds.values())


class Spending(NamedTuple):
    """How far a day's budget has gone."""

    judgments: int
    left_s: float  # until the day ends


class Drawn(NamedTuple):
    """One session that was to be judged."""

    score: float | None  # in [0, 1]; None: there is no judgment, and that says nothing
    probability: float  # that it was drawn, in (0, 1]


def strata_of(task_type: str, tools: Iterable[str]) -> tuple[str, ...]:
    return (ALL_CONVERSATIONS, of_type(task_type), *(of_tool(tool) for tool in sorted(set(tools))))


def of_type(task_type: str) -> str:
    return f"task type {task_type}"


def of_tool(tool: str) -> str:
    return f"tool {tool}"


def place(session_id: str, salt: str) -> float:
    digest = hashlib.sha256(f"{salt}\n{session_id}".encode(errors="surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53  # below 1, also when rounded


def first_rates(agent: str, policy: SamplingPolicy) -> Rates:
    """Before any window: every task type is new, and so below its floor."""
    return Rates(agent=agent, base=policy.base, unseen=_of_unseen(policy, types=0))


def _of_unseen(policy: SamplingPolicy, types: int) -> float:
    return 1.0 if policy.floor_per_hour and types < MOST_STRATA else policy.base


def probability(kind: Kind, rates: Rates) -> float:
    """How likely a session of this kind is to be in the base sample, feedback apart."""
    wanted = [rates.base, *(rate for rate, _ in _raised(kind, rates))]
    return rates.budget * min(max(wanted), _cap(kind, rates))


def decide(
    session_id: str, kind: Kind, rates: Rates, salt: str, *, negative: bool = False
) -> Sampled:
    """Whether a session is judged. Feedback that is known now or told later comes to the same."""
    drawn = place(session_id, salt)
    chance = probability(kind, rates)
    most = _cap(kind, rates)
    reasons = [
        reason
        for rate, reason in ((rates.base, "base"), *_raised(kind, rates))
        if drawn < rates.budget * min(rate, most)
    ]
    sampled = Sampled(
        judged=drawn < chance, probability=chance, base=drawn < chance, reasons=tuple(reasons)
    )
    return upgrade(sampled, session_id, rates, salt) if negative else sampled


def upgrade(sampled: Sampled, session_id: str, rates: Rates, salt: str) -> Sampled:
    """The same session once explicit negative feedback has come. A second time changes nothing."""
    if sampled.negative:
        return sampled
    judged = place(session_id, salt) < rates.feedback
    return Sampled(
        judged=sampled.judged or judged,
        probability=max(sampled.probability, rates.feedback),
        base=sampled.base,
        negative=True,
        reasons=(*sampled.reasons, NEGATIVE) if judged else sampled.reasons,
    )


def _raised(kind: Kind, rates: Rates) -> list[tuple[float, str]]:
    """The rates above the base that a session's strata have, each with its reason."""
    raised = []
    if of_type(kind[0]) not in rates.strata:
        raised.append((rates.unseen, f"new: {of_type(kind[0])}"))
    for stratum in strata_of(*kind):
        found = rates.strata.get(stratum)
        if found is not None and found.why is not None:
            raised.append((found.rate, f"{found.why}: {stratum}"))
    return raised


def _cap(kind: Kind, rates: Rates) -> float:
    caps = [found.cap for stratum in strata_of(*kind) if (found := rates.strata.get(stratum))]
    return min(caps, default=1.0)


def renew(
    rates: Rates,
    policy: SamplingPolicy,
    traffic: Traffic,
    ratios: Mapping[str, float],
    spending: Spending,
) -> Rates:
    """The rates for the next window, from one that has closed.

    Args:
        rates: those until now. A window that is not newer than theirs changes nothing.
        traffic: what came, judged or not.
        ratios: how near each stratum is to an alarm, see `monitor.read`.
        spending: of today. A rate is lowered before the day's budget is gone, and a note says so.
    """
    if rates.window is not None and traffic.window <= rates.window:
        return rates
    per_hour = _per_hour(rates, traffic)
    until = _anomalous(rates, policy, traffic, ratios)
    strata = {
        stratum: _stratum_rate(stratum, per_hour.get(stratum), until.get(stratum), policy)
        for stratum in _kept(per_hour, until, policy)
    }
    types = sum(stratum.startswith(of_type("")) for stratum in strata)
    wanted = Rates(
        agent=rates.agent,
        window=traffic.window,
        base=policy.base,
        unseen=_of_unseen(policy, types),
        strata=strata,
        negative_per_hour=_smoothed(
            rates.negative_per_hour if rates.window is not None else None, traffic.negative, traffic
        ),
    )
    budget, feedback = _within_budget(wanted, policy, traffic, spending)
    lowered = wanted.model_copy(update={"budget": budget, "feedback": feedback})
    return lowered.model_copy(update={"notes": tuple(_notes(lowered, policy))})


def _per_hour(rates: Rates, traffic: Traffic) -> dict[str, float]:
    """Each stratum's traffic, old windows forgotten with a time constant of an hour."""
    before = {s: rate.per_hour for s, rate in rates.strata.items() if rate.per_hour is not None}
    counts = dict.fromkeys(before, 0)
    for kind, number in traffic.kinds.items():
        for stratum in strata_of(*kind) if number else ():
            counts[stratum] = counts.get(stratum, 0) + number
    return {
        stratum: _smoothed(before.get(stratum), number, traffic)
        for stratum, number in counts.items()
    }


def _smoothed(before: float | None, number: int, traffic: Traffic) -> float:
    now = number * 3600 / traffic.period_s
    return now if before is None else before + min(1.0, traffic.period_s / 3600) * (now - before)


def _anomalous(
    rates: Rates, policy: SamplingPolicy, traffic: Traffic, ratios: Mapping[str, float]
) -> dict[str, int]:
    """The strata that look as if they had fallen, or lately did, and until which window."""
    until = {
        stratum: rate.until
        for stratum, rate in rates.strata.items()
        if rate.until is not None and rate.until > traffic.window
    }
    hold = math.ceil(policy.anomalous_hours * 3600 / traffic.period_s)
    now = {s: traffic.window + hold for s, r in ratios.items() if r >= policy.anomalous_from}
    return until | now


def _kept(
    per_hour: Mapping[str, float], until: Iterable[str], policy: SamplingPolicy
) -> Iterable[str]:
    """The strata with a rate of their own. Types that an agent makes up by the hundred have none:
    each of them would be below its floor, and all would be judged.
    """
    kept = [ALL_CONVERSATIONS]
    for prefix in (of_type(""), of_tool("")):
        alive = {s: n for s, n in per_hour.items() if s.startswith(prefix) and n >= FORGOTTEN}
        kept += sorted(alive, key=lambda stratum: (-alive[stratum], stratum))[:MOST_STRATA]
    return dict.fromkeys((*kept, *map(of_tool, policy.critical_tools), *sorted(until)))


def _stratum_rate(
    stratum: str, per_hour: float | None, until: int | None, policy: SamplingPolicy
) -> StratumRate:
    has_floor = stratum.startswith(of_type("")) or stratum in map(of_tool, policy.critical_tools)
    raised: dict[Why, float] = {
        "anomalous": 0.0 if until is None else policy.anomalous,
        "floor": _at_most_one(policy.floor_per_hour, per_hour) if has_floor else 0.0,
    }
    why = max(raised, key=lambda name: raised[name])
    capped = stratum != ALL_CONVERSATIONS and per_hour is not None
    return StratumRate(
        rate=max(policy.base, raised[why]),
        why=why if raised[why] > policy.base else None,
        cap=_at_most_one(policy.ceiling_per_hour, per_hour) if capped else 1,
        per_hour=per_hour,
        until=until,
    )


def _at_most_one(wanted: float, per_hour: float | None) -> float:
    return 1.0 if per_hour is None or per_hour <= wanted else wanted / per_hour


def _within_budget(
    rates: Rates, policy: SamplingPolicy, traffic: Traffic, spending: Spending
) -> tuple[float, float]:
    """What all rates, and what feedback, must be multiplied with.

    At each moment twice the even pace of what is left may be spent, so something is left until the
    day ends. Where that is too little for all, feedback has at least half of it.
    """
    if policy.judgments_per_day is None:
        return 1.0, 1.0
    left = max(0, policy.judgments_per_day - spending.judgments)
    allowed = PACE * left / max(spending.left_s / 3600, traffic.period_s / 3600)
    wanted = _base_per_hour(rates, traffic)
    negative = rates.negative_per_hour
    if wanted + negative <= allowed:
        return 1.0, 1.0
    for_feedback = min(negative, max(allowed / 2, allowed - wanted))
    feedback = for_feedback / negative if negative else float(allowed > 0)
    return min(1.0, (allowed - for_feedback) / wanted) if wanted else 1.0, feedback


def _base_per_hour(rates: Rates, traffic: Traffic) -> float:
    """The judgments an hour that the base sample would take of traffic like the last."""
    per_hour = rates.strata[ALL_CONVERSATIONS].per_hour or 0.0
    drawn = math.fsum(number * probability(kind, rates) for kind, number in traffic.kinds.items())
    return per_hour * drawn / traffic.sessions if traffic.sessions else per_hour * rates.base


def _notes(rates: Rates, policy: SamplingPolicy) -> Iterable[str]:
    for stratum, found in rates.strata.items():
        if found.cap < found.rate:
            yield (
                f"{stratum}: {found.cap:.1%} instead of {found.rate:.1%} is judged, "
                f"for the ceiling of {policy.ceiling_per_hour:g} an hour"
            )
    limit = f"for the limit of {policy.judgments_per_day} judgments a day"
    if rates.budget < 1:
        yield f"all rates are {rates.budget:.1%} of what is wanted, {limit}"
    if rates.feedback < 1:
        yield f"{rates.feedback:.1%} of negative feedback is judged, {limit}"


def estimate(drawn: Iterable[Drawn]) -> Quality | None:
    """The mean over all conversations, from those that were drawn: each weighs 1 / probability.

    Sessions that were certain to be judged add nothing to the error. The interval is Wilson's, with
    as many sessions as would give the same error if all weighed the same: by what was found, and at
    most by the weights alone, or a day on which few happened to fail would look like proof.

    Returns:
        None where no session was judged: that is not 0.

    Raises:
        ValueError: a probability that is not in (0, 1], or a score that is not in [0, 1].

    Source:
        Hajek 1971; Särndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, 5.7 (ratio
        estimator, linearised) under Poisson sampling.
    """
    every = list(drawn)
    for one in every:
        if not 0 < one.probability <= 1 or not (one.score is None or 0 <= one.score <= 1):
            raise ValueError(f"wanted a probability in (0, 1] and a score in [0, 1], got {one}")
    judged = [(one.score, 1 / one.probability) for one in every if one.score is not None]
    if not judged:
        return None
    total = math.fsum(weight for _, weight in judged)
    mean = min(1.0, math.fsum(weight * score for score, weight in judged) / total)
    lower, upper = _interval(mean, total, judged)
    return Quality(
        mean=mean, lower=lower, upper=upper, judged=len(judged), missing=len(every) - len(judged)
    )


def _interval(mean: float, total: float, judged: list[tuple[float, float]]) -> tuple[float, float]:
    # (1 - p) / p**2, with weight 1 / p
    by_weights = math.fsum(weight * (weight - 1) for _, weight in judged)
    if not by_weights:
        return mean, mean
    errors = math.fsum(weight * (weight - 1) * (score - mean) ** 2 for score, weight in judged)
    spread = mean * (1 - mean)
    found = errors / spread if spread else 0.0
    return intervals.wilson(mean, max(1.0, total**2 / max(by_weights, found)))


def coverage(sessions: Iterable[Sampled]) -> Coverage:
    """What share of conversations, and of those with negative feedback, is judged."""
    every = list(sessions)
    negative = [one for one in every if one.negative]
    return Coverage(conversations=_share(every), negative_feedback=_share(negative))


def _share(sessions: list[Sampled]) -> float | None:
    return sum(one.judged for one in sessions) / len(sessions) if sessions else None
