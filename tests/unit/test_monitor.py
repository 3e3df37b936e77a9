"""CUSUMs over windows: worked out by hand, and the same however windows arrive."""

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate import monitor
from driftgate.schemas.monitoring import (
    Counts,
    Excursion,
    MonitorState,
    Thresholds,
    Window,
)

FRESH = monitor.begin("support", "1.0.0", "task type refund")
USUAL = 0.1  # of the sessions fail


def judged(number, failed):
    return Counts(judged=number, failed=failed, expected_failed=number * USUAL)


def fold(state, *windows):
    for window in windows:
        state = monitor.update(state, window)
    return state


def numbered(*counts):
    return [Window(id=number, counts=one) for number, one in enumerate(counts)]


counted = st.builds(
    lambda judged, failed, more, flagged, negative: Counts(
        judged=judged,
        failed=min(judged, failed),
        expected_failed=judged * USUAL,
        sessions=judged + more,
        flagged=min(judged + more, flagged),
        expected_flagged=(judged + more) * 0.08,
        negative=min(judged + more, negative),
        expected_negative=(judged + more) * 0.02,
    ),
    *(st.integers(0, 30) for _ in range(5)),
)
histories = st.lists(counted, max_size=12).map(lambda counts: numbered(*counts))


class TestTheEvidence:
    def test_of_the_judge_is_the_log_likelihood_ratio_of_a_drop_to_the_guard_band(self):
        added = monitor.increments(judged(10, 4))
        well, fallen = USUAL + 0.02, USUAL + 0.25
        assert added["judge_large"] == pytest.approx(
            4 * log(fallen / well) + 6 * log((1 - fallen) / (1 - well))
        )
        assert added["judge_small"] == pytest.approx(4 * log(0.18 / 0.12) + 6 * log(0.82 / 0.88))

    def test_of_the_proxies_counts_by_half_and_of_feedback_by_whole(self):
        flags = Counts(sessions=10, flagged=3, expected_flagged=1)
        tells = Counts(sessions=10, negative=2, expected_negative=1)
        both = Counts(sessions=10, flagged=3, expected_flagged=1, negative=2, expected_negative=1)
        of_flags = monitor.increments(flags)["fused_large"]
        of_tells = monitor.increments(tells)["fused_large"]
        usual = 0.1
        proxy = 3 * log((usual + 0.1) / (usual + 0.008)) + 7 * log((0.9 - 0.1) / (0.9 - 0.008))
        feedback = 2 * log((usual + 0.03) / (usual + 0.0024)) + 8 * log(0.87 / (0.9 - 0.0024))
        none_flagged = 10 * log((1 - 0.1) / (1 - 0.008)) / 2
        none_told = 10 * log((1 - 0.03) / (1 - 0.0024))
        assert of_flags == pytest.approx(proxy / 2 + none_told, rel=0.02)
        assert of_tells == pytest.approx(feedback + none_flagged, rel=0.02)
        assert monitor.increments(both)["fused_large"] == pytest.approx(proxy / 2 + feedback)
        assert monitor.increments(both)["judge_large"] == 0

    @given(counted)
    def test_that_all_is_well_or_a_little_worse_speaks_against_a_drop_on_average(self, counts):
        """With as many events as expected, or 2 points more, no CUSUM rises."""
        for worse in (0.0, monitor.GUARD):
            as_expected = counts.model_copy(
                update={"failed": counts.judged * (USUAL + worse), "flagged": 0, "negative": 0}
            )
            assert all(added <= 1e-9 for added in monitor.increments(as_expected).values())

    @given(counted)
    def test_one_failure_more_is_more_evidence(self, counts):
        if counts.failed < counts.judged:
            more = counts.model_copy(update={"failed": counts.failed + 1})
            before, after = monitor.increments(counts), monitor.increments(more)
            assert all(after[detector] > before[detector] for detector in before)

    @pytest.mark.parametrize("usual", [0.0, 0.5, 0.98, 1.0])
    def test_is_finite_whatever_is_usual(self, usual):
        for failed in (0, 5):
            counts = Counts(judged=5, failed=failed, expected_failed=5 * usual)
            assert all(abs(added) < 50 for added in monitor.increments(counts).values())


class TestTheState:
    def test_adds_up_and_starts_again_at_0(self):
        bad, good = judged(5, 4), judged(40, 0)
        added = monitor.increments(bad)["judge_large"]
        twice = fold(FRESH, *numbered(bad, bad))
        assert twice.excursions["judge_large"].level == pytest.approx(2 * added)
        assert fold(FRESH, *numbered(bad, good)).excursions == {}

    def test_knows_since_when_and_what_it_has_counted_since(self):
        state = fold(FRESH, *numbered(judged(9, 0), judged(5, 3), judged(4, 2)))
        found = state.excursions["judge_large"]
        assert found.since == 1
        assert (found.counts.judged, found.counts.failed) == (9, 5)
        assert found.counts.expected_failed == pytest.approx(0.9)

    def test_of_an_empty_window_stays_as_it_is(self):
        before = fold(FRESH, *numbered(judged(5, 4)))
        after = monitor.update(before, Window(id=100))
        assert after.excursions == before.excursions
        assert after.window == 100

    @given(histories, st.integers(0, 2**32))
    def test_doubled_and_late_windows_change_nothing(self, windows, seed):
        """After each window come some again that were folded before, in any order."""
        noise = random.Random(seed)
        state = FRESH
        for number, window in enumerate(windows):
            state = monitor.update(state, window)
            for old in noise.choices(windows[: number + 1], k=3):
                assert monitor.update(state, old) is state
        assert state == fold(FRESH, *windows)

    @given(histories)
    def test_is_the_largest_sum_of_evidence_up_to_now(self, windows):
        """The recursion against its definition, where no level is held at its most."""
        added = [monitor.increments(window.counts) for window in windows]
        state = fold(FRESH, *windows)
        for detector in monitor.increments(Counts()):
            own = [one[detector] for one in added]
            tails = [sum(own[start:]) for start in range(len(own) + 1)]
            if max(tails) < monitor.MOST_LEVEL - 1 and all(
                sum(own[a:b]) < monitor.MOST_LEVEL for a in range(len(own)) for b in range(a, 13)
            ):
                found = state.excursions.get(detector)
                level = found.level if found else 0.0
                assert level == pytest.approx(max(tails), abs=1e-9)

    def test_sessions_that_come_late_are_counted_and_change_no_closed_window(self):
        state = fold(FRESH, Window(id=1, counts=judged(5, 4)), Window(id=2, late=3))
        again = monitor.update(state, Window(id=2, late=3))
        assert state.late == again.late == 3
        assert state.excursions["judge_large"].counts == judged(5, 4)

    def test_rises_no_higher_than_a_repair_can_undo_within_hours(self):
        state = fold(FRESH, *numbered(*[judged(50, 50)] * 20))
        assert {one.level for one in state.excursions.values()} == {monitor.MOST_LEVEL}

    @given(histories)
    def test_is_read_back_as_it_was_written(self, windows):
        state = fold(FRESH, *windows)
        assert MonitorState.model_validate_json(state.model_dump_json()) == state


class TestAReset:
    def test_ends_what_began_before_and_leaves_what_began_later(self):
        state = fold(FRESH, *numbered(judged(5, 4), judged(5, 4)))
        assert monitor.reset(state, 0).excursions == monitor.reset(state, 1).excursions == {}
        after = fold(monitor.reset(state, 1), Window(id=2, counts=judged(5, 4)))
        assert after.excursions["judge_large"].since == 2
        assert monitor.reset(after, 1) == after

    def test_skips_windows_that_are_not_folded_yet(self):
        state = monitor.reset(FRESH, 5)
        assert monitor.update(state, Window(id=5, counts=judged(5, 5))) is state

    @given(histories, st.integers(0, 12))
    def test_twice_is_once(self, windows, at):
        once = monitor.reset(fold(FRESH, *windows), at)
        assert monitor.reset(once, at) == once


class TestAReading:
    thresholds = Thresholds(
        levels={"judge_small": 4, "judge_large": 8, "fused_small": 5, "fused_large": 10}
    )

    def state(self, **levels):
        return FRESH.model_copy(
            update={
                "excursions": {
                    name: Excursion(level=level, since=7, counts=judged(9, 5))
                    for name, level in levels.items()
                }
            }
        )

    def test_is_of_the_detector_nearest_to_its_threshold(self):
        found = monitor.read(self.state(judge_small=3.9, fused_large=10), self.thresholds)
        assert (found.ratio, found.detector, found.since) == (1, "fused_large", 7)
        assert found.counts == judged(9, 5)
        assert found.alarms

    def test_of_a_state_at_0_names_no_detector(self):
        found = monitor.read(FRESH, self.thresholds)
        assert (found.ratio, found.detector, found.alarms) == (0, None, False)

    def test_of_an_agent_is_that_of_its_worst_stratum(self):
        readings = [
            monitor.read(self.state(judge_small=level), self.thresholds) for level in (1, 3, 2)
        ]
        assert monitor.worst(readings) is readings[1]
        assert monitor.worst([]) is None


class TestWindows:
    def test_are_of_the_time_of_the_event(self):
        assert [monitor.window_of(at, 300) for at in (0, 299.9, 300)] == [0, 0, 1]

    def test_close_ten_minutes_after_they_end(self):
        assert monitor.last_closed(1199.9, 300) == 0
        assert monitor.last_closed(1200, 300) == 1
