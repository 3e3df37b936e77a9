import json

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
        (r'{"a": "\uDFFF"}', "half of a surrogate pair"),
        ('{"a": "\ud800"}', "half of a surrogate pair"),
        (b'{"a": "\xed\xa0\x80"}', "half of a surrogate pair"),
        ("[" * 101 + "]" * 101, "nested deeper than 100 levels"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested deeper than 100 levels"),
        ('{"a": 1', "Expecting"),
    ],
)
def test_what_two_readers_may_understand_differently_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        canonical.load(text)


@pytest.mark.parametrize(
    "value",
    [json.loads("[" * 100 + "]" * 100), [{}] * 500, ["\U0001f600", "é"], {"a": "[{" * 500}],
    ids=["as deep as may be", "wide", "characters of all planes", "brackets in a text"],
)
def test_what_is_no_trouble_is_read_as_it_is(value):
    for ascii_only in (True, False):
        assert canonical.load(json.dumps(value, ensure_ascii=ascii_only)) == value
