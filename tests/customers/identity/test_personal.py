"""Personal traits are sealed whole, and known by all their spellings."""

import pytest
from cryptography.fernet import Fernet

from customers.identity.fields import UnreadableFieldError
from customers.identity.personal import PERSONAL_TRAITS, seal_personal, unseal_personal


def test_sealed_traits_come_back_and_are_not_readable() -> None:
    traits = {"email": "anna@shop.org", "address": {"city": "上海", "lines": ["a", 1, None]}}
    sealed = seal_personal(traits)
    assert unseal_personal(sealed) == traits
    assert "anna" not in sealed
    assert seal_personal(traits) != sealed


def test_key_that_is_gone_says_so(settings: pytest.FixtureRequest) -> None:
    sealed = seal_personal({"name": "Anna"})
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]  # type: ignore[attr-defined]
    with pytest.raises(UnreadableFieldError, match="FIELD_KEYS"):
        unseal_personal(sealed)


def test_every_spelling_is_known() -> None:
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
