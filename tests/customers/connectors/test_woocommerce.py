"""WooCommerce: pages, variations, signed webhooks and faults, against a server that follows its REST API version 3."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from customers.connectors.models import ReceivedWebhook, ShopConnection, SyncedRecord
from customers.connectors.platforms import woocommerce
from customers.connectors.platforms.base import PlatformError
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.runs import continue_run, start_run
from customers.connectors.sync.writing import delete_records
from customers.connectors.webhooks import processing
from customers.connectors.webhooks.processing import process_due, process_shop
from customers.identity.models import Identifier
from customers.orders.models import Order
from tests.customers.connectors.makers import make_connection
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR, Answer
from tests.customers.connectors.platforms.woocommerce_server import (
    KEY,
    SECRET,
    WooCommerceServer,
    make_customer,
    make_order,
    make_product,
    make_refund,
    make_variation,
    sign,
)
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOOK = "https://perennial.example/hook"
KEYS = {"consumer_key": KEY, "consumer_secret": SECRET}


@pytest.fixture
def server() -> Iterator[WooCommerceServer]:
    server = WooCommerceServer()
    server.records["products"] = [
        make_product(1),
        make_product(2, type="variable", price=""),
        make_product(3, status="draft"),
    ]
    server.variations[2] = [make_variation(21, "S"), make_variation(22, "L")]
    server.records["customers"] = [make_customer(5), make_customer(6)]
    server.records["orders"] = [
        make_order(101, customer=5),
        make_order(102, product=2, variation=21, refunds=[{"id": 7, "reason": "", "total": "-5.00"}]),
        make_order(103, status="checkout-draft"),
    ]
    with server.run():
        yield server


@pytest.fixture
def mugs(server: WooCommerceServer) -> ShopConnection:
    return make_connection("woocommerce", server.url, KEYS)


def run_all(shop: ShopConnection, kind: str = "backfill", *, at: datetime = NOW) -> Any:
    run = start_run(shop, kind, at=at)
    assert run is not None
    return continue_run(run, at=at)


def test_backfill_brings_variations_and_orders(server: WooCommerceServer, mugs: ShopConnection) -> None:
    run = run_all(mugs)
    assert (run.status, run.error) == ("done", "")
    large = Product.objects.get(product_id="22")
    assert (large.title, large.parent_id, large.availability, str(large.price)) == (
        "Mug 2 - L",
        "2",
        "backorder",
        "11.00",
    )
    mug = Product.objects.get(product_id="1")
    assert (mug.category and mug.category.path, mug.brand, mug.attributes) == (
        "Kitchen > Mugs",
        "Acme",
        {"regular_price": "12.00"},
    )
    assert not Product.objects.get(product_id="3").is_active
    assert Identifier.objects.filter(kind="phone_hash").count() == 1, (
        "a phone number that two share belongs to the first"
    )
    assert Identifier.objects.filter(kind="user_id").count() == 2
    orders = {order.order_id: order for order in Order.objects.all()}
    assert set(orders) == {"101", "102"}
    assert (orders["102"].status, str(orders["102"].refunded), orders["102"].coupon) == (
        "partly_refunded",
        "5.00",
        "mug10",
    )
    assert (str(orders["101"].total), str(orders["101"].lines.get().discount)) == ("22.82", "1.98")


def test_products_have_the_time_of_their_page_so_that_serving_reads_them(
    server: WooCommerceServer, mugs: ShopConnection
) -> None:
    now = timezone.now()
    run_all(mugs, at=now - timedelta(minutes=5))
    assert min(Product.objects.values_list("updated_at", flat=True)) >= now
    server.variations[2].pop()
    later = timezone.now()
    run_all(mugs, "reconciliation", at=now - timedelta(minutes=4))
    delete_records(connection=mugs, kind="products", external_ids=["1"], at=now - timedelta(minutes=4))
    changed = Product.objects.filter(product_id__in=["1", "22"])
    assert [product.is_active for product in changed] == [False, False]
    assert min(product.updated_at for product in changed) >= later


def test_pages_that_are_cut_or_shift_lose_nothing(
    server: WooCommerceServer, mugs: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(woocommerce, "PAGE_SIZE", 2)
    server.records["orders"] = [make_order(number) for number in range(1, 8)]
    original = server.respond

    def respond(call: Any) -> Answer:
        answer = original(call)
        if call.path.endswith("/orders") and call.query.get("page") == "3":
            if not state["is_cut"]:
                state["is_cut"] = True
                return Answer(200, answer.content[:1], answer.headers)
            server.records["orders"] = [row for row in server.records["orders"] if row["id"] != 1]
            return original(call)
        return answer

    state = {"is_cut": False}
    server.respond = respond  # type: ignore[method-assign]
    run = start_run(mugs, "backfill", at=NOW)
    assert run is not None
    continue_run(run, at=NOW)
    assert (run.status, "incomplete page" in run.error) == ("running", True)
    server.faults = [SERVER_ERROR]
    continue_run(run, at=NOW + timedelta(minutes=1))
    assert run.status == "done"
    assert set(Order.objects.values_list("order_id", flat=True)) >= {str(number) for number in range(2, 8)}


def test_refunds_with_lines_become_returns(server: WooCommerceServer, mugs: ShopConnection) -> None:
    server.records["orders"][0]["refunds"] = [{"id": 8, "total": "-8.91"}, {"id": 9, "total": "-2.00"}]
    server.refunds[101] = [
        make_refund(8, product=1, quantity=1, amount="8.91"),
        make_refund(9, product=1, quantity=0, amount="2.00"),
    ]
    run_all(mugs)
    sale, returned = Order.objects.get(order_id="101"), Order.objects.get(order_id="101-R8")
    assert (sale.status, str(sale.refunded)) == ("partly_refunded", "2.00"), "money without goods stays with the order"
    assert (returned.kind, str(returned.total), returned.lines.get().quantity) == ("return", "-8.91", -1)
    server.records["orders"][0]["refunds"].pop(0)
    server.refunds[101].pop(0)
    run_all(mugs, "reconciliation", at=NOW + timedelta(days=1))
    returned.refresh_from_db()
    assert returned.status == "cancelled", "its refund was deleted"
    assert Order.objects.count() == 3


def test_orders_that_were_edited_by_hand_count(server: WooCommerceServer, mugs: ShopConnection) -> None:
    line = {"id": 1, "name": "Mug", "product_id": 1, "variation_id": 0, "quantity": 2, "sku": "MUG-1"}
    raised = {**line, "subtotal": "10.00", "total": "15.00"}
    deduction = {**line, "name": "Manual discount", "quantity": 1, "subtotal": "-5.00", "total": "-5.00"}
    server.records["orders"] = [
        make_order(201, line_items=[raised], total="15.00"),
        make_order(202, line_items=[raised, deduction], total="10.00"),
        make_order(203, line_items=[], fee_lines=[{"id": 2, "name": "Donation", "total": "20.00"}], total="20.00"),
        make_order(204, line_items=[], shipping_lines=[{"method_title": "Post", "total": "5.00"}], total="5.00"),
        make_order(205, line_items=[], total="0.00"),
    ]
    run = run_all(mugs)
    assert (run.counts["orders"].get("rejected"), run.counts["orders"]["skipped"]) == (None, 1)
    lines = "lines__product__product_id", "lines__unit_price", "lines__total"
    found = Order.objects.order_by("order_id").values_list("order_id", "total", "discount", *lines)
    assert [tuple(map(str, row)) for row in found] == [
        ("201", "15.00", "0.00", "1", "7.5000", "15.00"),
        ("202", "10.00", "5.00", "1", "7.5000", "15.00"),
        ("203", "20.00", "0.00", "Donation", "20.0000", "20.00"),
        ("204", "5.00", "0.00", "Post", "0.0000", "0.00"),
    ]


def test_an_odd_field_does_not_reject_a_product(server: WooCommerceServer, mugs: ShopConnection) -> None:
    odd = {
        "price": "12.345",
        "stock_quantity": 1.5,
        "images": [{"src": "/mug.jpg"}],
        "sku": "S" * 300,
        "name": "M" * 600,
    }
    server.records["products"] = [make_product(1, description="d" * 60_000, **odd), make_product(4, name="")]
    run = run_all(mugs)
    assert {name: run.counts["products"].get(name) for name in ("adjusted", "rejected")} == {
        "adjusted": 1,
        "rejected": 1,
    }
    mug = Product.objects.get(product_id="1")
    assert (str(mug.price), mug.stock, mug.image_url, mug.sku) == ("12.35", 1, "", "")
    assert (len(mug.title), len(mug.description)) == (500, 50_000)


def test_keys_and_addresses_are_explained(server: WooCommerceServer, mugs: ShopConnection) -> None:
    with open_connector(mugs) as connector:
        assert (connector.authorise().name, connector.count_records("orders")) == ("Mug shop", 3)
        server.may_write = False
        with pytest.raises(PlatformError, match="Read/Write"):
            connector.subscribe(HOOK, {})
        server.namespaces = ["wp/v2"]
        with pytest.raises(PlatformError, match="not active"):
            connector.authorise()
    server.namespaces = ["wc/v3"]
    mugs.credentials = json.dumps({"consumer_key": "ck_x", "consumer_secret": "y"})
    with open_connector(mugs) as connector, pytest.raises(PlatformError, match="rejects the key"):
        connector.authorise()
    assert woocommerce.WooCommerceConnector.clean_address("shop.example/wp-admin/") == "https://shop.example"


def test_webhooks_carry_the_record_and_are_registered_once(
    server: WooCommerceServer, mugs: ShopConnection, client: Client
) -> None:
    run_all(mugs)
    with open_connector(mugs) as connector:
        webhooks = connector.subscribe(HOOK, {})
        assert connector.subscribe(HOOK, webhooks) == webhooks
        assert {row["status"] for row in server.webhooks.values()} == {"active"}
    mugs.refresh_from_db()
    secret = json.loads(mugs.credentials)["webhook_secret"]
    url = reverse("connector_webhooks:receive", args=[mugs.webhook_token])

    def send(topic: str, body: dict[str, Any], delivery_id: str, key: str = secret) -> int:
        content = json.dumps(body).encode()
        headers = sign(content, topic=topic, delivery_id=delivery_id, secret=key)
        return client.post(url, content, content_type="application/json", headers=headers).status_code

    assert client.post(url, b"webhook_id=1", content_type="application/x-www-form-urlencoded").status_code == 200
    changed = make_order(101, customer=5, total="30.00", date_modified_gmt="2026-11-20T10:00:00")
    assert send("order.updated", changed, "a", "another") == 401
    for _repetition in range(2):
        assert send("order.updated", changed, "a") == 200
    assert send("order.updated", make_order(101, date_modified_gmt="2026-11-10T10:00:00"), "b") == 200
    assert send("product.deleted", {"id": 1}, "c") == 200
    server.variations[2].clear()
    assert (
        send("product.updated", make_product(2, type="variable", date_modified_gmt="2026-11-21T10:00:00"), "d") == 200
    )
    calls = len(server.calls)
    assert process_shop(mugs, at=datetime.now(UTC)) == 4
    assert "/orders" not in {call.path.removeprefix("/wp-json/wc/v3") for call in server.calls[calls:]}
    assert str(Order.objects.get(order_id="101").total) == "30.00"
    assert not Product.objects.get(product_id="1").is_active
    assert not Product.objects.filter(parent_id="2", is_active=True).exists(), (
        "variations that their product has no more"
    )
    assert sorted(ReceivedWebhook.objects.values_list("status", "content")) == [("done", "")] * 3 + [("outdated", "")]
    assert send("product.restored", make_product(1), "e") == 200
    assert send("order.updated", {**changed, "status": "failed"}, "f") == 200
    assert process_shop(mugs, at=datetime.now(UTC)) == 2
    assert Product.objects.get(product_id="1").is_active
    assert Order.objects.get(order_id="101").status == "cancelled", "a later change in the same second"


def test_a_malformed_webhook_fails_alone_and_stops_no_other_of_any_shop(mugs: ShopConnection) -> None:
    tea = make_connection("woocommerce", "https://tea.example", KEYS, "tea")

    def store(shop: ShopConnection, number: int, **changes: Any) -> ReceivedWebhook:
        return ReceivedWebhook.objects.create(
            connection=shop,
            delivery_id=str(number),
            topic="order.updated",
            kind="orders",
            external_id=str(number),
            received_at=NOW,
            next_attempt_at=NOW,
            content=json.dumps(make_order(number, **changes)),
        )

    good, bad, last = store(mugs, 201), store(mugs, 202, line_items=["x"]), store(mugs, 203)
    other = store(tea, 204)
    assert process_due(at=NOW, seconds=DEADLINE_SECONDS) == 4
    rows = {row.pk: row for row in ReceivedWebhook.objects.all()}
    assert [rows[row.pk].status for row in (good, bad, last, other)] == ["done", "failed", "done", "done"]
    assert (rows[bad.pk].attempts, rows[bad.pk].error) == (1, "AttributeError: 'str' object has no attribute 'get'")
    assert rows[bad.pk].content, "a user can retry it"


def test_a_shop_that_cannot_be_opened_stops_no_other(mugs: ShopConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    tea = make_connection("woocommerce", "https://tea.example", KEYS, "tea")
    fields = {"delivery_id": "1", "topic": "order.deleted", "kind": "orders", "external_id": "1", "is_deletion": True}
    for shop in (mugs, tea):
        ReceivedWebhook.objects.create(connection=shop, received_at=NOW, next_attempt_at=NOW, **fields)

    def open_one(shop: ShopConnection) -> Any:
        if shop == mugs:
            raise ValueError("credentials")
        return open_connector(shop)

    monkeypatch.setattr(processing, "open_connector", open_one)
    with pytest.raises(ValueError, match="credentials"):
        process_due(at=NOW, seconds=DEADLINE_SECONDS)
    assert ReceivedWebhook.objects.get(connection=tea).status == "done"


def test_a_plain_shop_is_updated_every_few_minutes_by_its_clock(
    server: WooCommerceServer, mugs: ShopConnection
) -> None:
    run_all(mugs)
    mugs.refresh_from_db()
    server.records["orders"].append(make_order(104, date_modified_gmt="2026-11-01T10:05:00"))
    run = run_all(mugs, "update", at=NOW + timedelta(minutes=10))
    assert (run.status, Order.objects.filter(order_id="104").exists()) == ("done", True)
    queries = [call.query for call in server.calls if call.path.endswith("/orders") and "modified_after" in call.query]
    assert queries[-1]["modified_after"] == "2026-11-01T09:50:00"


def test_a_page_of_a_run_does_not_undo_a_later_webhook(server: WooCommerceServer, mugs: ShopConnection) -> None:
    run_all(mugs)
    SyncedRecord.objects.filter(kind="orders", external_id="101").update(updated_at=NOW + timedelta(days=900))
    Order.objects.filter(order_id="101").update(status="cancelled")
    run = run_all(mugs, "reconciliation", at=NOW + timedelta(days=1))
    assert run.status == "done"
    assert Order.objects.get(order_id="101").status == "cancelled"
    assert SyncedRecord.objects.get(kind="orders", external_id="101").seen_run == run.pk
