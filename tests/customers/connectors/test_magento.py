"""Magento: pages by ID, variants, stock and changes without webhooks, against a server that follows its REST API."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.models import Product
from customers.connectors.models import ShopConnection, SyncDifference
from customers.connectors.platforms import magento
from customers.connectors.platforms.base import PlatformError
from customers.connectors.sync.access import open_connector
from customers.connectors.sync.runs import continue_run, start_due_runs, start_run
from customers.identity.models import Consent, Identifier
from customers.orders.models import Order
from tests.customers.connectors.makers import make_connection
from tests.customers.connectors.platforms.magento_server import (
    TOKEN,
    MagentoServer,
    make_customer,
    make_order,
    make_product,
)
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR, TOO_MANY

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[MagentoServer]:
    server = MagentoServer()
    server.records["/products"] = [
        make_product(1),
        make_product(2, visibility=1),
        make_product(3, type_id="configurable", children=(2,)),
    ]
    server.records["/customers/search"] = [
        make_customer(1),
        make_customer(2, extension_attributes={"is_subscribed": False}),
    ]
    server.records["/orders"] = [
        make_order(1, customer=1),
        make_order(2, base_total_refunded=10.0),
        make_order(3, state="canceled"),
    ]
    server.stock = {"BAG-1": 0, "BAG-2": 7}
    with server.run():
        yield server


@pytest.fixture
def bags(server: MagentoServer) -> ShopConnection:
    return make_connection("magento", server.url, {"access_token": TOKEN})


def run_all(shop: ShopConnection, kind: str = "backfill", *, at: datetime = NOW) -> Any:
    shop.refresh_from_db()
    run = start_run(shop, kind, at=at)
    assert run is not None
    return continue_run(run, at=at)


def test_backfill_and_reconciliation(
    server: MagentoServer, bags: ShopConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(magento, "PAGE_SIZE", 2)
    server.faults = [SERVER_ERROR, TOO_MANY]
    run = run_all(bags)
    assert (run.status, run.error) == ("done", "")
    bag = Product.objects.get(product_id="BAG-2")
    assert (bag.parent_id, bag.stock, str(bag.price), bag.category and bag.category.path) == (
        "3",
        7,
        "40.00",
        "Gear > Bags",
    )
    assert (bag.url, bag.brand, bag.is_active) == (f"{server.url}/bag-3.html", "Acme", True), (
        "sold on its product's page"
    )
    assert Product.objects.get(product_id="BAG-1").url == f"{server.url}/bag-1.html"
    assert bag.image_url == f"{server.url}/media/catalog/product/b/a/bag.jpg"
    assert Product.objects.get(product_id="BAG-1").availability == "out_of_stock"
    assert not Product.objects.filter(product_id="BAG-3").exists(), "a configurable product cannot be bought"
    ada = Identifier.objects.get(kind="user_id", value="1").customer
    assert Consent.objects.get(customer=ada).status == "granted"
    orders = {order.order_id: order for order in Order.objects.all()}
    assert {key: order.status for key, order in orders.items()} == {
        "000001": "placed",
        "000002": "partly_refunded",
        "000003": "cancelled",
    }
    assert orders["000001"].lines.count() == 1, "the row of the variant is part of the product's"
    assert (orders["000001"].channel, str(orders["000001"].total)) == ("Default Store View", "41.00")
    Order.objects.filter(order_id="000001").update(total=1)
    server.records["/products"].pop(0)
    compared = run_all(bags, "reconciliation", at=NOW + timedelta(days=1))
    found = set(SyncDifference.objects.filter(run=compared).values_list("kind", "external_id", "code"))
    assert found == {("orders", "1", "different"), ("products", "1", "extra")}
    assert not Product.objects.get(product_id="BAG-1").is_active


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        ({"special_price": "30.0000"}, "30.0000"),
        ({"special_price": "30.0000", "special_from_date": "2026-11-24 00:00:00"}, "30.0000"),
        ({"special_price": "30.0000", "special_to_date": "2026-11-24 00:00:00"}, "30.0000"),
        ({"special_price": "30.0000", "special_to_date": "2026-11-23 00:00:00"}, "40"),
        ({"special_price": "30.0000", "special_from_date": "2026-11-25 00:00:00"}, "40"),
        ({"special_price": "50.0000"}, "40"),
        ({}, "40"),
    ],
)
def test_a_special_price_applies_in_its_period_and_if_it_is_lower(special: dict[str, str], expected: str) -> None:
    attributes = {} if expected == "40" else {"regular_price": "40"}
    found = magento.find_prices(40, special, now=NOW)
    assert found == {"price": expected, "attributes": attributes}, "the attribute is removed after the sale"


@pytest.mark.parametrize(
    ("denied", "backorder"), [("", "backorder"), ("/inventory/are-products-salable", "out_of_stock")]
)
def test_the_stock_status_and_backorders_count(
    denied: str, backorder: str, server: MagentoServer, bags: ShopConnection
) -> None:
    server.denied = denied
    server.records["/products"] = [make_product(number) for number in (1, 2, 3, 4)]
    server.stock = {"BAG-1": 0, "BAG-2": -1, "BAG-3": 5, "BAG-4": 5}
    server.backorders, server.disabled_stock = {"BAG-2"}, {"BAG-3"}
    run_all(bags)
    assert dict(Product.objects.values_list("product_id", "availability")) == {
        "BAG-1": "out_of_stock",
        "BAG-2": backorder,
        "BAG-3": "out_of_stock",
        "BAG-4": "in_stock",
    }


def test_products_without_a_page_are_inactive(server: MagentoServer, bags: ShopConnection) -> None:
    server.url_suffix = ""
    server.records["/products"][2]["status"] = 2
    server.records["/products"].append(make_product(4, visibility=1))
    run_all(bags)
    found = Product.objects.order_by("product_id").values_list("product_id", "is_active", "url")
    assert list(found) == [
        ("BAG-1", True, f"{server.url}/bag-1"),
        ("BAG-2", False, f"{server.url}/bag-3"),
        ("BAG-4", False, ""),
    ]


def test_credit_memos_become_returns(server: MagentoServer, bags: ShopConnection) -> None:
    item = {"order_item_id": 20, "sku": "BAG-2", "name": "Bag", "qty": 1, "base_price": 40, "base_discount_amount": 4}
    part = {**item, "order_item_id": 21, "base_price": 0}
    server.credit_memos = [
        {
            "entity_id": 5,
            "increment_id": "000001",
            "order_id": 2,
            "created_at": "2026-10-20 09:00:00",
            "base_grand_total": 36,
            "items": [item, part],
        }
    ]
    server.records["/orders"][1]["base_total_refunded"] = 41
    run_all(bags)
    sale, returned = Order.objects.get(order_id="000002"), Order.objects.get(order_id="000002-CM000001")
    assert (sale.status, str(sale.refunded)) == ("partly_refunded", "5.00"), "the shipping was paid back without goods"
    assert (returned.kind, str(returned.total)) == ("return", "-36.00")
    assert returned.lines.values_list("quantity", "total").get() == (-1, -36)


@pytest.mark.parametrize(
    ("discount", "tax", "total"), [(20, 3.19, "67.22"), (100, 15.97, "0.00"), (100, 15.96, "0.00")]
)
def test_the_tax_in_a_discount_is_not_taken_off_a_price_without_tax(discount: float, tax: float, total: str) -> None:
    item = {"sku": "BAG-1", "qty_ordered": 1, "base_price": 84.03}
    line = magento.map_line({**item, "base_discount_amount": discount, "base_discount_tax_compensation_amount": tax})
    assert line["total"] == total


def test_changes_are_read_every_ten_minutes(server: MagentoServer, bags: ShopConnection) -> None:
    run_all(bags)
    ShopConnection.objects.update(next_run_at=NOW + timedelta(minutes=10))
    server.records["/orders"].append(make_order(4, updated_at="2026-11-01 10:30:00"))
    assert start_due_runs(at=NOW + timedelta(minutes=9)) == 0
    assert start_due_runs(at=NOW + timedelta(minutes=10)) == 1
    run = bags.runs.first()
    assert run is not None
    assert continue_run(run, at=NOW + timedelta(minutes=10)).kind == "update"
    assert Order.objects.filter(order_id="000004").exists()


def test_tokens_and_permissions_are_explained(server: MagentoServer, bags: ShopConnection) -> None:
    with open_connector(bags) as connector:
        assert (connector.authorise().currency, connector.count_records("orders")) == ("USD", 3)
        server.denied = "/orders"
        with pytest.raises(PlatformError, match="is not allowed to read"):
            connector.authorise()
    bags.credentials = json.dumps({"access_token": "wrong"})
    with open_connector(bags) as connector, pytest.raises(PlatformError, match="rejects the access token"):
        connector.authorise()
