"""Thresholds hold what they promise, and the arrays say what the monitors say."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate import latency, monitor, thresholds
from driftgate.schemas.monitoring import Counts, Thresholds

HOUR = 3600.0
numbers = st.integers(0, 40)
counted = st.builds(
    lambda judged, failed, sessions, flagged, negative, expected: Counts(
        judged=judged,
        failed=min(failed, judged),
        expected_failed=expected * judged,
        sessions=sessions,
        flagged=min(flagged, sessions),
        expected_flagged=expected * sessions,
        negative=min(negative, sessions),
        expected_negative=expected * sessions / 5,
    ),
    *([numbers] * 5),
    st.floats(0, 1),
)


@given(st.lists(counted, min_size=1, max_size=5))
def test_arrays_add_what_the_monitors_add(windows):
    of_array = thresholds.evidence(
        np.array([[getattr(one, name) for name in thresholds.COUNTS] for one in windows])
    )
    for row, one in zip(of_array, windows, strict=True):
        assert list(row) == pytest.approx(list(monitor.increments(one).values()), abs=1e-9)


def quiet_days(days, strata=3, seed=8):
    """Hourly windows of some strata in which 8 % of 10 judged sessions fail, as expected."""
    noise = np.random.default_rng(seed)
    return [
        {
            f"task type {number}": Counts(
                judged=10,
                failed=int(noise.binomial(10, 0.08)),
                expected_failed=0.8,
                sessions=100,
                flagged=int(noise.binomial(100, 0.08)),
                expected_flagged=8,
                negative=int(noise.binomial(100, 0.015)),
                expected_negative=1.5,
            )
            for number in range(strata)
        }
        for _ in range(24 * days)
    ]


def false_alarms(windows, levels):
    """How often the states of the product alarm, each alarm acknowledged at once."""
    alarms = 0
    for stratum in windows[0]:
        state = monitor.begin("support", "1.0.0", stratum)
        for number, window in enumerate(windows):
            added = monitor.increments(window[stratum])
            state = monitor.fold(state, number, window[stratum], added)
            if monitor.read(state, levels).alarms:
                alarms += 1
                state = monitor.reset(state, number)
    return alarms


def test_false_alarms_are_as_rare_as_was_asked_for():
    """Asked for 5 in 30 days, so that few days tell: of other days than were learned from."""
    learned = thresholds.calibrate(quiet_days(60), {}, {}, period_s=HOUR, seed=1, per_30_days=5)
    alarms = false_alarms(quiet_days(120, seed=9), learned)
    assert learned.windows == 60 * 24
    assert 3 <= alarms <= 24


def test_fewer_false_alarms_need_higher_thresholds():
    days = quiet_days(14)
    often, seldom = (
        thresholds.calibrate(days, {}, {}, period_s=HOUR, seed=1, per_30_days=rate)
        for rate in (5, 0.5)
    )
    assert all(seldom.levels[name] > often.levels[name] for name in thresholds.DETECTORS)


def test_where_less_was_judged_what_is_expected_is_less_certain_and_thresholds_are_higher():
    """The same windows as a fifth of a longer history: only the model's error differs."""
    short = quiet_days(3)
    low, high = (
        thresholds.calibrate(days, {}, {}, period_s=HOUR, seed=1) for days in (short * 5, short)
    )
    assert high.levels["judge_small"] > low.levels["judge_small"]


def test_the_same_seed_gives_the_same_thresholds():
    days = quiet_days(3)
    once, again = (thresholds.calibrate(days, {}, {}, period_s=HOUR, seed=3) for _ in range(2))
    assert once == again


def test_less_than_two_days_of_history_teach_nothing():
    assert thresholds.calibrate(quiet_days(1), {}, {}, period_s=HOUR, seed=1) == Thresholds()


def test_latency_has_thresholds_from_its_own_windows():
    noise = np.random.default_rng(8)
    windows = [latency.count(noise.lognormal(-1, 0.6, 4)) for _ in range(72)]
    baseline = windows[0]
    for one in windows[1:]:
        baseline = baseline + one
    days = quiet_days(3)
    found = thresholds.calibrate(
        days, {"refund": windows}, {"refund": baseline}, period_s=HOUR, seed=1
    )
    without = thresholds.calibrate(days, {}, {}, period_s=HOUR, seed=1)
    for name in latency.TILTS:
        assert thresholds.LEAST_LEVEL < found.levels[name] < 12, name
        assert without.levels[name] == Thresholds().levels[name]
    for name in thresholds.DETECTORS:
        assert found.levels[name] == without.levels[name]


def test_monitors_and_sampling_run_without_numpy():
    code = (
        "import sys, driftgate.monitor, driftgate.latency, driftgate.sampling, driftgate.risk; "
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
