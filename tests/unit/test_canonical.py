import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate import canonical

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON))
def test_the_same_content_has_the_same_bytes_in_any_order(value):
    turned = dict(reversed(list(value.items())))
    assert canonical.dump(value) == canonical.dump(turned)


def test_numbers_that_json_tells_apart_stay_apart():
    assert len({canonical.dump(value) for value in (1, 1.0, "1", True)}) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "key given twice in one object: a"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1e999}', "1e999 does not fit a double"),
        (r'{"a": "\ud800"}', "half of a surrogate pair"),
        ('{"a": 1', "Expecting"),
    ],
)
def test_what_two_readers_may_understand_differently_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        canonical.load(text)
