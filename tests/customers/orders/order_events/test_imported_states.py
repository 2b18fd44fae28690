"""Orders with both imports and events: each changes what the other has left, and nothing comes back by itself."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.bulk_results import ItemStatus
from config.foundation.shop.profile import forget_shop
from customers.identity.personal_data.hashing import hash_email
from customers.orders.cancellation import cancel_orders
from customers.orders.imports.loading import staged_load
from customers.orders.models import Order, OrderChange, OrderEvent
from customers.orders.upsert import upsert_orders
from tests.customers.processing.event_makers import NOW, order, process, product, send, track
from tests.makers import make_source

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    settings.VAR_DIR = tmp_path


def at_hour(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def import_order(hours: int, **fields: Any) -> ItemStatus:
    item = {
        "order_id": "A1",
        "user_id": "ada",
        "placed_at": NOW.isoformat(),
        "lines": [{"product_id": "tea", "quantity": 2, "unit_price": "10.00"}],
        **fields,
    }
    written = upsert_orders(items=[item], source=make_source("web", kind="server"), at=at_hour(hours), currency="EUR")
    return written.results[0].status


def send_order(hours: int, name: str = "Order Completed", **properties: Any) -> None:
    send(order(name, **properties), at=at_hour(hours))
    process(at_hour(hours))


def send_visitor_order(hours: int, name: str, **properties: Any) -> None:
    send(track(name, {"order_id": "A1", **properties}, anonymousId="server-1"), at=at_hour(hours))
    process(at_hour(hours))


def read_state() -> tuple[str, Decimal, Decimal]:
    stored = Order.objects.get()
    return stored.status, stored.total, stored.refunded


def test_next_event_keeps_a_correction_by_an_import() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    lines = [{"product_id": "tea", "quantity": 1, "unit_price": "10.00"}]
    assert import_order(1, status="cancelled", lines=lines) is ItemStatus.UPDATED
    send_order(2, "Order Updated", coupon="X")
    assert (read_state(), Order.objects.get().coupon) == (("cancelled", Decimal(10), Decimal(0)), "X")
    assert Order.objects.get().lines.get().quantity == 1


def test_an_event_from_before_the_import_that_arrives_later_changes_nothing() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    import_order(2, shipping="4.00")
    late = {**order("Order Updated", products=[product(quantity=9)]), "timestamp": at_hour(1).isoformat()}
    send(late, at=at_hour(3))
    process(at_hour(3))
    assert read_state() == ("placed", Decimal(24), Decimal(0))


def test_an_import_takes_back_neither_the_cancellation_nor_the_refund_of_an_event() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    send_order(1, "Order Refunded", total="5.00")
    send_order(2, "Order Cancelled")
    assert import_order(3, status="placed") is ItemStatus.UNCHANGED
    assert read_state() == ("cancelled", Decimal(20), Decimal(5))


def test_repeated_imports_do_not_make_the_log_longer() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    send_order(1, "Order Refunded", total="5.00")
    assert [import_order(hours, shipping="4.00") for hours in (2, 3, 4)] == [
        ItemStatus.UPDATED, ItemStatus.UNCHANGED, ItemStatus.UNCHANGED,
    ]  # fmt: skip
    assert OrderEvent.objects.filter(kind="imported").count() == 1
    assert list(OrderChange.objects.values_list("kind", flat=True)) == ["updated"]
    assert read_state() == ("partly_refunded", Decimal(24), Decimal(5))


@pytest.mark.parametrize("imported", [{}, {"status": "partly_refunded", "refunded": "5.00"}])
def test_a_refund_that_waits_for_its_imported_order_counts_once(imported: dict[str, str]) -> None:
    send_order(0, "Order Refunded", total="5.00")
    assert import_order(1, **imported) is ItemStatus.CREATED
    assert read_state() == ("partly_refunded", Decimal(20), Decimal(5))
    send_order(2, "Order Updated", coupon="X")
    assert read_state() == ("partly_refunded", Decimal(20), Decimal(5))
    send_order(4, "Order Refunded", total="2.00")
    assert Order.objects.get().refunded == 7


def test_a_cancellation_that_waits_for_its_imported_order_applies_at_once() -> None:
    send_order(0, "Order Cancelled")
    import_order(1)
    assert Order.objects.get().status == "cancelled"


def test_a_large_import_that_rebuilds_the_keys_derives_orders_with_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_load, "MIN_LINES_FOR_REBUILD", 1)
    send_order(0, "Order Refunded", total="5.00")
    import_order(1)
    assert read_state() == ("partly_refunded", Decimal(20), Decimal(5))


def test_an_order_that_its_shop_deleted_stays_canceled() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    assert cancel_orders(source=make_source("web", kind="server"), order_ids=["A1"], at=at_hour(1)) == 1
    send_order(2, "Order Updated", coupon="X")
    assert Order.objects.get().status == "cancelled"


@pytest.mark.parametrize("name", ["Order Refunded", "Order Updated"])
def test_an_imported_order_of_a_guest_is_still_found_by_the_address(name: str) -> None:
    import_order(0, user_id=None, email="guest@shop.example")
    send_visitor_order(1, name, total="5.00")
    address = hash_email("guest@shop.example")
    assert Order.objects.get().guest_email_hash == address
    assert OrderEvent.objects.get(kind="imported").guest_email_hash == address


def test_a_visitor_does_not_take_an_order_from_its_imported_customer() -> None:
    import_order(0)
    ada = Order.objects.get().customer
    send_visitor_order(1, "Order Updated", coupon="X")
    assert Order.objects.get().customer == ada
    send_order(2, "Order Updated", coupon="Y")
    assert Order.objects.get().customer == ada


def test_next_event_keeps_the_customer_that_an_import_corrected() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    import_order(1, user_id="bob")
    send_visitor_order(2, "Order Updated", coupon="X")
    assert Order.objects.get().customer.identifiers.get().value == "bob"


def test_an_import_without_a_customer_does_not_take_the_order_from_its_buyer() -> None:
    send_order(0, products=[product(quantity=2)], currency="EUR")
    assert import_order(1, user_id=None) is ItemStatus.UNCHANGED
    assert Order.objects.get().customer.identifiers.get().value == "ada"


def test_an_order_keeps_its_currency_when_that_of_the_shop_changes(settings: Any) -> None:
    settings.SHOP_CURRENCY = "EUR"
    send_order(0, products=[product(quantity=2)])
    settings.SHOP_CURRENCY = "USD"
    forget_shop()
    send_order(1, "Order Refunded", total="5.00")
    assert (Order.objects.get().currency, read_state()) == ("EUR", ("partly_refunded", Decimal(20), Decimal(5)))
