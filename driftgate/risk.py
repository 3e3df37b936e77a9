"""What is expected of a session of its kind, so that a change of traffic is no regression.

Some tasks are harder than others, and sampling is not even: a rare tool is judged more often than a
common one. A monitor therefore compares what failed with what is expected to fail among the
very sessions that were judged (risk adjustment: Steiner, Cook, Farewell and Treasure 2000,
Biostatistics 1:441-452).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from driftgate.sampling import Kind, strata_of
from driftgate.schemas.monitoring import Counts, LogLinear, RiskModel
from driftgate.schemas.sampling import ALL_CONVERSATIONS

WARM_UP = 500  # judged sessions from which a version has a model of its own
PRIOR_EVENTS = 2.0  # expected ones that each effect starts with: what is seldom seen is as all are
ROUNDS = 100
CONVERGED = 1e-6
MOST = 0.98  # of a probability


class Outcomes(NamedTuple):
    """What came of the sessions of one kind. Only those of the base sample count as judged."""

    judged: int = 0
    failed: int = 0
    sessions: int = 0
    flagged: int = 0
    negative: int = 0


def learn(version: str, history: Mapping[Kind, Outcomes]) -> RiskModel | None:
    """A model from the last 14 days of a version, windows of an alarm left out.

    None: too little was judged to have one; until then its predecessor's is used.
    """
    if sum(one.judged for one in history.values()) < WARM_UP:
        return None
    kinds = in_order(history)
    outcomes = [history[kind] for kind in kinds]
    sessions = [one.sessions for one in outcomes]
    return RiskModel(
        version=version,
        failed=_fit(kinds, [one.judged for one in outcomes], [one.failed for one in outcomes]),
        flagged=_fit(kinds, sessions, [one.flagged for one in outcomes]),
        negative=_fit(kinds, sessions, [one.negative for one in outcomes]),
    )


def _fit(kinds: Sequence[Kind], sessions: Sequence[int], events: Sequence[int]) -> LogLinear:
    """Effects with which each stratum's expected events are those that were seen.

    A Poisson regression with a gamma prior on each effect, by cyclic scaling: a tool that is used
    for one task type alone shares the blame with it, and neither is counted twice.
    """
    total = sum(sessions)
    rate = (sum(events) + 0.5) / (total + 1)
    members: dict[str, list[int]] = {}
    for index, kind in enumerate(kinds):
        for stratum in strata_of(*kind)[1:]:
            members.setdefault(stratum, []).append(index)
    effects = dict.fromkeys(sorted(members), 1.0)
    expected = [number * rate for number in sessions]
    for _ in range(ROUNDS):
        furthest = 0.0
        for stratum in effects:
            inside = members[stratum]
            seen = sum(events[index] for index in inside)
            before = effects[stratum]
            of_others = sum(expected[index] for index in inside) / before
            now = (seen + PRIOR_EVENTS) / (of_others + PRIOR_EVENTS)
            for index in inside:
                expected[index] *= now / before
            effects[stratum] = now
            furthest = max(furthest, abs(math.log(now / before)))
        if furthest < CONVERGED:
            break
    return LogLinear(sessions=total, rate=rate, effects=effects)


def in_order(kinds: Iterable[Kind]) -> list[Kind]:
    """One order, so that sums are equal to the bit in whichever order sessions came."""
    return sorted(kinds, key=lambda kind: (kind[0], sorted(kind[1])))


def expected(model: LogLinear, kind: Kind) -> float:
    """The probability for one session; a stratum that is new has no effect."""
    strata = strata_of(*kind)[1:]
    return min(MOST, model.rate * math.prod(model.effects.get(one, 1.0) for one in strata))


def tally(sessions: Mapping[Kind, Outcomes], model: RiskModel) -> dict[str, Counts]:
    """Counts by stratum, with what the model expects of just these sessions."""
    counts = {ALL_CONVERSATIONS: Counts()}
    for kind in in_order(sessions):
        seen = sessions[kind]
        more = Counts(
            judged=seen.judged,
            failed=seen.failed,
            expected_failed=seen.judged * expected(model.failed, kind),
            sessions=seen.sessions,
            flagged=seen.flagged,
            expected_flagged=seen.sessions * expected(model.flagged, kind),
            negative=seen.negative,
            expected_negative=seen.sessions * expected(model.negative, kind),
        )
        for stratum in strata_of(*kind):
            counts[stratum] = counts.get(stratum, Counts()) + more
    return counts
