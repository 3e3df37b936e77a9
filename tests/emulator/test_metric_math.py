"""Expressions over metrics: what is missing stays missing, unless it is filled."""

import pytest

from local.emulator.metric_math import evaluate

TIMES = [0.0, 60.0, 120.0]
ERRORS = {0.0: 1.0, 60.0: 3.0}
CALLS = {0.0: 4.0, 60.0: 0.0, 120.0: 8.0}


def value(expression):
    found = evaluate({"errors": ERRORS, "calls": CALLS, "e": expression}, TIMES, 60)
    return found["e"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("errors + calls", {0.0: 5.0, 60.0: 3.0}),
        ("errors / calls", {0.0: 0.25}),  # the next divides by zero, the last has no errors
        ("100 * -errors", {0.0: -100.0, 60.0: -300.0}),
        ("FILL(errors, 0) / calls", {0.0: 0.25, 120.0: 0.0}),
        ("FILL(errors, REPEAT)", {0.0: 1.0, 60.0: 3.0, 120.0: 3.0}),
        ("FILL(errors, calls)", {0.0: 1.0, 60.0: 3.0, 120.0: 8.0}),
        ("IF(calls > 3, errors, 9)", {0.0: 1.0, 60.0: 9.0}),
        ("IF(calls > 3 && errors < 2, 1, 0)", {0.0: 1.0, 60.0: 0.0}),
        ("IF(errors > 2 OR calls == 4, 1, 0)", {0.0: 1.0, 60.0: 1.0}),
        ("IF(calls > 3, calls)", {0.0: 4.0, 120.0: 8.0}),
        ("MAX([errors, calls])", {0.0: 4.0, 60.0: 3.0, 120.0: 8.0}),
        ("MIN([errors, calls, 2])", {0.0: 1.0, 60.0: 0.0, 120.0: 2.0}),
        ("SUM(METRICS())", {0.0: 5.0, 60.0: 3.0, 120.0: 8.0}),
        ("AVG(FILL([errors, calls], 0))", {0.0: 2.5, 60.0: 1.5, 120.0: 4.0}),
        ("calls - MAX(calls)", {0.0: -4.0, 60.0: -8.0, 120.0: 0.0}),
        ("calls / PERIOD(calls)", {0.0: 4 / 60, 60.0: 0.0, 120.0: 8 / 60}),
        ("ABS(errors - 2) ^ 2", {0.0: 1.0, 60.0: 1.0}),
    ],
)
def test_expressions(expression, expected):
    assert value(expression) == pytest.approx(expected)


def test_an_expression_may_use_another():
    found = evaluate({"rate": "m / 2", "twice": "rate * 4", "m": {0.0: 3.0}}, TIMES, 60)
    assert found == {"m": {0.0: 3.0}, "rate": {0.0: 1.5}, "twice": {0.0: 6.0}}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("errors +", "is no metric math"),
        ("unknown * 2", "no metric or expression 'unknown'"),
        ("ANOMALY_DETECTION_BAND(errors, 2)", "has no ANOMALY_DETECTION_BAND"),
        ("errors.x", "has no 'errors.x'"),
        ("MAX(errors)", "is a number"),
        ("[errors, calls]", "is several time series"),
        ("e + 1", "depends on itself"),
    ],
)
def test_what_can_not_be_computed_is_said(expression, said):
    with pytest.raises(ValueError, match=said):
        value(expression)
