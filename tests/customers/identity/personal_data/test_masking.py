"""The masking policy hides every personal value, shows everything else, and asks the same question of users and keys."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from customers.identity.personal_data.audit_masking import mask_json_value, mask_value
from customers.identity.personal_data.masking import (
    is_personal_id,
    mask_hash,
    mask_id,
    mask_json,
    mask_json_text,
    mask_text,
    may_see_personal,
)

IDENTIFY: dict[str, Any] = {
    "type": "identify",
    "userId": "anna@example.com",
    "traits": {"name": "Anna", "email": "anna@example.com", "address": {"city": "Kyiv"}, "plan": "gold", "phone": ""},
    "properties": {"products": [{"name": "Kettle", "title": "Blue"}], "Email": "anna@example.com"},
    "context": {"ip": "203.0.113.7", "traits": {"firstName": "Anna"}, "page": {"path": "/for/anna@example.com"}},
}


def test_personal_values_are_masked_and_a_product_keeps_its_name() -> None:
    assert mask_json(IDENTIFY) == {
        "type": "identify",
        "userId": "•••",
        "traits": {"name": "•••", "email": "•••", "address": "•••", "plan": "gold", "phone": ""},
        "properties": {"products": [{"name": "Kettle", "title": "Blue"}], "Email": "•••"},
        "context": {"ip": "•••", "traits": {"firstName": "•••"}, "page": {"path": "/for/•••"}},
    }


def test_traits_without_an_event_are_masked() -> None:
    assert mask_json({"name": "Anna", "plan": "gold"}, among_traits=True) == {"name": "•••", "plan": "gold"}
    assert mask_json({"name": "Kettle", "$personal": "gAAAA"}) == {"name": "Kettle", "$personal": "•••"}


def test_what_describes_a_person_is_masked_at_any_depth() -> None:
    properties = {
        "customer": {"name": "Anna", "tier": 2},
        "gifts": [{"recipientName": "Ben", "sku": "tea"}],
        "company": {"name": "Tea Ltd", "manager": {"email": "ben@example.com"}},
    }
    assert mask_json(properties) == {
        "customer": {"name": "•••", "tier": 2},
        "gifts": [{"recipientName": "•••", "sku": "tea"}],
        "company": {"name": "Tea Ltd", "manager": {"email": "•••"}},
    }


def test_keys_that_are_addresses_are_masked() -> None:
    assert mask_json({"a@b.example": 1, "c@d.example": 2}) == {"•••": 1, "••• (2)": 2}


def test_a_mobile_number_is_masked_as_a_user_id_but_not_as_an_order_id() -> None:
    assert mask_json({"userId": "13712388099", "order_id": "13712388099"}) == {
        "userId": "•••",
        "order_id": "13712388099",
    }


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("userId is 'anna@example.com'; give a text.", "userId is '•••'; give a text."),
        ("https://shop.example/a?email=anna%40example.com&page=2", "https://shop.example/a?email=•••&page=2"),
        ("/account/anna@example.com/orders", "/account/•••/orders"),
        ("Call +49 170 5550987 today", "Call ••• today"),
        ("?phone=%2B491705550987", "?phone=•••"),
        ("13712388099 or anna＠example.com", "••• or •••"),
        ("call (555) 123-4567", "•••"),
        ("Order 1371238 of 2026-11-24 12:00, €19.90", "Order 1371238 of 2026-11-24 12:00, €19.90"),
        ("", ""),
    ],
)
def test_only_the_addresses_and_numbers_in_a_text_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert mask_text(text, with_personal=True) == text


@pytest.mark.parametrize(
    "value", ["anna@example.com", "+491705550987", "+86 137 1238 8099", "8613712388099", "13712388099"]
)
def test_an_id_that_is_an_address_or_a_phone_number_is_personal(value: str) -> None:
    assert is_personal_id(value)
    assert mask_id(value) == "•••"
    assert mask_id(value, with_personal=True) == value
    assert mask_id(value, mask="") == ""


@pytest.mark.parametrize(
    "value",
    [
        "u1",
        "12345678901234",
        "0012345678",
        "GA1.2.1371238809.1700000000",
        "5f0c2f9e-1c1b-4d3c-9a7e-13712388099f",
        "",
        "user-13712388099",
    ],
)
def test_other_ids_are_shown(value: str) -> None:
    assert mask_id(value) == value


def test_a_hash_is_shortened_or_masked() -> None:
    assert mask_hash("0123456789abcdef", with_personal=True) == "01234567…"
    assert mask_hash("0123456789abcdef", with_personal=False) == "•••"


def test_values_of_the_audit_log_are_masked() -> None:
    assert mask_value("Anna") == "•••"
    assert mask_value("{}") == ""
    assert json.loads(mask_json_value('[{"kind": "user_id", "value": "13712388099"}]')) == [
        {"kind": "user_id", "value": "•••"}
    ]
    assert json.loads(mask_json_text('{"name": "Anna", "plan": "gold"}')) == {"name": "•••", "plan": "gold"}
    assert mask_json_text("{not JSON, but by anna@example.com") == "•••"
    assert mask_json_text("by anna@example.com") == "by •••"


def test_users_need_the_permission_and_keys_the_scope() -> None:
    user = SimpleNamespace(has_perm=lambda permission: permission == "identity.view_personal")
    assert may_see_personal(user)
    assert may_see_personal(SimpleNamespace(user=user))
    assert not may_see_personal(SimpleNamespace(user=AnonymousUser()))
    for scopes, expected in ((frozenset({"customers:personal"}), True), (frozenset({"customers:read"}), False)):
        assert may_see_personal(SimpleNamespace(user=user, auth=SimpleNamespace(scopes=scopes))) is expected
