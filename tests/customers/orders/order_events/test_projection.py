"""Order events become orders: through the collector and the pipeline, in the database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from catalog.models import Product
from config.foundation.database.advisory_locks import exclusive_lock
from customers.events.dead_letters.replay import replay_rejected
from customers.events.models import RejectedEvent
from customers.identity.models import Customer
from customers.identity.personal_data.hashing import hash_email
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order, OrderEvent, OrderLine
from tests.customers.processing.event_makers import NOW, at_minutes, order, process, product, send, track
from tests.makers import make_customer, make_order, make_product, make_source


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def read_orders_and_lines() -> tuple[list[Any], list[Any]]:
    orders = Order.objects.order_by("order_id").values_list(
        "order_id", "status", "total", "subtotal", "refunded", "currency", "placed_at", "customer__identifiers__value"
    )
    lines = OrderLine.objects.order_by("order", "line_number").values_list(
        "line_number", "product__product_id", "quantity", "unit_price", "total"
    )
    return list(orders), list(lines)


def make_history(order_id: str = "A1") -> list[dict[str, Any]]:
    return at_minutes(
        [
            order(
                order_id=order_id,
                products=[product("tea", 10, 3), product("cup", "4.50", 2)],
                shipping=5,
                currency="EUR",
            ),
            order("Order Updated", order_id, products=[product("tea", 10, 3)], shipping=5),
            order("Order Refunded", order_id, products=[{"product_id": "tea", "quantity": 1}]),
            order("Order Refunded", order_id, total="2.50"),
            order("Order Cancelled", order_id),
        ]
    )


@pytest.mark.django_db
def test_any_order_and_batching_of_events_gives_the_same_order() -> None:
    # each of the 120 orders of arrival has an order of its own, so that one run processes the next events of all of them
    arrivals = list(permutations(range(len(make_history()))))

    def process_events_of(batching: str, parts: Sequence[tuple[int, ...]]) -> None:
        items = []
        for number, part in enumerate(parts):
            order_id = f"{batching}-{number}"
            history = make_history(order_id)
            items += [{**history[index], "messageId": f"{order_id}-{index}"} for index in part]
        send(*items)
        process()

    for step in range(len(arrivals[0])):
        process_events_of("single", [arrival[step : step + 1] for arrival in arrivals])
    # two batches per order: up to the first refund, and the rest
    process_events_of("batch", [arrival[: arrival.index(2) + 1] for arrival in arrivals])
    process_events_of("batch", [arrival[arrival.index(2) + 1 :] for arrival in arrivals])

    orders, lines = read_orders_and_lines()
    assert len(orders) == 2 * len(arrivals)
    placed_at = NOW - timedelta(hours=1)
    expected = ("cancelled", Decimal("35.00"), Decimal("30.00"), Decimal("12.50"), "EUR", placed_at, "ada")
    assert [row for row in orders if row[1:] != expected] == []
    assert lines == [(1, "tea", Decimal(3), Decimal(10), Decimal(30))] * len(orders)


@pytest.mark.django_db
def test_same_event_with_two_message_ids_changes_nothing() -> None:
    send(*[{**item, "messageId": f"a{number}"} for number, item in enumerate(make_history())])
    process()
    before = read_orders_and_lines()
    send(*[{**item, "messageId": f"b{number}"} for number, item in enumerate(make_history())])
    process()
    assert read_orders_and_lines() == before
    assert OrderEvent.objects.count() == 10


@pytest.mark.django_db
def test_no_order_exists_before_it_is_completed() -> None:
    send(order("Order Refunded"), order("Order Updated", products=[product()]), order("Order Cancelled"))
    assert process().counts["orders_created"] == 0
    assert not Order.objects.exists()
    send(order(products=[product()]))
    process()
    assert Order.objects.get().status == "cancelled"


@pytest.mark.django_db
def test_unknown_products_are_created_from_the_line_and_known_ones_stay() -> None:
    make_product("tea", title="Tea", price=Decimal("3.00"))
    lines = [
        product("tea", 9, name="Other"),
        product("cup", "4.50", name="Cup", brand="Clay", category="Kitchen / Cups"),
        product("gift", 0),
    ]
    send(order(products=lines, currency="EUR"))
    assert process().counts["products_created"] == 2
    tea, cup, gift = (Product.objects.get(product_id=name) for name in ("tea", "cup", "gift"))
    assert (tea.title, tea.price) == ("Tea", Decimal("3.00"))
    assert (cup.title, cup.brand, str(cup.category), cup.price, cup.currency) == (
        "Cup", "Clay", "Kitchen > Cups", Decimal("4.50"), "EUR",
    )  # fmt: skip
    assert (gift.title, gift.price, gift.currency) == ("gift", None, "")


@pytest.mark.django_db
def test_event_without_order_id_is_rejected_but_still_counted() -> None:
    send(order(order_id=None, products=[product()], email="ada@example.org"), order(products=[product()]))
    result = process()
    assert (result.events, result.counts["rejected"], result.counts["orders_created"]) == (2, 1, 1)
    rejected = RejectedEvent.objects.get()
    assert (rejected.code, rejected.status, rejected.received_at) == ("missing_order_id", "open", NOW)
    assert "Order Completed has no order_id" in rejected.reason
    assert CustomerProfile.objects.get().events == 2


@pytest.mark.django_db
def test_fixed_rejected_event_creates_the_order() -> None:
    send(order(order_id=None, products=[product()], total=10))
    process()
    rejected = RejectedEvent.objects.get()
    fixed = rejected.payload.replace('"properties":{', '"properties":{"order_id":"A7",')
    assert replay_rejected(rejected_id=rejected.pk, payload=fixed, at=NOW + timedelta(hours=1)).accepted
    process()
    stored = Order.objects.get()
    assert (stored.order_id, stored.total, stored.placed_at) == ("A7", Decimal("10.00"), NOW)
    assert stored.customer == Customer.objects.get()


@pytest.mark.django_db
def test_guest_is_a_visitor_whose_email_is_stored_as_a_hash() -> None:
    send({**order(products=[product()], email="Ada@Example.org"), "userId": None, "anonymousId": "v1"})
    process()
    stored = Order.objects.get()
    assert stored.guest_email_hash == hash_email("ada@example.org")
    assert stored.customer.identifiers.get().value == "v1"
    assert CustomerProfile.objects.get().orders == 1


@pytest.mark.django_db
def test_order_without_analytics_consent_has_no_customer() -> None:
    denied = {"consent": {"categoryPreferences": {"Analytics": False}}}
    send({**order(products=[product()], email="ada@example.org"), "context": denied})
    assert process().counts["without_person"] == 1
    stored = Order.objects.get()
    assert (stored.customer, stored.guest_email_hash, stored.total) == (None, "", Decimal("10.00"))
    assert not Customer.objects.exists()


@pytest.mark.django_db
def test_order_of_a_visitor_follows_the_login() -> None:
    send({**order(products=[product()]), "userId": None, "anonymousId": "v1"})
    process()
    send({"type": "identify", "userId": "ada", "anonymousId": "v1"}, at=NOW + timedelta(minutes=1))
    send({**order("Order Refunded", total=1), "userId": None, "anonymousId": "v1"}, at=NOW + timedelta(minutes=2))
    process()
    stored = Order.objects.get()
    assert set(stored.customer.identifiers.values_list("value", flat=True)) == {"ada", "v1"}
    assert CustomerProfile.objects.get().revenue == Decimal("9.00")


@pytest.mark.django_db
def test_orders_keep_their_currency(settings: Any) -> None:
    settings.SHOP_CURRENCY = "CHF"
    send(order(order_id="1", total=5), order(order_id="2", total=5, currency="jpy"))
    process()
    assert dict(Order.objects.values_list("order_id", "currency")) == {"1": "CHF", "2": "JPY"}


@pytest.mark.django_db
def test_order_from_a_clock_that_is_ahead_is_visible() -> None:
    send({**order(total=5), "timestamp": (NOW + timedelta(hours=20)).isoformat()})
    process()
    assert Order.objects.get().placed_at == NOW
    assert CustomerProfile.objects.get().orders == 1


@pytest.mark.django_db
def test_imported_order_is_refunded_and_keeps_its_lines_and_customer() -> None:
    source = make_source("web", kind="server")
    ada = make_customer("ada")
    make_order(ada, products=[make_product("tea"), make_product("cup")], order_id="A1", source=source)
    send(order("Order Refunded", products=["tea"]))
    process()
    stored = Order.objects.get()
    assert (stored.status, stored.refunded, stored.total, stored.customer) == (
        "partly_refunded", Decimal("10.00"), Decimal("20.00"), ada,
    )  # fmt: skip
    assert stored.lines.count() == 2
    send(order("Order Refunded", refund_id="r2", total="3"))
    process()
    assert Order.objects.get().refunded == Decimal("13.00")


@pytest.mark.django_db
def test_sources_have_their_own_order_ids() -> None:
    send(order(total=5))
    send(order(total=7), source=make_source("app", kind="server"))
    process()
    assert sorted(Order.objects.values_list("source__key", "total")) == [("app", 7), ("web", 5)]


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_orders() -> None:
    def queries_for(count: int, prefix: str) -> int:
        items = [
            order(order_id=f"{prefix}{number}", products=[product(f"{prefix}p{number}")], total=1)
            for number in range(count)
        ]
        send(*[{**item, "userId": f"{prefix}{number}"} for number, item in enumerate(items)])
        with CaptureQueriesContext(connection) as captured:
            process()
        return len(captured)

    queries_for(1, "warm")
    assert queries_for(2, "a") == queries_for(40, "b")


@contextmanager
def hold_import_lock(key: str) -> Iterator[None]:
    """Hold the lock of an import of this source in another thread."""
    locked, released = Signal(), Signal()

    def hold() -> None:
        try:
            with exclusive_lock(f"orders:{key}"):
                locked.set()
                released.wait()
        finally:
            connections.close_all()

    thread = Thread(target=hold)
    thread.start()
    locked.wait()
    try:
        yield
    finally:
        released.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_orders_wait_during_an_import_of_their_source_only() -> None:
    send(order(total=5), track("Product Viewed", product()))
    send(order(total=7), source=make_source("app", kind="server"))
    with hold_import_lock("web"):
        assert process().events == 3
        assert list(Order.objects.values_list("source__key", flat=True)) == ["app"]
    process()  # the outbox is empty; the run projects the order that waited
    assert Order.objects.count() == 2
    assert CustomerProfile.objects.get().orders == 2


@pytest.mark.django_db
def test_an_order_event_may_name_the_group_of_a_product() -> None:
    """As other events do; otherwise, the sale belongs to a draft that nobody sells."""
    make_product("tea-s", parent_id="tea", stock=0)
    make_product("tea-l", parent_id="tea")
    send(order("Order Completed", "A1", products=[product("tea")]))
    process()
    assert list(OrderLine.objects.values_list("product__product_id", flat=True)) == ["tea-l"]
    assert not Product.objects.filter(product_id="tea").exists()


@pytest.mark.django_db
def test_an_order_event_may_name_a_product_by_its_sku() -> None:
    kettle, pot = make_product("kettle", sku="S-1"), make_product("pot", sku="S-2")
    make_product("lid", sku="S-2")
    make_product("S-3", title="draft", is_draft=True, is_active=False)
    cup = make_product("cup", sku="S-3")
    send(order(products=[product("S-1"), product("S-2"), product("S-3"), product("pot")]))
    process()
    lines = OrderLine.objects.order_by("line_number").values_list("product_id", flat=True)
    unknown = Product.objects.get(product_id="S-2")
    assert list(lines) == [kettle.pk, unknown.pk, cup.pk, pot.pk]
    assert unknown.is_draft, "several products have this SKU"


@pytest.mark.django_db
@pytest.mark.parametrize(("sold", "returned"), [("S-1", "tea"), ("tea", "S-1"), ("S-1", "S-1")])
def test_a_refund_and_its_order_may_name_a_product_by_id_or_sku(sold: str, returned: str) -> None:
    make_product("tea", sku="S-1")
    send(order(products=[product(sold, quantity=2)]))
    process()
    send(order("Order Refunded", products=[{"product_id": returned, "quantity": 1}]), at=NOW + timedelta(hours=1))
    process(NOW + timedelta(hours=1))
    assert Order.objects.get().refunded == 10


@pytest.mark.django_db
def test_a_refund_of_an_imported_order_may_name_the_sku() -> None:
    make_order(None, products=[make_product("tea", sku="S-1")], order_id="A1", source=make_source("web", kind="server"))
    send(order("Order Refunded", products=["S-1"]))
    process()
    assert Order.objects.get().status == "refunded"
