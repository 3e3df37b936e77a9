"""How many trials to run at a time: as few as meet the target, and no more than the account can."""

from collections.abc import Sequence

from driftgate.schemas.capacity import Capacity, Quotas

TAIL = 3  # times the mean that the slowest of a look's trials takes, while others have ended
TARGET_S = 600  # of the trials; a gate has a quarter of an hour for everything
MAP_LIMIT = 1000  # children that a distributed map starts at a time, as far as we ask


def choose(
    looks: Sequence[int], seconds: float, quotas: Quotas, target_s: float = TARGET_S
) -> Capacity:
    """The least concurrency with which all looks are through within the target.

    Args:
        looks: how many trials each look adds, all arms and cases together.
        seconds: that a trial takes on average.
    """
    limits = {
        "the quota of active sessions": quotas.active_sessions,
        "the quota of new sessions a second": max(1, int(quotas.new_sessions_per_s * seconds)),
        "the concurrency of functions": quotas.functions,
        "the map": MAP_LIMIT,
        "the number of trials": max(looks),
    }
    tightest = min(limits, key=lambda name: limits[name])
    most = limits[tightest]
    for concurrency in range(1, most + 1):
        if _wall_s(looks, seconds, concurrency) <= target_s:
            break
    wall_s = _wall_s(looks, seconds, concurrency)
    limited_by = tightest if wall_s > target_s else ""
    return Capacity(concurrency=concurrency, wall_s=wall_s, limited_by=limited_by)


def _wall_s(looks: Sequence[int], seconds: float, concurrency: int) -> float:
    """Each look waits for its last trial before the next one begins."""
    return sum((trials / concurrency + TAIL) * seconds for trials in looks if trials)
