"""Shopify's order export, as Shopify writes it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderImport
from tests.makers import make_source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

SHOPIFY_HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,"
    "Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,"
    "Billing Name,Billing Country,Shipping Country,Cancelled at,Refunded Amount,Vendor,Id,Source,Lineitem discount"
)


def write(path: Path, header: str, rows: list[dict[str, Any]]) -> Path:
    columns = header.split(",")
    lines = [header]
    lines += [",".join(str(row.get(column, "")) for column in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"


def load(path: Path, preset: str) -> OrderImport:
    return import_orders(path=path, source=make_source(), preset=preset, started_at=NOW, currency="USD")


def shopify_order(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Email": "ada@example.org",
        "Financial Status": "paid",
        "Currency": "EUR",
        "Total": "53.91",
        "Shipping": "4.90",
        "Taxes": "0.00",
        "Discount Amount": "0.00",
        "Created at": "2026-05-07 09:50:26 +0200",
        "Lineitem quantity": 1,
        "Lineitem name": "Lip balm",
        "Lineitem price": "53.91",
        "Lineitem sku": "balm-1",
        "Lineitem discount": "0.00",
        **fields,
    }


def test_order_values_are_read_from_the_first_row_of_an_order(tmp_path: Path) -> None:
    first = shopify_order(
        "#1001",
        **{
            "Total": "48.00",
            "Discount Code": "WELCOME10",
            "Discount Amount": "5.00",
            "Lineitem quantity": 2,
            "Lineitem price": "20.00",
            "Vendor": "Leaf",
            "Source": "web",
            "Shipping Country": "FR",
        },
    )
    second = {
        "Name": "#1001",
        "Email": "ada@example.org",
        "Created at": "2026-05-07 09:50:26 +0200",
        "Lineitem quantity": 1,
        "Lineitem name": "Gift card",
        "Lineitem price": "10.00",
        "Lineitem discount": "1.90",
    }
    run = load(write(tmp_path / "orders.csv", SHOPIFY_HEADER, [first, second]), "shopify")
    assert (run.loaded, run.rejected) == (2, 0)
    order = Order.objects.get()
    assert (order.order_id, order.currency, order.coupon, order.channel) == ("#1001", "EUR", "WELCOME10", "web")
    assert (order.subtotal, order.discount, order.shipping, order.total) == (
        Decimal("48.10"),
        Decimal("5.00"),
        Decimal("4.90"),
        Decimal("48.00"),
    )
    assert order.placed_at == datetime(2026, 5, 7, 7, 50, 26, tzinfo=UTC)
    # without a SKU, the name is the product's id
    assert [line.product.product_id for line in order.lines.select_related("product")] == ["balm-1", "Gift card"]
    identifier = Identifier.objects.get()
    assert (identifier.kind, identifier.value) == ("email_hash", hash_email("ada@example.org"))
    assert identifier.customer == order.customer
    assert identifier.customer.email == "ada@example.org"
    assert identifier.customer.country == "FR"


def test_shopify_statuses_are_translated(tmp_path: Path) -> None:
    rows = [
        shopify_order("#1", **{"Financial Status": "refunded", "Refunded Amount": "53.91"}),
        shopify_order("#2", **{"Financial Status": "partially_refunded", "Refunded Amount": "10.00"}),
        shopify_order("#3", **{"Financial Status": "voided"}),
        shopify_order("#4", **{"Financial Status": "refunded", "Cancelled at": "2026-05-08 10:00:00 +0200"}),
        shopify_order("#5", **{"Financial Status": "pending", "Email": ""}),
    ]
    run = load(write(tmp_path / "orders.csv", SHOPIFY_HEADER, rows), "shopify")
    assert run.loaded == 5
    assert dict(Order.objects.values_list("order_id", "status")) == {
        "#1": "refunded",
        "#2": "partly_refunded",
        "#3": "cancelled",
        "#4": "cancelled",
        "#5": "placed",
    }
    assert Order.objects.get(order_id="#2").refunded == Decimal("10.00")
    assert Order.objects.get(order_id="#5").customer is None
    assert run.counts["guest_lines"] == 1
