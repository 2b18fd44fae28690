"""Personal traits of customers are encrypted in the database, whoever writes them, and plain for those who read them in Python."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer
from customers.identity.personal_data.sealed_traits import seal_traits, unseal_traits
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import IdentifyTraits
from customers.lifecycle.portrait.traits import read_stored_customer
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db

TRAITS = {
    "微信号": "wx-anna",
    "partnerEmail": "bo@shop.example",
    "favourite": "anna@shop.example",
    "plan": "gold",
    "size": 3,
}


def read_raw_traits(customer: Customer) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT traits::text FROM identity_customer WHERE id = %s", [customer.pk])
        return json.loads(cursor.fetchone()[0])  # type: ignore[no-any-return]


def assert_is_sealed(customer: Customer, traits: dict[str, Any] = TRAITS) -> None:
    raw = read_raw_traits(customer)
    assert raw.keys() == traits.keys()
    assert {name for name, value in raw.items() if isinstance(value, dict)} == traits.keys() - {"plan", "size"}
    assert "anna" not in json.dumps(raw)
    assert "shop.example" not in json.dumps(raw)
    assert Customer.objects.get(pk=customer.pk).traits == traits
    stored = read_stored_customer(customer_id=customer.pk)
    assert stored is not None
    assert stored.traits == traits


def test_saved_traits_are_encrypted() -> None:
    customer = make_customer("u1", traits=TRAITS)
    assert_is_sealed(customer)
    customer.traits = {**TRAITS, "size": 4}
    Customer.objects.bulk_update([customer], ["traits"])
    assert_is_sealed(customer, {**TRAITS, "size": 4})


def test_traits_of_the_api_are_encrypted() -> None:
    customer = make_customer("u1")
    change = CustomerChange(user_id="u1", fields={}, traits=TRAITS)
    assert upsert_customers(changes=[change], seen_at=NOON).updated == 1
    assert_is_sealed(customer)
    assert upsert_customers(changes=[change], seen_at=NOON).unchanged == 1


def test_traits_of_events_are_encrypted_and_unchanged_ones_are_not_written_again() -> None:
    customer = make_customer("u1")
    apply_trait_updates(updates=[TraitUpdate(customer.pk, NOON, IdentifyTraits(traits=TRAITS))])
    assert_is_sealed(customer)
    before = read_raw_traits(customer)
    apply_trait_updates(updates=[TraitUpdate(customer.pk, NOON + timedelta(1), IdentifyTraits(traits=TRAITS))])
    assert read_raw_traits(customer) == before


def test_merge_of_customers_fills_encrypted_traits_and_can_be_undone() -> None:
    kept, merged = make_customer("u1", traits={"plan": "gold"}), make_customer("u2", traits=TRAITS)
    [merge_id] = merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert_is_sealed(kept)
    # saved again, the same values have other ciphertexts
    Customer.objects.get(pk=kept.pk).save()
    revert_merge(merge_id=merge_id, at=NOON, by="test")
    assert read_raw_traits(kept) == {"plan": "gold"}
    assert_is_sealed(merged)


def test_traits_with_a_lost_key_are_kept_as_they_are(settings: Any) -> None:
    customer = make_customer("u1", traits=TRAITS)
    before, keys = read_raw_traits(customer), settings.FIELD_KEYS
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    loaded = Customer.objects.get(pk=customer.pk)
    assert loaded.traits == before
    loaded.save()
    settings.FIELD_KEYS = keys
    assert_is_sealed(customer)


def test_encrypting_twice_changes_nothing() -> None:
    sealed = seal_traits(TRAITS)
    assert seal_traits(sealed) == sealed
    assert unseal_traits(sealed) == TRAITS
