"""What a dataset's cases still tell, over the versions that met them."""

import random

import pytest

from driftgate import saturation
from driftgate.saturation import analyse, at_least, discrimination, minimum_detectable_effect
from driftgate.schemas.saturation import Solved
from tests.builders import bank, case, expect


def of(*rows: str, trials: int = 1) -> dict[str, dict[str, Solved]]:
    """Versions by what they solved: a letter per case, x is solved."""
    return {
        f"v{number}": {
            f"c{n}": Solved(solved=trials * (mark == "x"), trials=trials)
            for n, mark in enumerate(row)
        }
        for number, row in enumerate(rows)
    }


def dataset(cases: int):
    return bank(*(case(expect("pay", "write"), case_id=f"c{n}") for n in range(cases)))


def flags(found):
    return {item.case_id: item.flags for item in found.items if item.flags}


def test_the_chance_above_a_share_is_that_of_the_beta_distribution():
    """By drawing from it."""
    draw = random.Random(1)
    drawn = sum(draw.betavariate(1 + 17, 1 + 3) > 0.8 for _ in range(20_000)) / 20_000
    assert at_least(0.8, 17, 20) == pytest.approx(drawn, abs=0.01)


def test_22_of_22_are_the_fewest_that_make_a_case_saturated():
    assert at_least(0.97, 21, 21) < 0.5 < at_least(0.97, 22, 22)


def test_discrimination_is_the_correlation_with_the_rest_without_the_case_itself():
    """Rest scores are 2, 1, 1, 0 of two cases; the case is 1, 1, 0, 0: r = 1/sqrt(2)."""
    found = discrimination(of("xxx", "xx.", "..x", "..."))
    assert found["c0"].value == pytest.approx(0.7071, abs=1e-4)


def test_a_case_that_every_version_met_alike_has_no_discrimination():
    assert "c0" not in discrimination(of("xxx", "xx.", "x.x", "x.."))


def test_versions_that_met_other_cases_are_held_to_what_is_usual_on_them():
    """v0 met only what everybody solves, v1 only what nobody else does: neither is the better."""
    outcomes = of("xx..", "xx..", "xx..", "xx..")
    del outcomes["v0"]["c2"], outcomes["v0"]["c3"]
    del outcomes["v1"]["c0"]
    assert not discrimination(outcomes)


def test_a_case_that_better_versions_solve_less_often_is_suspicious():
    rows = [f"{'.' if n > 4 else 'x'}{'x' * n}{'.' * (9 - n)}" for n in range(10)]
    found = analyse(dataset(10), of(*rows))
    assert flags(found) == {"c0": ("suspicious",)}
    assert "chance does not explain it" in found.items[0].why


def test_a_case_that_ten_versions_never_solved_is_suspicious_and_nine_are_too_few():
    rows = [f".{'x' * n}{'.' * (9 - n)}" for n in range(10)]
    assert flags(analyse(dataset(10), of(*rows)))["c0"] == ("suspicious",)
    assert "c0" not in flags(analyse(dataset(10), of(*rows[:9])))


def test_below_six_versions_nothing_is_flagged_and_that_is_said():
    rows = ["x....", ".xxxx", ".xxxx", "x...."]
    found = analyse(dataset(5), of(*rows, ".xxxx", trials=10))
    assert not flags(found)
    assert found.notes[0] == "no case is flagged: wanted 6 versions or more, got 5 versions"
    assert flags(analyse(dataset(5), of(*rows, ".xxxx", ".xxxx", trials=10)))


def test_a_case_that_all_solve_is_saturated_and_one_that_none_solves_is_dead():
    found = analyse(dataset(3), of(*["x.x"] * 5, *["x.."] * 5, trials=3))
    assert flags(found)["c0"] == ("saturated",)
    assert flags(found)["c1"] == ("dead", "suspicious")
    assert found.index == pytest.approx(1 / 3)


def test_there_is_no_index_of_fewer_than_ten_versions_of_three_trials():
    for versions, trials in ((9, 3), (10, 2)):
        found = analyse(dataset(1), of(*["x"] * versions, trials=trials))
        assert found.index is None
        assert any("no saturation index" in note for note in found.notes)


def test_the_detectable_drop_of_60_cases_is_that_of_the_literature():
    """E[p(1-p)] = 0.085: 13.2 points after one trial, 5.9 after five."""
    assert minimum_detectable_effect([0.085] * 60, 1) == pytest.approx(0.132, abs=0.001)
    assert minimum_detectable_effect([0.085] * 60, 5) == pytest.approx(0.059, abs=0.001)


def test_the_chance_of_the_unseen_is_the_share_of_what_was_seen_once():
    assert saturation.unseen([3, 1]) == 1 / 4
    assert saturation.unseen([]) is None


def test_traffic_is_covered_where_a_case_has_its_task_type_and_tools():
    cases = [case(expect("pay", "write"))]
    found = saturation.traffic(
        cases, {("refunds", frozenset({"pay"})): 3, ("refunds", frozenset()): 1}
    )
    assert (found.covered, found.unseen) == (0.75, 0.25)
