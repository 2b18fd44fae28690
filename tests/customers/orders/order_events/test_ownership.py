"""Orders belong to the customers whom their events name, also after identifiers have gone to another customer."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.merging.transfers import Eviction, evict_oldest, revert_transfer
from customers.identity.models import Customer, Identifier, IdentifierTransfer
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order
from tests.customers.processing.event_makers import NOW, order, process, product, send
from tests.makers import make_order, make_source

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture(autouse=True)
def _warehouse(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def buy(order_id: str, name: str = "Order Completed", **identifiers: str) -> None:
    send({**order(name, order_id, products=[product()]), "userId": None, **identifiers})
    process(LATER)


def find_customer(value: str) -> Customer:
    return Customer.objects.get(identifiers__value=value)


def read_owners() -> dict[str, int | None]:
    return dict(Order.objects.values_list("order_id", "customer_id"))


def test_undoing_a_merge_gives_each_customer_the_orders_of_their_own_identifiers() -> None:
    buy("V1", anonymousId="v1")
    buy("V2", anonymousId="v1")
    buy("B1", userId="bob")
    visitor, bob = find_customer("v1"), find_customer("bob")
    [merge_id] = merge_customers(pairs=[(bob.pk, visitor.pk)], at=LATER, causes=["test"])
    buy("V3", anonymousId="v1")
    buy("V2", "Order Updated", userId="bob")
    buy("B2", userId="bob")
    make_order(bob, placed_at=NOW, order_id="file-1", source=make_source("erp"))
    revert_merge(merge_id=merge_id, at=LATER, by="anna")
    # the later event of V2 says that bob is the buyer
    before = {"V1": visitor.pk, "V3": visitor.pk, "V2": bob.pk, "B1": bob.pk, "B2": bob.pk, "file-1": bob.pk}
    assert read_owners() == before
    counts = dict(CustomerProfile.objects.values_list("customer_id", "orders"))
    assert counts == {visitor.pk: 2, bob.pk: 4}
    for order_id in ("V1", "V2", "V3", "B1", "B2"):
        send({**order("Order Refunded", order_id, total="1.00"), "userId": "staff"})
    process(LATER)
    assert read_owners() == before


def test_orders_go_with_a_transferred_identifier_as_their_events_do() -> None:
    buy("A1", userId="ada", anonymousId="v1")
    buy("A2", anonymousId="v1")
    ada = find_customer("ada")
    Identifier.objects.filter(value="v1").update(is_proven=False)
    with transaction.atomic():
        evict_oldest(evictions=[Eviction(ada.pk, "anonymous_id", "test")], at=LATER)
    visitor = find_customer("v1")
    assert visitor != ada
    assert read_owners() == {"A1": ada.pk, "A2": visitor.pk}
    counters = CustomerProfile.objects.values_list("customer_id", "orders", "events")
    assert set(counters) == {(ada.pk, 1, 1), (visitor.pk, 1, 1)}
    revert_transfer(transfer_id=IdentifierTransfer.objects.get().pk, at=LATER, by="anna")
    assert read_owners() == {"A1": ada.pk, "A2": ada.pk}
