"""Shopify: back-fill, resume, webhooks, reconciliation and faults, against a server that follows its published API."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from config.foundation.circuit_breakers.breaker import CircuitBreaker, list_breakers
from customers.connectors.models import ReceivedWebhook, ShopConnection, SyncDifference, SyncedRecord, SyncRun
from customers.connectors.platforms import shopify_records
from customers.connectors.platforms.base import Connector, PlatformError, RecordPage, TemporaryError
from customers.connectors.sync import runs, writing
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.prefetch import prefetch_pages
from customers.connectors.sync.preview import preview_shop
from customers.connectors.sync.runs import continue_run, start_run
from customers.connectors.webhooks.processing import process_shop
from customers.identity.models import Consent, Customer, Identifier
from customers.orders.models import Order, OrderChange, OrderLine
from customers.privacy.models import PrivacyRequest
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR, TOO_MANY, Answer
from tests.customers.connectors.platforms.shopify_server import (
    THROTTLED,
    ShopifyServer,
    make_customer,
    make_order,
    make_product,
    make_refund,
    money,
    sign,
)
from tests.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def full(shopify: ShopifyServer) -> ShopifyServer:
    """Return a shop with three products, two customers and four orders, one of them a test."""
    shopify.records["products"] = [make_product(1), make_product(2, variants=2), make_product(3, status="DRAFT")]
    shopify.records["customers"] = [make_customer(11), make_customer(12, state="UNSUBSCRIBED")]
    shopify.records["orders"] = [
        make_order(1001, customer=11),
        make_order(1002, displayFinancialStatus="PARTIALLY_REFUNDED", totalRefundedSet=money("10.00"), variant=201),
        make_order(1003, customer=12, cancelledAt="2026-10-06T00:00:00Z", discountCodes=["TEA5"]),
        make_order(1004, test=True),
    ]
    return shopify


@pytest.fixture
def connector(shop: ShopConnection) -> Iterator[Connector]:
    with open_connector(shop) as opened:
        yield opened


def run_all(shop: ShopConnection, kind: str = "backfill", *, at: datetime = NOW) -> SyncRun:
    run = start_run(shop, kind, at=at)
    assert run is not None
    return continue_run(run, at=at)


def list_state() -> dict[str, Any]:
    """Return what an import has written."""
    return {
        "products": list(
            Product.objects.order_by("product_id").values_list("product_id", "parent_id", "price", "is_active")
        ),
        "customers": sorted(Identifier.objects.filter(kind="user_id").values_list("value", flat=True)),
        "orders": list(Order.objects.order_by("order_id").values_list("order_id", "status", "total", "refunded")),
        "lines": OrderLine.objects.count(),
        "people": Customer.objects.count(),
    }


def test_backfill_brings_products_customers_and_orders(full: ShopifyServer, shop: ShopConnection) -> None:
    run = run_all(shop)
    assert (run.status, run.error) == ("done", "")
    tea = Product.objects.get(product_id="201")
    assert (tea.title, tea.parent_id, tea.sku, tea.stock, str(tea.cost)) == (
        "Tea 2 - Size 1",
        "2",
        "TEA-2-1",
        5,
        "4.00",
    )
    assert (tea.category and tea.category.path, tea.attributes["collections"]) == ("Food > Tea", ["Bestsellers"])
    assert tea.description == "Tea from garden 2"
    assert not Product.objects.get(product_id="301").is_active, "a draft is not shown"
    ada = Identifier.objects.get(kind="user_id", value="11").customer
    assert (ada.name, ada.email, ada.country) == ("Ada Lovelace 11", "ada11@example.com", "DE")
    assert Consent.objects.get(customer=ada).status == "granted"
    orders = {order.order_id: order for order in Order.objects.all()}
    assert set(orders) == {"1001", "1002", "1003"}, "a test order is no sale"
    assert (orders["1001"].customer, str(orders["1001"].total), orders["1001"].status) == (ada, "25.00", "placed")
    assert (orders["1002"].status, str(orders["1002"].refunded)) == ("partly_refunded", "10.00")
    assert (orders["1003"].status, orders["1003"].coupon) == ("cancelled", "TEA5")
    assert run.counts["orders"]["total"] == 4
    before = list_state()
    again = run_all(shop)
    assert list_state() == before
    assert again.counts["orders"]["unchanged"] == 3


def test_lines_without_a_product_of_the_shop_become_drafts(full: ShopifyServer, shop: ShopConnection) -> None:
    line = full.records["orders"][0]["lineItems"][0]
    gone = {**line, "variant": None, "product": None}
    full.records["orders"][0]["lineItems"] = [
        line,
        {**gone, "id": "gid://shopify/LineItem/2", "title": "Tip", "sku": None},
        {**gone, "id": "gid://shopify/LineItem/3", "title": "Old tea", "sku": "OLD-1"},
    ]
    run_all(shop)
    drafts = Product.objects.filter(is_draft=True).order_by("product_id")
    assert list(drafts.values_list("product_id", "is_active")) == [("OLD-1", False), ("Tip", False)]
    assert OrderLine.objects.filter(order__order_id="1001").count() == 3, "the order is complete"


def test_a_run_that_is_killed_at_any_page_loses_and_doubles_nothing(
    full: ShopifyServer, shop: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.connectors.platforms.shopify.PAGE_RECORDS", 1)
    monkeypatch.setattr(runs, "MIN_BATCH", 1)
    run = start_run(shop, SyncRun.Kind.BACKFILL, at=NOW)
    assert run is not None
    kills = 0

    class KilledError(BaseException):
        """The process ends."""

    original = writing.write_records

    def write_then_die(**options: Any) -> Any:
        result = original(**options)
        if state["left"] == 0:
            raise KilledError  # after the write, before its commit
        state["left"] -= 1
        return result

    monkeypatch.setattr(runs, "write_records", write_then_die)
    while run.status == "running":
        state = {"left": 1}
        try:
            continue_run(run, at=NOW)
        except KilledError:
            kills += 1
            assert kills < 30
        run.refresh_from_db()
    assert (run.status, kills > 3) == ("done", True)
    assert [len(list_state()[name]) for name in ("products", "customers", "orders")] == [4, 2, 3]
    assert {kind: counts["seen"] for kind, counts in run.counts.items()} == {"products": 3, "customers": 2, "orders": 4}
    assert len(full.operations) == 3, "each export is started once"


def test_rate_limits_errors_and_cut_files_only_cost_time(
    full: ShopifyServer, shop: ShopConnection, waits: list[float]
) -> None:
    full.faults = [SERVER_ERROR, TOO_MANY, Answer(200, {}, is_cut=True)]
    full.is_bulk_cut = True
    run = start_run(shop, SyncRun.Kind.BACKFILL, at=NOW)
    assert run is not None
    continue_run(run, at=NOW)
    assert (run.status, "incomplete" in run.error, run.retry_at) == ("running", True, NOW + timedelta(minutes=1))
    assert 2.0 in waits, "as long as Retry-After says"
    full.faults = [Answer(200, THROTTLED)]
    continue_run(run, at=NOW + timedelta(minutes=1))
    assert (run.status, run.error) == ("done", "")
    assert 5.9 in waits, "(722 − 132) points at 100 a second"
    assert len(list_state()["orders"]) == 3


def test_an_expired_token_is_replaced_and_wrong_keys_are_explained(
    full: ShopifyServer, shop: ShopConnection, connector: Connector
) -> None:
    assert connector.authorise().currency == "EUR"
    full.tokens.append("another")
    assert connector.count_records("orders") == 4
    full.scopes.remove("read_orders")
    with pytest.raises(PlatformError, match="read_orders"):
        connector.authorise()
    full.scopes = ["read_products", "read_customers", "write_orders"]
    assert "60 days" in str(connector.authorise().notes[0])
    shop.credentials = json.dumps({"client_id": "x", "client_secret": "wrong"})
    with open_connector(shop) as wrong, pytest.raises(PlatformError, match="client ID and secret"):
        wrong.authorise()
    full.faults = [SERVER_ERROR] * 5
    with pytest.raises(TemporaryError):
        connector.authorise()


def test_preview_counts_and_writes_nothing(full: ShopifyServer, shop: ShopConnection, connector: Connector) -> None:
    full.records["orders"].append(make_order(1005, lineItems=[]))
    previews = preview_shop(shop, connector, at=NOW)
    assert [(preview.total, preview.rejected) for preview in previews] == [(3, 0), (2, 0), (5, 1)]
    assert "lines" in previews[2].reasons[0]
    assert not Product.objects.exists()
    assert not Order.objects.exists()
    assert not Customer.objects.exists()


def send(client: Client, shop: ShopConnection, topic: str, body: dict[str, Any], **options: Any) -> int:
    content = json.dumps(body).encode()
    url = reverse("connector_webhooks:receive", args=[shop.webhook_token])
    headers = sign(content, topic=topic, event_id=options.pop("event_id", "1"), **options)
    return client.post(url, content, content_type="application/json", headers=headers).status_code


def test_webhooks_are_signed_stored_once_and_applied_in_the_platforms_order(
    full: ShopifyServer, shop: ShopConnection, client: Client
) -> None:
    run_all(shop)
    late = {"id": 1001, "updated_at": "2026-11-20T10:00:00+00:00"}
    assert send(client, shop, "orders/updated", late, secret="wrong") == 401
    assert send(client, shop, "orders/updated", {"id": "x"}) == 400
    assert client.get(reverse("connector_webhooks:receive", args=[shop.webhook_token])).status_code == 405
    assert client.post(reverse("connector_webhooks:receive", args=["unknown"])).status_code == 404
    full.records["orders"][0] = make_order(1001, customer=11, total="30.00", updatedAt="2026-11-20T10:00:00Z")
    for _repetition in range(2):
        assert send(client, shop, "orders/updated", late) == 200
    early = {"id": 1001, "updated_at": "2026-10-20T10:00:00+00:00"}
    assert send(client, shop, "orders/updated", early, event_id="2") == 200
    assert ReceivedWebhook.objects.count() == 2
    assert process_shop(shop, at=datetime.now(UTC)) == 2
    assert str(Order.objects.get(order_id="1001").total) == "30.00"
    assert sorted(ReceivedWebhook.objects.values_list("status", flat=True)) == ["done", "outdated"]
    calls = len(full.calls)
    assert send(client, shop, "orders/updated", early, event_id="3") == 200
    process_shop(shop, at=datetime.now(UTC))
    assert len(full.calls) == calls, "what is known to be newer is not fetched"


def test_webhooks_of_deletions_and_failures(full: ShopifyServer, shop: ShopConnection, client: Client) -> None:
    run_all(shop)
    del full.records["products"][0]
    assert send(client, shop, "products/delete", {"id": 1}, triggered_at="2026-11-20T10:00:00Z") == 200
    full.faults = [SERVER_ERROR] * 5
    full.records["customers"].append(make_customer(13))
    assert send(client, shop, "customers/create", {"id": 13, "updated_at": "2026-11-21T00:00:00Z"}) == 200
    now = datetime.now(UTC)
    process_shop(shop, at=now)
    assert not Product.objects.get(product_id="101").is_active
    waiting = ReceivedWebhook.objects.get(status="waiting")
    assert waiting.error
    assert waiting.next_attempt_at > now
    assert process_shop(shop, at=now) == 0
    CircuitBreaker(f"connector:{urlsplit(shop.address).netloc}").record_success()
    process_shop(shop, at=now + timedelta(minutes=5))
    assert Identifier.objects.filter(kind="user_id", value="13").exists()


def test_orders_that_the_shop_deletes_are_canceled_and_destinations_are_notified_once(
    full: ShopifyServer, shop: ShopConnection, client: Client
) -> None:
    run_all(shop)
    full.records["orders"] = []
    for event, number in enumerate((1001, 1001, 1002, 1003)):  # 1002 is of a guest, 1003 was canceled before
        fields = {"event_id": str(event), "triggered_at": f"2026-11-20T10:00:0{event}Z"}
        assert send(client, shop, "orders/delete", {"id": number}, **fields) == 200
        process_shop(shop, at=datetime.now(UTC))
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}
    # that of the guest outdates stored reports, and destinations leave it out
    changed = Order.objects.filter(order_id__in=("1001", "1002")).order_by("id").values_list("id", flat=True)
    changes = OrderChange.objects.order_by("order_number").values_list("order_number", "kind")
    assert list(changes) == [(number, "cancelled") for number in changed]


def test_privacy_webhooks_and_the_end_of_the_app(full: ShopifyServer, shop: ShopConnection, client: Client) -> None:
    run_all(shop)
    body = {"shop_id": 1, "customer": {"id": 11, "email": "ada11@example.com"}, "orders_to_redact": [1001]}
    for _repetition in range(2):
        assert send(client, shop, "customers/redact", body) == 200
    assert PrivacyRequest.objects.get().customer == Identifier.objects.get(kind="user_id", value="11").customer
    assert send(client, shop, "app/uninstalled", {"id": 1}) == 200
    shop.refresh_from_db()
    assert not shop.is_enabled
    assert send(client, shop, "orders/create", {"id": 1}, event_id="9") == 410


def test_webhooks_of_stock_fetch_the_product_that_has_it(
    full: ShopifyServer, shop: ShopConnection, client: Client
) -> None:
    run_all(shop)
    full.scopes.append("read_inventory")
    with open_connector(shop) as connector:
        webhooks = connector.subscribe("https://perennial.example/hook", {})
    assert len(webhooks) == 13
    full.records["products"][1]["variants"][1]["inventoryQuantity"] = 42
    moment = "2026-11-20T10:00:00Z"  # the product itself has not changed
    for item, event in ((202, "1"), (202, "1"), (99999, "2")):
        body = {"inventory_item_id": item, "location_id": 1, "available": 42, "updated_at": moment}
        assert send(client, shop, "inventory_levels/update", body, event_id=event) == 200
    assert process_shop(shop, at=datetime.now(UTC)) == 2
    assert (Product.objects.get(product_id="202").stock, Product.objects.get(product_id="201").stock) == (42, 5)
    assert sorted(ReceivedWebhook.objects.values_list("status", flat=True)) == ["done", "outdated"]


def refund_line(order: dict[str, Any], refunds: list[dict[str, Any]], refunded: str, left: tuple[int, int]) -> None:
    """Give an order of two lines its refunds, and the quantities that are left of its lines."""
    line = order["lineItems"][0]
    other = {**line, "id": "gid://shopify/LineItem/10012", "variant": {"id": "gid://shopify/ProductVariant/201"}}
    order |= {
        "displayFinancialStatus": "PARTIALLY_REFUNDED",
        "totalPriceSet": money("50.00"),
        "totalRefundedSet": money(refunded),
        "refunds": refunds,
        "lineItems": [{**line, "currentQuantity": left[0]}, {**other, "currentQuantity": left[1]}],
    }


def list_returns() -> list[tuple[str, Decimal, int, list[tuple[str, Decimal, Decimal]]]]:
    """Return ID, total, day, and the lines of all returns that are not cancelled."""
    rows = Order.objects.returns().exclude(status="cancelled").order_by("order_id")
    names = ("product__product_id", "quantity", "total")
    return [(row.order_id, row.total, row.placed_at.day, sorted(row.lines.values_list(*names))) for row in rows]


def test_goods_of_a_single_refund_become_a_return(full: ShopifyServer, shop: ShopConnection) -> None:
    refund = make_refund(1, "2026-10-20T09:00:00Z", "14.00", {10011: (1, "12.50")})
    refund_line(full.records["orders"][0], [refund], "14.00", (1, 2))
    expected = [("1001-R1", Decimal(-14), 20, [("101", Decimal(-1), Decimal("-12.50"))])]
    for _repetition in range(2):
        run_all(shop)
        sale = Order.objects.get(order_id="1001")
        assert (sale.status, sale.refunded, list_returns(), Order.objects.count()) == ("placed", 0, expected, 4)
        assert Order.objects.get(order_id="1001-R1").customer == sale.customer
    # as imported before returns had the ID of their refund
    Order.objects.filter(order_id="1001-R1").update(order_id="1001-returns")
    SyncedRecord.objects.filter(external_id="1001").update(local_ids=["1001", "1001-returns"])
    run_all(shop, "reconciliation", at=NOW + timedelta(days=1))
    former = Order.objects.get(order_id="1001-returns")
    assert (list_returns(), former.status) == (expected, "cancelled")
    assert OrderChange.objects.filter(order_number=former.pk, kind="cancelled").count() == 1


def test_units_that_were_removed_by_editing_are_not_sold() -> None:
    """Shopify's quantities include removed and refunded units: two of each line were ordered, at 12.50."""
    node = make_order(1001)
    refund = make_refund(1, "2026-10-20T09:00:00Z", "5.00", {10012: (1, "12.50")})  # minus a fee for the return

    def map_order(refunds: list[dict[str, Any]], left: tuple[int, int]) -> list[Any]:
        refund_line(node, refunds, "5.00", left)
        lines = node["lineItems"]
        fetched = shopify_records.list_open_refunds(node, lines)
        refund_lines = dict.fromkeys(fetched, refund["refundLineItems"])
        items = shopify_records.map_record("orders", node, {"lineItems": lines}, refund_lines).items
        return [(item.get("status"), [(line["quantity"], line["total"]) for line in item["lines"]]) for item in items]

    assert map_order([], (1, 2)) == [("partly_refunded", [("1", "12.50"), ("2", "25.00")])]
    assert map_order([], (0, 2)) == [("partly_refunded", [("2", "25.00")])]
    assert map_order([], (0, 0)) == [("cancelled", [("2", "25.00"), ("2", "25.00")])]
    sale, (_status, returned) = map_order([refund], (1, 1))
    assert (sale[1], returned) == ([("1", "12.50"), ("2", "25.00")], [("-1", "-12.50")])


def test_an_order_that_has_lost_all_its_lines_is_canceled(full: ShopifyServer, shop: ShopConnection) -> None:
    run_all(shop)
    assert Order.objects.get(order_id="1001").status == "placed"
    full.records["orders"][0] |= {"lineItems": [], "totalPriceSet": money("0.0"), "updatedAt": "2026-11-02T10:00:00Z"}
    run = run_all(shop, "reconciliation", at=NOW + timedelta(days=1))
    assert Order.objects.get(order_id="1001").status == "cancelled"
    assert (run.counts["orders"].get("deleted"), run.counts["orders"].get("rejected")) == (1, None)
    assert run_all(shop, "reconciliation", at=NOW + timedelta(days=2)).counts["orders"].get("deleted") is None


@pytest.mark.parametrize(
    ("financial", "left", "expected"),
    [
        ("REFUNDED", 0, "cancelled"),
        ("PAID", 2, "cancelled"),
        ("PARTIALLY_REFUNDED", 0, "cancelled"),
        ("PARTIALLY_REFUNDED", 1, "partly_refunded"),
    ],
)
def test_a_canceled_order_is_no_purchase(financial: str, left: int, expected: str) -> None:
    node = make_order(1, displayFinancialStatus=financial, cancelledAt="2026-10-06T00:00:00Z")
    node["lineItems"][0]["currentQuantity"] = left
    (item,) = shopify_records.map_record("orders", node, {"lineItems": node["lineItems"]}).items
    assert item["status"] == expected


def test_each_of_several_refunds_becomes_its_own_return(
    full: ShopifyServer, shop: ShopConnection, client: Client
) -> None:
    order = full.records["orders"][0]
    goods = [("101", Decimal(-1), Decimal("-12.50")), ("201", Decimal(-1), Decimal("-12.00"))]
    refunds = [
        make_refund(1, "2026-10-20T09:00:00Z", "26.50", {10011: (1, "12.50"), 10012: (1, "12.00")}),
        make_refund(2, "2026-10-21T09:00:00Z", "5.00", {}),  # money only
        make_refund(3, "2026-10-22T09:00:00Z", "13.00", {10011: (1, "12.50")}),
    ]
    refund_line(order, refunds, "44.50", (0, 1))
    first, third = ("1001-R1", Decimal("-26.5"), 20, goods), ("1001-R3", Decimal(-13), 22, goods[:1])
    for _repetition in range(2):
        run_all(shop)
        sale = Order.objects.get(order_id="1001")
        assert (sale.status, sale.refunded, list_returns()) == ("partly_refunded", 5, [first, third])
    refunds.append(make_refund(4, "2026-10-23T09:00:00Z", "12.00", {10012: (1, "12.00")}))
    refund_line(order, refunds, "56.50", (0, 0))
    for event in ("1", "1", "2"):
        body = {"id": 4, "order_id": 1001}
        headers = {"event_id": event, "triggered_at": f"2026-11-2{event}T10:00:00Z"}
        assert send(client, shop, "refunds/create", body, **headers) == 200
    process_shop(shop, at=datetime.now(UTC))
    last = ("1001-R4", Decimal(-12), 23, goods[1:])
    assert list_returns() == [first, third, last]
    run = run_all(shop, "reconciliation", at=NOW + timedelta(days=1))
    assert (SyncDifference.objects.filter(run=run).count(), list_returns()) == (0, [first, third, last])


def test_a_disabled_shop_stops_its_run(
    full: ShopifyServer, shop: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.connectors.platforms.shopify.PAGE_RECORDS", 1)
    monkeypatch.setattr(runs, "MIN_BATCH", 1)
    original = runs.write_page

    def write_then_disable(*arguments: Any, **options: Any) -> None:
        original(*arguments, **options)
        if arguments[2].records:
            ShopConnection.objects.update(is_enabled=False)

    monkeypatch.setattr(runs, "write_page", write_then_disable)
    run = run_all(shop)
    assert (run.status, "disabled" in run.error, Product.objects.count()) == ("failed", True, 1)
    shop.refresh_from_db()
    assert shop.problem == "", "that someone disabled it is no problem"
    SyncRun.objects.update(status="running")
    runs.continue_due_runs(at=NOW + timedelta(minutes=1))
    run.refresh_from_db()
    assert (run.status, Product.objects.count()) == ("failed", 1)


def test_reconciliation_finds_and_repairs_planted_differences_and_names_their_fields(
    full: ShopifyServer, shop: ShopConnection
) -> None:
    full.records["products"] += [make_product(number) for number in range(4, 14)]
    full.records["orders"] += [make_order(2000 + number, customer=11) for number in range(10)]
    run_all(shop)
    Product.objects.filter(product_id="101").update(price=1)  # changed here
    Product.objects.filter(product_id="201").update(stock=0)
    Product.objects.filter(product_id="202").update(is_active=False)
    OrderLine.objects.filter(order__order_id="2000").delete()
    Order.objects.filter(order_id="2000").delete()  # missing here
    Order.objects.filter(order_id="2001").update(total=1)
    Order.objects.filter(order_id="2002").update(status="refunded")
    OrderLine.objects.filter(order__order_id="2003").update(quantity=5)
    Product.objects.filter(product_id="401").update(description="Old")
    Customer.objects.filter(identifiers__value="11").update(language="de")
    full.records["products"].append(make_product(99))  # a lost webhook
    full.records["orders"].append(make_order(2099, customer=12))
    full.records["products"] = [row for row in full.records["products"] if row["id"] != "gid://shopify/Product/13"]
    full.records["customers"].append(make_customer(14))
    full.hides = {"gid://shopify/Order/2009"}  # the list lacks it, the shop does not
    run = run_all(shop, "reconciliation", at=NOW + timedelta(days=1))
    assert run.status == "done"
    found = {(row.kind, row.external_id): (row.code, row.detail) for row in SyncDifference.objects.filter(run=run)}
    assert {key: code for key, (code, _detail) in found.items()} == {
        ("products", "1"): "different",
        ("products", "2"): "different",
        ("products", "99"): "missing",
        ("products", "13"): "extra",
        ("orders", "2000"): "missing",
        ("orders", "2001"): "different",
        ("orders", "2002"): "different",
        ("orders", "2003"): "different",
        ("products", "4"): "different",
        ("customers", "11"): "different",
        ("orders", "2099"): "missing",
        ("customers", "14"): "missing",
    }
    assert SyncDifference.objects.filter(run=run).count() == 13
    assert found["orders", "2001"][1] == "total: 1.00 → 25.00"
    assert found["orders", "2003"][1] == "lines: 5 × 101 → 2 × 101"
    assert (found["products", "4"][1], found["customers", "11"][1]) == ("description", "language")
    assert str(Product.objects.get(product_id="101").price) == "12.50"
    assert not Product.objects.get(product_id="1301").is_active
    assert Order.objects.get(order_id="2009").status == "placed"
    again = run_all(shop, "reconciliation", at=NOW + timedelta(days=2))
    assert not SyncDifference.objects.filter(run=again).exists()


def test_an_empty_answer_deletes_nothing(full: ShopifyServer, shop: ShopConnection) -> None:
    run_all(shop)
    full.records = {"products": [], "customers": [], "orders": []}
    run = run_all(shop, "reconciliation", at=NOW + timedelta(days=1))
    assert (run.status, run.problems["products: too_many_missing"]) == ("done", 3)
    assert Product.objects.active().count() == 3
    assert not Order.objects.filter(status="cancelled", order_id="1001").exists()


def test_old_orders_that_shopify_hides_are_not_canceled(
    full: ShopifyServer, shop: ShopConnection, client: Client
) -> None:
    now = datetime.now(UTC)
    ages = {1: 70, 2: 61, 3: 30, 4: 20, 5: 10, 6: 5}  # order to days
    full.records["orders"] = []
    for number, days in ages.items():
        moment = (now - timedelta(days=days)).isoformat()
        changed = (now - timedelta(days=3)).isoformat()
        times: dict[str, Any] = {"createdAt": moment, "processedAt": moment, "updatedAt": changed}
        full.records["orders"].append(make_order(number, **times))
    run_all(shop, at=now)
    full.scopes.remove("read_all_orders")
    full.records["orders"] = [row for row in full.records["orders"] if row["name"] != "#3"]
    run = run_all(shop, "reconciliation", at=now)
    assert list(SyncDifference.objects.filter(run=run).values_list("external_id", "code")) == [("3", "extra")]
    for number in (1, 4):
        full.records["orders"] = [row for row in full.records["orders"] if number == 1 or row["name"] != f"#{number}"]
        assert send(client, shop, "orders/updated", {"id": number, "updated_at": now.isoformat()}) == 200
    process_shop(shop, at=datetime.now(UTC))
    assert sorted(Order.objects.filter(status="cancelled").values_list("order_id", flat=True)) == ["3", "4"]
    assert send(client, shop, "orders/delete", {"id": 2}, triggered_at=now.isoformat()) == 200
    process_shop(shop, at=datetime.now(UTC))
    assert Order.objects.get(order_id="2").status == "cancelled", "Shopify has named it"


def test_webhooks_are_registered_once_and_removed(full: ShopifyServer, connector: Connector) -> None:
    webhooks = connector.subscribe("https://perennial.example/hook", {})
    assert connector.subscribe("https://perennial.example/hook", webhooks) == webhooks
    assert len(full.webhooks) == 12
    connector.unsubscribe(webhooks)
    assert not full.webhooks


def test_an_interrupted_request_ends_at_once_and_is_no_failure_of_the_shop(
    full: ShopifyServer, shop: ShopConnection, connector: Connector
) -> None:
    asked, answered = threading.Event(), threading.Event()
    respond = full.respond

    def respond_late(call: Any) -> Answer:
        asked.set()
        answered.wait(DEADLINE_SECONDS)
        return respond(call)

    full.respond = respond_late  # type: ignore[method-assign]
    with prefetch_pages(connector, lambda: connector.iterate_pages("products", {})):
        assert asked.wait(DEADLINE_SECONDS)
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch-pages"]
    answered.set()
    assert not [breaker for breaker in list_breakers() if breaker.name.endswith(urlsplit(shop.address).netloc)]
    with pytest.raises(TemporaryError, match="interrupted"):
        connector.count_records("orders")


def test_pages_are_read_ahead_up_to_a_limit_and_new_keys_are_stored_by_the_caller(
    full: ShopifyServer, shop: ShopConnection, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.connectors.platforms.shopify.PAGE_RECORDS", 1)
    full.records["products"] = [make_product(number) for number in range(1, 11)]
    read = list[int]()

    def read_pages() -> Iterator[RecordPage]:
        for page in connector.iterate_pages("products", {}):
            read.append(len(page.records))
            yield page

    with prefetch_pages(connector, read_pages) as pages:
        for number, _page in enumerate(pages, 1):
            ahead = min(number + 2, 12)  # one waits, one more is read
            wait_until(lambda ahead=ahead: len(read) >= ahead)
            assert len(read) == ahead
    assert (sum(read), number) == (10, 12)
    shop.refresh_from_db()
    assert json.loads(shop.credentials)["access_token"] == full.tokens[-1]


def test_updates_read_what_changed_by_the_shops_clock(full: ShopifyServer, shop: ShopConnection) -> None:
    run_all(shop)
    shop.refresh_from_db()
    assert shop.watermarks["orders"] == "2026-11-01T10:00:00+00:00", "the clock of the shop, not ours"
    full.records["orders"].append(make_order(1006, customer=11, updatedAt="2026-11-01T09:55:00Z"))
    run = run_all(shop, "update", at=NOW + timedelta(hours=1))
    assert Order.objects.filter(order_id="1006").exists(), "within the overlap"
    assert run.counts["orders"]["seen"] == 5
