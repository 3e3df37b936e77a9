"""How many trials to run at a time: as few as meet the target, and no more than the account can."""

from collections.abc import Sequence

from driftgate.schemas.capacity import Capacity, Quotas

ASSUMED_S = 35.0  # that a trial takes of which nobody has measured one
FEWEST = 20  # at a time: fewer save nothing
TAIL = 3  # times the mean that the slowest of a look's trials takes, while others have ended
MAP_LIMIT = 1000  # children that a distributed map starts at a time, as far as we ask


def of_run(
    cases: int, arms: int, looks: Sequence[int], measured_s: float | None, quotas: Quotas
) -> Capacity:
    """The concurrency of a run, which is what PlanRun has the map use.

    Args:
        arms: that are asked; those whose trials are stored take no time.
        looks: trials of each case and arm at each look.
        measured_s: that earlier trials took on average; None: nobody knows.
    """
    return choose(_added(cases, arms, looks), measured_s, quotas, fewest=FEWEST)


def choose(
    added: Sequence[int], measured_s: float | None, quotas: Quotas, fewest: int = 1
) -> Capacity:
    """The least concurrency with which all looks are through within the target.

    Args:
        added: how many trials each look adds, all arms and cases together.
        fewest: that is chosen, if the limits allow it.
    """
    seconds = ASSUMED_S if measured_s is None else measured_s
    limits = {
        "the quota of active sessions": quotas.active_sessions,
        "the quota of new sessions a second": max(1, int(quotas.new_sessions_per_s * seconds)),
        "the concurrency of functions": quotas.functions or MAP_LIMIT,
        "the map": MAP_LIMIT,
        "the number of trials": max(1, *added),
    }
    tightest = min(limits, key=lambda name: limits[name])
    most = limits[tightest]
    for concurrency in range(min(fewest, most), most + 1):
        if _wall_s(added, seconds, concurrency) <= quotas.target_s:
            break
    wall_s = _wall_s(added, seconds, concurrency)
    return Capacity(
        trials=sum(added),
        concurrency=concurrency,
        seconds=seconds,
        measured=measured_s is not None,
        wall_s=wall_s,
        target_s=quotas.target_s,
        limited_by=tightest if wall_s > quotas.target_s else "",
    )


def given(
    cases: int, arms: int, looks: Sequence[int], measured_s: float | None, concurrency: int
) -> Capacity:
    """What a concurrency comes to that somebody chose: on a laptop there are no quotas."""
    added, seconds = _added(cases, arms, looks), ASSUMED_S if measured_s is None else measured_s
    return Capacity(
        trials=sum(added),
        concurrency=concurrency,
        seconds=seconds,
        measured=measured_s is not None,
        wall_s=_wall_s(added, seconds, concurrency),
    )


def _added(cases: int, arms: int, looks: Sequence[int]) -> list[int]:
    """How many trials each look adds."""
    return [cases * arms * (now - before) for before, now in zip((0, *looks), looks, strict=False)]


def _wall_s(added: Sequence[int], seconds: float, concurrency: int) -> float:
    """Each look waits for its last trial before the next one begins."""
    return sum((trials / concurrency + TAIL) * seconds for trials in added if trials)
