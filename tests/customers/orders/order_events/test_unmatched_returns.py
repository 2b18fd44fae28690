"""Returned products that are not in their order count as 0, and the refund is listed with the rejected events."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.events.dead_letters.replay import replay_rejected
from customers.events.models import RejectedEvent
from customers.orders.models import Order
from tests.customers.processing.event_makers import NOW, order, process, product, send
from tests.makers import make_product, make_source

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _warehouse(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def buy(*products: dict[str, Any], minutes: int = 0) -> None:
    send(order(products=list(products)), at=NOW + timedelta(minutes=minutes))
    process(NOW + timedelta(minutes=minutes))


def refund(*products: dict[str, Any], hours: int = 1, **properties: Any) -> None:
    send(order("Order Refunded", products=list(products), **properties), at=NOW + hours * HOUR)
    process(NOW + hours * HOUR)


def read_order() -> tuple[str, int]:
    stored = Order.objects.get()
    return stored.status, int(stored.refunded)


def test_a_refund_of_an_unknown_product_is_reported_and_counts_as_corrected() -> None:
    buy(product("tea", 10), product("cup", 5))
    refund({"product_id": "tea"}, {"product_id": "cpu"})
    assert read_order() == ("partly_refunded", 10)
    rejected = RejectedEvent.objects.get()
    assert rejected.code == "unmatched_return"
    assert "'cpu'" in rejected.reason
    assert "A1" in rejected.reason
    payload = json.loads(rejected.payload)
    payload["properties"]["products"][1]["product_id"] = "cup"
    assert replay_rejected(rejected_id=rejected.pk, payload=json.dumps(payload), at=NOW + 2 * HOUR).accepted
    process(NOW + 2 * HOUR)
    assert read_order() == ("refunded", 15)
    assert RejectedEvent.objects.count() == 1


def test_a_refund_that_came_before_its_order_is_reported_with_the_order() -> None:
    refund({"product_id": "cup"}, hours=0)
    assert not RejectedEvent.objects.exists()
    buy(product("tea", 10), minutes=5)
    assert read_order() == ("partly_refunded", 0)
    assert RejectedEvent.objects.get().code == "unmatched_return"
    send(order("Order Updated", coupon="X"), at=NOW + HOUR)
    process(NOW + HOUR)
    assert RejectedEvent.objects.count() == 1, "reported once"


def test_a_reported_refund_counts_when_an_update_of_the_order_adds_the_product() -> None:
    buy(product("tea", 10))
    refund({"product_id": "cup"})
    assert RejectedEvent.objects.count() == 1
    send(order("Order Updated", products=[product("tea", 10), product("cup", 5)]), at=NOW + 2 * HOUR)
    process(NOW + 2 * HOUR)
    assert read_order() == ("partly_refunded", 5)


@pytest.mark.parametrize(
    ("products", "properties"),
    [
        ([{"product_id": "tea"}], {}),
        ([{"product_id": "SKU-TEA"}], {}),
        ([{"product_id": "cpu", "price": "3.00"}], {}),
        ([{"product_id": "cpu"}], {"total": "3.00"}),
    ],
)
def test_a_refund_with_a_value_is_not_reported(products: list[dict[str, Any]], properties: dict[str, Any]) -> None:
    make_product("tea", sku="SKU-TEA")
    buy(product("tea", 10), product("cup", 5))
    refund(*products, **properties)
    assert read_order()[1] > 0
    assert not RejectedEvent.objects.exists()


def test_a_refund_whose_order_is_not_there_yet_is_not_reported_by_other_orders() -> None:
    send(
        order(order_id="B1", products=[product("tea", 10)]),
        order("Order Refunded", "B2", products=[{"product_id": "cup"}]),
        source=make_source("web", kind="server"),
    )
    process()
    assert not RejectedEvent.objects.exists()
