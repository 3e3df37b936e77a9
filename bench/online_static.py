"""What most dashboards do: an alarm when the share that failed in an hour is above a fixed value.

One value for all strata with at least five judged conversations in the hour, at uniform 10 % and
10,000 conversations a day, chosen so that it gives one false alarm in 30 days over all strata.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from bench.online_simulation import (
    GIVE_UP_DAYS,
    NO_CHANGE,
    PERIOD_S,
    SEED,
    STRATA,
    Change,
    Fleet,
    Floats,
    by_stratum,
)
from driftgate import monitor
from driftgate.schemas.sampling import SamplingPolicy

VOLUME, POLICY = 10_000, SamplingPolicy(floor_per_hour=0, anomalous=0.1)
LEAST_JUDGED, HOUR = 5, 3600 // PERIOD_S
MONTHS, BURN_IN_HOURS = 60, 1


def find(changes: Mapping[str, Change], copies: int) -> dict[str, list[float]]:
    """Hours from each change to the alarm, of `copies` times sixteen."""
    random = np.random.Generator(np.random.PCG64([SEED, 2]))
    quiet = Fleet(VOLUME, POLICY, MONTHS, random)
    shares = [hour for _, hour in zip(range(30 * 24), hours(quiet, NO_CHANGE), strict=False)]
    limit = float(np.sort(np.stack(shares).ravel())[::-1][MONTHS])
    return {name: _delays(change, limit, 16 * copies, random) for name, change in changes.items()}


def hours(fleet: Fleet, change: Change) -> Iterator[Floats]:
    """The share that failed, (agents, strata); 0 where too few were judged."""
    while True:
        judged = failed = np.zeros((fleet.chains, len(STRATA)))
        for _ in range(HOUR):
            seen = fleet.window(change)
            fleet.hold()
            judged, failed = judged + by_stratum(seen.judged), failed + by_stratum(seen.failed)
        yield np.where(judged >= LEAST_JUDGED, failed / np.maximum(judged, 1), 0.0)


def _delays(change: Change, limit: float, chains: int, random: np.random.Generator) -> list[float]:
    """The hour in which it changes is whole, as hours begin when the change does."""
    found = np.full(chains, GIVE_UP_DAYS * 24.0)
    fleet = Fleet(VOLUME, POLICY, chains, random)
    for _ in range(BURN_IN_HOURS):
        next(hours(fleet, NO_CHANGE))
    for hour, shares in zip(range(GIVE_UP_DAYS * 24), hours(fleet, change), strict=False):
        at = hour + 1 + monitor.WATERMARK_S / 3600
        found = np.where((shares > limit).any(axis=-1), np.minimum(found, at), found)
        if (found <= at).all():
            break
    return [float(one) for one in found]
