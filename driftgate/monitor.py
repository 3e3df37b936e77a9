"""Has a stratum of production become worse? CUSUMs over closed windows, by pure functions.

A CUSUM adds up how much likelier each window is if quality had dropped than if it had not, and
starts again at 0 whenever that speaks against a drop. The judge's CUSUM sees the sessions that were
judged; the fused one adds proxy signals and feedback, which every session has. A drop that the
proxies don't show makes the fused one slower, as they vote that all is well: so both run, and
either alarms.

Source: Page 1954, Biometrika 41:100-115.
"""

from collections.abc import Iterable, Mapping
from math import log
from typing import NamedTuple

from driftgate.schemas.monitoring import (
    Counts,
    Detector,
    Excursion,
    LatencyCounts,
    MonitorState,
    Reading,
    Thresholds,
    Window,
)

GUARD = 0.02  # points that quality may be off what is expected: nobody is called for less
DROPS = {"small": 0.08, "large": 0.25}  # that the detectors are made for; others are found too
PROXY_WEIGHT = 0.5  # proxies of one session say much the same
# How much the share of flagged sessions, and of negative feedback, rises when quality drops by 1.
PROXY_LINK, FEEDBACK_LINK = 0.4, 0.12
MOST_LEVEL = 30.0  # no CUSUM rises higher, so that an alarm ends soon after its cause
WATERMARK_S = 600  # how long a window waits for its last sessions
LEAST, MOST = 0.001, 0.99  # of the shares that are compared


class Signal(NamedTuple):
    """One of the three counts, and what it is when all is well."""

    events: int
    sessions: int
    expected: float
    link: float


def window_of(at_s: float, period_s: float) -> int:
    """The window of an event, by the time it happened and not by when we heard of it."""
    return int(at_s // period_s)


def last_closed(now_s: float, period_s: float, watermark_s: float = WATERMARK_S) -> int:
    """The newest window that ended at least the watermark ago; later sessions of it are late."""
    return int((now_s - watermark_s) // period_s) - 1


def begin(agent: str, version: str, stratum: str) -> MonitorState:
    return MonitorState(agent=agent, version=version, stratum=stratum)


def update(state: MonitorState, window: Window) -> MonitorState:
    """Fold one window in. One that is not newer than the state changes nothing."""
    folded = fold(state, window.id, window.counts, increments(window.counts))
    if folded is state:
        return state
    return folded.model_copy(update={"late": state.late + window.late})


def fold(
    state: MonitorState,
    window: int,
    counts: Counts | LatencyCounts,
    evidence: Mapping[Detector, float],
) -> MonitorState:
    """The CUSUMs after one window and what it adds to each."""
    if state.window is not None and window <= state.window:
        return state
    excursions = {}
    for detector, added in evidence.items():
        before = state.excursions.get(detector)
        level = min(MOST_LEVEL, (before.level if before else 0.0) + added)
        if level > 0:
            excursions[detector] = Excursion(
                level=level,
                since=before.since if before else window,
                counts=_joined(before.counts, counts) if before else counts,
            )
    return state.model_copy(update={"window": window, "excursions": excursions})


def _joined(before: Counts | LatencyCounts, more: Counts | LatencyCounts) -> Counts | LatencyCounts:
    match before, more:
        case (Counts(), Counts()) | (LatencyCounts(), LatencyCounts()):
            return before + more  # type: ignore[operator]
    raise TypeError(f"wanted counts of one kind, got {type(before)} and {type(more)}")


def reset(state: MonitorState, window: int) -> MonitorState:
    """Start anew after `window`: somebody acknowledged the alarm, or deployed.

    What began later stays, so a second time changes nothing.
    """
    later = {name: one for name, one in state.excursions.items() if one.since > window}
    newest = window if state.window is None else max(window, state.window)
    return state.model_copy(update={"window": newest, "excursions": later})


def read(state: MonitorState, thresholds: Thresholds) -> Reading:
    """How near the nearest detector is to its threshold, since when, and what it has counted."""
    ratios = {
        detector: excursion.level / thresholds.levels[detector]
        for detector, excursion in state.excursions.items()
    }
    if not ratios:
        return Reading(stratum=state.stratum, ratio=0)
    nearest = max(ratios, key=lambda detector: ratios[detector])
    excursion = state.excursions[nearest]
    return Reading(
        stratum=state.stratum,
        ratio=ratios[nearest],
        detector=nearest,
        since=excursion.since,
        counts=excursion.counts,
    )


def worst(readings: Iterable[Reading]) -> Reading | None:
    """The one that an agent's alarm is about; None: there are no monitors."""
    return max(readings, key=lambda reading: reading.ratio, default=None)


def increments(counts: Counts) -> dict[Detector, float]:
    """What one window adds to each CUSUM: log-likelihood ratios of a drop to none."""
    judge = Signal(counts.failed, counts.judged, counts.expected_failed, 1.0)
    proxy = Signal(counts.flagged, counts.sessions, counts.expected_flagged, PROXY_LINK)
    feedback = Signal(counts.negative, counts.sessions, counts.expected_negative, FEEDBACK_LINK)
    by_judge = {size: _evidence(judge, drop) for size, drop in DROPS.items()}
    by_all = {
        size: by_judge[size] + PROXY_WEIGHT * _evidence(proxy, drop) + _evidence(feedback, drop)
        for size, drop in DROPS.items()
    }
    return {
        "judge_small": by_judge["small"],
        "judge_large": by_judge["large"],
        "fused_small": by_all["small"],
        "fused_large": by_all["large"],
    }


def _evidence(signal: Signal, drop: float) -> float:
    if not signal.sessions:
        return 0.0
    usual = signal.expected / signal.sessions
    well = min(MOST, max(LEAST, usual + signal.link * GUARD))
    fallen = min(MOST, max(LEAST, usual + signal.link * drop))
    good = signal.sessions - signal.events
    return signal.events * log(fallen / well) + good * log((1 - fallen) / (1 - well))
