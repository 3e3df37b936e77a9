"""Noise is estimated as it was made, once for each draw, and not told from too little."""

from random import Random

import pytest

from driftgate import calibration, intervals
from driftgate.errors import BadInput
from driftgate.metrics import GATE_METRICS
from driftgate.schemas.evidence import Bundle
from driftgate.schemas.policies import Policy
from tests import builders


def run(
    solved: dict[str, tuple[list[int], list[int]]], *, seed: int = 0, candidate: str = "1.0.0"
) -> Bundle:
    """A run of 1.0.0 against a version; case -> the trials of the baseline and the candidate."""
    ids = sorted(solved)
    plan = builders.plan(ids, "baseline", "candidate", trials=len(solved[ids[0]][0]))
    arms = {"baseline": builders.version("1.0.0"), "candidate": builders.version(candidate)}
    cards = [
        builders.card(case_id, arm, trial, **dict.fromkeys(GATE_METRICS, float(value)))
        for case_id, trials in solved.items()
        for arm, values in zip(("baseline", "candidate"), trials, strict=True)
        for trial, value in enumerate(values, start=1)
    ]
    cases = [builders.case(builders.expect("find"), case_id=case_id) for case_id in ids]
    made = builders.bundle(plan.model_copy(update={"arms": arms, "seed": seed}), cases, cards)
    return made.model_copy(update={"look": 1})


def noise(*runs: Bundle):
    return calibration.noise_of(calibration.pooled(runs))


def calibrated(*runs: Bundle, draws: int = 100, seed: int = 0):
    return calibration.calibrate("teller", "laptop", runs, Policy(), draws=draws, seed=seed)


def noisy(cases: int, share: float, seed: int = 1, trials: int = 5) -> Bundle:
    """A version against itself, whose trials succeed so often, independently."""
    drawn = Random(seed)
    return run(
        {
            f"case-{n:03}": tuple(
                [int(drawn.random() < share) for _ in range(trials)] for _ in range(2)
            )
            for n in range(cases)
        },
        seed=seed,
    )


def test_variance_is_split_into_trials_and_cases():
    found = noise(run({"a": ([1, 1], [1, 1]), "b": ([1, 0], [1, 0]), "c": ([0, 0], [0, 0])}))
    # within: 0, 1/3 (two of four), 0. The means 1, 0.5, 0 have variance 0.25, of which trials
    # explain (1/3) / 4 / 3.
    assert (found.cases, found.trials) == (3, 12)
    assert found.within == pytest.approx(1 / 9)
    assert found.between == pytest.approx(0.25 - 1 / 36)
    assert (found.mean, found.always_solved, found.never_solved) == pytest.approx(
        (0.5, 1 / 3, 1 / 3)
    )


def test_the_same_noise_in_another_run_is_no_second_witness():
    seen = {"a": ([1], [0]), "b": ([1], [1])}
    assert noise(run(seen), run(seen)).trials == 4
    assert noise(run(seen), run(seen, seed=1)).trials == 8


def test_another_version_adds_nothing_to_the_noise_of_this_one():
    mixed = run({"a": ([1, 0], [0, 0]), "b": ([1, 1], [0, 0])}, candidate="2.0.0")
    assert noise(mixed).trials == 4
    assert noise(run({"a": ([1], [0]), "b": ([1], [0])}, candidate="2.0.0")) is None


def test_trials_under_another_harness_or_dataset_are_left_out():
    first, other = noisy(40, 0.9, seed=1), noisy(40, 0.9, seed=2)
    for field, value in (
        ("harness", "another"),
        ("dataset", other.plan.dataset.model_copy(update={"sha256": "1" * 64})),
    ):
        moved = other.model_copy(update={"plan": other.plan.model_copy(update={field: value})})
        assert noise(first, moved) == noise(first)
    assert noise(first, other) != noise(first)


def test_arms_that_differ_by_noise_alone_differ_as_much_as_it_explains():
    runs = [noisy(60, 0.8, seed) for seed in range(30)]
    pairs = list(calibration.pairs_of(runs, noise(*runs)))
    measured = sum(pair.variance for pair in pairs) / 30
    explained = sum(pair.by_noise for pair in pairs) / 30
    assert explained == pytest.approx(2 * 0.8 * 0.2 / 5, rel=0.05)
    assert measured == pytest.approx(explained, rel=0.1)


def test_nothing_is_told_from_39_cases_and_something_from_40():
    few = calibrated(noisy(39, 0.9))
    assert few.too_few.startswith("too few runs to tell: 39 cases have two trials")
    assert (few.no_change, few.drop, few.tools) == (None, None, ())
    enough = calibrated(noisy(40, 0.9), draws=3)
    assert enough.too_few is None
    assert enough.no_change.blocked.draws == 3


def test_that_no_trial_differed_is_no_proof_that_none_will():
    found = calibrated(noisy(40, 1.0))
    assert "no trial differed from another of its case; with 360 more" in found.too_few
    assert f"up to {intervals.share_upper(0, 360):.1%} of them may yet" in found.too_few
    assert found.no_change is None


def test_an_unchanged_version_is_seldom_blocked_and_a_drop_more_often_with_more_cases():
    found = calibrated(noisy(50, 0.93))
    assert found.no_change.blocked.lower <= 0.05
    assert found.drop.blocked.lower > found.no_change.blocked.upper
    assert found.more_cases[0].cases == 100
    assert found.more_cases[0].blocked.lower > found.drop.blocked.upper
    last = found.more_cases[-1]
    assert last.blocked.lower >= calibration.POWER or last.cases == calibration.MORE_CASES[-1]
    [tool] = found.tools
    assert (tool.stratum_cases, tool.blocked.rate) == (50, 1.0)


def test_a_simulation_can_be_repeated():
    runs = noisy(40, 0.9)
    once = calibrated(runs, draws=20)
    assert calibrated(runs, draws=20) == once
    assert calibrated(runs, draws=20, seed=1).no_change != once.no_change


def test_a_floor_is_certified_from_the_first_number_of_trials_whose_lower_bound_reaches_it():
    [floor] = [
        one for one in calibrated(noisy(40, 0.97), draws=2).floors if one.stratum == "all cases"
    ]
    reaches = [
        n for n in range(1, 2000) if intervals.wilson(floor.value, n, 1.644854)[0] >= floor.bound
    ]
    assert floor.certified_from == reaches[0]


def test_a_floor_above_what_was_seen_is_never_certified():
    [floor] = [
        one for one in calibrated(noisy(40, 0.8), draws=2).floors if one.stratum == "all cases"
    ]
    assert (floor.bound, floor.certified_from) == (0.9, None)


def test_no_runs_are_bad_input():
    with pytest.raises(BadInput, match="wanted finished runs of teller in laptop, there are none"):
        calibrated()
