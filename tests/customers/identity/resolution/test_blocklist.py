"""Placeholders are distinguished from ids."""

import pytest

from customers.identity.resolution.blocklist import is_blocked_email, is_blocked_id, is_blocked_phone


@pytest.mark.parametrize(
    "value",
    ["null", "NULL", " undefined ", "None", "0", "-1", "guest", "Anonymous", "[object Object]", "(not set)", "NaN", "",
     "000000", "00000000-0000-0000-0000-000000000000"],
)  # fmt: skip
def test_placeholder_is_blocked(value: str) -> None:
    assert is_blocked_id(value)


@pytest.mark.parametrize(
    "value", ["1", "10", "u0", "guest-17", "nullius", "3f2a77b0-6f1e-4b5c-9d2e-0000000000", "客户"]
)
def test_real_id_is_not_blocked(value: str) -> None:
    assert not is_blocked_id(value)


@pytest.mark.parametrize(
    "email", ["", "null", "guest@shop.org", "noreply@shop.org", "test@example.com", "a b@c.d", "@x.y"]
)
def test_placeholder_email_is_blocked(email: str) -> None:
    assert is_blocked_email(email)


@pytest.mark.parametrize("email", ["anna@shop.org", "test@shop.org", "o'hara+x@sub.shop.co.uk"])
def test_real_email_is_not_blocked(email: str) -> None:
    assert not is_blocked_email(email)


@pytest.mark.parametrize(("phone", "blocked"), [("", True), ("1234", True), ("0000000", True), ("+4917012345", False)])
def test_placeholder_phone_number_is_blocked(phone: str, blocked: bool) -> None:
    assert is_blocked_phone(phone) is blocked
