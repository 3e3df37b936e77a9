from driftgate.alignment import align
from tests.builders import call, case, expect, trace


def aligned(expected, actual):
    alignment = align(expected.expected_calls, actual.calls)
    return [(pair.expected.tool, pair.call.seq, pair.exact) for pair in alignment.pairs]


def test_a_call_that_fits_two_expectations_goes_where_the_whole_fits_best():
    """Greedily, the first expectation (anything near 1) would take the only exact 2."""
    wanted = case(
        expect("pay", args={"n": {"match": "number", "value": 1, "abs": 1}}),
        expect("pay", args={"n": 2}),
    )
    assert aligned(wanted, trace(call("pay", n=2), call("pay", n=0))) == [
        ("pay", 2, True),
        ("pay", 1, True),
    ]


def test_a_required_call_that_is_all_right_outweighs_two_that_are_not():
    """Both could go to either; only one way makes one of them exact."""
    wanted = case(expect("pay", args={"a": 1, "b": 1}), expect("pay", args={"a": 2, "b": 9}))
    actual = trace(call("pay", a=2, b=1), call("pay", a=1, b=1))
    assert aligned(wanted, actual) == [("pay", 2, True), ("pay", 1, False)]


def test_a_required_call_that_is_all_right_outweighs_more_arguments_right_in_all():
    """2 of 2 and 0 of 4 are right; the other way round it would be 1 of 2 and 3 of 4."""
    wanted = case(
        expect("pay", args={"a": 1, "b": 1}), expect("pay", args={"p": 1, "q": 1, "r": 1, "s": 1})
    )
    actual = trace(call("pay", a=1, b=1, p=1, q=1, r=1), call("pay", a=1, b=0))
    assert aligned(wanted, actual) == [("pay", 1, True), ("pay", 2, False)]


def test_a_required_call_that_is_all_right_outweighs_an_optional_one_beside_it():
    """The other way round two pairs could be made: the optional one right, the required one not."""
    optional = expect("pay", args={"b": 1}, optional=True)
    actual = trace(call("pay", a=1, b=1), call("pay", a=2, b=2))
    assert aligned(case(optional, expect("pay", args={"a": 1})), actual) == [("pay", 1, True)]


def test_a_call_without_arguments_to_check_fits_no_better_than_one_with_all_right():
    wanted = case(expect("pay", args={"n": 1}), expect("pay"))
    (pair,) = align(wanted.expected_calls, trace(call("pay", n=1)).calls).pairs
    assert pair.checked == 1


def test_the_call_that_agrees_most_is_preferred():
    wanted = case(expect("pay", args={"a": 1, "b": 1, "c": 1}))
    actual = trace(call("pay", a=9, b=9, c=1), call("pay", a=9, b=1, c=1))
    assert aligned(wanted, actual) == [("pay", 2, False)]


def test_of_two_alternatives_the_one_that_fits_better_is_taken():
    other = {"tool": "pay", "arguments": {"to": "B", "n": 5}}
    wanted = case(expect("pay", args={"to": "A", "n": 5}, alternatives=[other]))
    alignment = align(wanted.expected_calls, trace(call("pay", to="B", n=5)).calls)
    assert alignment.pairs[0].exact


def test_among_many_equal_calls_the_places_decide_even_far_apart():
    wanted = case(*[expect("read", id=f"r{n}") for n in range(12)])
    alignment = align(wanted.expected_calls, trace(*[call("read")] * 12).calls)
    assert [int(pair.expected.id[1:]) + 1 for pair in alignment.pairs] == [
        pair.call.seq for pair in alignment.pairs
    ]


def test_more_is_not_missing_than_was_required():
    wanted = case(expect("poll", times={"min": 1, "max": 5}))
    alignment = align(wanted.expected_calls, trace(call("poll"), call("poll")).calls)
    assert (len(alignment.pairs), alignment.missing) == (2, ())


def test_required_calls_come_before_optional_ones():
    wanted = case(expect("read", optional=True), expect("read"))
    alignment = align(wanted.expected_calls, trace(call("read")).calls)
    assert [pair.expected.optional for pair in alignment.pairs] == [False]


def test_an_optional_call_is_aligned_only_when_its_arguments_are_right():
    wanted = case(expect("find", args={"id": 1}, optional=True))
    assert aligned(wanted, trace(call("find", id=2))) == []
    assert aligned(wanted, trace(call("find", id=1))) == [("find", 1, True)]


def test_a_required_call_is_aligned_with_wrong_arguments_too():
    assert aligned(case(expect("find", args={"id": 1})), trace(call("find", id=2))) == [
        ("find", 1, False)
    ]


def test_the_successful_call_is_preferred_to_the_one_that_failed():
    failed_first = trace(call("pay", error="fault"), call("pay"))
    assert aligned(case(expect("pay")), failed_first) == [("pay", 2, True)]


def test_equal_calls_are_aligned_in_their_order():
    wanted = case(expect("read", id="a"), expect("pay", "write"), expect("read", id="b"))
    alignment = align(
        wanted.expected_calls, trace(call("read"), call("pay", "write"), call("read")).calls
    )
    assert {pair.expected.id: pair.call.seq for pair in alignment.pairs if pair.expected.id} == {
        "a": 1,
        "b": 3,
    }


def test_an_alternative_does_as_well():
    wanted = case(expect("by_id", args={"id": 1}, alternatives=[{"tool": "by_mail"}]))
    alignment = align(wanted.expected_calls, trace(call("by_mail", mail="x")).calls)
    assert [pair.pattern.tool for pair in alignment.pairs] == ["by_mail"]
    assert alignment.pairs[0].exact


def test_how_often_is_counted_and_more_than_allowed_is_unexpected():
    wanted = case(expect("poll", times={"min": 1, "max": 2}))
    alignment = align(wanted.expected_calls, trace(call("poll"), call("poll"), call("poll")).calls)
    assert (len(alignment.pairs), len(alignment.unexpected)) == (2, 1)


def test_any_number_of_times_takes_them_all_and_misses_what_is_below_the_minimum():
    wanted = case(expect("poll", times={"min": 2, "max": None}))
    many = align(wanted.expected_calls, trace(*[call("poll")] * 5).calls)
    one = align(wanted.expected_calls, trace(call("poll")).calls)
    assert (len(many.pairs), len(many.missing)) == (5, 0)
    assert (len(one.pairs), len(one.missing)) == (1, 1)


def test_a_call_of_another_turn_does_not_count():
    wanted = case(expect("pay", turn=2), turns=[{"user": "a"}, {"user": "b"}])
    early = trace(call("pay").model_copy(update={"turn": 1}))
    assert aligned(wanted, early) == []


def test_extra_arguments_are_looked_at_only_when_forbidden():
    strict = case(expect("pay", args={"n": 1}, extra_arguments="forbidden"))
    loose = case(expect("pay", args={"n": 1}))
    actual = trace(call("pay", n=1, note="x"))
    (pair,) = align(strict.expected_calls, actual.calls).pairs
    assert (pair.checked, pair.wrong) == (2, ("note: wanted no such argument, got 'x'",))
    assert aligned(loose, actual) == [("pay", 1, True)]
    (pair,) = align(strict.expected_calls, trace(call("pay", n=2, note="x")).calls).pairs
    assert pair.wrong == ("n: wanted 1, got 2", "note: wanted no such argument, got 'x'")


def test_an_argument_can_be_expected_not_to_be_given():
    wanted = case(expect("pay", args={"limit": {"match": "absent"}}))
    assert aligned(wanted, trace(call("pay"))) == [("pay", 1, True)]
    assert aligned(wanted, trace(call("pay", limit=None))) == [("pay", 1, False)]


def test_arguments_that_could_not_be_read_are_wrong():
    unreadable = trace(call("pay").model_copy(update={"arguments": None}))
    (pair,) = align(
        case(expect("pay", args={"a": 1, "b": 2})).expected_calls, unreadable.calls
    ).pairs
    assert (pair.checked, pair.wrong) == (2, ("the arguments could not be read",))
    (pair,) = align(case(expect("pay")).expected_calls, unreadable.calls).pairs
    assert (pair.checked, pair.exact) == (1, False)
