"""Whether a tool became slower, by the ranks of its calls."""

import random
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate import latency, monitor
from driftgate.schemas.monitoring import LatencyWindow, MonitorState

FRESH = latency.begin("support", "1.0.0", "refund")


def calls(number, median_s, noise):
    return latency.count(noise.lognormvariate(log(median_s), 0.6) for _ in range(number))


BASELINE = calls(5000, 0.4, random.Random(1))


def fold(windows, baseline=BASELINE):
    state = FRESH
    for number, counts in enumerate(windows):
        state = latency.update(state, LatencyWindow(id=number, counts=counts), baseline)
    return state


def test_a_call_is_in_the_bucket_that_its_latency_does_not_exceed():
    found = latency.count([0, 0.01, 0.011, 1000, 1001])
    assert (found.buckets[0], found.buckets[1]) == (2, 1)
    assert found.buckets[-2:] == (1, 1)
    assert sum(found.buckets) == 5


def test_the_rank_of_the_baseline_among_itself_is_one_half():
    assert latency.mean_rank(BASELINE, BASELINE) == pytest.approx(0.5, abs=0.001)
    assert latency.mean_rank(latency.count([]), BASELINE) is None


def test_the_rank_is_the_share_of_pairs_in_which_the_new_call_is_slower():
    old, new = [0.02, 0.2, 2.0, 20.0], [0.2, 2.0]
    of_pairs = [1.0 if b > a else 0.5 if a == b else 0.0 for a in old for b in new]
    found = latency.mean_rank(latency.count(new), latency.count(old * 1000))
    assert found == pytest.approx(sum(of_pairs) / len(of_pairs), abs=0.001)


def test_evidence_is_a_likelihood_ratio_under_the_guard_band():
    """Averaged over calls that are as slow as the guard band allows, exp(evidence) is 1."""
    shares, above = latency.ranks(BASELINE)
    tilted = [p * exp(latency.GUARD_TILT * rank) for p, rank in zip(shares, above, strict=True)]
    ratios = dict.fromkeys(latency.TILTS, 0.0)
    for bucket, chance in enumerate(tilted):
        one = latency.count([])
        one = one.model_copy(
            update={"buckets": tuple(int(b == bucket) for b in range(len(one.buckets)))}
        )
        for name, added in latency.increments(one, BASELINE).items():
            ratios[name] += chance / sum(tilted) * exp(added)
    assert list(ratios.values()) == pytest.approx([1.0, 1.0])


def test_twice_as_slow_is_seen_within_an_hour_and_as_ever_is_not():
    noise = random.Random(2)
    as_ever = [calls(5, 0.4, noise) for _ in range(288)]
    slower = [calls(5, 0.8, noise) for _ in range(12)]
    assert all(one.level < 6 for one in fold(as_ever).excursions.values())
    found = fold(as_ever + slower).excursions["latency_large"]
    assert found.level > 14
    assert found.since >= 280


def test_one_slow_window_is_not_made_certain_by_the_number_of_its_calls():
    noise = random.Random(3)
    few, many = calls(30, 0.6, noise), calls(3000, 0.6, noise)
    levels = [fold([one]).excursions["latency_small"].level for one in (few, many)]
    assert levels[1] < 1.5 * levels[0]


def test_without_calls_or_without_a_baseline_nothing_is_known():
    none = latency.count([])
    assert set(latency.increments(none, BASELINE).values()) == {0.0}
    assert set(latency.increments(BASELINE, none).values()) == {0.0}


@given(st.lists(st.lists(st.floats(0, 2000), max_size=20), max_size=6), st.integers(0, 5))
def test_the_state_is_idempotent_and_resets_as_those_of_quality_do(windows, at):
    counts = [latency.count(one) for one in windows]
    state = fold(counts)
    for number, one in enumerate(counts):
        assert latency.update(state, LatencyWindow(id=number, counts=one), BASELINE) is state
    once = monitor.reset(state, at)
    assert monitor.reset(once, at) == once
    assert MonitorState.model_validate_json(state.model_dump_json()) == state
