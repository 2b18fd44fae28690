"""After the shop names its country, one number in several forms is one identifier, and nobody is merged by the change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import forget_shop, get_phone_countries
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data import phone_forms
from customers.identity.personal_data.hashing import hash_phone, list_phone_hashes
from customers.identity.personal_data.phone_forms import PhoneFormsResult, apply_phone_country
from recommendations.sending.models import Suppression
from recommendations.sending.suppressions.suppression_list import parse_address, suppress

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored_shop")]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FORMS = ("13800138000", "+86 138-0013-8000", "008613800138000", "86 13800138000")


@pytest.fixture(autouse=True)
def no_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no other process to read the new country."""
    monkeypatch.setattr(phone_forms, "SETTLE_SECONDS", 0)


def store_customer(user_id: str, phone: str) -> Any:
    [result] = upsert_customers(changes=[CustomerChange(user_id, {"phone": phone})], seen_at=NOW).results
    return result


def set_country(country: str) -> None:
    ShopSettings.objects.update_or_create(pk=1, defaults={"country": country})
    forget_shop()


def find_by_phone(phone: str) -> list[int]:
    return list(
        Identifier.objects.filter(kind="phone_hash", value=hash_phone(phone)).values_list("customer_id", flat=True)
    )


def test_all_forms_find_the_customer_during_and_after_the_change() -> None:
    store_customer("u1", FORMS[0])
    customer = Customer.objects.get()
    assert find_by_phone(FORMS[1]) == []
    set_country("CN")
    assert [find_by_phone(form) for form in reversed(FORMS)] == [[customer.pk]] * 4
    assert apply_phone_country().customers == 1
    assert get_phone_countries().applied == "CN"
    assert apply_phone_country() == PhoneFormsResult()
    assert customer.phone == "13800138000"  # what someone wrote stays


def test_a_number_of_two_customers_stays_with_both() -> None:
    store_customer("u1", FORMS[0])
    store_customer("u2", FORMS[1])
    set_country("CN")
    result = apply_phone_country()
    assert (result.renamed, result.shared) == (0, 1)
    assert Identifier.objects.filter(kind="phone_hash").count() == Customer.objects.count() == 2
    assert "phone" in str(store_customer("u3", FORMS[2]))  # it belongs to u2


def test_numbers_of_other_countries_are_not_touched() -> None:
    before = {}
    for number, phone in enumerate(("+1 380 013 8000", "+49 171 1234567", "4915112345", "555-0100")):
        store_customer(f"u{number}", phone)
        before[phone] = find_by_phone(phone)
    set_country("CN")
    assert apply_phone_country().renamed == 0
    assert {phone: find_by_phone(phone) for phone in before} == before


def test_a_number_that_was_suppressed_in_its_national_form_stays_suppressed() -> None:
    parsed = parse_address("13800138000")
    assert parsed is not None
    suppress([parsed], reason="import", source="old tool", at=NOW)
    set_country("CN")
    apply_phone_country()
    assert Suppression.objects.filter(value_hash__in=list_phone_hashes("+8613800138000")).exists()


def test_the_country_is_set_on_the_settings_page(admin_client: Client) -> None:
    values = {"name": "茶店", "currency": "CNY", "language": "zh-hans", "time_zone": "UTC", "action": "save"}
    assert admin_client.post("/admin/settings/shop/", values | {"country": "CN"}).status_code == 302
    assert ShopSettings.objects.get().country == "CN"
    assert admin_client.post("/admin/settings/shop/", values | {"country": "XX"}).status_code == 422
