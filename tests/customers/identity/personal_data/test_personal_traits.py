"""Personal traits are encrypted as a whole and recognized in every spelling."""

import pytest
from cryptography.fernet import Fernet

from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.personal_traits import (
    PERSONAL_TRAITS,
    is_personal_trait,
    seal_personal,
    unseal_personal,
)


def test_personal_traits_are_encrypted_and_can_be_decrypted() -> None:
    traits = {"email": "anna@shop.org", "address": {"city": "上海", "lines": ["a", 1, None]}}
    sealed = seal_personal(traits)
    assert unseal_personal(sealed) == traits
    assert "anna" not in sealed
    assert seal_personal(traits) != sealed


def test_lost_encryption_key_raises_an_error(settings: pytest.FixtureRequest) -> None:
    sealed = seal_personal({"name": "Anna"})
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    with pytest.raises(UnreadableFieldError, match="FIELD_KEYS"):
        unseal_personal(sealed)


def test_every_spelling_of_a_personal_trait_is_recognized() -> None:
    assert {
        "firstName",
        "first_name",
        "FirstName",
        "firstname",
        "first-name",
        "email",
        "phoneNumber",
    } <= PERSONAL_TRAITS
    assert not {"plan", "country", "gender", "company"} & PERSONAL_TRAITS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partnerName", "Bo"),
        ("home_city", "Graz"),
        ("address.street", "Hauptstr. 1"),
        ("手机号", "1"),
        ("收货地址", "x"),
        ("EmailVerified", True),
        ("contact", "x"),
        ("favourite", "anna@shop.org"),
        ("note", "call +43 660 123 45 67"[5:]),
        ("friends", ["Bo", "bo@shop.org"]),
    ],
)
def test_custom_trait_is_personal_by_its_name_or_value(name: str, value: object) -> None:
    assert is_personal_trait(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("household_size", "3"),
        ("company.name", "Leaf Ltd"),
        ("planName", "gold"),
        ("gender", "female"),
        ("income", "50-74K"),
        ("visited", "2026-11-24"),
        ("points", 123456789012),
        ("favourite", "green tea"),
        ("scenario", "mails"),
    ],
)
def test_other_traits_are_not_personal(name: str, value: object) -> None:
    assert not is_personal_trait(name, value)
