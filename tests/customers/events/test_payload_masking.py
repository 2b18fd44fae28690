"""Masking hides all personal values, changes nothing else and can be undone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.events.payload_masking import (
    UnreadablePayloadError,
    format_indented,
    mask_payload,
    unmask_payload,
)

IDENTIFY = {
    "type": "identify",
    "userId": "anna@example.com",
    "traits": {"name": "Anna", "email": "anna@example.com", "address": {"city": "Kyiv"}, "plan": "gold", "phone": ""},
    "properties": {"products": [{"name": "Kettle", "title": "Blue"}], "Email": "anna@example.com"},
    "context": {"ip": "203.0.113.7", "traits": {"firstName": "Anna"}, "page": {"path": "/for/anna@example.com"}},
}


def test_masked_values_of_a_corrected_payload_are_restored() -> None:
    masked = mask_payload(json.dumps(IDENTIFY))
    assert "anna" not in masked.text.lower()
    corrected = masked.text.replace('"identify"', '"track"')
    assert json.loads(unmask_payload(corrected, masked.hidden)) == {**IDENTIFY, "type": "track"}


def test_a_mark_is_not_restored_where_everyone_would_see_its_value() -> None:
    masked = mask_payload(json.dumps({"traits": {"name": "Anna", "plan": "gold"}, "event": "Signed Up"}))
    moved = masked.text.replace('"gold"', '"•••1"').replace('"Signed Up"', '"•••1"')
    assert json.loads(unmask_payload(moved, masked.hidden)) == {
        "traits": {"name": "Anna", "plan": "•••1"},
        "event": "•••1",
    }


def test_a_mark_as_a_key_is_restored_only_if_it_was_one() -> None:
    masked = mask_payload(json.dumps({"traits": {"address": {"city": "Kyiv"}, "a@b.example": 1}}))
    assert json.loads(unmask_payload(masked.text, masked.hidden))["traits"]["a@b.example"] == 1
    moved = json.dumps({"•••1": 1, "•••2": 2})
    assert json.loads(unmask_payload(moved, masked.hidden)) == {"•••1": 1, "a@b.example": 2}


def test_masks_differ_from_every_text_in_the_payload() -> None:
    payload = {"event": "•••1", "email": "anna@example.com"}
    masked = mask_payload(json.dumps(payload, ensure_ascii=False))
    assert json.loads(unmask_payload(masked.text, masked.hidden)) == payload


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, '{"a": NaNa}'])
def test_invalid_json_cannot_be_masked(text: str) -> None:
    with pytest.raises(UnreadablePayloadError):
        mask_payload(text)
    assert unmask_payload(text, {"•••1": "x"}) == text


def test_lone_surrogate_can_be_shown() -> None:
    masked = mask_payload('{"event": "\\ud800"}')
    masked.text.encode()
    assert json.loads(unmask_payload(masked.text, {})) == {"event": "\ud800"}


KEYS = st.sampled_from(["traits", "email", "name", "ip", "products", "event", "context", "$personal"]) | st.text()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.emails(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_masking_loses_nothing(payload: Any) -> None:
    text = format_indented(payload)
    masked = mask_payload(text)
    assert json.loads(unmask_payload(masked.text, masked.hidden)) == json.loads(text)
