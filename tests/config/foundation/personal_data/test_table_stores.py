"""Stores of personal data that are rows of tables, and the registry of them."""

import pytest

from config.foundation.personal_data import registry
from config.foundation.personal_data.locations import LocationKind, files, keys, table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import DuplicateStoreError, register_stores
from config.foundation.personal_data.table_stores import CustomerRows, IdentifierRows
from customers.orders.models import Order
from tests.makers import make_customer, make_order

pytestmark = pytest.mark.django_db


def test_rows_of_a_customer_are_found_exported_and_deleted_once() -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    store = CustomerRows("test.identifiers", "identifiers", "identity.Identifier")
    person = Person(ada.pk)
    assert [finding.count for finding in store.find([person])] == [1]
    assert [record["value"] for record in store.export(person)] == ["ada"]
    assert store.erase([person]) == 1
    assert store.erase([person]) == 0
    assert store.find([person]) == []
    assert bob.identifiers.count() == 1


def test_rows_that_results_count_get_the_anonymous_number() -> None:
    ada, bob, nobody = make_customer("ada"), make_customer("bob"), make_customer()
    for customer, order_id in ((ada, "o1"), (bob, "o2")):
        make_order(customer, order_id=order_id)
    store = CustomerRows("test.orders", "orders", "orders.Order", is_renumbered=True, blank={"guest_email_hash": ""})
    assert store.erase([Person(ada.pk, replacement_id=nobody.pk)]) == 1
    assert dict(Order.objects.values_list("order_id", "customer_id")) == {"o1": nobody.pk, "o2": bob.pk}


def test_rows_with_identifiers_are_matched_by_kind() -> None:
    make_customer("ada")
    store = IdentifierRows("test.values", "values", "identity.Identifier", kinds={"value": ("user_id",)})
    assert store.find([Person(1, identifiers=(("anonymous_id", "ada"),))]) == []
    assert [finding.count for finding in store.find([Person(1, identifiers=(("user_id", "ada"),))])] == [1]


def test_a_person_survives_json() -> None:
    person = Person(1, (2,), (("user_id", "ada"),), 3, ("Ada Lovelace",), ((4, "o1"),), (5,))
    assert Person.from_json(person.to_json()) == person


def test_locations_cover_what_they_name() -> None:
    assert table("orders.Order").covers_column("orders.order", "coupon")
    assert not table("orders.Order", "coupon").covers_column("orders.order", "channel")
    [pattern] = files("exports/imports/*")
    assert pattern.covers_name(LocationKind.FILE, "exports/imports/a/b.csv")
    assert not pattern.covers_name(LocationKind.KEY, "exports/imports/a/b.csv")
    [key] = keys("recent:*")
    assert key.covers_name(LocationKind.KEY, "recent:user_id:ada")


def test_two_stores_cannot_have_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_stores", {})
    store = CustomerRows("test.double", "double", "identity.Identifier")
    register_stores(store)
    with pytest.raises(DuplicateStoreError, match=r"test\.double"):
        register_stores(store)
