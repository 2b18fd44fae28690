"""Nesting is measured on the bytes, as a parser would find it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.foundation.json_nesting import (
    MAX_JSON_DEPTH,
    NestingError,
    load_json,
    measure_json_depth,
    require_shallow_json,
)

values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\[]{}\né'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\[]{}'), inner, max_size=3),
    max_leaves=30,
)


def count_levels(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(count_levels, inner), default=0)


@given(values)
def test_depth_is_that_of_the_parsed_value(value: object) -> None:
    assert measure_json_depth(json.dumps(value).encode()) == count_levels(value)
    assert measure_json_depth(json.dumps(value, ensure_ascii=False).encode()) == count_levels(value)


def test_brackets_inside_strings_do_not_hide_the_depth() -> None:
    hidden = b'{"]]]]":' * 100 + b"1" + b"}" * 100
    assert measure_json_depth(hidden) == 100
    assert measure_json_depth(b'{"\\\\\\"[[[":1}') == 1


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a":[', b'[{"\\u0022":'])
def test_deep_text_is_rejected_without_being_parsed(opening: bytes) -> None:
    with pytest.raises(NestingError, match="more than 64 levels"):
        load_json(opening * 500_000)


def test_the_deepest_allowed_text_is_parsed() -> None:
    text = b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH
    require_shallow_json(text)
    assert count_levels(load_json(text)) == MAX_JSON_DEPTH
    with pytest.raises(NestingError):
        require_shallow_json(b"[" + text + b"]")
