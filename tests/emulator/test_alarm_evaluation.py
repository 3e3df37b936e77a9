"""The examples of the user guide, "Configuring how CloudWatch alarms treat missing data"."""

import pytest

from local.emulator.alarm_evaluation import Rule

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
LETTERS = {"I": "INSUFFICIENT_DATA", "A": "ALARM", "O": "OK", "=": "as it was"}
# Five points, X breaches, 0 does not; the state for each treatment, = where it is retained.
THREE_OF_THREE = {
    "0-X-X": "OOOO",
    "----0": "OOOO",
    "-----": "I=AO",
    "0XX-X": "AAAA",
    "--X--": "A=AO",
    "----X": "==AO",  # too early to say, as the next point may be good
    "---X-": "==AO",
}
TWO_OF_THREE = {
    "0-X-X": "AAAA",
    "00X0X": "AAAA",
    "0-X--": "OOAO",
    "----0": "OOAO",
    "---X-": "A=AO",
}
ROWS = [(points, states, 3) for points, states in THREE_OF_THREE.items()]
ROWS += [(points, states, 2) for points, states in TWO_OF_THREE.items()]


def rule(to_alarm=3, treatment="missing", comparison="GreaterThanThreshold"):
    return Rule(comparison, 5, 3, to_alarm, treatment)


@pytest.mark.parametrize(("points", "states", "to_alarm"), ROWS)
def test_points_lead_to_the_states_of_the_guide(points, states, to_alarm):
    values = [{"X": 9.0, "0": 1.0, "-": None}[letter] for letter in points]
    for current in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        found = [rule(to_alarm, treatment).state(values, current) for treatment in TREATMENTS]
        assert found == [current if one == "=" else LETTERS[one] for one in states]


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [6]),
        ("GreaterThanOrEqualToThreshold", [5, 6]),
        ("LessThanThreshold", [4]),
        ("LessThanOrEqualToThreshold", [4, 5]),
    ],
)
def test_the_threshold_itself_breaches_where_the_comparison_says_so(comparison, breaching):
    assert [n for n in (4, 5, 6) if rule(comparison=comparison).breaches(n)] == breaching


@pytest.mark.parametrize(
    ("period", "starts"),
    [
        (10, [40, 50, 60, 70, 80]),
        (60, [-240, -180, -120, -60, 0]),
        (120, [-540, -420, -300, -180, -60]),  # until the last full minute
    ],
)
def test_an_alarm_looks_at_periods_that_are_over(period, starts):
    assert rule().starts(99.0, period) == starts


def test_a_reason_shows_the_points_from_the_latest_to_the_oldest():
    starts = [0.0, 60.0, 120.0, 180.0, 240.0]
    assert rule(2).reason([None, None, 9.0, 1.0, 7.0], starts, "ALARM") == (
        "Threshold Crossed: 2 out of the last 3 datapoints [7.0 (01/01/70 00:04:00),"
        " 1.0 (01/01/70 00:03:00), 9.0 (01/01/70 00:02:00)] were greater than the threshold (5)"
        " (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert rule().reason([None] * 5, starts, "INSUFFICIENT_DATA") == (
        "Insufficient Data: 3 datapoints were unknown."
    )
    assert rule(treatment="breaching").reason([None] * 5, starts, "ALARM") == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints"
        " were treated as [Breaching]."
    )
